// Orders as the indexer shows them (facts §7.3). A stateful order has a row from the block of its placement on. A
// short-term order has one only once a fill of it is visible; without one it is listed while a node still holds it,
// and is a 404 afterwards.
import { quantumsToSize, subticksToPrice } from '../../core/quantize.ts';
import type { PaperMarket } from '../markets.ts';
import { fillsIn, isLive, type PaperOrder, type Placement, totalQuantums } from '../state/ledger.ts';
import { FLAGS, isStateful } from '../wire/message.ts';
import { TIF } from '../wire/validate-basic.ts';
import { type View, visibleFills } from './indexer-view.ts';

/** indexer/services/ender dydx_protocol_convert_to_order_type.sql, by condition type; the others are LIMIT. */
const CONDITIONAL_TYPES: Readonly<Record<number, string>> = { 1: 'STOP_LIMIT', 2: 'TAKE_PROFIT' };

/** A completely filled IOC is now and then listed as BEST_EFFORT_CANCELED: the late removal message wins. */
function isShownCanceled(order: PaperOrder): boolean {
  return order.timeInForce === TIF.IOC && order.id.endsWith('7');
}

function shortTermStatus(order: PaperOrder, filled: bigint): string {
  if (filled >= order.quantums) return isShownCanceled(order) ? 'BEST_EFFORT_CANCELED' : 'FILLED';
  if (filled === 0n) return 'BEST_EFFORT_OPENED';
  if (isLive(order)) return 'OPEN';
  if (order.timeInForce === TIF.IOC || order.removal === 'EXPIRED') return 'CANCELED';
  return order.removal === undefined ? 'OPEN' : 'BEST_EFFORT_CANCELED';
}

function statefulStatus(view: View, order: PaperOrder, placement: Placement, filled: bigint): string {
  const { content, end, triggeredAtHeight } = placement;
  if (filled >= BigInt(content.quantums.toString())) return 'FILLED';
  if (end !== undefined && end.height <= view.height) return 'CANCELED';
  const isTriggered = triggeredAtHeight !== undefined && triggeredAtHeight <= view.height;
  if (order.orderFlags === FLAGS.CONDITIONAL && !isTriggered) return 'UNTRIGGERED';
  return order.isLeaving ? 'BEST_EFFORT_CANCELED' : 'OPEN';
}

type Updated = { readonly timeMs: number; readonly height: number };

function update({ timeMs, height }: Updated) {
  return { updatedAt: new Date(timeMs).toISOString(), updatedAtHeight: String(height) };
}

function identity(order: PaperOrder, market: PaperMarket) {
  return {
    id: order.id,
    subaccountId: order.subaccount.id,
    clientId: String(order.clientId),
    clobPairId: String(order.clobPairId),
    orderFlags: String(order.orderFlags),
    ticker: market.ticker,
    subaccountNumber: order.subaccount.number,
  };
}

function terms(timeInForce: number, reduceOnly: boolean, clientMetadata: number) {
  return {
    timeInForce: timeInForce === TIF.IOC ? 'IOC' : 'GTT',
    postOnly: timeInForce === TIF.POST_ONLY,
    reduceOnly,
    clientMetadata: String(clientMetadata),
  };
}

function showShortTerm(view: View, order: PaperOrder, market: PaperMarket) {
  const fills = visibleFills(view, order.fills);
  const hasHiddenFills = fills.length < order.fills.length;
  if (fills.length === 0 && !isLive(order) && !hasHiddenFills) return undefined;
  const filled = totalQuantums(fills);
  const newest = fills.at(-1);
  return {
    ...identity(order, market),
    side: order.side,
    size: quantumsToSize(order.quantums, market),
    totalFilled: quantumsToSize(filled, market),
    price: subticksToPrice(order.subticks, market),
    type: 'LIMIT',
    status: shortTermStatus(order, filled),
    ...terms(order.timeInForce, order.reduceOnly, order.clientMetadata),
    goodTilBlock: String(order.goodTilBlock),
    ...(newest ? update(newest) : {}),
  };
}

/** The block that changed the row last. */
function lastUpdate(view: View, order: PaperOrder, placement: Placement): Updated {
  const fill = visibleFills(view, order.fills.slice(placement.firstFill)).at(-1);
  const { end, triggeredAtHeight = 0 } = placement;
  const triggered = {
    height: triggeredAtHeight,
    timeMs: view.ledger.blockTimesMs.get(triggeredAtHeight) ?? placement.timeMs,
  };
  const updates = [placement, triggered, fill, end].flatMap((each) => each ?? []);
  return updates
    .filter(({ height }) => height <= view.height)
    .reduce((newest, each) => (each.height >= newest.height ? each : newest));
}

/** A placement under the same id takes over the row, totals included. */
function showStateful(view: View, order: PaperOrder, market: PaperMarket) {
  const placement = order.placements.findLast(({ height }) => height <= view.height);
  if (!placement) return undefined;
  const { content, height, timeMs, triggerSubticks } = placement;
  const filled = totalQuantums(visibleFills(view, fillsIn(order, placement)));
  return {
    ...identity(order, market),
    side: order.side,
    size: quantumsToSize(BigInt(content.quantums.toString()), market),
    totalFilled: quantumsToSize(filled, market),
    price: subticksToPrice(BigInt(content.subticks.toString()), market),
    type: CONDITIONAL_TYPES[content.conditionType as number] ?? 'LIMIT',
    status: statefulStatus(view, order, placement, filled),
    ...terms(content.timeInForce, content.reduceOnly, content.clientMetadata),
    goodTilBlockTime: new Date((content.goodTilBlockTime ?? 0) * 1000).toISOString(),
    createdAtHeight: String(height),
    createdAt: new Date(timeMs).toISOString(),
    ...(triggerSubticks > 0n ? { triggerPrice: subticksToPrice(triggerSubticks, market) } : {}),
    ...update(lastUpdate(view, order, placement)),
  };
}

/** Undefined is the 404 of an order that was never seen, or was seen and is gone unfilled. */
export function showOrder(view: View, order: PaperOrder) {
  const { market } = order;
  if (!market || order.accepted === 0) return undefined;
  return isStateful(order.orderFlags)
    ? showStateful(view, order, market)
    : showShortTerm(view, order, market);
}

export type ShownOrder = NonNullable<ReturnType<typeof showOrder>>;
