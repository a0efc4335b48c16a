// The height feed under a validator that stalls, goes back, fails and recovers; time is the test's own.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Block } from '../../src/core/ports.ts';
import { createHeightFeed, type HeightFeed } from '../../src/venue/height-feed.ts';

const TIME = new Date('2026-03-04T05:06:07Z');
/** The local clock when a test begins. */
const NOW_MS = TIME.getTime() + 1_000;
let answer: () => Promise<Block>;
let calls: number;
let errors: unknown[];
let feed: HeightFeed;

const at = (height: number) => async () => ({ height, time: TIME });
const broken = async () => {
  throw new Error('HTTP 502');
};
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers({ now: NOW_MS });
  answer = at(10);
  calls = 0;
  errors = [];
  const latestBlock = () => {
    calls++;
    return answer();
  };
  feed = createHeightFeed({
    validator: { latestBlock },
    intervalMs: 500,
    maxAgeMs: 3_000,
    onError: (error) => errors.push(error),
  });
});
afterEach(async () => {
  await feed.stop();
  vi.useRealTimers();
});

test('nothing is known before the first answer', () => {
  expect(feed.current()).toBeUndefined();
});

test('ready resolves with the first height', async () => {
  feed.start();
  await feed.ready(1_000);
  expect(feed.current()).toEqual({ height: 10, time: TIME, observedAtMs: NOW_MS });
});

test('the height follows the chain and never goes back', async () => {
  feed.start();
  await pass(0);
  answer = at(12);
  await pass(500);
  answer = at(11);
  await pass(500);
  expect(feed.current()).toMatchObject({ height: 12, observedAtMs: NOW_MS + 500 });
});

test('a height that has not risen for maxAgeMs is not given out, until it rises', async () => {
  feed.start();
  await pass(3_000);
  expect(feed.current()).toMatchObject({ height: 10 });
  await pass(1);
  expect(feed.current()).toBeUndefined();
  // A stuck node answers on and on with the same block.
  await pass(5_000);
  expect(feed.current()).toBeUndefined();
  answer = at(11);
  await pass(500);
  expect(feed.current()).toMatchObject({ height: 11 });
});

test('one wrong high answer blinds it only until it is too old', async () => {
  answer = at(999_999);
  feed.start();
  await pass(0);
  answer = async () => ({ height: 11, time: new Date(TIME.getTime() + 4_000) });
  await pass(3_000);
  expect(feed.current()).toMatchObject({ height: 999_999 });
  await pass(500);
  expect(feed.current()).toMatchObject({ height: 11 });
});

const HOUR_MS = 3_600_000;

test('a block from the future is not believed, and does not blind it', async () => {
  answer = async () => ({ height: 999_999, time: new Date(NOW_MS + HOUR_MS) });
  feed.start();
  await pass(0);
  expect(feed.newest()).toBeUndefined();
  expect(feed.failure()).toMatch(
    /^the chain's newest block is 3600\.0 s in the future: this clock is behind/,
  );
  expect(errors).toHaveLength(1);
  answer = at(10);
  await pass(500);
  expect(feed.current()).toMatchObject({ height: 10 });
  expect(feed.failure()).toBeUndefined();
});

test('a block that was invented while the clock was ahead is replaced once the clock is right', async () => {
  vi.setSystemTime(NOW_MS + HOUR_MS);
  answer = async () => ({ height: 999_999, time: new Date(NOW_MS + HOUR_MS) });
  feed.start();
  await pass(0);
  vi.setSystemTime(NOW_MS);
  answer = at(11);
  await pass(4_000);
  expect(feed.current()).toMatchObject({ height: 11 });
});

test('a clock that is set back makes a block that was believed one of the future: it is not given out', async () => {
  feed.start();
  await pass(0);
  vi.setSystemTime(NOW_MS - 40_000);
  expect(feed.current()).toBeUndefined();
  vi.setSystemTime(NOW_MS + 100);
  expect(feed.current()).toMatchObject({ height: 10 });
});

test('a height ages although the clock is set back, and does not when it is set forward', async () => {
  feed.start();
  await pass(0);
  vi.setSystemTime(NOW_MS + HOUR_MS);
  expect(feed.current()).toMatchObject({ height: 10 });
  vi.setSystemTime(NOW_MS - 4_000);
  await pass(3_001);
  expect(feed.current()).toBeUndefined();
  expect(feed.ageMs()).toBe(3_001);
});

test('errors are reported and polling goes on', async () => {
  answer = broken;
  feed.start();
  await pass(1_000);
  expect(errors).toHaveLength(3);
  answer = at(10);
  await pass(500);
  expect(feed.current()).toMatchObject({ height: 10 });
});

test('ready rejects at its limit with the last error', async () => {
  answer = broken;
  feed.start();
  const rejected = expect(feed.ready(2_000)).rejects.toThrow('no block height within 2000 ms: HTTP 502');
  await pass(2_000);
  await rejected;
});

test('ready of a feed that nobody started says so', async () => {
  const rejected = expect(feed.ready(100)).rejects.toThrow(/is the feed started\?/);
  await pass(100);
  await rejected;
});

test('polls do not overlap, however slow the node', async () => {
  const slow = Promise.withResolvers<Block>();
  answer = () => slow.promise;
  feed.start();
  await pass(5_000);
  expect(calls).toBe(1);
  slow.resolve({ height: 10, time: TIME });
  await pass(500);
  expect(calls).toBe(2);
});

test('start and stop are idempotent, stop before start is legal, and after stop nothing is asked', async () => {
  await feed.stop();
  feed.start();
  feed.start();
  await pass(500);
  expect(calls).toBe(2);
  await Promise.all([feed.stop(), feed.stop()]);
  await pass(5_000);
  expect(calls).toBe(2);
  expect(vi.getTimerCount()).toBe(0);
});

test('stop, start, stop, start leaves one loop', async () => {
  feed.start();
  void feed.stop();
  feed.start();
  void feed.stop();
  feed.start();
  await pass(0);
  expect(calls).toBe(1);
  await pass(500);
  expect(calls).toBe(2);
});

test('stop waits for the poll under way', async () => {
  const slow = Promise.withResolvers<Block>();
  answer = () => slow.promise;
  feed.start();
  await pass(0);
  let isStopped = false;
  const stopped = feed.stop().then(() => {
    isStopped = true;
  });
  await pass(0);
  expect(isStopped).toBe(false);
  slow.resolve({ height: 10, time: TIME });
  await stopped;
});
