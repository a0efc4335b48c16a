// Questions to a paper exchange over HTTP: JSON-RPC, ABCI queries, REST and the control face, as any client asks them.
import { dydx } from '../../src/chain/dydx.ts';
import type { NodeStatus } from '../../src/paper/faces/controls.ts';

export type Answer = {
  readonly code: number;
  readonly codespace: string;
  readonly log: string;
  readonly hash: string;
};
export type RpcAnswer<T = Answer> = {
  readonly result?: T;
  readonly error?: { code: number; message: string; data: string };
};

export async function getJson<T = Record<string, unknown>>(
  url: string,
): Promise<{ status: number; body: T }> {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as T };
}

export async function postJson<T = Record<string, unknown>>(
  url: string,
  body: unknown,
): Promise<{ status: number; body: T }> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as T };
}

export async function rpc<T = Answer>(
  url: string,
  method: string,
  params: Record<string, unknown> = {},
): Promise<RpcAnswer<T>> {
  const { body } = await postJson<RpcAnswer<T>>(url, { jsonrpc: '2.0', id: 1, method, params });
  return body;
}

export function broadcast(url: string, bytes: Uint8Array): Promise<RpcAnswer> {
  return rpc(url, 'broadcast_tx_sync', { tx: Buffer.from(bytes).toString('base64') });
}

export function findTx(url: string, hash: string): Promise<RpcAnswer<Record<string, unknown>>> {
  return rpc(url, 'tx', { hash: Buffer.from(hash, 'hex').toString('base64') });
}

type Status = {
  node_info: { other: { tx_index: string } };
  sync_info: { latest_block_height: string; latest_block_time: string; catching_up: boolean };
};

export async function statusOf(url: string): Promise<Status> {
  const { result } = await rpc<Status>(url, 'status');
  if (!result) throw new Error('no status');
  return result;
}

/** Of the node's last block: what timestamp nonces and good-til-block-times are judged by. */
export async function blockTimeMs(url: string): Promise<number> {
  return Date.parse((await statusOf(url)).sync_info.latest_block_time);
}

type AbciResponse = {
  code: number;
  log: string;
  value: string | null;
  height: string;
  codespace: string;
};

export async function abci(url: string, path: string, data: Uint8Array): Promise<AbciResponse> {
  const params = { path, data: Buffer.from(data).toString('hex'), prove: false };
  const { result } = await rpc<{ response: AbciResponse }>(url, 'abci_query', params);
  if (!result) throw new Error('no response');
  return result.response;
}

/** Undefined when the state has no such order. */
export async function findStateful(url: string, owner: string, clientId: number, orderFlags = 64) {
  const orderId = { subaccountId: { owner, number: 0 }, clientId, orderFlags, clobPairId: 0 };
  const request = dydx.ClobModule.QueryStatefulOrderRequest.encode({ orderId }).finish();
  const { value } = await abci(url, '/dydxprotocol.clob.Query/StatefulOrder', request);
  if (value === null) return undefined;
  const found = dydx.ClobModule.QueryStatefulOrderResponse.decode(Buffer.from(value, 'base64'));
  return {
    height: found.orderPlacement?.placementIndex?.blockHeight,
    index: found.orderPlacement?.placementIndex?.transactionIndex,
    quantums: found.orderPlacement?.order?.quantums.toString(),
    filled: found.fillAmount.toString(),
    triggered: found.triggered,
  };
}

export async function nodesOf(paperUrl: string): Promise<readonly NodeStatus[]> {
  const { body } = await getJson<{ nodes: NodeStatus[] }>(`${paperUrl}/paper/nodes`);
  return body.nodes;
}
