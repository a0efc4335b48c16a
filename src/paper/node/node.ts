// One node: what it alone knows. Its own committed height (a lag behind the proposer), rate limits, cancels, seen bytes
// and mempool; all of it dies with the process. Only what reaches node 0, the proposer, can be matched or included.
import type { Held } from '../blocks/book.ts';
import type { Chain } from '../blocks/chain.ts';
import type { StatefulView } from '../state/stateful-rules.ts';
import { createUncommitted } from '../state/uncommitted.ts';
import type { Transaction } from '../wire/decode.ts';
import type { Refusal } from '../wire/refusal.ts';
import { createExpiringMap, type ExpiringMap } from './expiring-map.ts';
import { createRateLimiter, type RateLimit, type RateLimiter } from './rate-limit.ts';
import { createSeenCache, type SeenCache } from './seen-cache.ts';

/** The size of CometBFT's mempool cache is a node's setting; this one never forgets within a test. */
const SEEN_TRANSACTIONS = 200_000;

export type NodeSettings = {
  readonly lag_blocks: number;
  readonly tx_index: boolean;
  readonly catching_up: boolean;
  /** its RPC drops every connection; blocks and gossip go on */
  readonly is_down: boolean;
  /** tells the other nodes what it accepts */
  readonly gossip: boolean;
};

/** What is left out stays as it is. */
export type NodeChange = { readonly [K in keyof NodeSettings]?: NodeSettings[K] | undefined };

const START: NodeSettings = {
  lag_blocks: 0,
  tx_index: true,
  catching_up: false,
  is_down: false,
  gossip: true,
};

export function changeSettings(now: NodeSettings, change: NodeChange): NodeSettings {
  return {
    lag_blocks: change.lag_blocks ?? now.lag_blocks,
    tx_index: change.tx_index ?? now.tx_index,
    catching_up: change.catching_up ?? now.catching_up,
    is_down: change.is_down ?? now.is_down,
    gossip: change.gossip ?? now.gossip,
  };
}

export type NodeLimits = {
  readonly shortTerm: RateLimit;
  readonly stateful: readonly RateLimit[];
};

/** A stateful transaction that waits for its block. */
export type Pooled = {
  readonly tx: Transaction;
  /** height of the node when it came in */
  readonly height: number;
  /** something keeps it from the proposer */
  readonly isLost: boolean;
  /** a fault that decides its result in the block */
  readonly verdict: Refusal | undefined;
};

export type PaperNode = {
  readonly index: number;
  readonly isProposer: boolean;
  readonly chain: Chain;
  readonly limits: NodeLimits;
  settings: NodeSettings;
  readonly shortTermLimiter: RateLimiter;
  readonly statefulLimiter: RateLimiter;
  /** short-term cancels: order uuid → good-til-block of the cancel */
  readonly fences: ExpiringMap<number>;
  /** short-term placements that it took and the proposer's book does not tell of */
  readonly held: ExpiringMap<Held>;
  readonly seen: SeenCache;
  pool: Pooled[];
  /** its last block, with what its mempool would do on top */
  view: StatefulView;
};

/** The view of a node that has just committed this height. */
export function viewAt(chain: Chain, height: number): StatefulView {
  const { ledger, seed, limits } = chain;
  const timeMs = ledger.blockTimesMs.get(height) ?? ledger.timeMs;
  const uncommitted = createUncommitted(ledger.authenticators);
  return { ledger, seed, limits, height, timeMs, uncommitted, isBlock: false };
}

export function createNode(chain: Chain, index: number, limits: NodeLimits): PaperNode {
  return {
    index,
    isProposer: index === 0,
    chain,
    limits,
    settings: START,
    shortTermLimiter: createRateLimiter([limits.shortTerm]),
    statefulLimiter: createRateLimiter(limits.stateful),
    fences: createExpiringMap(),
    held: createExpiringMap(),
    seen: createSeenCache(SEEN_TRANSACTIONS),
    pool: [],
    view: viewAt(chain, chain.ledger.height),
  };
}
