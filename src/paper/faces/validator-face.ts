// A validator as clients see it: CometBFT JSON-RPC over POST /, one address a node. Answers have the shapes that the
// unmodified v4-client-js decodes (facts §8).

import type { Interference, Network, Submission } from '../node/network.ts';
import type { PaperNode } from '../node/node.ts';
import type { FaultOn } from './fault-schema.ts';
import type { Faults } from './faults.ts';
import { dropConnection, type Exchange, sendJson } from './http-reply.ts';
import type { RequestCounts } from './request-counts.ts';
import { answerQuery, fail, INTERNAL, type Outcome, type Params } from './rpc-queries.ts';
import { spoil } from './spoil.ts';

type Id = string | number | null;

/** What a request that was never handled would have been answered; nobody gets to see it. */
const NOTHING: Outcome = { result: null };
const UNKNOWN_OUTCOME = fail(
  INTERNAL,
  'Internal error',
  'broadcast confirmation not received: context deadline exceeded',
);

function envelope(id: Id, outcome: Outcome): unknown {
  return { jsonrpc: '2.0', id, ...outcome };
}

function broadcastOutcome(submission: Submission, isAsync: boolean): Outcome {
  if (submission.kind === 'seen') return fail(INTERNAL, 'Internal error', 'tx already exists in cache');
  const { hash } = submission;
  if (isAsync || !submission.refusal)
    return { result: { code: 0, data: '', log: isAsync ? '' : '[]', codespace: '', hash } };
  const { code, codespace, log } = submission.refusal;
  return { result: { code, data: '', log, codespace, hash } };
}

/** Was the transaction handled before the answer went wrong? A gateway's own error page says it was not. */
const IS_PROCESSED: Readonly<Record<FaultOn<'broadcast'>['action'], boolean>> = {
  drop_before: false,
  hang_before: false,
  http_502: false,
  http_429: false,
  html: false,
  drop_after: true,
  hang_after: true,
  delay_answer: true,
  truncate: true,
  empty: true,
  oversize: true,
  unknown_outcome: true,
  reject: true,
  fail_in_block: true,
  lose: true,
};

function interferenceOf({ action, params }: FaultOn<'broadcast'>): Interference {
  const { codespace = 'clob', code = 1, log = 'refused by an injected fault' } = params ?? {};
  if (action === 'reject') return { checkTx: { codespace, code, log } };
  if (action === 'fail_in_block') return { deliverTx: { codespace, code, log } };
  return { isLost: action === 'lose' };
}

function answerBroadcast(
  deps: ValidatorDeps,
  node: PaperNode,
  exchange: Exchange,
  id: Id,
  method: string,
  bytes: Buffer,
): undefined {
  const fault = deps.faults.take('broadcast', exchange.request, { node: node.index });
  const process = (): Outcome => {
    const submission = deps.network.submit(node, bytes, fault && interferenceOf(fault));
    return broadcastOutcome(submission, method === 'broadcast_tx_async');
  };
  if (!fault) return sendJson(exchange, 200, envelope(id, process()));
  const outcome = IS_PROCESSED[fault.action] ? process() : NOTHING;
  switch (fault.action) {
    case 'unknown_outcome':
      return sendJson(exchange, 200, envelope(id, UNKNOWN_OUTCOME));
    case 'reject':
    case 'fail_in_block':
    case 'lose':
      return sendJson(exchange, 200, envelope(id, outcome));
    default:
      return spoil(exchange, fault.action, { status: 200, body: envelope(id, outcome) }, fault.params);
  }
}

export type ValidatorDeps = {
  readonly network: Network;
  readonly faults: Faults;
  readonly requests: RequestCounts;
};

function isRecord(value: unknown): value is Params {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function answerRpc(deps: ValidatorDeps, node: PaperNode, exchange: Exchange, body: Buffer): undefined {
  if (node.settings.is_down) return dropConnection(exchange);
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    return sendJson(exchange, 500, envelope(null, fail(-32700, 'Parse error. Invalid JSON', 'not JSON')));
  }
  const call = isRecord(parsed) ? parsed : {};
  const id = typeof call['id'] === 'string' || typeof call['id'] === 'number' ? call['id'] : null;
  const params = isRecord(call['params']) ? call['params'] : {};
  const method = call['method'];
  if (typeof method !== 'string') {
    return sendJson(exchange, 500, envelope(id, fail(-32600, 'Invalid Request', 'a method is needed')));
  }
  deps.requests.countRpc(method);
  if (method === 'broadcast_tx_sync' || method === 'broadcast_tx_async') {
    const tx = params['tx'];
    if (typeof tx !== 'string') {
      return sendJson(exchange, 500, envelope(id, fail(-32602, 'Invalid params', 'tx must be base64 text')));
    }
    return answerBroadcast(deps, node, exchange, id, method, Buffer.from(tx, 'base64'));
  }
  const fault = deps.faults.take('rpc', exchange.request, { node: node.index, method });
  const answer = envelope(id, answerQuery(node, method, params));
  if (fault) return spoil(exchange, fault.action, { status: 200, body: answer }, fault.params);
  sendJson(exchange, 200, answer);
}
