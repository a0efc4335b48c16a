// What stands between a recorded order and the network, for one process: halts from a copy of the controls, limits of
// the settings and of the controls, the owner's share of the chain's rate. src/core/gate.ts is what is promised.
import type { Config } from '../config.ts';
import { retryMsOf, TYPICAL_BLOCK_MS } from '../core/block-rate.ts';
import { controlsOver, limitSources, whyHeld } from '../core/controls.ts';
import { whyBeyondTier } from '../core/equity-tier.ts';
import type { Gate, Placement, Unknown } from '../core/gate.ts';
import type { Refusal } from '../core/intent.ts';
import {
  type LimitName,
  type LimitSource,
  type Limits,
  needsOracle,
  needsStanding,
  strictest,
  tooManyIntents,
  whyBeyondAlone,
  whyBeyondOpen,
} from '../core/limits.ts';
import type { Market } from '../core/market.ts';
import type { Indexer, Validator } from '../core/ports.ts';
import { createOutage } from '../ops/outage.ts';
import { memoryRateStore } from '../queue/rate-store.ts';
import { listControls } from '../store/controls.ts';
import { readExposures } from '../store/exposures.ts';
import type { HeightFeed } from '../venue/height-feed.ts';
import { createBlockPace } from './block-pace.ts';
import { type BlockRates, createBlockRates } from './block-rates.ts';
import type { Context } from './context.ts';
import { type ControlCopy, createControlCopy } from './control-copy.ts';
import { createEquityTiers, type EquityTiers } from './equity-tiers.ts';
import { createOpenBook, type OpenBook } from './open-book.ts';
import { createRateBudget, type RateBudget } from './rate-budget.ts';

export type GateVenue = {
  readonly validator: Pick<Validator, 'blockRateLimits' | 'equityTiers'>;
  readonly indexer: Pick<Indexer, 'equity'>;
  readonly heights: Pick<HeightFeed, 'current'>;
  /** false: the market's oracle price is too old to hold a price against */
  readonly isOracleFresh: (ticker: string) => boolean;
};

export type RunningGate = Gate & { readonly stop: () => Promise<void> };

const READY_MS = 15_000;

/** Resolves when halts and the chain's limits are known; throws when the database cannot tell the halts. */
export async function startGate(context: Context, venue: GateVenue): Promise<RunningGate> {
  const { config, db, log, outages, queues } = context;
  const controls = createControlCopy({
    list: async () => {
      await context.requireKnownServer();
      return listControls(db);
    },
    intervalMs: config.CONTROLS_POLL_MS,
    onError: outages.database.failed,
    onRead: (blindMs) => {
      outages.database.works();
      if (blindMs > 0) log.warn({ blind_ms: blindMs }, 'halts were not known, so nothing left meanwhile');
    },
  });
  const rates = createBlockRates(venue.validator, config.RATE_LIMIT_SHARE, log);
  const stop = async () => {
    await Promise.all([controls.stop(), rates.stop()]);
  };
  controls.start();
  try {
    await Promise.all([controls.ready(READY_MS), rates.start()]);
  } catch (error) {
    await stop();
    throw error;
  }
  const budget = createRateBudget({
    store: queues.rateStore(),
    insurance: memoryRateStore(),
    outage: createOutage(log, 'shared count of the rate'),
  });
  const book = createOpenBook({ read: (pending) => readExposures(db, pending) });
  const tiers = createEquityTiers(venue, log);
  return { ...createGate({ config, controls, book, tiers, rates, budget, ...venue }), stop };
}

type GateDeps = Pick<GateVenue, 'heights' | 'isOracleFresh'> & {
  readonly config: LimitSettings & Pick<Config, 'EXPOSURE_POLL_MS'>;
  readonly controls: Pick<ControlCopy, 'current' | 'newest'>;
  readonly book: OpenBook;
  readonly tiers: EquityTiers;
  readonly rates: Pick<BlockRates, 'pools'>;
  readonly budget: RateBudget;
};

/** A refusal is for good: it is decided by what was open at most so long ago. */
const FRESH_MS = 100;

function createGate(deps: GateDeps): Gate {
  const { config, controls, heights, budget } = deps;
  const settings = limitSettings(config);
  const pace = createBlockPace(heights.current);
  const sourcesFor = (scope: Pick<Placement, 'tenantId' | 'account' | 'market'>): readonly LimitSource[] => [
    settings,
    ...limitSources(controlsOver(controls.newest(), scope)),
  ];
  return {
    whyHeld: (placement) => {
      const index = controls.current();
      if (index === undefined)
        return unknown('whether there is a halt is not known, the database has not answered lately');
      return whyHeld(controlsOver(index, placement), placement);
    },
    whyBeyond: (placement, market) => whyBeyond(deps, placement, market, sourcesFor(placement)),
    takeRate: async (owner, lane, points = 1) => {
      const block = pace.look();
      if (block === undefined) return false;
      return budget.take(deps.rates.pools(owner, lane), block.height, points);
    },
    rateRetryMs: (owner, lane) => {
      const block = pace.look();
      if (block === undefined) return retryMsOf(1, TYPICAL_BLOCK_MS);
      return retryMsOf(budget.ticksToNext(deps.rates.pools(owner, lane), block.height), block.blockMs);
    },
    takeIntents: async (tenantId, count) => {
      const bound = strictest(sourcesFor({ tenantId, account: '', market: '' }), 'intents_per_second');
      if (bound === undefined) return undefined;
      const bucket = { blocks: 1, points: Number(bound.shown) };
      // A name that all processes have for this second, and not an age: the clock of the wall.
      const second = Math.floor(Date.now() / 1_000);
      // By itself each process keeps the limit, too: what is refused is refused for good.
      const pool = { name: `intents:${tenantId}`, bucket, insured: bucket, maxUnitMs: 2_000 };
      const isWithin = count <= bucket.points && (await budget.take([[pool]], second, count));
      return isWithin ? undefined : tooManyIntents(tenantId, count, bound);
    },
  };
}

async function whyBeyond(
  { config, book, tiers, isOracleFresh }: GateDeps,
  placement: Placement,
  market: Market,
  sources: readonly LimitSource[],
): Promise<Refusal | Unknown | undefined> {
  if (needsOracle(placement, sources) && !isOracleFresh(market.ticker)) {
    return unknown(
      `the oracle price of ${market.ticker} is older than ORACLE_MAX_AGE_MS, no limit can be held against it`,
    );
  }
  const refusal = whyBeyondAlone(placement, market, sources);
  if (refusal !== undefined) return refusal;
  const tier = placement.isStateful ? await tiers.of(placement) : undefined;
  if (tier === undefined && !needsStanding(placement, sources)) return undefined;
  const decide = async (maxAgeMs: number): Promise<Refusal | undefined> => {
    await book.refresh(maxAgeMs);
    // From here on to the end nothing waits: of what is decided at the same time each counts for the next.
    book.forget(placement);
    const beyond =
      whyBeyondOpen(placement, market, book.standing(placement), sources) ??
      (tier && whyBeyondTier(placement, tier.tiers, tier.equity, book.openStateful(placement)));
    if (beyond === undefined) book.letThrough(placement);
    return beyond;
  };
  try {
    return (await decide(config.EXPOSURE_POLL_MS)) && (await decide(FRESH_MS));
  } catch (error) {
    return unknown(`what is open is not known: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function unknown(reason: string): Unknown {
  return { mode: 'UNKNOWN', reason };
}

type LimitSettings = Pick<
  Config,
  'MAX_ORDER_NOTIONAL' | 'MAX_OPEN_ORDERS' | 'MAX_EXPOSURE' | 'PRICE_COLLAR_PPM' | 'MAX_INTENTS_PER_SECOND'
>;

/** A size is in base units, which differ by market: it is limited by controls only. */
const SETTING_OF = {
  max_order_notional: 'MAX_ORDER_NOTIONAL',
  max_open_orders: 'MAX_OPEN_ORDERS',
  max_exposure: 'MAX_EXPOSURE',
  price_collar_ppm: 'PRICE_COLLAR_PPM',
  intents_per_second: 'MAX_INTENTS_PER_SECOND',
} as const satisfies Partial<Record<LimitName, keyof LimitSettings>>;

function limitSettings(config: LimitSettings): LimitSource {
  const limits: Limits = {
    max_order_notional: config.MAX_ORDER_NOTIONAL,
    max_open_orders: config.MAX_OPEN_ORDERS,
    max_exposure: config.MAX_EXPOSURE,
    price_collar_ppm: config.PRICE_COLLAR_PPM,
    intents_per_second: config.MAX_INTENTS_PER_SECOND,
  };
  return { limits, nameOf: (limit) => SETTING_OF[limit as keyof typeof SETTING_OF] };
}
