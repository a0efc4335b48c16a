// One gRPC query to the application behind a node, by ABCI. Not found is a value; anything else that is no answer throws.
// Source: cometbft rpc/core/abci.go, cosmos-sdk baseapp/abci.go (gRPC status → code).
import { z } from 'zod';
import type { JsonRpc } from './json-rpc.ts';
import { HEIGHT } from './node-status.ts';

export type AbciAnswer =
  | { readonly kind: 'found'; readonly value: Uint8Array; readonly height: number }
  | { readonly kind: 'not_found'; readonly height: number };

/** sdk/22, ErrKeyNotFound: what baseapp makes of gRPC NotFound */
const NOT_FOUND_CODE = 22;

const ABCI_QUERY = z.object({
  response: z.object({
    code: z.int().default(0),
    log: z.string().default(''),
    value: z.base64().nullish(),
    /** absent when it is 0: then the answer is of no block */
    height: HEIGHT.default(0),
  }),
});

/** @param path full gRPC method @param data the request as protobuf */
export async function abciQuery(rpc: JsonRpc, path: string, data: Uint8Array): Promise<AbciAnswer> {
  const params = { path, data: Buffer.from(data).toString('hex'), prove: false };
  const parsed = ABCI_QUERY.safeParse(await rpc.ask('abci_query', params));
  if (!parsed.success) {
    throw new Error(`malformed answer to ${path} from ${rpc.host}: ${z.prettifyError(parsed.error)}`);
  }
  const { code, log, value, height } = parsed.data.response;
  if (code === NOT_FOUND_CODE || (code !== 0 && /not found/i.test(log))) return { kind: 'not_found', height };
  if (code !== 0) throw new Error(`${path} failed at ${rpc.host}: ${log} (${code})`);
  return { kind: 'found', value: Buffer.from(value ?? '', 'base64'), height };
}
