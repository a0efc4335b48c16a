// A validator's CometBFT JSON-RPC, one HTTP round trip a call. broadcast never throws and never guesses: only a
// well-formed CheckTx answer is one, and only a request that never reached a socket is "not sent".
// Source: cometbft rpc/core (mempool.go, status.go, abci.go), rpc/jsonrpc/types.
import { z } from 'zod';
import type { Block, BroadcastAnswer, Validator } from '../core/ports.ts';
import { createHttp, type HttpOutcome } from './http.ts';
import { readMessage, stringField } from './protobuf.ts';

const MAX_RESPONSE_BYTES = 1024 * 1024;

export type ValidatorOptions = {
  /** RPC base URL, e.g. https://rpc.example.org:443 */
  readonly url: string;
  /** Deadline of every call, see http.ts. Above the node's own CheckTx time, below the queue's lock time. */
  readonly timeoutMs: number;
  /** Sockets at most; at least rate × latency. Default 256. */
  readonly connections?: number;
};

export function createValidator(
  options: ValidatorOptions,
): Validator & { readonly close: () => Promise<void> } {
  const { url, timeoutMs, connections = 256 } = options;
  const http = createHttp({ url, timeoutMs, connections, maxResponseBytes: MAX_RESPONSE_BYTES });
  // Paid RPC URLs carry their key in the path: errors name the host only.
  const host = new URL(url).host;

  /** For everything but broadcast: the result, or an Error that says which call failed and why. */
  async function query(method: string, params: object): Promise<unknown> {
    const reply = readReply(await http.postJson(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })));
    switch (reply.kind) {
      case 'result':
        return reply.result;
      case 'rpc_error':
        throw new Error(`${method} failed at ${host}: ${reply.message} (${reply.code})`);
      case 'not_sent':
      case 'no_answer':
        throw new Error(`${method} failed at ${host}: ${reply.reason}`);
    }
  }

  async function status(): Promise<z.infer<typeof STATUS>> {
    const parsed = STATUS.safeParse(await query('status', {}));
    if (!parsed.success) throw new Error(`malformed status from ${host}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  }

  return {
    broadcast: async (bytes, mayLeave) => {
      const tx = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
      const body = `{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_sync","params":{"tx":"${tx}"}}`;
      return readBroadcast(await http.postJson(body, mayLeave));
    },

    latestBlock: async (): Promise<Block> => {
      const { sync_info } = await status();
      // A node that is still syncing knows old blocks only; its height would make every order expire early.
      if (sync_info.catching_up) throw new Error(`${host} is catching up, its height is not the chain's`);
      return { height: sync_info.latest_block_height, time: sync_info.latest_block_time };
    },

    chainId: async () => (await status()).node_info.network,

    accountNumber: async (address) => {
      const data = Buffer.from(stringField(1, address)).toString('hex');
      const result = await query('abci_query', { path: ACCOUNT_QUERY, data, prove: false });
      const parsed = ABCI_QUERY.safeParse(result);
      if (!parsed.success)
        throw new Error(`malformed abci_query from ${host}: ${z.prettifyError(parsed.error)}`);
      const { code, log, value } = parsed.data.response;
      if (code === NOT_FOUND_CODE || (code !== 0 && /not found/i.test(log))) {
        throw new Error(`account ${address} has never been funded: send it USDC or the chain's token first`);
      }
      if (code !== 0) throw new Error(`account query for ${address} failed at ${host}: ${log} (${code})`);
      return readAccountNumber(Buffer.from(value ?? '', 'base64'), address);
    },

    close: () => http.close(),
  };
}

const ACCOUNT_QUERY = '/cosmos.auth.v1beta1.Query/Account';
/** sdk/22, ErrKeyNotFound: what baseapp makes of gRPC NotFound */
const NOT_FOUND_CODE = 22;
const BASE_ACCOUNT = '/cosmos.auth.v1beta1.BaseAccount';

const STATUS = z.object({
  node_info: z.object({ network: z.string().min(1) }),
  sync_info: z.object({
    latest_block_height: z
      .string()
      .regex(/^\d{1,15}$/)
      .transform(Number),
    latest_block_time: z
      .string()
      .transform((text) => new Date(text))
      .refine((time) => !Number.isNaN(time.getTime()), 'not a time'),
    catching_up: z.boolean().optional(),
  }),
});

const ABCI_QUERY = z.object({
  response: z.object({
    code: z.int().default(0),
    log: z.string().default(''),
    value: z.string().nullish(),
  }),
});

type Reply =
  | { readonly kind: 'result'; readonly result: unknown }
  | Exclude<BroadcastAnswer, { readonly kind: 'check_tx' }>;

/** HTTP outcome → JSON-RPC result or error; anything that is neither is no answer. */
function readReply(outcome: HttpOutcome): Reply {
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

function readBroadcast(outcome: HttpOutcome): BroadcastAnswer {
  const reply = readReply(outcome);
  if (reply.kind !== 'result') return reply;
  const result = reply.result;
  if (!isRecord(result) || !isInteger(result['code'])) return noAnswer('CheckTx answer without a code');
  const { codespace, log } = result;
  return {
    kind: 'check_tx',
    code: result['code'],
    codespace: typeof codespace === 'string' ? codespace : '',
    log: typeof log === 'string' ? log : '',
  };
}

/** QueryAccountResponse{1: Any{1: type_url, 2: BaseAccount{3: account_number}}} */
function readAccountNumber(value: Uint8Array, address: string): number {
  const any = readMessage(readMessage(value)?.bytes(1) ?? new Uint8Array(0));
  const typeUrl = Buffer.from(any?.bytes(1) ?? []).toString('utf8');
  if (typeUrl !== BASE_ACCOUNT) {
    throw new Error(
      `account ${address} is ${typeUrl === '' ? 'malformed' : `a ${typeUrl}`}, not a ${BASE_ACCOUNT}`,
    );
  }
  const account = readMessage(any?.bytes(2) ?? new Uint8Array(0));
  const owner = Buffer.from(account?.bytes(1) ?? []).toString('utf8');
  // proto3 leaves out zero, and number 0 is a real account; the address proves that the rest was read right.
  const accountNumber = Number(account?.uint64(3) ?? 0n);
  if (owner !== address || !Number.isSafeInteger(accountNumber)) {
    throw new Error(`malformed account for ${address}: address ${owner}, number ${accountNumber}`);
  }
  return accountNumber;
}

function noAnswer(reason: string): { readonly kind: 'no_answer'; readonly reason: string } {
  return { kind: 'no_answer', reason };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
