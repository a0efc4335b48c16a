// The chain's sliding window is never exceeded, whoever draws which bucket when, and how much is given in spite of that.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Bucket,
  blockMsBetween,
  blocksToNext,
  bucketAt,
  bucketOf,
  DOCUMENTED_LIMITS,
  divide,
  MAX_LAG_BLOCKS,
  quarterOf,
  retryMsOf,
  TYPICAL_BLOCK_MS,
} from '../../src/core/block-rate.ts';
import type { BlockRateLimit } from '../../src/core/ports.ts';

test.each([
  [{ limit: 4000, blocks: 5 }, 50, { blocks: 1, points: 400 }],
  [{ limit: 4000, blocks: 5 }, 10, { blocks: 1, points: 80 }],
  [{ limit: 2000, blocks: 5 }, 50, { blocks: 1, points: 200 }],
  [{ limit: 200, blocks: 1 }, 50, { blocks: 1, points: 33 }],
  [{ limit: 2, blocks: 1 }, 50, { blocks: 5, points: 1 }],
  [{ limit: 20, blocks: 100 }, 50, { blocks: 104, points: 10 }],
  [{ limit: 20, blocks: 100 }, 100, { blocks: 104, points: 10 }],
  [{ limit: 20, blocks: 100 }, 10, { blocks: 104, points: 2 }],
  [{ limit: 20, blocks: 100 }, 1, { blocks: 500, points: 1 }],
] as const)('of %j %i percent are %j', (limit, share, bucket) => {
  expect(bucketOf(limit, share)).toEqual(bucket);
});

test('all who see a height draw from the same bucket, and the next begins where it ends', () => {
  const bucket = { blocks: 104, points: 10 };
  expect([0, 103, 104, 207, 208].map((height) => bucketAt(bucket, height))).toEqual([0, 0, 1, 1, 2]);
});

test('so many blocks on begins the next bucket, and none before it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(1_000_000), (blocks, height) => {
      const bucket = { blocks, points: 1 };
      const wait = blocksToNext(bucket, height);
      expect(wait).toBeGreaterThanOrEqual(1);
      expect(bucketAt(bucket, height + wait)).toBe(bucketAt(bucket, height) + 1);
      expect(bucketAt(bucket, height + wait - 1)).toBe(bucketAt(bucket, height));
    }),
  );
});

test('blocks are measured by the chain’s clock, and taken for typical while they cannot be', () => {
  const at = (height: number, ms: number) => ({ height, time: new Date(ms) });
  expect(blockMsBetween(at(10, 0), at(60, 40_000))).toBe(800);
  expect(blockMsBetween(at(10, 0), at(10, 0))).toBe(TYPICAL_BLOCK_MS);
  expect(blockMsBetween(at(10, 50), at(11, 50))).toBe(TYPICAL_BLOCK_MS);
});

test.each([
  [5, 800, 4_000],
  [1, 20, 100],
  [104, 1_000, 30_000],
  [1, 1_234.6, 1_235],
])('%i blocks of %f ms are waited for %i ms, between 100 and 30,000', (blocks, blockMs, ms) => {
  expect(retryMsOf(blocks, blockMs)).toBe(ms);
});

describe('the sliding window of the chain', () => {
  /** A worker at that lag wants so many, then so many blocks pass. */
  type Step = { readonly lag: number; readonly wanted: number; readonly blocks: number };
  const step: fc.Arbitrary<Step> = fc.record({
    lag: fc.nat(MAX_LAG_BLOCKS),
    wanted: fc.nat(500),
    blocks: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(120)),
  });
  const steps = fc.array(step, { minLength: 1, maxLength: 200 });

  /** Draws from every limit's bucket, as workers of that owner do together. @returns points by block */
  function carryOut(limits: readonly BlockRateLimit[], share: number, plan: readonly Step[]) {
    const buckets = limits.map((limit) => bucketOf(limit, share));
    const drawn = buckets.map(() => new Map<number, number>());
    const counted: { height: number; points: number }[] = [];
    let height = 1_000;
    for (const { lag, wanted, blocks } of plan) {
      const left = buckets.map((bucket, at) => leftIn(bucket, drawn[at], height - lag));
      const points = Math.min(wanted, ...left);
      for (const [at, bucket] of buckets.entries()) {
        const index = bucketAt(bucket, height - lag);
        drawn[at]?.set(index, (drawn[at]?.get(index) ?? 0) + points);
      }
      counted.push({ height, points });
      height += blocks;
    }
    return counted;
  }

  function leftIn(bucket: Bucket, drawn: ReadonlyMap<number, number> | undefined, height: number): number {
    return bucket.points - (drawn?.get(bucketAt(bucket, height)) ?? 0);
  }

  function mostInAnyWindow(counted: readonly { height: number; points: number }[], blocks: number): number {
    const ends = counted.map(({ height }) =>
      counted
        .filter((each) => each.height <= height && each.height > height - blocks)
        .reduce((sum, { points }) => sum + points, 0),
    );
    return Math.max(...ends);
  }

  test.each([
    ['4000/5', DOCUMENTED_LIMITS.shortTerm],
    ['2/1 and 20/100', DOCUMENTED_LIMITS.stateful],
  ])('of %s is never exceeded at a share of a half by heights that lag', (_, limits) => {
    fc.assert(
      fc.property(steps, (plan) => {
        const counted = carryOut(limits, 50, plan);
        for (const { limit, blocks } of limits) {
          expect(mostInAnyWindow(counted, blocks)).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('of any limit is never exceeded, at any share', () => {
    const limit = fc.record({
      limit: fc.integer({ min: 2, max: 5_000 }),
      blocks: fc.integer({ min: 1, max: 120 }),
    });
    fc.assert(
      fc.property(limit, fc.integer({ min: 1, max: 100 }), steps, (of, share, plan) => {
        expect(mostInAnyWindow(carryOut([of], share, plan), of.blocks)).toBeLessThanOrEqual(of.limit);
      }),
      { numRuns: 500 },
    );
  });

  test('the worst that can happen is within the limit: every bucket that a window can touch is emptied in it', () => {
    for (const { limit, blocks } of [...DOCUMENTED_LIMITS.shortTerm, ...DOCUMENTED_LIMITS.stateful]) {
      const bucket = bucketOf({ limit, blocks }, 50);
      for (let first = 0; first < bucket.blocks; first++) {
        const touched = new Set<number>();
        for (let height = first; height < first + blocks + MAX_LAG_BLOCKS; height++) {
          touched.add(bucketAt(bucket, height));
        }
        expect(touched.size * bucket.points).toBeLessThanOrEqual(limit);
      }
    }
  });
});

test('no share is ever used by more than it is, and something is always given', () => {
  const limit = fc.record({
    limit: fc.integer({ min: 1, max: 5_000 }),
    blocks: fc.integer({ min: 1, max: 120 }),
  });
  fc.assert(
    fc.property(limit, fc.integer({ min: 1, max: 100 }), (of, share) => {
      const { blocks, points } = bucketOf(of, share);
      expect(points).toBeGreaterThanOrEqual(1);
      expect(points * of.blocks * 100).toBeLessThanOrEqual(of.limit * share * blocks);
    }),
  );
});

test('cancels have a fifth to themselves, and nothing is given twice', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), (points) => {
      const { placements, cancels } = divide({ blocks: 1, points });
      expect(placements.points + cancels.points).toBe(points);
      expect(placements.points).toBeGreaterThanOrEqual(1);
      if (points > 1) expect(cancels.points * 5).toBeGreaterThanOrEqual(points);
    }),
  );
  expect(divide({ blocks: 1, points: 400 })).toEqual({
    placements: { blocks: 1, points: 320 },
    cancels: { blocks: 1, points: 80 },
  });
});

test('what a process has by itself is at most a quarter', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 500 }), (points, blocks) => {
      const own = quarterOf({ blocks, points });
      expect(own.points).toBeGreaterThanOrEqual(1);
      expect(own.points * blocks * 4).toBeLessThanOrEqual(points * own.blocks);
    }),
  );
  expect(quarterOf({ blocks: 1, points: 0 })).toEqual({ blocks: 1, points: 0 });
  expect(quarterOf({ blocks: 5, points: 1 })).toEqual({ blocks: 20, points: 1 });
});
