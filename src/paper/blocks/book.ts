// One market's order book: users' resting orders in price-time order, and the synthetic levels of this height.
// Invariant: both user sides are sorted best first (earlier first at one price); at an equal price a user's order
// goes before a synthetic level, which is newer. Matching changes the book at once and returns what it did.
import type { Side } from '../../core/status.ts';
import type { PaperMarket } from '../markets.ts';
import type { PaperOrder } from '../state/ledger.ts';
import { type Level, type Levels, midSubticks, syntheticLevels } from '../synthetic.ts';
import type { PlaceOrder } from '../wire/message.ts';

/** What a node keeps of a short-term placement: enough to judge a replacement. */
export type Held = {
  readonly side: Side;
  /** 0 of a stateful order */
  readonly goodTilBlock: number;
  readonly timeInForce: number;
  readonly reduceOnly: boolean;
  /** kept for the tie rule of replacements */
  readonly content: PlaceOrder;
};

export type Resting = Held & {
  readonly order: PaperOrder;
  readonly subticks: bigint;
  readonly sequence: number;
  remaining: bigint;
};

export type Book = {
  market: PaperMarket;
  readonly seed: number;
  readonly users: Readonly<Record<Side, Resting[]>>;
  levels: Levels;
  levelsHeight: number;
  oracleSubticks: bigint;
  oracleHeight: number;
};

export type Match = {
  readonly maker: Resting | undefined;
  readonly quantums: bigint;
  readonly subticks: bigint;
};
export type MatchOutcome = {
  readonly matches: readonly Match[];
  readonly selfTraded: readonly Resting[];
  readonly remaining: bigint;
  /** the taker may take no more, whatever the book holds */
  readonly isBarred: boolean;
};

export function createBook(market: PaperMarket, seed: number): Book {
  return {
    market,
    seed,
    users: { BUY: [], SELL: [] },
    levels: { BUY: [], SELL: [] },
    levelsHeight: -1,
    oracleSubticks: 0n,
    oracleHeight: -1,
  };
}

export function opposite(side: Side): Side {
  return side === 'BUY' ? 'SELL' : 'BUY';
}

/** Replenished at each height, made only when somebody looks. */
export function refreshLevels(book: Book, height: number): Levels {
  if (book.levelsHeight !== height) {
    book.levels = syntheticLevels(book.seed, book.market, height);
    book.levelsHeight = height;
  }
  return book.levels;
}

/** Computed once a height: every match asks for it. */
export function oracleOf(book: Book, height: number): bigint {
  if (book.oracleHeight !== height) {
    book.oracleSubticks = midSubticks(book.seed, book.market, height);
    book.oracleHeight = height;
  }
  return book.oracleSubticks;
}

/** Math.min for bigints. */
function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function isBetter(side: Side, left: bigint, right: bigint): boolean {
  return side === 'BUY' ? left > right : left < right;
}

/** Index of the first resting order that does not come before this one. */
function positionOf(orders: readonly Resting[], resting: Resting): number {
  let low = 0;
  let high = orders.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = orders[middle];
    const isBefore =
      other !== undefined &&
      (isBetter(resting.side, other.subticks, resting.subticks) ||
        (other.subticks === resting.subticks && other.sequence < resting.sequence));
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function addResting(book: Book, resting: Resting): void {
  const orders = book.users[resting.side];
  orders.splice(positionOf(orders, resting), 0, resting);
}

export function removeResting(book: Book, resting: Resting): void {
  const orders = book.users[resting.side];
  const index = positionOf(orders, resting);
  if (orders[index] === resting) orders.splice(index, 1);
}

function bestLevel(levels: readonly Level[]): Level | undefined {
  return levels.find((level) => level.quantums > 0n);
}

/** Would an order at this price meet anything on the other side? */
export function wouldCross(book: Book, side: Side, subticks: bigint, height: number): boolean {
  const user = book.users[opposite(side)][0]?.subticks;
  const synthetic = bestLevel(refreshLevels(book, height)[opposite(side)])?.subticks;
  return [user, synthetic].some((price) => price !== undefined && !isBetter(side, price, subticks));
}

/** Takes from the book up to `quantums` at `subticks` or better. A maker of the same subaccount is removed. */
export function matchTaker(
  book: Book,
  taker: {
    readonly order: PaperOrder;
    readonly side: Side;
    readonly subticks: bigint;
    readonly quantums: bigint;
  },
  height: number,
  mayTake: (quantums: bigint) => boolean,
): MatchOutcome {
  const makerSide = opposite(taker.side);
  const users = book.users[makerSide];
  const levels = refreshLevels(book, height)[makerSide];
  const matches: Match[] = [];
  const selfTraded: Resting[] = [];
  let remaining = taker.quantums;
  let isBarred = false;
  // Once for all of it, which is enough for nearly everybody; match by match only for the others.
  const isFree = mayTake(taker.quantums);
  while (remaining > 0n) {
    const user = users[0];
    const level = bestLevel(levels);
    const isUserFirst =
      user !== undefined && (level === undefined || !isBetter(makerSide, level.subticks, user.subticks));
    const best = isUserFirst ? user : level;
    if (best === undefined || isBetter(taker.side, best.subticks, taker.subticks)) break;
    if (isUserFirst && user.order.subaccount === taker.order.subaccount) {
      users.shift();
      selfTraded.push(user);
      continue;
    }
    const available = isUserFirst ? user.remaining : (level?.quantums ?? 0n);
    const quantums = smaller(available, remaining);
    isBarred = !isFree && !mayTake(taker.quantums - remaining + quantums);
    if (isBarred) break;
    remaining -= quantums;
    matches.push({ maker: isUserFirst ? user : undefined, quantums, subticks: best.subticks });
    if (isUserFirst) {
      user.remaining -= quantums;
      if (user.remaining === 0n) users.shift();
    } else if (level) {
      level.quantums -= quantums;
    }
  }
  return { matches, selfTraded, remaining, isBarred };
}

/** Users' orders that the moved synthetic book has run into: each fills as maker, at its own price. */
export function sweepMakers(book: Book, height: number): Match[] {
  const matches: Match[] = [];
  for (const side of ['BUY', 'SELL'] as const) {
    const users = book.users[side];
    if (users.length === 0) continue;
    const levels = refreshLevels(book, height)[opposite(side)];
    for (
      let maker = users[0], level = bestLevel(levels);
      maker && level;
      maker = users[0], level = bestLevel(levels)
    ) {
      if (isBetter(side, level.subticks, maker.subticks)) break;
      const quantums = smaller(level.quantums, maker.remaining);
      level.quantums -= quantums;
      maker.remaining -= quantums;
      matches.push({ maker, quantums, subticks: maker.subticks });
      if (maker.remaining === 0n) users.shift();
    }
  }
  return matches;
}
