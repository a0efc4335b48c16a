// How much of the chain's block rate limits this router uses, as buckets of points by block height that all workers of
// an owner share. The chain counts in a sliding window of its own blocks; workers see heights that lag, so that a bucket
// may still be drawn from MAX_LAG_BLOCKS blocks after its last. Invariant, for limits of 2 and more: whoever draws which
// bucket when, no window of the chain ever holds more than the limit.
// Source: v4-chain x/clob/rate_limit/multi_block_rate_limiter.go.
import type { Block, BlockRateLimit, BlockRateLimits } from './ports.ts';

/**
 * From the height that points are taken at to the block in which the chain counts them: polling, signing and committing
 * take one or two blocks, and a slow moment the others. Low: a busy second breaks the limit; high: short windows give
 * fewer points.
 */
export const MAX_LAG_BLOCKS = 5;

/** The chain's documented limits, for when they cannot be read. Newest page: concepts/trading/limits/rate-limits. */
export const DOCUMENTED_LIMITS: BlockRateLimits = {
  shortTerm: [{ limit: 4000, blocks: 5 }],
  stateful: [
    { limit: 2, blocks: 1 },
    { limit: 20, blocks: 100 },
  ],
};

/** So many points for so many blocks in a row. */
export type Bucket = { readonly blocks: number; readonly points: number };

/**
 * One block with the share's points where that is a point or more: nobody waits longer than a block. Otherwise a bucket
 * as long as the window with up to half of its points: several orders may leave at once, and the two buckets that a
 * window can touch hold no more than the limit.
 */
export function bucketOf({ limit, blocks }: BlockRateLimit, sharePercent: number): Bucket {
  const aBlock = Math.min(
    Math.floor((limit * sharePercent) / (100 * blocks)),
    Math.floor(limit / (blocks + MAX_LAG_BLOCKS)),
  );
  if (aBlock >= 1) return { blocks: 1, points: aBlock };
  const points = Math.max(1, Math.min(Math.floor(limit / 2), Math.floor((limit * sharePercent) / 100)));
  const atThatRate = Math.ceil((points * blocks * 100) / (limit * sharePercent));
  return { blocks: Math.max(blocks + MAX_LAG_BLOCKS - 1, atThatRate), points };
}

/** Which bucket in a row, the same for all who see that height. */
export function bucketAt({ blocks }: Bucket, height: number): number {
  return Math.floor(height / blocks);
}

/** A fifth is left to cancels, which must get through when placements are many; a single point cannot be divided. */
export function divide({ blocks, points }: Bucket): {
  readonly placements: Bucket;
  readonly cancels: Bucket;
} {
  const reserved = points === 1 ? 0 : Math.ceil(points / 5);
  return { placements: { blocks, points: points - reserved }, cancels: { blocks, points: reserved } };
}

/**
 * What one process may use by itself when the shared count is away: with four submitters it adds up to the share, with
 * eight to the chain's limit.
 */
export function quarterOf({ blocks, points }: Bucket): Bucket {
  if (points === 0 || points >= 4) return { blocks, points: Math.floor(points / 4) };
  return { blocks: blocks * Math.ceil(4 / points), points: 1 };
}

/** Blocks until the next bucket begins, for whoever sees that height: 1 to bucket.blocks. */
export function blocksToNext({ blocks }: Bucket, height: number): number {
  return blocks - (height % blocks);
}

/** Chains of dYdX make a block in 0.6 to 1.5 s. For as long as it is not measured. */
export const TYPICAL_BLOCK_MS = 1_000;

/** By the chain's clock, over what is between two of its blocks. */
export function blockMsBetween(older: Block, newer: Block): number {
  const blocks = newer.height - older.height;
  const ms = newer.time.getTime() - older.time.getTime();
  return blocks > 0 && ms > 0 ? ms / blocks : TYPICAL_BLOCK_MS;
}

/** Low: waiting orders cost row updates for nothing. */
const MIN_RETRY_MS = 100;
/** High: points lie idle after blocks have become faster or limits wider. */
const MAX_RETRY_MS = 30_000;

/** How long to wait for so many blocks. */
export function retryMsOf(blocks: number, blockMs: number): number {
  return Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, Math.round(blocks * blockMs)));
}
