// Points that all processes share, counted where the queue is: in its Redis, or in the table rate_limits of its database.
// A bucket gives out what it holds once, whoever asks; a new bucket is another key. Counting is rate-limiter-flexible's.
import { createHash } from 'node:crypto';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRedis,
  RateLimiterRes,
  RLWrapperTimeouts,
} from 'rate-limiter-flexible';
import type { RedisClient } from './open-redis.ts';

type SharedBucket = {
  /** of this bucket alone, never of another one later */
  readonly key: string;
  /** the same for all who take of it */
  readonly points: number;
  /** s, from the first take. Less than the bucket is in use for, and it would be full again. */
  readonly lifeS: number;
};

export type RateStore = {
  /**
   * Takes of a bucket what is left, up to `wanted`.
   * @returns how much that was; throws when the store does not answer in time
   */
  readonly take: (bucket: SharedBucket, wanted: number) => Promise<number>;
};

/** Orders wait for it; a store that takes longer is as good as away. Low: a busy store is given up for nothing. */
const TIMEOUT_MS = 1_000;

/** @param prefix the queue's: its braces keep all of it in the queue's slot of a cluster */
export function redisRateStore(client: RedisClient, prefix: string): RateStore {
  return storeOf(
    (limits) => new RateLimiterRedis({ ...limits, storeClient: client, keyPrefix: `${prefix}:rate` }),
  );
}

/** What RateLimiterPostgres asks of a pool, and pruning. */
type Pool = {
  readonly query: (text: string, values: unknown[]) => Promise<unknown>;
};

const TABLE = { schemaName: 'public', tableName: 'rate_limits' } as const;
const PRUNE_EVERY_MS = 60_000;
const PRUNED_AT_A_TIME = 10_000;

/** @param pool of the database of the migrations; its search_path does not matter */
export function postgresRateStore(pool: Pool, now: () => number = Date.now): RateStore {
  const store = storeOf(
    (limits) =>
      new RateLimiterPostgres({
        ...limits,
        ...TABLE,
        storeClient: pool,
        storeType: 'pool',
        keyPrefix: '',
        tableCreated: true,
        // Its own is a timer that nobody can stop.
        clearExpiredByTimeout: false,
      }),
  );
  let prunedAtMs = Number.NEGATIVE_INFINITY;
  const prune = async () => {
    prunedAtMs = now();
    await pool.query(
      `DELETE FROM public.rate_limits WHERE key IN
        (SELECT key FROM public.rate_limits WHERE expire < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
      [prunedAtMs, PRUNED_AT_A_TIME],
    );
  };
  return {
    take: async (bucket, wanted) => {
      const taken = await store.take(bucket, wanted);
      // What cannot be taken away now, another process takes away, or the next minute.
      if (now() - prunedAtMs >= PRUNE_EVERY_MS) void prune().catch(() => {});
      return taken;
    },
  };
}

/** Of one process, for when the shared one is away. */
export function memoryRateStore(): RateStore {
  return storeOf((limits) => new RateLimiterMemory({ ...limits, keyPrefix: '' }));
}

type Limits = { readonly points: number; readonly duration: number };

/** The library has a limiter for each number of points; there are a few of them. */
function storeOf(make: (limits: Limits) => RateLimiterAbstract): RateStore {
  const limiters = new Map<string, RateLimiterAbstract>();
  const limiterOf = (points: number, duration: number): RateLimiterAbstract => {
    const name = `${points}/${duration}`;
    const limiter =
      limiters.get(name) ??
      new RLWrapperTimeouts({ limiter: make({ points, duration }), timeoutMs: TIMEOUT_MS });
    limiters.set(name, limiter);
    return limiter;
  };
  return {
    take: async ({ key, points, lifeS }, wanted) => {
      try {
        await limiterOf(points, lifeS).consume(storable(key), wanted);
        return wanted;
      } catch (error) {
        if (!(error instanceof RateLimiterRes)) throw error;
        // Counted whether it was given or not: who went past the end has what was left, and whoever comes later nothing.
        return Math.max(0, wanted - (error.consumedPoints - points));
      }
    },
  };
}

const MAX_KEY_CHARS = 200;

/** The table's key has 255 characters, and a tenant's name may have as many. */
function storable(key: string): string {
  if (key.length <= MAX_KEY_CHARS) return key;
  return `${key.slice(0, 100)}:${createHash('sha256').update(key).digest('hex')}`;
}
