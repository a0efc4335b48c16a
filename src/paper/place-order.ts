// A short-term placement at CheckTx: the stateful rules in the chain's order (facts §1.2), then the optimistic match.
// Code 0 does not mean "on the book": an IOC without a match and a reduced reduce-only order also answer 0.

import { dydx } from '../chain/dydx.ts';
import { sha256 } from '../chain/ecdsa.ts';
import { orderUuid } from '../core/order-uuid.ts';
import { matchTaker, type Resting, wouldCross } from './book.ts';
import type { Chain } from './chain.ts';
import { orderIdOf, type PlaceOrder } from './decode.ts';
import type { Delivery } from './facts.ts';
import type { PaperOrder } from './ledger.ts';
import type { PaperMarket } from './markets.ts';
import { type Refusal, refuseClob } from './refusal.ts';
import { SIDE, TIF } from './validate-basic.ts';

/** Everything of a placement but the verdict. */
export function deliveryOf(content: PlaceOrder, accepted: boolean): Delivery {
  const id = orderIdOf(content.orderId);
  return {
    t: 'delivery',
    order: orderUuid(id),
    owner: id.owner,
    subaccount: id.subaccountNumber,
    client: id.clientId,
    pair: id.clobPairId,
    flags: id.orderFlags,
    accepted,
    gtb: content.goodTilBlock ?? 0,
    side: (content.side as number) === SIDE.BUY ? 'BUY' : 'SELL',
    quantums: content.quantums.toString(),
    subticks: content.subticks.toString(),
    tif: content.timeInForce,
    reduceOnly: content.reduceOnly,
    metadata: content.clientMetadata,
  };
}

function contentHash(order: PlaceOrder): Buffer {
  return sha256(dydx.Order.encode(order).finish());
}

function checkReplacement(existing: Resting, next: Delivery, content: PlaceOrder): Refusal | undefined {
  const isNewer =
    next.gtb > existing.goodTilBlock ||
    (next.gtb === existing.goodTilBlock &&
      Buffer.compare(contentHash(content), contentHash(existing.content)) > 0);
  if (!isNewer) return refuseClob(20, 'the existing order with this id is not older than its replacement');
  if (next.side !== existing.side) return refuseClob(20, 'a replacement cannot change the side');
  if (next.tif !== existing.timeInForce)
    return refuseClob(20, 'a replacement cannot change the time in force');
  if (next.reduceOnly !== existing.reduceOnly)
    return refuseClob(20, 'a replacement cannot change reduce-only');
  return undefined;
}

function positionOf(order: PaperOrder | undefined, pair: number): bigint {
  return (order?.subaccount.positions.get(pair) ?? 0n) + (order?.subaccount.optimistic.get(pair) ?? 0n);
}

function subaccountPosition(chain: Chain, next: Delivery): bigint {
  const subaccount = chain.ledger.subaccounts.get(`${next.owner}/${next.subaccount}`);
  return (subaccount?.positions.get(next.pair) ?? 0n) + (subaccount?.optimistic.get(next.pair) ?? 0n);
}

function checkState(
  chain: Chain,
  market: PaperMarket,
  next: Delivery,
  content: PlaceOrder,
): Refusal | undefined {
  const id = next.order;
  const subticks = BigInt(next.subticks);
  const quantums = BigInt(next.quantums);
  if (subticks % market.subticksPerTick !== 0n)
    return refuseClob(12, `subticks must be a multiple of ${market.subticksPerTick}`);
  if (quantums % market.stepBaseQuantums !== 0n)
    return refuseClob(12, `quantums must be a multiple of ${market.stepBaseQuantums}`);
  if (market.status !== 'ACTIVE') return refuseClob(34, `${market.ticker} is ${market.status}`);
  if ((chain.fences.get(id) ?? 0) >= next.gtb)
    return refuseClob(7, 'a cancel with the same or a later good-til-block is known');

  const order = chain.ledger.orders.get(id);
  const existing = order?.resting ?? order?.queued;
  const replacement = existing && checkReplacement(existing, next, content);
  if (replacement) return replacement;

  const filled = (order?.fillAmount ?? 0n) + (order?.optimistic ?? 0n);
  if (quantums - filled < market.stepBaseQuantums) return refuseClob(24, 'the order is fully filled');
  if (next.reduceOnly) {
    const position = subaccountPosition(chain, next);
    const wouldReduce = next.side === 'BUY' ? position < 0n : position > 0n;
    if (!wouldReduce) return refuseClob(2001, 'a reduce-only order would increase the position');
  }
  if (next.tif === TIF.IOC && filled > 0n) return refuseClob(2004, 'an IOC order had its execution');
  const book = chain.books.get(market.clobPairId);
  if (next.tif === TIF.POST_ONLY && book && wouldCross(book, next.side, subticks, chain.ledger.height)) {
    return refuseClob(2003, 'a post-only order would cross a maker order');
  }
  return undefined;
}

function matchAndRest(
  chain: Chain,
  market: PaperMarket,
  next: Delivery,
  content: PlaceOrder,
  order: PaperOrder,
): void {
  const book = chain.books.get(market.clobPairId);
  if (!book) return;
  chain.unrest(order);
  const open = order.quantums - order.fillAmount - order.optimistic;
  const position = positionOf(order, next.pair);
  const closable = position < 0n ? -position : position;
  const quantums = next.reduceOnly && closable < open ? closable : open;
  const taker: Resting = {
    order,
    side: next.side,
    subticks: order.subticks,
    goodTilBlock: next.gtb,
    timeInForce: next.tif,
    reduceOnly: next.reduceOnly,
    sequence: chain.nextSequence(),
    content,
    isGhost: false,
    remaining: open,
  };
  const outcome = matchTaker(
    book,
    { order, side: next.side, subticks: order.subticks, quantums },
    chain.ledger.height,
  );
  for (const maker of outcome.selfTraded) {
    chain.unrest(maker.order);
    chain.record({ t: 'removal', order: maker.order.id, reason: 'SELF_TRADE_ERROR' });
  }
  chain.queueMatches(taker, outcome.matches);
  taker.remaining = open - (quantums - outcome.remaining);
  if (taker.remaining === 0n) return;
  if (next.tif === TIF.IOC) {
    const wasResized = quantums < open && outcome.remaining === 0n;
    const reason = wasResized ? 'REDUCE_ONLY_RESIZE' : 'IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK';
    chain.record({ t: 'removal', order: order.id, reason });
  } else {
    chain.rest(taker);
  }
}

/** Accepted here, heard of nowhere else: nothing fills, but this node goes on treating the order as known. */
function loseOrder(chain: Chain, next: Delivery, content: PlaceOrder, order: PaperOrder): void {
  if (order.resting || order.optimistic > 0n) return;
  chain.record({ t: 'removal', order: order.id, reason: 'LOST' });
  if (next.tif === TIF.IOC) return;
  chain.rest({
    order,
    side: next.side,
    subticks: order.subticks,
    goodTilBlock: next.gtb,
    timeInForce: next.tif,
    reduceOnly: next.reduceOnly,
    sequence: chain.nextSequence(),
    content,
    isGhost: true,
    remaining: order.quantums,
  });
}

function keptContent(order: PaperOrder): Partial<Delivery> {
  return {
    quantums: order.quantums.toString(),
    subticks: order.subticks.toString(),
    metadata: order.clientMetadata,
  };
}

/** Counts the delivery whatever the verdict. */
export function placeOrder(
  chain: Chain,
  market: PaperMarket,
  content: PlaceOrder,
  isLost: boolean,
): Refusal | undefined {
  const next = deliveryOf(content, true);
  const refusal = checkState(chain, market, next, content);
  const known = chain.ledger.orders.get(next.order);
  // A lost replacement changes nothing about the order that the proposer has.
  const isKept = isLost && known !== undefined && (known.resting !== undefined || known.optimistic > 0n);
  chain.record({ ...next, ...(isKept ? keptContent(known) : {}), accepted: refusal === undefined });
  if (refusal) return refusal;
  const order = chain.ledger.orders.get(next.order);
  if (!order) throw new Error('an accepted delivery left no order');
  if (isLost) loseOrder(chain, next, content, order);
  else matchAndRest(chain, market, next, content, order);
  return undefined;
}
