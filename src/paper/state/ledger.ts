// The exchange's memory: what every transaction and block so far has left behind. Written by apply-fact.ts and the files
// it calls, but for what belongs to the proposer's memory (memclob.ts): the last fields of an order, and optimistic
// positions. Everything else reads.
import { subaccountUuid } from '../../core/order-uuid.ts';
import type { Side } from '../../core/status.ts';
import type { Resting } from '../blocks/book.ts';
import { createMarkets, type Markets, type PaperMarket } from '../markets.ts';
import type { PlaceOrder } from '../wire/message.ts';
import { EMPTY_REGISTRY, type Registry } from './authenticators.ts';
import { FRESH, type Replay } from './replay.ts';

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
  startQuoteQuantums: bigint;
  /** what committed fills have changed of it, fees included */
  quoteQuantums: bigint;
  /** stateful orders in state */
  openStateful: number;
};

/** One stay of a stateful order in the chain's state. After its end the same OrderId may be placed anew. */
export type Placement = {
  readonly content: PlaceOrder;
  readonly height: number;
  readonly timeMs: number;
  /** counts the stateful placements of its block */
  readonly transactionIndex: number;
  /** 0 when it is no conditional order */
  readonly triggerSubticks: bigint;
  /** index in the order's fills of the first that belongs to this stay */
  readonly firstFill: number;
  triggeredAtHeight: number | undefined;
  end: { readonly height: number; readonly timeMs: number; readonly reason: string } | undefined;
};

export type PaperOrder = {
  readonly id: string;
  readonly subaccount: Subaccount;
  readonly clientId: number;
  readonly clobPairId: number;
  readonly orderFlags: number;
  /** as it was at the start; undefined when the order names a pair that does not exist */
  readonly market: PaperMarket | undefined;
  side: Side;
  quantums: bigint;
  subticks: bigint;
  timeInForce: number;
  reduceOnly: boolean;
  clientMetadata: number;
  /** highest accepted, 0 before */
  goodTilBlock: number;
  /** unix seconds, highest accepted; 0 for a short-term order */
  goodTilBlockTime: number;
  deliveries: number;
  accepted: number;
  filled: bigint;
  /** consensus fill amount; forgotten at prunableHeight, or when a stateful order leaves the state */
  fillAmount: bigint;
  prunableHeight: number;
  readonly fills: PaperFill[];
  /** of a stateful order, oldest first; only the last can be without end */
  placements: readonly Placement[];
  removal: string | undefined;
  updatedAtHeight: number;
  updatedAtMs: number;
  // Below: what the proposer holds in memory only; gone after a restart.
  resting: Resting | undefined;
  /** matched, in no block yet */
  optimistic: bigint;
  /** content of the newest matched placement in the operations queue */
  queued: Resting | undefined;
  /** off the book, and out of state with the next block */
  isLeaving: boolean;
};

export type IncludedTransaction = {
  readonly hash: string;
  /** base64 */
  readonly bytes: string;
  readonly height: number;
  readonly index: number;
  readonly code: number;
  readonly codespace: string;
  readonly log: string;
  readonly nonce: number;
  readonly owner: string;
  readonly kinds: readonly ('place' | 'cancel' | 'other')[];
  readonly orderIds: readonly string[];
};

/** Replay protection after the block of that height. */
type ReplayAt = { readonly height: number; readonly replay: Replay };

export type Ledger = {
  readonly markets: Markets;
  readonly orders: Map<string, PaperOrder>;
  /** stateful orders in state, by uuid */
  readonly alive: Map<string, PaperOrder>;
  readonly subaccounts: Map<string, Subaccount>;
  readonly fills: PaperFill[];
  readonly transactions: Map<string, IncludedTransaction>;
  readonly transactionsAt: Map<number, readonly IncludedTransaction[]>;
  /** by owner, oldest first; as far back as a node can lag */
  readonly replays: Map<string, readonly ReplayAt[]>;
  authenticators: Registry;
  /** by "codespace/code" */
  readonly refusals: Map<string, number>;
  readonly startQuoteQuantums: bigint;
  height: number;
  timeMs: number;
  readonly blockTimesMs: Map<number, number>;
  readonly prunable: Map<number, PaperOrder[]>;
};

export function createLedger(height: number, timeMs: number, startQuoteQuantums: bigint): Ledger {
  return {
    markets: createMarkets(),
    orders: new Map(),
    alive: new Map(),
    subaccounts: new Map(),
    fills: [],
    transactions: new Map(),
    transactionsAt: new Map(),
    replays: new Map(),
    authenticators: EMPTY_REGISTRY,
    refusals: new Map(),
    startQuoteQuantums,
    height,
    timeMs,
    blockTimesMs: new Map([[height, timeMs]]),
    prunable: new Map(),
  };
}

/** Does the proposer have it: on its book, in its queue of matches, or in the state? */
export function isLive(order: PaperOrder): boolean {
  return order.optimistic > 0n || order.resting !== undefined || placementOf(order) !== undefined;
}

/** The stay in state that has not ended. */
export function placementOf(order: PaperOrder): Placement | undefined {
  const last = order.placements.at(-1);
  return last?.end === undefined ? last : undefined;
}

/** The stay in state as of an earlier height. */
export function placementAt(order: PaperOrder, height: number): Placement | undefined {
  const newest = order.placements.findLast((placement) => placement.height <= height);
  return newest?.end !== undefined && newest.end.height <= height ? undefined : newest;
}

/** The fills of one stay, ascending. */
export function fillsIn(order: PaperOrder, placement: Placement): readonly PaperFill[] {
  const next = order.placements[order.placements.indexOf(placement) + 1];
  return order.fills.slice(placement.firstFill, next?.firstFill);
}

/** What of the placement was filled up to this height. */
export function filledAt(order: PaperOrder, placement: Placement, height: number): bigint {
  return totalQuantums(fillsIn(order, placement).filter((fill) => fill.height <= height));
}

export function totalQuantums(fills: readonly PaperFill[]): bigint {
  return fills.reduce((sum, fill) => sum + fill.quantums, 0n);
}

export function replayAt(ledger: Ledger, owner: string, height: number): Replay {
  return ledger.replays.get(owner)?.findLast((each) => each.height <= height)?.replay ?? FRESH;
}

export function findSubaccount(ledger: Ledger, owner: string, number: number): Subaccount | undefined {
  return ledger.subaccounts.get(`${owner}/${number}`);
}

export function subaccountOf(ledger: Ledger, owner: string, number: number): Subaccount {
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
    startQuoteQuantums: ledger.startQuoteQuantums,
    quoteQuantums: 0n,
    openStateful: 0,
  };
  ledger.subaccounts.set(`${owner}/${number}`, made);
  return made;
}

export function addTo(positions: Map<number, bigint>, pair: number, side: Side, quantums: bigint): void {
  const next = (positions.get(pair) ?? 0n) + (side === 'BUY' ? quantums : -quantums);
  if (next === 0n) positions.delete(pair);
  else positions.set(pair, next);
}
