// Points that all processes share, by one process: taken from the shared count in chunks, which saves a round trip an
// order, and given out here while their bucket lasts. Without an answer of the shared count each process lives on a
// budget of its own, in memory: smaller, and never without an end.
import { type Bucket, blocksToNext, bucketAt, MAX_LAG_BLOCKS } from '../core/block-rate.ts';
import type { Outage } from '../ops/outage.ts';
import type { RateStore } from '../queue/rate-store.ts';

/** A row of buckets, of which one is in use at a time: a height, or a second, tells which. */
export type Pool = {
  /** the same in every process */
  readonly name: string;
  readonly bucket: Bucket;
  /** instead of the bucket while the shared count is away; one process has it by itself */
  readonly insured: Bucket;
  /** how long one of its units, a block or a second, may last at most */
  readonly maxUnitMs: number;
};

export type RateBudget = {
  /**
   * Takes that many points of each row, or nothing. @param rows in each, pools to take from in that order
   * @param tick the newest height or second
   */
  readonly take: (rows: readonly (readonly Pool[])[], tick: number, points: number) => Promise<boolean>;
  /** After take has said false: ticks until every row that is known to be empty has a new bucket, at least 1. */
  readonly ticksToNext: (rows: readonly (readonly Pool[])[], tick: number) => number;
};

export type RateBudgetDeps = {
  readonly store: RateStore;
  readonly insurance: RateStore;
  readonly outage: Outage;
  /** ms on a clock that is never set */
  readonly now?: () => number;
};

/** A bucket in this many chunks: with more, round trips; with fewer, what idle processes hold is out of reach of busy ones. */
const CHUNKS = 16;
/** While the shared count is away it is tried this often, and nobody waits for that. */
const PROBE_EVERY_MS = 1_000;

/** Far more than there are owners and tenants; whoever offers intents chooses the names. */
const MAX_HOLDINGS = 10_000;

type Holding = {
  readonly index: number;
  /** points that are ours to give out */
  held: number;
  /** the shared bucket is empty */
  isDrained: boolean;
  filling: Promise<void> | undefined;
};

export function createRateBudget(deps: RateBudgetDeps): RateBudget {
  const { store, insurance, outage, now = () => performance.now() } = deps;
  const holdings = new Map<string, Holding>();
  let isAway = false;
  let probedAtMs = 0;

  const holdingOf = ({ name, bucket }: Pool, tick: number): Holding => {
    const index = bucketAt(bucket, tick);
    const known = holdings.get(name);
    if (known?.index === index) return known;
    // What is held of them is lost, and nothing is given twice.
    if (holdings.size >= MAX_HOLDINGS) holdings.clear();
    const holding: Holding = { index, held: 0, isDrained: false, filling: undefined };
    holdings.set(name, holding);
    return holding;
  };

  /** Never rejects: what the store does not give is told as its outage. */
  const fill = async (pool: Pool, holding: Holding, lacking: number): Promise<void> => {
    const wanted = Math.max(lacking, Math.ceil(pool.bucket.points / CHUNKS));
    try {
      const taken = await takeFrom(store, pool, pool.bucket, holding.index, wanted);
      holding.held += taken;
      holding.isDrained = taken < wanted;
      isAway = false;
      outage.works();
    } catch (error) {
      isAway = true;
      probedAtMs = now();
      outage.failed(error);
    }
  };

  /** @returns how much of it there was */
  const draw = async (pool: Pool, holding: Holding, tick: number, wanted: number): Promise<number> => {
    for (;;) {
      if (holding.held >= wanted || (holding.isDrained && !isAway)) {
        const drawn = Math.min(holding.held, wanted);
        holding.held -= drawn;
        return drawn;
      }
      if (isAway) {
        if (holding.filling === undefined && now() - probedAtMs >= PROBE_EVERY_MS)
          startFill(pool, holding, 1);
        return takeFrom(insurance, pool, pool.insured, bucketAt(pool.insured, tick), wanted);
      }
      await (holding.filling ?? startFill(pool, holding, wanted - holding.held));
    }
  };

  const startFill = (pool: Pool, holding: Holding, lacking: number): Promise<void> => {
    probedAtMs = now();
    const filling = fill(pool, holding, lacking).finally(() => {
      holding.filling = undefined;
    });
    holding.filling = filling;
    return filling;
  };

  const isEmpty = ({ name, bucket }: Pool, tick: number): boolean => {
    if (bucket.points === 0) return true;
    const holding = holdings.get(name);
    return holding?.index === bucketAt(bucket, tick) && holding.isDrained && holding.held === 0;
  };

  return {
    ticksToNext: (rows, tick) => {
      const ticksOf = (pools: readonly Pool[]) => {
        const used = pools.map(({ bucket, insured }) => (isAway ? insured : bucket));
        const giving = used.filter(({ points }) => points > 0);
        return Math.min(...giving.map((bucket) => blocksToNext(bucket, tick)));
      };
      // What the insurance has left of a bucket is not known here.
      if (isAway) return Math.min(...rows.map(ticksOf));
      const empty = rows.filter((pools) => pools.every((pool) => isEmpty(pool, tick)));
      // None: a new bucket has begun meanwhile, or points were given back.
      return empty.length === 0 ? 1 : Math.max(...empty.map(ticksOf));
    },
    take: async (rows, tick, points) => {
      const drawn: { readonly holding: Holding; readonly points: number }[] = [];
      for (const pools of rows) {
        const all = pools.reduce((sum, { bucket }) => sum + bucket.points, 0);
        // What is dearer than a bucket takes a whole one.
        let lacking = Math.min(points, all);
        for (const pool of pools) {
          if (lacking === 0) break;
          const holding = holdingOf(pool, tick);
          const part = await draw(pool, holding, tick, lacking);
          drawn.push({ holding, points: part });
          lacking -= part;
        }
        if (lacking > 0) {
          for (const { holding, points: part } of drawn) holding.held += part;
          return false;
        }
      }
      return true;
    },
  };
}

async function takeFrom(
  store: RateStore,
  { name, maxUnitMs }: Pool,
  { blocks, points }: Bucket,
  index: number,
  wanted: number,
): Promise<number> {
  if (points === 0) return 0;
  // Whoever lags may still take of it when it is over.
  const lifeS = Math.ceil(((blocks + MAX_LAG_BLOCKS) * maxUnitMs) / 1_000);
  return store.take({ key: `${name}:${index}`, points, lifeS }, wanted);
}
