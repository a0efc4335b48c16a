// Stateful placements and cancels against the state, in the chain's order (x/clob keeper/orders.go, msg_server_*.go).
// The same rules run for a node's mempool and for a block that is being built; a success is written to the
// uncommitted view, so that the next message meets it.
import { orderUuid } from '../../core/order-uuid.ts';
import type { PaperMarket } from '../markets.ts';
import { type CancelOrder, FLAGS, orderIdOf, type PlaceOrder } from '../wire/message.ts';
import { type Refusal, refuseClob } from '../wire/refusal.ts';
import { type EquityTier, equityOf, toQuoteQuantums } from './equity.ts';
import { quoteQuantums } from './fees.ts';
import { checkGrid, placedOf } from './grid.ts';
import { findSubaccount, type Ledger, placementAt } from './ledger.ts';
import type { Uncommitted } from './uncommitted.ts';

const TIME_WINDOW_SECONDS = 95 * 24 * 60 * 60;

export type StatefulLimits = {
  readonly equityTiers: readonly EquityTier[];
  /** a long-term order's notional may not exceed the equity times this */
  readonly maxLeverage: number;
};

export type StatefulView = {
  readonly ledger: Ledger;
  readonly seed: number;
  readonly limits: StatefulLimits;
  /** the block that the view stands on */
  readonly height: number;
  readonly timeMs: number;
  /** replaced as a whole when a transaction of several messages succeeds */
  uncommitted: Uncommitted;
  /** DeliverTx; a cancel or removal takes effect at once, and the same block forbids to place the order again */
  readonly isBlock: boolean;
};

function checkTime(view: StatefulView, goodTilBlockTime: number): Refusal | undefined {
  const previous = Math.floor(view.timeMs / 1000);
  if (goodTilBlockTime <= previous) {
    return refuseClob(
      3003,
      `good-til-block-time ${goodTilBlockTime} is not after the last block's ${previous}`,
    );
  }
  if (goodTilBlockTime > previous + TIME_WINDOW_SECONDS) {
    return refuseClob(
      3004,
      `good-til-block-time ${goodTilBlockTime} is above ${previous + TIME_WINDOW_SECONDS}`,
    );
  }
  return undefined;
}

/** The order of this id in state or on its way there. */
function findPlaced(view: StatefulView, id: string): PlaceOrder | undefined {
  const { uncommitted, ledger, height, isBlock } = view;
  const isGone = isBlock && (uncommitted.cancelled.has(id) || uncommitted.removed.has(id));
  const order = isGone ? undefined : ledger.orders.get(id);
  return (order && placementAt(order, height)?.content) ?? uncommitted.placed.get(id);
}

function checkPreviousEnd(view: StatefulView, id: string): Refusal | undefined {
  if (view.uncommitted.cancelled.has(id))
    return refuseClob(3008, 'the order was cancelled and is not yet gone');
  if (view.uncommitted.removed.has(id)) return refuseClob(3009, 'the order was removed in this block');
  return undefined;
}

/** A node counts what is in state, a block what it has placed itself as well. */
function openOrders(view: StatefulView, owner: string, number: number): number {
  const { ledger, uncommitted, isBlock } = view;
  const committed = findSubaccount(ledger, owner, number)?.openStateful ?? 0;
  if (!isBlock) return committed;
  let open = committed;
  for (const id of [...uncommitted.cancelled, ...uncommitted.removed]) {
    const order = ledger.alive.get(id);
    if (order?.subaccount.owner === owner && order.subaccount.number === number) open -= 1;
  }
  for (const { orderId } of uncommitted.placed.values()) {
    if (orderId?.subaccountId?.owner === owner && orderId.subaccountId.number === number) open += 1;
  }
  return open;
}

function checkMeans(view: StatefulView, market: PaperMarket, content: PlaceOrder): Refusal | undefined {
  const { owner, subaccountNumber, orderFlags } = orderIdOf(content.orderId);
  const { ledger, limits } = view;
  const equity = equityOf(ledger, view.seed, findSubaccount(ledger, owner, subaccountNumber));
  const tier = limits.equityTiers.findLast(({ usd }) => equity >= toQuoteQuantums(usd));
  const open = openOrders(view, owner, subaccountNumber);
  if (limits.equityTiers.length > 0 && open >= (tier?.limit ?? 0)) {
    return refuseClob(
      10001,
      `Opening order would exceed equity tier limit of ${tier?.limit ?? 0}. Order count: ${open}`,
    );
  }
  if (orderFlags === FLAGS.CONDITIONAL) return undefined;
  const { quantums, subticks } = placedOf(content);
  const notional = quoteQuantums(market, quantums, subticks);
  if (notional <= equity * BigInt(limits.maxLeverage)) return undefined;
  return refuseClob(
    3007,
    `${notional} quote quantums are above ${limits.maxLeverage} times the equity ${equity}`,
  );
}

export function placeStateful(view: StatefulView, content: PlaceOrder): Refusal | undefined {
  const id = orderUuid(orderIdOf(content.orderId));
  // A block looks at what it has done to the order before anything else, a node after the order itself.
  const ended = checkPreviousEnd(view, id);
  if (ended && view.isBlock) return ended;
  const market = view.ledger.markets.ofPair(content.orderId?.clobPairId ?? 0);
  if (!market) return refuseClob(8, `no clob pair ${content.orderId?.clobPairId ?? 0}`);
  const refusal =
    checkGrid(market, placedOf(content), view.seed, view.height) ??
    checkTime(view, content.goodTilBlockTime ?? 0) ??
    ended;
  if (refusal) return refusal;
  if (findPlaced(view, id)) {
    return refuseClob(3005, 'a stateful order with this id exists and cannot be replaced');
  }
  const trigger = BigInt(content.conditionalOrderTriggerSubticks.toString());
  if (trigger % market.subticksPerTick !== 0n)
    return refuseClob(12, `trigger subticks must be a multiple of ${market.subticksPerTick}`);
  const means = checkMeans(view, market, content);
  if (means) return means;
  view.uncommitted.placed.set(id, content);
  return undefined;
}

export function cancelStateful(view: StatefulView, cancel: CancelOrder): Refusal | undefined {
  const id = orderUuid(orderIdOf(cancel.orderId));
  const goodTilBlockTime = cancel.goodTilBlockTime ?? 0;
  const { uncommitted, isBlock } = view;
  const untimely = checkTime(view, goodTilBlockTime);
  if (untimely) return untimely;
  if (!isBlock && uncommitted.cancelled.has(id))
    return refuseClob(32, 'an uncommitted cancel of this order exists');
  const placed = findPlaced(view, id);
  if (!placed) {
    return isBlock && uncommitted.removed.has(id)
      ? refuseClob(3010, 'the order was removed in this block already')
      : refuseClob(3006, 'the order to cancel does not exist');
  }
  if (goodTilBlockTime < (placed.goodTilBlockTime ?? 0)) {
    return refuseClob(
      29,
      `good-til-block-time of the cancel is below the order's ${placed.goodTilBlockTime}`,
    );
  }
  // What a block has placed itself and cancels again never reaches the state.
  if (isBlock) uncommitted.placed.delete(id);
  uncommitted.cancelled.add(id);
  return undefined;
}
