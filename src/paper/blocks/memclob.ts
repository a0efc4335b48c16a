// The proposer's order books and its queue of operations: what it has matched and what it will take out of state.
// Invariants: an operation becomes real in the next block only; a stateful order that must go is in state until that
// block says so. All of it dies with the process.
import type { Side } from '../../core/status.ts';
import type { PaperMarket } from '../markets.ts';
import type { Fact } from '../state/facts.ts';
import { addTo, type Ledger, type PaperOrder } from '../state/ledger.ts';
import { isStateful } from '../wire/message.ts';
import { TIF } from '../wire/validate-basic.ts';
import {
  addResting,
  type Book,
  createBook,
  type Held,
  type Match,
  matchTaker,
  opposite,
  oracleOf,
  type Resting,
  removeResting,
  sweepMakers,
  wouldCross,
} from './book.ts';
import { hasCollateral, type PriceOf } from './collateral.ts';

/** Two abuses that would otherwise grow without end; beyond them a node answers "mempool is full". */
const MAX_QUEUED_MATCHES = 200_000;
const MAX_RESTING_ORDERS = 200_000;

export type QueuedMatch = { readonly taker: Resting | undefined; readonly match: Match };
type QueuedRemoval = { readonly order: PaperOrder; readonly reason: string };
export type Operations = {
  readonly matches: readonly QueuedMatch[];
  readonly removals: readonly QueuedRemoval[];
  /** short-term orders that end with this height */
  readonly ending: readonly Resting[];
};

export type Memclob = {
  readonly books: ReadonlyMap<number, Book>;
  readonly isFull: () => boolean;
  /** Matches what can be matched now and rests or drops the remainder. */
  readonly place: (order: PaperOrder, placement: Held) => void;
  readonly wouldCross: (pair: number, side: Side, subticks: bigint) => boolean;
  readonly unrest: (order: PaperOrder) => void;
  /** Off the book at once; a stateful order leaves the state in the next block. */
  readonly drop: (order: PaperOrder, reason: string) => void;
  /** What the block of this height is made of; the queue is empty afterwards. */
  readonly takeOperations: (height: number) => Operations;
  /** After the block: its operations are real, its endings have ended. */
  readonly settle: (operations: Operations) => void;
  /** Users' orders that the moved synthetic book has run into fill as makers. */
  readonly sweep: () => void;
  readonly changeMarket: (market: PaperMarket) => void;
};

export function createMemclob(ledger: Ledger, seed: number, record: (fact: Fact) => void): Memclob {
  const books = new Map(ledger.markets.all().map((market) => [market.clobPairId, createBook(market, seed)]));
  const restingByHeight = new Map<number, Resting[]>();
  let matches: QueuedMatch[] = [];
  let removals: QueuedRemoval[] = [];
  let sequence = 0;
  let restingCount = 0;

  const priceOf: PriceOf = (clobPairId) => {
    const book = books.get(clobPairId);
    return book && { market: book.market, oracleSubticks: oracleOf(book, ledger.height) };
  };

  const forget = (resting: Resting): void => {
    resting.order.resting = undefined;
    restingCount -= 1;
  };

  const queueMatches = (taker: Resting | undefined, made: readonly Match[]): void => {
    for (const match of made) {
      matches.push({ taker, match });
      for (const side of [taker, match.maker]) {
        if (!side) continue;
        side.order.optimistic += match.quantums;
        side.order.queued = side;
        addTo(side.order.subaccount.optimistic, side.order.clobPairId, side.side, match.quantums);
        // A maker that is used up has left the book already.
        if (side === match.maker && side.remaining === 0n && side.order.resting === side) forget(side);
      }
    }
  };

  const rest = (book: Book, resting: Resting): void => {
    resting.order.resting = resting;
    restingCount += 1;
    addResting(book, resting);
    // A stateful order ends by time, in the state.
    if (resting.goodTilBlock === 0) return;
    const bucket = restingByHeight.get(resting.goodTilBlock);
    if (bucket) bucket.push(resting);
    else restingByHeight.set(resting.goodTilBlock, [resting]);
  };

  const unrest = (order: PaperOrder): void => {
    const { resting } = order;
    const book = books.get(order.clobPairId);
    if (!resting || !book) return;
    removeResting(book, resting);
    forget(resting);
  };

  const drop = (order: PaperOrder, reason: string): void => {
    unrest(order);
    if (!isStateful(order.orderFlags)) record({ t: 'removal', order: order.id, reason });
    else if (!order.isLeaving) {
      order.isLeaving = true;
      removals.push({ order, reason });
    }
  };

  const crosses = (pair: number, side: Side, subticks: bigint): boolean => {
    const book = books.get(pair);
    return book !== undefined && wouldCross(book, side, subticks, ledger.height);
  };

  /** A short-term order that would cross was refused; a stateful one is in state already and must go. */
  const mustLeave = (order: PaperOrder, { timeInForce, side }: Held): boolean =>
    timeInForce === TIF.POST_ONLY &&
    isStateful(order.orderFlags) &&
    crosses(order.clobPairId, side, order.subticks);

  const place = (order: PaperOrder, placement: Held): void => {
    const book = books.get(order.clobPairId);
    if (!book) return;
    unrest(order);
    if (mustLeave(order, placement)) {
      drop(order, 'POST_ONLY_WOULD_CROSS_MAKER_ORDER');
      return;
    }
    const open = order.quantums - order.fillAmount - order.optimistic;
    const quantums = placement.reduceOnly ? smaller(open, closable(order, placement.side)) : open;
    sequence += 1;
    const { goodTilBlock, timeInForce, reduceOnly, content } = placement;
    const taker: Resting = {
      side: placement.side,
      goodTilBlock,
      timeInForce,
      reduceOnly,
      content,
      order,
      subticks: order.subticks,
      sequence,
      remaining: open,
    };
    const { side, subticks } = taker;
    const { subaccount, clobPairId } = order;
    const mayTake = (taken: bigint): boolean =>
      hasCollateral(subaccount, { clobPairId, side, quantums: taken }, priceOf);
    const outcome = matchTaker(book, { order, side, subticks, quantums }, ledger.height, mayTake);
    for (const maker of outcome.selfTraded) {
      forget(maker);
      drop(maker.order, 'SELF_TRADE_ERROR');
    }
    queueMatches(taker, outcome.matches);
    taker.remaining = open - (quantums - outcome.remaining);
    if (taker.remaining === 0n) return;
    if (outcome.isBarred) {
      drop(order, 'UNDERCOLLATERALIZED');
      return;
    }
    const wasResized = quantums < open && outcome.remaining === 0n;
    if (placement.timeInForce !== TIF.IOC) rest(book, taker);
    else drop(order, wasResized ? 'REDUCE_ONLY_RESIZE' : 'IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK');
  };

  return {
    books,
    isFull: () => matches.length >= MAX_QUEUED_MATCHES || restingCount >= MAX_RESTING_ORDERS,
    place,
    wouldCross: crosses,
    unrest,
    drop,
    takeOperations(height) {
      const bucket = restingByHeight.get(height) ?? [];
      restingByHeight.delete(height);
      const ending = bucket.filter((resting) => resting.order.resting === resting);
      const operations = { matches, removals, ending };
      matches = [];
      removals = [];
      return operations;
    },
    settle(operations) {
      for (const { taker, match } of operations.matches) settleMatch(taker, match);
      for (const { order } of operations.removals) order.isLeaving = false;
      for (const { order } of operations.ending) unrest(order);
    },
    sweep() {
      for (const book of books.values()) {
        if (book.market.status === 'ACTIVE') queueMatches(undefined, sweepMakers(book, ledger.height));
      }
    },
    changeMarket(market) {
      const book = books.get(market.clobPairId);
      if (!book) return;
      book.market = market;
      if (market.status !== 'FINAL_SETTLEMENT') return;
      const resting = [...book.users.BUY, ...book.users.SELL].map(({ order }) => order);
      const inState = [...ledger.alive.values()].filter((order) => order.clobPairId === market.clobPairId);
      for (const order of new Set([...resting, ...inState])) drop(order, 'FINAL_SETTLEMENT');
    },
  };
}

/** Math.min for bigints. */
function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

/** How much of the position an order of this side can close; 0 when it would increase it. */
function closable(order: PaperOrder, side: Side): bigint {
  const { positions, optimistic } = order.subaccount;
  const position = (positions.get(order.clobPairId) ?? 0n) + (optimistic.get(order.clobPairId) ?? 0n);
  const reducible = side === 'BUY' ? -position : position;
  return reducible > 0n ? reducible : 0n;
}

/** A committed match is optimistic no more. */
function settleMatch(taker: Resting | undefined, match: Match): void {
  for (const side of [taker, match.maker]) {
    if (!side) continue;
    side.order.optimistic -= match.quantums;
    side.order.queued = undefined;
    addTo(side.order.subaccount.optimistic, side.order.clobPairId, opposite(side.side), match.quantums);
  }
}
