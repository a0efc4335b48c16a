// What is due: a missed tick is made up once, a doubled one does nothing, a failure is tried again after a while.
import { expect, test } from 'vitest';
import { isDue, type LastRuns } from '../../src/core/upkeep.ts';

const TICK = new Date('2026-03-04T03:30:00Z');
const after = (seconds: number) => new Date(TICK.getTime() + seconds * 1_000);
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const last = (changes: Partial<LastRuns> = {}): LastRuns => ({
  done: after(-24 * HOUR),
  failed: undefined,
  now: after(1),
  ...changes,
});

test('what has never been done is due at once', () => {
  expect(isDue(last({ done: undefined }), TICK)).toBe(true);
});

test('a tick makes it due, late rather than never', () => {
  expect(isDue(last(), TICK)).toBe(true);
  expect(isDue(last({ done: after(-100 * 24 * HOUR), now: after(20 * HOUR) }), TICK)).toBe(true);
});

test('a tick that comes twice does nothing the second time, and one a minute early counts', () => {
  expect(isDue(last({ done: after(1) }), TICK)).toBe(false);
  expect(isDue(last({ done: after(-MINUTE) }), TICK)).toBe(false);
  expect(isDue(last({ done: after(-MINUTE - 1) }), TICK)).toBe(true);
});

test('a failure is tried again after a quarter of an hour, not before', () => {
  const failed = after(2 * MINUTE);
  expect(isDue(last({ failed, now: after(16 * MINUTE) }), TICK)).toBe(false);
  expect(isDue(last({ failed, now: after(17 * MINUTE) }), TICK)).toBe(true);
  expect(isDue(last({ done: undefined, failed, now: after(16 * MINUTE) }), TICK)).toBe(false);
});

test('a failure before the tick does not hold it up', () => {
  expect(isDue(last({ failed: after(-5 * MINUTE) }), TICK)).toBe(true);
});
