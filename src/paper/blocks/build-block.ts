// What goes into the next block, in the order in which the chain runs through it: the proposer's operations, the
// transactions of its mempool, then expiry by time and the triggers of conditional orders (x/clob abci.go). Nothing is
// changed here but the view that the block's own transactions are judged by.
import type { Side } from '../../core/status.ts';
import type { Signing } from '../state/authorize.ts';
import type { Block, BlockFill } from '../state/facts.ts';
import { type Ledger, placementOf } from '../state/ledger.ts';
import type { StatefulLimits } from '../state/stateful-rules.ts';
import { triggerOf } from '../state/stateful-state.ts';
import { createUncommitted, type Uncommitted } from '../state/uncommitted.ts';
import { midSubticks } from '../synthetic.ts';
import { FLAGS, isStateful, type PlaceOrder, sideOf } from '../wire/message.ts';
import type { Resting } from './book.ts';
import { type BlockView, type Candidate, deliverTx } from './deliver-tx.ts';
import type { Operations, QueuedMatch } from './memclob.ts';

const TAKE_PROFIT = 2;

export type BlockParts = {
  readonly signing: Signing;
  readonly seed: number;
  readonly limits: StatefulLimits;
  readonly ledger: Ledger;
  readonly operations: Operations;
  readonly txs: readonly Candidate[];
  readonly timeMs: number;
};

function fillsOf({ taker, match }: QueuedMatch, event: number): BlockFill[] {
  const fill = (resting: Resting, liquidity: 'TAKER' | 'MAKER'): BlockFill => ({
    order: resting.order.id,
    side: resting.side,
    liquidity,
    quantums: match.quantums.toString(),
    subticks: match.subticks.toString(),
    gtb: resting.goodTilBlock,
    event,
  });
  return [...(taker ? [fill(taker, 'TAKER')] : []), ...(match.maker ? [fill(match.maker, 'MAKER')] : [])];
}

/** Stateful orders that the operations fill up or take out. */
function removedBy({ matches, removals }: Operations): Set<string> {
  const removed = new Set(removals.map(({ order }) => order.id));
  for (const { taker, match } of matches) {
    for (const side of [taker, match.maker]) {
      if (!side || !isStateful(side.order.orderFlags)) continue;
      const { fillAmount, optimistic, quantums, id } = side.order;
      if (fillAmount + optimistic >= quantums) removed.add(id);
    }
  }
  return removed;
}

type Stateful = {
  readonly id: string;
  readonly content: PlaceOrder;
  readonly triggerSubticks: bigint;
  readonly isTriggered: boolean;
};

/** Stateful orders in state once the block's transactions are through. */
function* inState(ledger: Ledger, { placed, cancelled, removed }: Uncommitted): Generator<Stateful> {
  for (const [id, order] of ledger.alive) {
    const placement = placementOf(order);
    if (!placement || cancelled.has(id) || removed.has(id)) continue;
    const { content, triggerSubticks, triggeredAtHeight } = placement;
    yield { id, content, triggerSubticks, isTriggered: triggeredAtHeight !== undefined };
  }
  for (const [id, content] of placed) {
    yield { id, content, triggerSubticks: triggerOf(content), isTriggered: false };
  }
}

/** Take-profit buys and stop-loss sells wait for a low price, the other two for a high one. */
function meetsTrigger(
  conditionType: number,
  side: Side,
  triggerSubticks: bigint,
  oracleSubticks: bigint,
): boolean {
  const waitsForLow = (conditionType === TAKE_PROFIT) === (side === 'BUY');
  return waitsForLow ? oracleSubticks <= triggerSubticks : oracleSubticks >= triggerSubticks;
}

function isTriggeredNow(parts: BlockParts, height: number, order: Stateful): boolean {
  const { content, triggerSubticks, isTriggered } = order;
  const market = parts.ledger.markets.ofPair(content.orderId?.clobPairId ?? 0);
  if (isTriggered || content.orderId?.orderFlags !== FLAGS.CONDITIONAL || !market) return false;
  const oracleSubticks = midSubticks(parts.seed, market, height);
  return meetsTrigger(content.conditionType, sideOf(content), triggerSubticks, oracleSubticks);
}

export function buildBlock(parts: BlockParts): Block {
  const { ledger, operations, txs, timeMs, seed, limits } = parts;
  const height = ledger.height + 1;
  const view: BlockView = {
    ledger,
    seed,
    limits,
    height: ledger.height,
    timeMs: ledger.timeMs,
    uncommitted: createUncommitted(ledger.authenticators, removedBy(operations)),
    isBlock: true,
    nextHeight: height,
    blockTimeMs: timeMs,
  };
  const delivered = txs.map((tx) => deliverTx(view, parts.signing, tx));
  const expired = operations.ending.map((resting) => resting.order.id);
  const triggered: string[] = [];
  for (const order of inState(ledger, view.uncommitted)) {
    if ((order.content.goodTilBlockTime ?? 0) * 1000 <= timeMs) expired.push(order.id);
    else if (isTriggeredNow(parts, height, order)) triggered.push(order.id);
  }
  const removed = operations.removals.map(({ order, reason }) => ({ order: order.id, reason }));
  return {
    t: 'block',
    height,
    timeMs,
    fills: operations.matches.flatMap(fillsOf),
    ...(removed.length > 0 ? { removed } : {}),
    ...(delivered.length > 0 ? { txs: delivered } : {}),
    expired,
    ...(triggered.length > 0 ? { triggered } : {}),
  };
}
