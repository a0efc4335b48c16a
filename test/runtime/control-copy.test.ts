// A copy of the controls is believed for 900 ms from the moment its query began, and not a moment longer.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Control } from '../../src/core/controls.ts';
import { createControlCopy } from '../../src/runtime/control-copy.ts';

const halt: Control = {
  tenantId: '',
  account: '',
  market: '',
  mode: 'HALTED',
  limits: {},
  reason: 'drill',
  setBy: 'alice',
  setAt: new Date(0),
};
let nowMs: number;
let queryMs: number;
let stored: readonly Control[];
let failure: Error | undefined;
let errors: unknown[];
let blindMs: number[];
const pass = async (ms: number) => {
  for (let passed = 0; passed < ms; passed += 10) {
    nowMs += 10;
    await vi.advanceTimersByTimeAsync(10);
  }
};

beforeEach(() => {
  vi.useFakeTimers();
  [nowMs, queryMs, stored, failure, errors, blindMs] = [0, 0, [], undefined, [], []];
});
afterEach(() => {
  vi.useRealTimers();
});

function copyOf() {
  return createControlCopy({
    list: async () => {
      const seen = stored;
      if (queryMs > 0) await new Promise((done) => setTimeout(done, queryMs));
      if (failure !== undefined) throw failure;
      return seen;
    },
    intervalMs: 250,
    onError: (error) => errors.push(error),
    onRead: (ms) => blindMs.push(ms),
    now: () => nowMs,
  });
}

test('before the first answer nothing is known, and ready says when it is there', async () => {
  const copy = copyOf();
  queryMs = 100;
  expect(copy.current()).toBeUndefined();
  copy.start();
  copy.start();
  const ready = copy.ready(1_000);
  expect(copy.current()).toBeUndefined();
  await pass(100);
  await ready;
  expect(copy.current()?.size).toBe(0);
  await copy.stop();
  await copy.stop();
});

test('a halt is in every copy that is believed 900 ms after its commit, however slow the queries are', async () => {
  for (queryMs of [0, 100, 400, 800]) {
    stored = [];
    const copy = copyOf();
    copy.start();
    await pass(1_000);
    stored = [halt];
    const committedMs = nowMs;
    while (nowMs < committedMs + 2_000) {
      await pass(10);
      const seen = copy.current();
      if (nowMs > committedMs + 900) expect([queryMs, seen?.size ?? 'unknown']).not.toEqual([queryMs, 0]);
    }
    const stopped = copy.stop();
    await pass(queryMs);
    await stopped;
  }
});

test('when the database falls silent, nothing is known 900 ms after the last query began, and limits stay', async () => {
  stored = [halt];
  const copy = copyOf();
  copy.start();
  await pass(260);
  queryMs = 60_000;
  const lastMs = 250;
  await pass(lastMs + 900 - nowMs);
  expect(copy.current()?.size).toBe(1);
  await pass(20);
  expect([copy.current(), copy.newest().size]).toEqual([undefined, 1]);
  const stopped = copy.stop();
  await pass(60_000);
  await stopped;
});

test('a failed query is told and repeated, and its end ends the silence', async () => {
  const copy = copyOf();
  failure = new Error('ECONNREFUSED');
  copy.start();
  await pass(1_000);
  expect([errors.length, copy.current()]).toEqual([5, undefined]);
  await expect(Promise.all([copy.ready(50), pass(60)])).rejects.toThrow(
    'controls could not be read within 50 ms',
  );
  failure = undefined;
  await pass(250);
  expect(copy.current()?.size).toBe(0);
  await copy.stop();
});

test('how long nothing was known is told when it is over', async () => {
  const copy = copyOf();
  copy.start();
  await pass(300);
  failure = new Error('ECONNREFUSED');
  await pass(1_500);
  failure = undefined;
  await pass(500);
  // Read at 250 and not until 2000: blind from 1150 on.
  expect(blindMs).toEqual([0, 0, 850, 0]);
  await copy.stop();
});
