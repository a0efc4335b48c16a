// What a paper exchange can be started with, and what each option is when it is left out. Checked at once: a wrong value
// is an error at the start, not a strange answer later.
import { DEFAULT_RATE_LIMIT, DEFAULT_STATEFUL_RATE_LIMITS, type RateLimit } from './node/rate-limit.ts';
import { DEFAULT_EQUITY_TIERS, type EquityTier, toQuoteQuantums } from './state/equity.ts';
import type { Log } from './state/journal.ts';

const MAX_NODES = 8;

export type PaperOptions = {
  /** 0 (default) = any free port */
  readonly port?: number;
  readonly host?: string;
  /** milliseconds between blocks, default 500; 0 = blocks only by produceBlock() */
  readonly blockMs?: number;
  /** the price path, the book and probabilities of faults follow from it; default 1 */
  readonly seed?: number;
  /** folder of the journal; absent = memory only */
  readonly dataDir?: string;
  readonly chainId?: string;
  /** how many blocks the indexer is behind, default 0 */
  readonly indexerLagBlocks?: number;
  /** every signature counts as right: a third of the work less, for load tests; default false */
  readonly trustsSignatures?: boolean;
  /** for so long the same question gets the same answer; the venue's is 1000, default 0 */
  readonly indexerCacheMs?: number;
  /** 1 (default) to 8; node 0 is the proposer's own */
  readonly nodes?: number;
  /** blocks until what one node accepts reaches the others; default 0 = at once */
  readonly gossipBlocks?: number;
  /** short-term orders and cancels per owner; default 4000 per 5 blocks */
  readonly rateLimit?: RateLimit;
  /** stateful placements per owner; default 2 per block and 20 per 100 blocks; empty = none */
  readonly statefulRateLimits?: readonly RateLimit[];
  /** open stateful orders per subaccount by equity, ascending; default as in facts §3.5; empty = none */
  readonly equityTiers?: readonly EquityTier[];
  /** what every subaccount starts with, decimal string; default 1000000 */
  readonly startUsdc?: string;
  /** a long-term order's notional may not exceed equity times this; default 20 */
  readonly maxLeverage?: number;
  /** the clock that block times follow, unix milliseconds; default this machine's */
  readonly now?: () => number;
  readonly log?: Log;
};

export type Settings = Required<Omit<PaperOptions, 'dataDir'>> & Pick<PaperOptions, 'dataDir'>;

const DEFAULTS = {
  port: 0,
  host: '127.0.0.1',
  blockMs: 500,
  seed: 1,
  chainId: 'dydx-paper-1',
  indexerLagBlocks: 0,
  trustsSignatures: false,
  indexerCacheMs: 0,
  nodes: 1,
  gossipBlocks: 0,
  rateLimit: DEFAULT_RATE_LIMIT,
  statefulRateLimits: DEFAULT_STATEFUL_RATE_LIMITS,
  equityTiers: DEFAULT_EQUITY_TIERS,
  startUsdc: '1000000',
  maxLeverage: 20,
  now: Date.now,
  log: () => {},
} satisfies Settings;

function demandInteger(name: string, value: number, low: number, high = Number.MAX_SAFE_INTEGER): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new Error(
    `${name} of the paper exchange must be a whole number from ${low} to ${high}, not ${value}`,
  );
}

/** Throws on the first value that makes no sense. */
export function resolveOptions(options: PaperOptions): Settings {
  const settings = { ...DEFAULTS, ...options };
  demandInteger('nodes', settings.nodes, 1, MAX_NODES);
  demandInteger('gossipBlocks', settings.gossipBlocks, 0);
  demandInteger('indexerLagBlocks', settings.indexerLagBlocks, 0);
  demandInteger('indexerCacheMs', settings.indexerCacheMs, 0);
  demandInteger('maxLeverage', settings.maxLeverage, 1);
  for (const { limit, blocks } of [settings.rateLimit, ...settings.statefulRateLimits]) {
    demandInteger('limit', limit, 0);
    demandInteger('blocks', blocks, 1);
  }
  for (const { usd } of [{ usd: settings.startUsdc }, ...settings.equityTiers]) toQuoteQuantums(usd);
  return settings;
}
