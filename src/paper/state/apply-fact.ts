// One fact into the ledger. Invariants: fills are appended in event order, heights grow by one, and nothing here depends
// on anything but the facts. That Σ fills within the fill memory stays within the size is the matcher's promise (a
// property test holds it).
import { fillUuid } from '../../core/order-uuid.ts';
import { isStateful } from '../wire/message.ts';
import { applyTransactions } from './apply-transaction.ts';
import { addAuthenticator } from './authenticators.ts';
import type { Block, BlockFill, Delivery, Fact } from './facts.ts';
import { feeQuantums, quoteQuantums } from './fees.ts';
import { addTo, type Ledger, type PaperFill, type PaperOrder, placementOf, subaccountOf } from './ledger.ts';
import { endPlacement } from './stateful-state.ts';

/** Blocks that consensus remembers a fill amount for, counted from the order's good-til-block. */
const FILL_MEMORY_BLOCKS = 40;
/** The proposer's operations are the first transaction of a block; the indexer adds 2 to its index. */
const OPERATIONS_TX_INDEX = 2;
/** Times of older blocks are forgotten; nothing asks for them but a curious operator. */
const KEPT_BLOCK_TIMES = 10_000;

/** One by one: a spread or Object.assign here costs more than the rest of a delivery. */
function takeContent(order: PaperOrder, fact: Delivery): void {
  order.side = fact.side;
  order.quantums = BigInt(fact.quantums);
  order.subticks = BigInt(fact.subticks);
  order.timeInForce = fact.tif;
  order.reduceOnly = fact.reduceOnly;
  order.clientMetadata = fact.metadata;
}

const NO_PLACEMENTS: PaperOrder['placements'] = [];

function createOrder(ledger: Ledger, fact: Delivery): PaperOrder {
  const subaccount = subaccountOf(ledger, fact.owner, fact.subaccount);
  const order: PaperOrder = {
    id: fact.order,
    subaccount,
    clientId: fact.client,
    clobPairId: fact.pair,
    orderFlags: fact.flags,
    market: ledger.markets.ofPair(fact.pair),
    side: fact.side,
    quantums: BigInt(fact.quantums),
    subticks: BigInt(fact.subticks),
    timeInForce: fact.tif,
    reduceOnly: fact.reduceOnly,
    clientMetadata: fact.metadata,
    goodTilBlock: 0,
    goodTilBlockTime: 0,
    deliveries: 0,
    accepted: 0,
    filled: 0n,
    fillAmount: 0n,
    prunableHeight: 0,
    fills: [],
    placements: NO_PLACEMENTS,
    removal: undefined,
    updatedAtHeight: ledger.height,
    updatedAtMs: ledger.timeMs,
    resting: undefined,
    optimistic: 0n,
    queued: undefined,
    isLeaving: false,
  };
  ledger.orders.set(order.id, order);
  subaccount.orders.push(order);
  return order;
}

function applyDelivery(ledger: Ledger, fact: Delivery): undefined {
  const known = ledger.orders.get(fact.order);
  const order = known ?? createOrder(ledger, fact);
  if (fact.gossip !== true) {
    order.deliveries += 1;
    if (fact.accepted) order.accepted += 1;
  }
  // What is in state changes by no broadcast: a node that lags may have accepted another order of this id.
  if (!fact.accepted || placementOf(order)) return;
  if (known) takeContent(order, fact);
  order.goodTilBlock = Math.max(order.goodTilBlock, fact.gtb);
  order.goodTilBlockTime = Math.max(order.goodTilBlockTime, fact.gtbt ?? 0);
  order.removal = undefined;
}

function eventId(height: number, event: number): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(height, 0);
  bytes.writeUInt32BE(OPERATIONS_TX_INDEX, 4);
  bytes.writeUInt32BE(event, 8);
  return bytes;
}

/** A short-term order's fill amount is remembered past its good-til-block. */
function remember(ledger: Ledger, order: PaperOrder, goodTilBlock: number): void {
  const prunableHeight = goodTilBlock + FILL_MEMORY_BLOCKS;
  if (prunableHeight <= order.prunableHeight) return;
  order.prunableHeight = prunableHeight;
  const bucket = ledger.prunable.get(prunableHeight);
  if (bucket) bucket.push(order);
  else ledger.prunable.set(prunableHeight, [order]);
}

function applyFill(ledger: Ledger, block: Block, fact: BlockFill): void {
  const order = ledger.orders.get(fact.order);
  if (!order?.market)
    throw new Error(`a fill names an unknown order: ${fact.order} at height ${block.height}`);
  const quantums = BigInt(fact.quantums);
  const subticks = BigInt(fact.subticks);
  const quote = quoteQuantums(order.market, quantums, subticks);
  const fill: PaperFill = {
    id: fillUuid(eventId(block.height, fact.event), fact.liquidity),
    order,
    side: fact.side,
    liquidity: fact.liquidity,
    quantums,
    subticks,
    quoteQuantums: quote,
    feeQuantums: feeQuantums(quote, fact.liquidity),
    height: block.height,
    timeMs: block.timeMs,
  };
  const { subaccount } = order;
  order.filled += quantums;
  order.fillAmount += quantums;
  order.fills.push(fill);
  order.updatedAtHeight = block.height;
  order.updatedAtMs = block.timeMs;
  subaccount.fills.push(fill);
  addTo(subaccount.positions, order.clobPairId, fact.side, quantums);
  subaccount.quoteQuantums += (fact.side === 'BUY' ? -quote : quote) - fill.feeQuantums;
  ledger.fills.push(fill);
  if (!isStateful(order.orderFlags)) remember(ledger, order, fact.gtb);
  if (order.fillAmount < order.quantums) return;
  if (isStateful(order.orderFlags)) endPlacement(ledger, order, 'FULLY_FILLED');
  else order.removal = 'FULLY_FILLED';
}

function remove(ledger: Ledger, id: string, reason: string): undefined {
  const order = ledger.orders.get(id);
  if (!order) throw new Error(`a removal names an unknown order: ${id}`);
  if (placementOf(order)) return endPlacement(ledger, order, reason);
  order.removal = reason;
  order.updatedAtHeight = ledger.height;
  order.updatedAtMs = ledger.timeMs;
}

function trigger(ledger: Ledger, id: string): void {
  const order = ledger.orders.get(id);
  const placement = order && placementOf(order);
  if (!placement) throw new Error(`an unknown conditional order is triggered: ${id}`);
  placement.triggeredAtHeight = ledger.height;
}

function applyBlock(ledger: Ledger, block: Block): undefined {
  if (block.height !== ledger.height + 1) {
    throw new Error(`block ${block.height} does not follow height ${ledger.height}`);
  }
  ledger.height = block.height;
  ledger.timeMs = block.timeMs;
  ledger.blockTimesMs.set(block.height, block.timeMs);
  ledger.blockTimesMs.delete(block.height - KEPT_BLOCK_TIMES);
  for (const fill of block.fills) applyFill(ledger, block, fill);
  for (const { order, reason } of block.removed ?? []) remove(ledger, order, reason);
  if (block.txs) applyTransactions(ledger, block.txs);
  for (const id of block.expired) remove(ledger, id, 'EXPIRED');
  for (const id of block.triggered ?? []) trigger(ledger, id);
  for (const order of ledger.prunable.get(block.height) ?? []) {
    // A later fill may have moved the height on.
    if (order.prunableHeight === block.height) order.fillAmount = 0n;
  }
  ledger.prunable.delete(block.height);
}

export function applyFact(ledger: Ledger, fact: Fact): undefined {
  switch (fact.t) {
    case 'delivery':
      return applyDelivery(ledger, fact);
    case 'removal':
      return remove(ledger, fact.order, fact.reason);
    case 'refusal': {
      const name = `${fact.codespace}/${fact.code}`;
      ledger.refusals.set(name, (ledger.refusals.get(name) ?? 0) + 1);
      return;
    }
    case 'balance':
      subaccountOf(ledger, fact.owner, fact.subaccount).startQuoteQuantums = BigInt(fact.quote);
      return;
    case 'market':
      ledger.markets.change(fact.ticker, {
        status: fact.status,
        stepBaseQuantums: fact.step === undefined ? undefined : BigInt(fact.step),
        subticksPerTick: fact.tick === undefined ? undefined : BigInt(fact.tick),
      });
      return;
    case 'authenticator': {
      const config = Buffer.from(fact.config, 'base64');
      ledger.authenticators = addAuthenticator(ledger.authenticators, fact.owner, fact.type, config);
      return;
    }
    case 'block':
      return applyBlock(ledger, fact);
  }
}
