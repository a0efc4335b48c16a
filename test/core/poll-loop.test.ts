// The loop runs alone, at the pace that its task asks for, and after stop nothing runs and no timer is left.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPollLoop, type PollLoop } from '../../src/core/poll-loop.ts';

let runs: number;
let running: number;
let mostAtOnce: number;
let pauseMs: number;
let workMs: number;
let loop: PollLoop;
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  runs = 0;
  running = 0;
  mostAtOnce = 0;
  pauseMs = 100;
  workMs = 0;
  loop = createPollLoop(async () => {
    runs += 1;
    running += 1;
    mostAtOnce = Math.max(mostAtOnce, running);
    if (workMs > 0) await new Promise((done) => setTimeout(done, workMs));
    running -= 1;
    return pauseMs;
  });
});
afterEach(async () => {
  const stopped = loop.stop();
  await pass(workMs);
  await stopped;
  vi.useRealTimers();
});

test('a started loop runs at once and then after every pause', async () => {
  loop.start();
  await pass(0);
  expect(runs).toBe(1);
  await pass(99);
  expect(runs).toBe(1);
  await pass(1);
  expect(runs).toBe(2);
});

test('each run says how long the pause after it is', async () => {
  loop.start();
  pauseMs = 1_000;
  await pass(0);
  pauseMs = 10;
  await pass(999);
  expect(runs).toBe(1);
  await pass(1);
  expect(runs).toBe(2);
  await pass(10);
  expect(runs).toBe(3);
});

test('the pause is counted from the end of a run, and no two runs overlap', async () => {
  workMs = 250;
  loop.start();
  await pass(349);
  expect(runs).toBe(1);
  await pass(1);
  expect(runs).toBe(2);
  expect(mostAtOnce).toBe(1);
});

test('a second start changes nothing', async () => {
  loop.start();
  loop.start();
  await pass(0);
  loop.start();
  await pass(100);
  expect(runs).toBe(2);
});

test('a loop that was never started can be stopped, and started after that', async () => {
  await loop.stop();
  await pass(1_000);
  expect(runs).toBe(0);
  loop.start();
  await pass(0);
  expect(runs).toBe(1);
});

test('stop in a pause leaves no timer', async () => {
  loop.start();
  await pass(50);
  await loop.stop();
  await loop.stop();
  expect(vi.getTimerCount()).toBe(0);
  await pass(1_000);
  expect(runs).toBe(1);
});

test('stop before the first run has begun prevents it', async () => {
  loop.start();
  await loop.stop();
  await pass(1_000);
  expect(runs).toBe(0);
});

test('start, stop and start in one breath are one loop', async () => {
  loop.start();
  const stopped = loop.stop();
  loop.start();
  await stopped;
  await pass(0);
  expect(runs).toBe(1);
  await pass(100);
  expect(runs).toBe(2);
});

test('stop resolves when the run under way has ended, and that run sets no timer', async () => {
  workMs = 250;
  loop.start();
  await pass(100);
  let isStopped = false;
  const stopped = loop.stop().then(() => {
    isStopped = true;
  });
  await pass(149);
  expect(isStopped).toBe(false);
  await pass(1);
  await stopped;
  expect(running).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test('a start right after a stop waits for the run that is still ending, and that one revives nothing', async () => {
  workMs = 250;
  loop.start();
  await pass(100);
  const stopped = loop.stop();
  loop.start();
  await pass(149);
  expect(runs).toBe(1);
  await pass(1);
  await stopped;
  expect(runs).toBe(2);
  await pass(250 + 99);
  expect(runs).toBe(2);
  await pass(1);
  expect(runs).toBe(3);
  expect(mostAtOnce).toBe(1);
});

test('a wake-up ends the pause, and one during a run makes another follow', async () => {
  loop.start();
  await pass(10);
  loop.wake();
  loop.wake();
  await pass(0);
  expect(runs).toBe(2);
  workMs = 50;
  await pass(100);
  expect(runs).toBe(3);
  loop.wake();
  await pass(51);
  expect(runs).toBe(4);
  expect(mostAtOnce).toBe(1);
  await pass(140);
  expect(runs).toBe(4);
});

test('a loop that is not started, or was stopped, is not woken', async () => {
  loop.wake();
  await pass(1_000);
  expect(runs).toBe(0);
  loop.start();
  await pass(0);
  await loop.stop();
  loop.wake();
  await pass(1_000);
  expect(runs).toBe(1);
});
