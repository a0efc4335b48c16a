// What stands between a recorded order and the network: halts, limits, and the share of the venue's rate limit. The use
// cases ask; src/runtime/gate.ts answers. Halts and limits never hold a cancel; the rate may.
import type { Refusal } from './intent.ts';
import type { Market } from './market.ts';
import type { OrderType, Side } from './status.ts';

/** A placement as halts and limits see it; sizes and prices are decimal strings. */
export type Placement = {
  readonly tenantId: string;
  /** the intent's: whatever is asked of it again is not counted again */
  readonly clientId: string;
  readonly account: string;
  readonly subaccountNumber: number;
  /** bech32 address of the account */
  readonly owner: string;
  readonly market: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly size: string;
  /** its limit; of MARKET, STOP_MARKET and TAKE_PROFIT_MARKET the worst price that would be signed */
  readonly price: string;
  readonly triggerPrice: string | undefined;
  readonly reduceOnly: boolean;
  readonly isStateful: boolean;
};

/**
 * HALTED: nothing leaves. REDUCING: only reduce-only orders leave. UNKNOWN: whether there is a halt is not known at the
 * moment: nothing leaves, and nothing is refused either.
 */
export type Held = Unknown | { readonly mode: 'HALTED' | 'REDUCING'; readonly reason: string };

/** What would have to be known first is not known at the moment: ask again. */
export type Unknown = { readonly mode: 'UNKNOWN'; readonly reason: string };

/**
 * Counters of the venue that all workers of an owner share. cancel: short-term cancels, which may also use what
 * placements leave; a batch cancel takes 2 points.
 */
export type RateLane = 'short_term' | 'stateful' | 'cancel';

export type Gate = {
  /** Asked before signing and again at the last moment before every transmission of a placement: no I/O. */
  readonly whyHeld: (
    placement: Pick<Placement, 'tenantId' | 'account' | 'market' | 'reduceOnly'>,
  ) => Held | undefined;
  /**
   * The limit that it breaks; asked before the first signature only. What is let through counts as open from now on.
   * Unknown while the database cannot say how much is open, or the oracle price is too old for the limits that hold.
   */
  readonly whyBeyond: (placement: Placement, market: Market) => Promise<Refusal | Unknown | undefined>;
  /** True: that many points of the owner's share are taken. False: ask again after rateRetryMs. */
  readonly takeRate: (owner: string, lane: RateLane, points?: number) => Promise<boolean>;
  /**
   * After takeRate has said false: ms until a bucket of that lane begins in which it may say true, 100 to 30,000. All
   * who wait for it are told the same: add jitter.
   */
  readonly rateRetryMs: (owner: string, lane: RateLane) => number;
  /** Intents that a tenant offers, before they are recorded: the refusal when it offers more than it may a second. */
  readonly takeIntents: (tenantId: string, count: number) => Promise<Refusal | undefined>;
};
