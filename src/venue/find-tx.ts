// Where a transaction is, as one node sees it. Invariant: "absent" is said only by a node that indexes transactions and
// has every block since the signature, and only up to the block that it named before it was asked for the transaction. A
// node names a block a moment before it has indexed it, so whoever builds a proof on absence keeps a margin
// (core/stateful.ts).
// Source: cometbft rpc/core/tx.go ("tx (HASH) not found"), state/txindex/indexer_service.go.
import { z } from 'zod';
import type { TxLookup } from '../core/ports.ts';
import { type JsonRpc, whyFailed } from './json-rpc.ts';
import { HEIGHT, type NodeStatus } from './node-status.ts';

const HASH = /^[0-9A-F]{64}$/;

const TX = z.object({
  hash: z.string().transform((hash) => hash.toUpperCase()),
  height: HEIGHT,
  tx_result: z.object({
    code: z.int().default(0),
    codespace: z.string().default(''),
    log: z.string().default(''),
  }),
});

/**
 * Throws when this node cannot say.
 * @param askWitness its status, or an Error when its word does not count (witness.ts)
 * @param hash upper-case hex
 * @param sinceHeight see the port
 */
export async function findTx(
  rpc: JsonRpc,
  askWitness: () => Promise<NodeStatus>,
  hash: string,
  sinceHeight?: number,
): Promise<TxLookup> {
  if (!HASH.test(hash)) throw new Error(`${hash} is no transaction hash: 64 upper-case hex digits`);
  // Before the look-up: what it committed in between may be in a later block only.
  const status = await askWitness();
  const reply = await rpc.call('tx', { hash: Buffer.from(hash, 'hex').toString('base64'), prove: false });
  if (reply.kind === 'result') {
    const parsed = TX.safeParse(reply.result);
    if (!parsed.success) throw new Error(`malformed tx from ${rpc.host}: ${z.prettifyError(parsed.error)}`);
    const { height, tx_result } = parsed.data;
    if (parsed.data.hash !== hash) throw new Error(`${rpc.host} was asked for tx ${hash}, told of another`);
    return { kind: 'included', hash, height, ...tx_result };
  }
  const isNotFound = reply.kind === 'rpc_error' && isNotFoundOf(hash, reply.message);
  if (!isNotFound) throw new Error(`tx failed at ${rpc.host}: ${whyFailed(reply)}`);
  const why = whyAbsenceProvesNothing(status, sinceHeight);
  if (why !== undefined) throw new Error(`${rpc.host} ${why}: that it knows no tx ${hash} proves nothing`);
  return { kind: 'absent', block: status.block };
}

function whyAbsenceProvesNothing(
  { isIndexing, earliestHeight }: NodeStatus,
  sinceHeight: number | undefined,
): string | undefined {
  if (!isIndexing) return 'does not index transactions';
  if (sinceHeight === undefined) return undefined;
  if (earliestHeight === undefined) return 'does not say which is its first block';
  return earliestHeight <= sinceHeight
    ? undefined
    : `knows blocks from ${earliestHeight} on, not from ${sinceHeight} on`;
}

/** A gateway's "method not found" is no word about the transaction. */
function isNotFoundOf(hash: string, message: string): boolean {
  return message.toUpperCase().includes(`(${hash}) NOT FOUND`);
}
