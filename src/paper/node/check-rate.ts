// A clob message before the block rate limiters of one node (x/clob keeper/rate_limit.go). The good-til-block window
// comes first and an unknown pair costs nothing, against bytes that somebody replays; everything after it is counted.
import { type ClobMessage, isShortTerm, ownerOf } from '../wire/message.ts';
import { type Refusal, refuseClob } from '../wire/refusal.ts';
import type { PaperNode } from './node.ts';

/** Since protocol 9.5; it was 20 before. */
const SHORT_BLOCK_WINDOW = 40;
const BATCH_CANCEL_POINTS = 2;

type Charge = { readonly pairs: readonly number[]; readonly goodTilBlock: number; readonly points: number };

function chargeOf(message: ClobMessage): Charge {
  switch (message.kind) {
    case 'place': {
      const { orderId, goodTilBlock = 0 } = message.order;
      return { pairs: [orderId?.clobPairId ?? 0], goodTilBlock, points: 1 };
    }
    case 'cancel': {
      const { orderId, goodTilBlock = 0 } = message.cancel;
      return { pairs: [orderId?.clobPairId ?? 0], goodTilBlock, points: 1 };
    }
    case 'batch_cancel': {
      const { goodTilBlock, shortTermCancels } = message.batch;
      const pairs = shortTermCancels.map((list) => list.clobPairId);
      return { pairs, goodTilBlock, points: BATCH_CANCEL_POINTS };
    }
  }
}

function checkWindow(node: PaperNode, goodTilBlock: number): Refusal | undefined {
  const next = node.view.height + 1;
  if (goodTilBlock < next)
    return refuseClob(10, `good-til-block ${goodTilBlock} is below the next height ${next}`);
  if (goodTilBlock > next + SHORT_BLOCK_WINDOW)
    return refuseClob(11, `good-til-block ${goodTilBlock} is above ${next + SHORT_BLOCK_WINDOW}`);
  return undefined;
}

export function checkRate(node: PaperNode, message: ClobMessage): Refusal | undefined {
  const { pairs, goodTilBlock, points } = chargeOf(message);
  const isShort = isShortTerm(message);
  // The message itself refuses an unknown pair, but for a batch cancel, which always succeeds.
  if (pairs.some((pair) => node.chain.ledger.markets.ofPair(pair) === undefined)) return undefined;
  if (message.kind === 'cancel' && !isShort) return undefined;
  const window = isShort ? checkWindow(node, goodTilBlock) : undefined;
  if (window) return window;
  const limiter = isShort ? node.shortTermLimiter : node.statefulLimiter;
  const excess = limiter.charge(ownerOf(message), points);
  if (!excess) return undefined;
  const { total, limit, blocks } = excess;
  return refuseClob(
    5001,
    `Rate of ${total} exceeds configured block rate limit of ${limit} per ${blocks} blocks`,
  );
}
