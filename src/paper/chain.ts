// The paper chain: committed height, books, the proposer's queue of optimistic matches, and blocks.
// Invariants: a match becomes a fill only in the next block; a block is in the journal before it is visible; an
// order is in no block above its good-til-block; what is only in memory (books, queue, fences) dies with the process.

import {
  addResting,
  type Book,
  createBook,
  type Match,
  opposite,
  type Resting,
  removeResting,
  sweepMakers,
} from './book.ts';
import type { BlockFill, Fact } from './facts.ts';
import type { Journal } from './journal.ts';
import { addTo, applyFact, createLedger, type Ledger, type PaperOrder } from './ledger.ts';
import { PAPER_MARKETS } from './markets.ts';
import { createRateLimiter, type RateLimit, type RateLimiter } from './rate-limit.ts';

/** Two abuses that would otherwise grow without end; beyond them a node answers "mempool is full". */
const MAX_QUEUED_MATCHES = 200_000;
const MAX_RESTING_ORDERS = 200_000;

type QueuedMatch = { readonly taker: Resting | undefined; readonly match: Match };

export type Chain = {
  readonly chainId: string;
  readonly seed: number;
  readonly ledger: Ledger;
  readonly books: ReadonlyMap<number, Book>;
  readonly limiter: RateLimiter;
  readonly limit: RateLimit;
  /** cancels known to this node: order uuid → good-til-block of the cancel */
  readonly fences: Map<string, number>;
  /** Journals, then applies. */
  readonly record: (fact: Fact) => void;
  readonly isFull: () => boolean;
  readonly nextSequence: () => number;
  readonly queueMatches: (taker: Resting | undefined, matches: readonly Match[]) => void;
  readonly rest: (resting: Resting) => void;
  readonly unrest: (order: PaperOrder) => void;
  readonly fence: (orderId: string, goodTilBlock: number) => void;
  readonly produceBlock: () => void;
};

export function createChain(options: {
  readonly chainId: string;
  readonly seed: number;
  readonly rateLimit: RateLimit;
  readonly journal: Journal;
  readonly now: () => number;
}): Chain {
  const { chainId, seed, journal, now } = options;
  const ledger = createLedger(1, now());
  for (const fact of journal.recover()) applyFact(ledger, fact);
  markForgotten(ledger);

  const books = new Map(PAPER_MARKETS.map((market) => [market.clobPairId, createBook(market, seed)]));
  const limiter = createRateLimiter(options.rateLimit);
  const fences = new Map<string, number>();
  const fencesByHeight = new Map<number, string[]>();
  const restingByHeight = new Map<number, Resting[]>();
  let queue: QueuedMatch[] = [];
  let sequence = 0;
  let restingCount = 0;

  const record = (fact: Fact): void => {
    journal.append(fact);
    applyFact(ledger, fact);
  };

  const queueMatches = (taker: Resting | undefined, matches: readonly Match[]): void => {
    for (const match of matches) {
      queue.push({ taker, match });
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

  const forget = (resting: Resting): void => {
    resting.order.resting = undefined;
    restingCount -= 1;
  };

  const rest = (resting: Resting): void => {
    resting.order.resting = resting;
    restingCount += 1;
    push(restingByHeight, resting.goodTilBlock, resting);
    const book = books.get(resting.order.clobPairId);
    if (book && !resting.isGhost) addResting(book, resting);
  };

  const unrest = (order: PaperOrder): void => {
    const { resting } = order;
    if (!resting) return;
    const book = books.get(order.clobPairId);
    if (book && !resting.isGhost) removeResting(book, resting);
    forget(resting);
  };

  const fence = (orderId: string, goodTilBlock: number): void => {
    fences.set(orderId, goodTilBlock);
    push(fencesByHeight, goodTilBlock, orderId);
  };

  const produceBlock = (): void => {
    const height = ledger.height + 1;
    const ending = (restingByHeight.get(height) ?? []).filter((resting) => resting.order.resting === resting);
    record({
      t: 'block',
      height,
      timeMs: Math.max(now(), ledger.timeMs + 1),
      fills: queue.flatMap(fillsOf),
      expired: ending.filter((resting) => !resting.isGhost).map((resting) => resting.order.id),
    });
    for (const { taker, match } of queue) settle(taker, match);
    queue = [];
    for (const resting of ending) unrest(resting.order);
    restingByHeight.delete(height);
    for (const orderId of fencesByHeight.get(height) ?? []) {
      if (fences.get(orderId) === height) fences.delete(orderId);
    }
    fencesByHeight.delete(height);
    limiter.advance();
    for (const book of books.values()) queueMatches(undefined, sweepMakers(book, height));
  };

  return {
    chainId,
    seed,
    ledger,
    books,
    limiter,
    limit: options.rateLimit,
    fences,
    record,
    isFull: () => queue.length >= MAX_QUEUED_MATCHES || restingCount >= MAX_RESTING_ORDERS,
    nextSequence: () => ++sequence,
    queueMatches,
    rest,
    unrest,
    fence,
    produceBlock,
  };
}

/** Short-term orders live in a node's memory: after a restart those that were neither filled nor removed are gone. */
function markForgotten(ledger: Ledger): void {
  for (const order of ledger.orders.values()) {
    if (order.accepted > 0 && order.removal === undefined) order.removal = 'NODE_RESTARTED';
  }
}

function push<T>(buckets: Map<number, T[]>, height: number, item: T): void {
  const bucket = buckets.get(height);
  if (bucket) bucket.push(item);
  else buckets.set(height, [item]);
}

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

/** A committed match is optimistic no more. */
function settle(taker: Resting | undefined, match: Match): void {
  for (const side of [taker, match.maker]) {
    if (!side) continue;
    side.order.optimistic -= match.quantums;
    side.order.queued = undefined;
    addTo(side.order.subaccount.optimistic, side.order.clobPairId, opposite(side.side), match.quantums);
  }
}
