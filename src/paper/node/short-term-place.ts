// A short-term placement at CheckTx of one node: the stateful rules in the chain's order (facts §1.2), then, at the
// proposer, the optimistic match. Code 0 does not mean "on the book": an IOC without a match and a reduced reduce-only
// order also answer 0, and so does an order that the proposer never hears of.
import { dydx } from '../../chain/dydx.ts';
import { sha256 } from '../../chain/ecdsa.ts';
import type { Held } from '../blocks/book.ts';
import { deliveryOf } from '../state/delivery.ts';
import type { Delivery } from '../state/facts.ts';
import { checkGrid } from '../state/grid.ts';
import { isLive, type PaperOrder } from '../state/ledger.ts';
import { FLAGS, type PlaceOrder } from '../wire/message.ts';
import { type Refusal, refuseClob } from '../wire/refusal.ts';
import { TIF } from '../wire/validate-basic.ts';
import type { PaperNode } from './node.ts';

function contentHash(order: PlaceOrder): Buffer {
  return sha256(dydx.Order.encode(order).finish());
}

function checkReplacement(existing: Held, next: Held): Refusal | undefined {
  const isNewer =
    next.goodTilBlock > existing.goodTilBlock ||
    (next.goodTilBlock === existing.goodTilBlock &&
      Buffer.compare(contentHash(next.content), contentHash(existing.content)) > 0);
  if (!isNewer) return refuseClob(20, 'the existing order with this id is not older than its replacement');
  if (next.side !== existing.side) return refuseClob(20, 'a replacement cannot change the side');
  if (next.timeInForce !== existing.timeInForce)
    return refuseClob(20, 'a replacement cannot change the time in force');
  if (next.reduceOnly !== existing.reduceOnly)
    return refuseClob(20, 'a replacement cannot change reduce-only');
  return undefined;
}

/** What the node holds under this id: on its book, or matched and in no block yet. */
function findExisting(node: PaperNode, id: string, order: PaperOrder | undefined): Held | undefined {
  const existing = (node.isProposer ? (order?.resting ?? order?.queued) : undefined) ?? node.held.get(id);
  const isFilled = order !== undefined && order.fillAmount >= order.quantums;
  return isFilled ? undefined : existing;
}

function wouldReduce(node: PaperNode, { owner, subaccount, pair, side }: Delivery): boolean {
  const account = node.chain.ledger.subaccounts.get(`${owner}/${subaccount}`);
  const position = (account?.positions.get(pair) ?? 0n) + (account?.optimistic.get(pair) ?? 0n);
  return side === 'BUY' ? position < 0n : position > 0n;
}

function checkState(node: PaperNode, next: Delivery, held: Held): Refusal | undefined {
  const { ledger, memclob, seed } = node.chain;
  const market = ledger.markets.ofPair(next.pair);
  if (!market) return refuseClob(8, `no clob pair ${next.pair}`);
  const subticks = BigInt(next.subticks);
  const quantums = BigInt(next.quantums);
  const placed = { orderFlags: FLAGS.SHORT_TERM, side: next.side, timeInForce: next.tif, quantums, subticks };
  const misfit = checkGrid(market, placed, seed, ledger.height);
  if (misfit) return misfit;
  if ((node.fences.get(next.order) ?? 0) >= next.gtb)
    return refuseClob(7, 'a cancel with the same or a later good-til-block is known');

  const order = ledger.orders.get(next.order);
  const existing = findExisting(node, next.order, order);
  const replacement = existing && checkReplacement(existing, held);
  if (replacement) return replacement;
  const filled = (order?.fillAmount ?? 0n) + (order?.optimistic ?? 0n);
  if (quantums - filled < market.stepBaseQuantums) return refuseClob(24, 'the order is fully filled');
  if (next.reduceOnly && !wouldReduce(node, next))
    return refuseClob(2001, 'a reduce-only order would increase the position');
  if (next.tif === TIF.IOC && filled > 0n) return refuseClob(2004, 'an IOC order had its execution');
  if (next.tif === TIF.POST_ONLY && memclob.wouldCross(next.pair, next.side, subticks))
    return refuseClob(2003, 'a post-only order would cross a maker order');
  return undefined;
}

/** What a broadcast that does not reach the proposer leaves unchanged of the order that the proposer has. */
function keptContent(order: PaperOrder): Partial<Delivery> {
  return {
    quantums: order.quantums.toString(),
    subticks: order.subticks.toString(),
    metadata: order.clientMetadata,
  };
}

/**
 * Accepted here, and the proposer does not have it (yet): nothing fills, but this node goes on treating it as known.
 * An IOC that meets something counts as matched until the next block.
 */
function hold(node: PaperNode, next: Delivery, held: Held): void {
  const isMatched = node.chain.memclob.wouldCross(next.pair, next.side, BigInt(next.subticks));
  if (next.tif !== TIF.IOC) node.held.set(next.order, held, next.gtb);
  else if (isMatched) node.held.set(next.order, held, node.view.height + 1);
}

export function placeShortTerm(
  node: PaperNode,
  content: PlaceOrder,
  isGossip: boolean,
  isLost: boolean,
): Refusal | undefined {
  const next = deliveryOf(content, true);
  const held: Held = {
    side: next.side,
    goodTilBlock: next.gtb,
    timeInForce: next.tif,
    reduceOnly: next.reduceOnly,
    content,
  };
  const refusal = checkState(node, next, held);
  if (refusal) return refusal;
  const { ledger, memclob, record } = node.chain;
  // A node that lags lets through what no block can carry any more.
  const isUnheard = isLost || next.gtb <= ledger.height;
  if (node.isProposer && !isUnheard) {
    record(isGossip ? { ...next, gossip: true } : next);
    const order = ledger.orders.get(next.order);
    if (!order) throw new Error('an accepted delivery left no order');
    node.held.delete(next.order);
    memclob.place(order, held);
    return undefined;
  }
  const known = ledger.orders.get(next.order);
  const isKept = known !== undefined && isLive(known);
  if (!isGossip) record({ ...next, ...(isKept ? keptContent(known) : {}) });
  if (isUnheard && !isKept) record({ t: 'removal', order: next.order, reason: 'LOST' });
  hold(node, next, held);
  return undefined;
}
