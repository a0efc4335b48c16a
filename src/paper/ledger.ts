// The exchange's memory: orders, fills, positions and consensus fill amounts, as a fold over the facts of facts.ts.
// Invariants: fills are appended in event order, heights grow by one, and nothing here depends on anything but the
// facts. That Σ fills within the fill memory stays within the size is the matcher's promise (a property test holds it).
import { fillUuid, subaccountUuid } from '../core/order-uuid.ts';
import type { Side } from '../core/status.ts';
import type { Resting } from './book.ts';
import type { Block, BlockFill, Delivery, Fact } from './facts.ts';
import { feeQuantums, quoteQuantums } from './fees.ts';
import { marketOfPair, type PaperMarket } from './markets.ts';

/** Blocks that consensus remembers a fill amount for, counted from the order's good-til-block. */
const FILL_MEMORY_BLOCKS = 40;
/** The proposer's operations are the first transaction of a block; the indexer adds 2 to its index. */
const OPERATIONS_TX_INDEX = 2;
/** Times of older blocks are forgotten; nothing asks for them but a curious operator. */
const KEPT_BLOCK_TIMES = 10_000;

export type PaperFill = {
  readonly id: string;
  readonly order: PaperOrder;
  readonly side: Side;
  readonly liquidity: 'TAKER' | 'MAKER';
  readonly quantums: bigint;
  readonly subticks: bigint;
  readonly quoteQuantums: bigint;
  readonly feeQuantums: bigint;
  readonly height: number;
  readonly timeMs: number;
};

export type Subaccount = {
  readonly id: string;
  readonly owner: string;
  readonly number: number;
  readonly orders: PaperOrder[];
  readonly fills: PaperFill[];
  /** base quantums by clob pair, signed, from committed fills */
  readonly positions: Map<number, bigint>;
  /** the same from matches that are in no block yet */
  readonly optimistic: Map<number, bigint>;
};

export type PaperOrder = {
  readonly id: string;
  readonly subaccount: Subaccount;
  readonly clientId: number;
  readonly clobPairId: number;
  readonly orderFlags: number;
  /** undefined when the order names a pair that does not exist */
  readonly market: PaperMarket | undefined;
  side: Side;
  quantums: bigint;
  subticks: bigint;
  timeInForce: number;
  reduceOnly: boolean;
  clientMetadata: number;
  /** highest accepted, 0 before */
  goodTilBlock: number;
  deliveries: number;
  accepted: number;
  filled: bigint;
  /** consensus fill amount; forgotten at prunableHeight */
  fillAmount: bigint;
  prunableHeight: number;
  readonly fills: PaperFill[];
  removal: string | undefined;
  updatedAtHeight: number;
  updatedAtMs: number;
  // Below: what a node holds in memory only; gone after a restart.
  resting: Resting | undefined;
  /** matched, in no block yet */
  optimistic: bigint;
  /** content of the newest matched placement in the operations queue */
  queued: Resting | undefined;
};

export type Ledger = {
  readonly orders: Map<string, PaperOrder>;
  readonly subaccounts: Map<string, Subaccount>;
  readonly fills: PaperFill[];
  height: number;
  timeMs: number;
  readonly blockTimesMs: Map<number, number>;
  readonly prunable: Map<number, PaperOrder[]>;
};

export function createLedger(height: number, timeMs: number): Ledger {
  return {
    orders: new Map(),
    subaccounts: new Map(),
    fills: [],
    height,
    timeMs,
    blockTimesMs: new Map([[height, timeMs]]),
    prunable: new Map(),
  };
}

export function isLive(order: PaperOrder): boolean {
  return order.optimistic > 0n || (order.resting !== undefined && !order.resting.isGhost);
}

export function findSubaccount(ledger: Ledger, owner: string, number: number): Subaccount | undefined {
  return ledger.subaccounts.get(`${owner}/${number}`);
}

export function addTo(positions: Map<number, bigint>, pair: number, side: Side, quantums: bigint): void {
  const next = (positions.get(pair) ?? 0n) + (side === 'BUY' ? quantums : -quantums);
  if (next === 0n) positions.delete(pair);
  else positions.set(pair, next);
}

function subaccountOf(ledger: Ledger, owner: string, number: number): Subaccount {
  const known = findSubaccount(ledger, owner, number);
  if (known) return known;
  const made: Subaccount = {
    id: subaccountUuid(owner, number),
    owner,
    number,
    orders: [],
    fills: [],
    positions: new Map(),
    optimistic: new Map(),
  };
  ledger.subaccounts.set(`${owner}/${number}`, made);
  return made;
}

function contentOf(fact: Delivery) {
  return {
    side: fact.side,
    quantums: BigInt(fact.quantums),
    subticks: BigInt(fact.subticks),
    timeInForce: fact.tif,
    reduceOnly: fact.reduceOnly,
    clientMetadata: fact.metadata,
  };
}

function applyDelivery(ledger: Ledger, fact: Delivery): undefined {
  const id = fact.order;
  let order = ledger.orders.get(id);
  if (!order) {
    const subaccount = subaccountOf(ledger, fact.owner, fact.subaccount);
    order = {
      id,
      subaccount,
      clientId: fact.client,
      clobPairId: fact.pair,
      orderFlags: fact.flags,
      market: marketOfPair(fact.pair),
      ...contentOf(fact),
      goodTilBlock: 0,
      deliveries: 0,
      accepted: 0,
      filled: 0n,
      fillAmount: 0n,
      prunableHeight: 0,
      fills: [],
      removal: undefined,
      updatedAtHeight: ledger.height,
      updatedAtMs: ledger.timeMs,
      resting: undefined,
      optimistic: 0n,
      queued: undefined,
    };
    ledger.orders.set(id, order);
    subaccount.orders.push(order);
  }
  order.deliveries += 1;
  if (!fact.accepted) return;
  Object.assign(order, contentOf(fact));
  order.accepted += 1;
  order.goodTilBlock = Math.max(order.goodTilBlock, fact.gtb);
  order.removal = undefined;
}

function eventId(height: number, event: number): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(height, 0);
  bytes.writeUInt32BE(OPERATIONS_TX_INDEX, 4);
  bytes.writeUInt32BE(event, 8);
  return bytes;
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
  order.filled += quantums;
  order.fillAmount += quantums;
  order.fills.push(fill);
  order.updatedAtHeight = block.height;
  order.updatedAtMs = block.timeMs;
  if (order.fillAmount >= order.quantums) order.removal = 'FULLY_FILLED';
  const prunableHeight = Math.max(order.prunableHeight, fact.gtb + FILL_MEMORY_BLOCKS);
  if (prunableHeight > order.prunableHeight) {
    order.prunableHeight = prunableHeight;
    const bucket = ledger.prunable.get(prunableHeight);
    if (bucket) bucket.push(order);
    else ledger.prunable.set(prunableHeight, [order]);
  }
  order.subaccount.fills.push(fill);
  addTo(order.subaccount.positions, order.clobPairId, fact.side, quantums);
  ledger.fills.push(fill);
}

function remove(ledger: Ledger, id: string, reason: string): undefined {
  const order = ledger.orders.get(id);
  if (!order) throw new Error(`a removal names an unknown order: ${id}`);
  order.removal = reason;
  order.updatedAtHeight = ledger.height;
  order.updatedAtMs = ledger.timeMs;
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
  for (const id of block.expired) remove(ledger, id, 'EXPIRED');
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
    case 'block':
      return applyBlock(ledger, fact);
  }
}
