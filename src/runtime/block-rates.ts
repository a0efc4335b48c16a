// The router's share of the chain's block rate limits, as pools for each lane of an owner. The limits are read from the
// chain at start and now and then; what cannot be read is as it was, and in the beginning as it is documented.
import { bucketOf, DOCUMENTED_LIMITS, divide, quarterOf } from '../core/block-rate.ts';
import type { RateLane } from '../core/gate.ts';
import { createPollLoop } from '../core/poll-loop.ts';
import type { BlockRateLimit, BlockRateLimits, Validator } from '../core/ports.ts';
import { errorFields, type Logger } from '../ops/logger.ts';
import type { Pool } from './rate-budget.ts';
import { HEIGHT_MAX_AGE_MS } from './venue.ts';

export type BlockRates = {
  /** Points are needed from each of these; in each, the pools in the order to take from. */
  readonly pools: (owner: string, lane: RateLane) => readonly (readonly Pool[])[];
  /** Resolves when the chain was asked once, whatever it said. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** Governance changes them; nobody notices within minutes. */
const READ_EVERY_MS = 600_000;
const READ_AGAIN_MS = 30_000;

export function createBlockRates(
  validator: Pick<Validator, 'blockRateLimits'>,
  sharePercent: number,
  log: Logger,
): BlockRates {
  let limits: BlockRateLimits = DOCUMENTED_LIMITS;
  const known = new Map<string, readonly (readonly Pool[])[]>();
  const wasAsked = Promise.withResolvers<void>();
  const loop = createPollLoop(async () => {
    try {
      const read = await validator.blockRateLimits();
      if (JSON.stringify(read) !== JSON.stringify(limits)) {
        limits = read;
        known.clear();
        log.info({ limits, share_percent: sharePercent }, 'block rate limits are others than before');
      }
      return READ_EVERY_MS;
    } catch (error) {
      log.warn({ ...errorFields(error), limits }, 'block rate limits not read, those before hold');
      return READ_AGAIN_MS;
    } finally {
      wasAsked.resolve();
    }
  });
  return {
    pools: (owner, lane) => {
      const key = `${lane}:${owner}`;
      const made = known.get(key) ?? poolsOf(limits, owner, lane, sharePercent);
      known.set(key, made);
      return made;
    },
    start: async () => {
      loop.start();
      await wasAsked.promise;
    },
    stop: loop.stop,
  };
}

function poolsOf(
  limits: BlockRateLimits,
  owner: string,
  lane: RateLane,
  sharePercent: number,
): readonly (readonly Pool[])[] {
  const pool = (kind: string, { limit, blocks }: BlockRateLimit, bucket: Pool['bucket']): Pool => ({
    name: `${kind}:${limit}/${blocks}:${owner}`,
    bucket,
    insured: quarterOf(bucket),
    maxUnitMs: HEIGHT_MAX_AGE_MS,
  });
  if (lane === 'stateful') {
    return limits.stateful.map((limit) => [pool('stateful', limit, bucketOf(limit, sharePercent))]);
  }
  return limits.shortTerm.map((limit) => {
    const { placements, cancels } = divide(bucketOf(limit, sharePercent));
    const shared = pool('short-term', limit, placements);
    return lane === 'short_term' ? [shared] : [pool('cancel', limit, cancels), shared];
  });
}
