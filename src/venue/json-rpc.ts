// CometBFT's JSON-RPC over HTTP, one round trip a call: what came back as a value, or as an Error that names the host.
// Paid RPC URLs carry their key in the path: nothing here ever shows more of a URL than its host.
// Source: cometbft rpc/jsonrpc/types/types.go.
import type { BroadcastAnswer } from '../core/ports.ts';
import { createHttp, type HttpClient, type HttpOptions, type HttpOutcome } from './http.ts';

/** Our own transactions and accounts are small; whoever sends more is no node of ours. */
const MAX_RESPONSE_BYTES = 1024 * 1024;

export type RpcReply =
  | { readonly kind: 'result'; readonly result: Readonly<Record<string, unknown>> }
  | Exclude<BroadcastAnswer, { readonly kind: 'check_tx' }>;

export type JsonRpc = {
  /** host and port of the node */
  readonly host: string;
  /** The whole request as text. @param mayLeave see http.ts */
  readonly post: (body: string, mayLeave?: () => boolean) => Promise<RpcReply>;
  readonly call: (method: string, params: object) => Promise<RpcReply>;
  /** The result, or an Error that says which call failed and why. */
  readonly ask: (method: string, params: object) => Promise<Readonly<Record<string, unknown>>>;
  readonly close: () => Promise<void>;
};

/** @param http in place of a connection of its own */
export function createJsonRpc(
  options: Omit<HttpOptions, 'maxResponseBytes'>,
  http = connect(options),
): JsonRpc {
  const { host } = new URL(options.url);
  const post = async (body: string, mayLeave?: () => boolean) =>
    readReply(await http.postJson(body, mayLeave));
  const call = (method: string, params: object) =>
    post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  return {
    host,
    post,
    call,
    ask: async (method, params) => {
      const reply = await call(method, params);
      if (reply.kind === 'result') return reply.result;
      throw new Error(`${method} failed at ${host}: ${whyFailed(reply)}`);
    },
    close: http.close,
  };
}

function connect(options: Omit<HttpOptions, 'maxResponseBytes'>): HttpClient {
  return createHttp({ ...options, maxResponseBytes: MAX_RESPONSE_BYTES });
}

export function whyFailed(reply: Exclude<RpcReply, { kind: 'result' }>): string {
  return reply.kind === 'rpc_error' ? `${reply.message} (${reply.code})` : reply.reason;
}

/** HTTP outcome → JSON-RPC result or error; anything that is neither is no answer. */
function readReply(outcome: HttpOutcome): RpcReply {
  if (outcome.kind === 'failed') {
    return { kind: outcome.isSent ? 'no_answer' : 'not_sent', reason: outcome.reason };
  }
  if (outcome.status !== 200) return noAnswer(`HTTP ${outcome.status}`);
  if (outcome.body === '') return noAnswer('empty body');
  let reply: unknown;
  try {
    reply = JSON.parse(outcome.body);
  } catch {
    return noAnswer(`not JSON: ${outcome.body.slice(0, 80)}`);
  }
  if (!isRecord(reply)) return noAnswer('not a JSON-RPC answer');
  const { error, result } = reply;
  if (isRecord(error)) {
    if (!isInteger(error['code'])) return noAnswer('JSON-RPC error without a code');
    // CometBFT says "Internal error" in message and the cause, e.g. "tx already exists in cache", in data.
    const { data, message } = error;
    const text = typeof data === 'string' && data !== '' ? data : message;
    return { kind: 'rpc_error', code: error['code'], message: typeof text === 'string' ? text : '' };
  }
  if (!isRecord(result)) return noAnswer('JSON-RPC answer without a result');
  return { kind: 'result', result };
}

export function noAnswer(reason: string): { readonly kind: 'no_answer'; readonly reason: string } {
  return { kind: 'no_answer', reason };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
