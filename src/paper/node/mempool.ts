// A node's door for transactions: the cache of seen bytes comes before CheckTx, and keeps bytes that were refused too
// (KeepInvalidTxsInCache). So "seen" says nothing about the outcome. What is accepted and stateful waits here for its
// block, is looked at again after every block, and is given up after 40 of them.
import type { Transaction } from '../wire/decode.ts';
import { isShortTerm } from '../wire/message.ts';
import type { Refusal } from '../wire/refusal.ts';
import { checkTx, type Origin } from './check-tx.ts';
import { type PaperNode, viewAt } from './node.ts';

const TTL_BLOCKS = 40;

/** False when the node has seen these bytes. */
export function markSeen({ seen }: PaperNode, hash: string): boolean {
  return seen.add(hash);
}

export function receiveTx(
  node: PaperNode,
  tx: Transaction,
  origin: Origin,
  fate: { readonly isLost?: boolean; readonly deliverTx?: Refusal },
): Refusal | undefined {
  const { isLost = false, deliverTx: verdict } = fate;
  const refusal = checkTx(node, tx, origin, isLost);
  if (!refusal && !tx.messages.every(isShortTerm))
    node.pool.push({ tx, height: node.view.height, isLost, verdict });
  return refusal;
}

/** One committed block further. Answers with what leaves the mempool without having been included. */
export function commitNext(node: PaperNode): Transaction[] {
  const height = node.view.height + 1;
  const included = node.chain.ledger.transactionsAt.get(height) ?? [];
  for (const { hash } of included) markSeen(node, hash);
  node.fences.expire(height);
  node.held.expire(height);
  node.shortTermLimiter.advance();
  node.statefulLimiter.advance();
  node.view = viewAt(node.chain, height);
  if (node.pool.length === 0) return [];
  const isIncluded = new Set(included.map(({ hash }) => hash));
  const waiting = node.pool.filter(({ tx }) => !isIncluded.has(tx.hash));
  node.pool = waiting.filter(
    ({ tx, height: since, isLost }) =>
      height - since <= TTL_BLOCKS && checkTx(node, tx, 'recheck', isLost) === undefined,
  );
  const kept = new Set(node.pool);
  return waiting.filter((pooled) => !kept.has(pooled)).map(({ tx }) => tx);
}
