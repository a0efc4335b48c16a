// The wait before a repeat: exponential, full jitter, capped, never nothing.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoff, RETRY_POLICY } from '../../src/core/retry.ts';

const ALMOST_ONE = 1 - Number.EPSILON;

test('the upper bound doubles with every retry up to the cap', () => {
  const bounds = [0, 1, 2, 3, 4, 5, 100].map((count) =>
    backoff(count, ALMOST_ONE, { baseMs: 500, capMs: 5_000 }),
  );
  expect(bounds).toEqual([499, 999, 1999, 3999, 4999, 4999, 4999]);
});

test('the jitter is full: a draw of nothing waits 1 ms, half a draw half the bound', () => {
  for (const count of [0, 1, 5, 1000]) expect(backoff(count, 0)).toBe(1);
  expect(backoff(2, 0.5, { baseMs: 500, capMs: 5_000 })).toBe(1000);
});

test('the default begins at about one block and ends at a few', () => {
  expect(RETRY_POLICY).toEqual({ baseMs: 500, capMs: 5_000 });
  expect(backoff(0, ALMOST_ONE)).toBe(499);
});

test('a delay is a whole number of milliseconds between 1 and the cap, for any count', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.nat(40), fc.nat()),
      fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }),
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 1, max: 60_000 }),
      (count, random, baseMs, capMs) => {
        const delay = backoff(count, random, { baseMs, capMs });
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(1);
        expect(delay).toBeLessThanOrEqual(Math.max(1, Math.min(capMs, baseMs * 2 ** Math.min(count, 30))));
      },
    ),
  );
});
