// Points are taken in chunks and given out once; all or nothing; and without the shared count each process has its own.
import { expect, test, vi } from 'vitest';
import type { Outage } from '../../src/ops/outage.ts';
import { memoryRateStore, type RateStore } from '../../src/queue/rate-store.ts';
import { createRateBudget, type Pool } from '../../src/runtime/rate-budget.ts';

/** A store as the shared ones are, that can be made to fail or to hang, and says how often it was asked. */
function watched() {
  const inner = memoryRateStore();
  const state = {
    asks: 0,
    failure: undefined as Error | undefined,
    until: undefined as Promise<void> | undefined,
  };
  const store: RateStore = {
    take: async (bucket, wanted) => {
      state.asks += 1;
      await state.until;
      if (state.failure !== undefined) throw state.failure;
      return inner.take(bucket, wanted);
    },
  };
  return { store, state };
}

function told() {
  const said: string[] = [];
  const outage: Outage = { failed: (error) => said.push(String(error)), works: () => said.push('works') };
  return { said, outage };
}

const poolOf = (points: number, changes: Partial<Pool> = {}): Pool => ({
  name: 'placements',
  bucket: { blocks: 1, points },
  insured: { blocks: 1, points: Math.floor(points / 4) },
  maxUnitMs: 15_000,
  ...changes,
});

async function takeAll(take: () => Promise<boolean>, most = 10_000): Promise<number> {
  let taken = 0;
  while (taken < most && (await take())) taken += 1;
  return taken;
}

test('a bucket of 320 is used up to its last point, by 16 questions and one that finds it empty', async () => {
  const { store, state } = watched();
  const budget = createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage });
  const take = () => budget.take([[poolOf(320)]], 7, 1);
  expect(await takeAll(take)).toBe(320);
  expect(state.asks).toBe(17);
  expect(await take()).toBe(false);
  expect(state.asks).toBe(17);
  expect(await budget.take([[poolOf(320)]], 8, 1)).toBe(true);
});

test('many at once share a question, and get no more than there is', async () => {
  const { store, state } = watched();
  const budgets = [1, 2].map(() =>
    createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage }),
  );
  const takes = Array.from({ length: 500 }, (_, n) => budgets[n % 2]?.take([[poolOf(320)]], 7, 1));
  const taken = (await Promise.all(takes)).filter(Boolean);
  // What one process holds and has nobody for is out of the other's reach.
  expect(taken.length).toBeGreaterThan(300);
  expect(taken.length).toBeLessThanOrEqual(320);
  expect(state.asks).toBeLessThanOrEqual(20);
});

test('cancels have points of their own, and what placements leave', async () => {
  const { store } = watched();
  const budget = createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage });
  const placements = poolOf(8);
  const cancels = poolOf(2, { name: 'cancels' });
  const place = () => budget.take([[placements]], 1, 1);
  const cancel = (points = 1) => budget.take([[cancels, placements]], 1, points);
  expect(await takeAll(place, 5)).toBe(5);
  expect([await cancel(2), await cancel(2)]).toEqual([true, true]);
  expect([await cancel(2), await cancel(1), await place()]).toEqual([false, true, false]);
});

test('every row must give, and who is refused by one has taken nothing of another', async () => {
  const { store } = watched();
  const budget = createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage });
  const small = poolOf(1, { name: 'small', bucket: { blocks: 5, points: 1 } });
  const large = poolOf(3, { name: 'large', bucket: { blocks: 100, points: 3 } });
  const take = (tick: number) => budget.take([[large], [small]], tick, 1);
  expect(await takeAll(() => take(0))).toBe(1);
  expect([await take(5), await take(9), await take(10)]).toEqual([true, false, true]);
  expect([await take(15), await take(100)]).toEqual([false, true]);
});

test('what costs more than a bucket holds takes a whole one', async () => {
  const { store } = watched();
  const budget = createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage });
  const take = (tick: number) => budget.take([[poolOf(1)]], tick, 2);
  expect([await take(1), await take(1), await take(2)]).toEqual([true, false, true]);
});

test('without the shared count a process has a quarter, tells once, and is tried again without anybody waiting', async () => {
  const { store, state } = watched();
  const { said, outage } = told();
  let nowMs = 0;
  const budget = createRateBudget({ store, insurance: memoryRateStore(), outage, now: () => nowMs });
  const take = (tick: number) => budget.take([[poolOf(320)]], tick, 1);
  state.failure = new Error('ECONNREFUSED');
  expect(await takeAll(() => take(1))).toBe(80);
  expect(await takeAll(() => take(2))).toBe(80);
  expect(said).toEqual(['Error: ECONNREFUSED']);
  expect(state.asks).toBe(1);

  const hang = Promise.withResolvers<void>();
  state.until = hang.promise;
  nowMs += 1_000;
  expect(await takeAll(() => take(3))).toBe(80);
  expect(state.asks).toBe(2);
  hang.resolve();
  state.until = undefined;
  await expect.poll(() => said.length).toBe(2);

  state.failure = undefined;
  nowMs += 1_000;
  expect(await take(4)).toBe(true);
  await expect.poll(() => said.at(-1)).toBe('works');
  // One of them was given by the budget of its own.
  expect(await takeAll(() => take(4))).toBe(320);
});

test('a clock that is set back puts off no question whether the shared count is there again', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  try {
    const { store, state } = watched();
    const budget = createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage });
    state.failure = new Error('ECONNREFUSED');
    await budget.take([[poolOf(320)]], 1, 1);
    vi.setSystemTime(Date.now() - 3_600_000);
    vi.advanceTimersByTime(1_000);
    await budget.take([[poolOf(320)]], 1, 1);
    expect(state.asks).toBe(2);
  } finally {
    vi.useRealTimers();
  }
});

test('whoever is told no waits for the row that is empty, however soon another one begins anew', async () => {
  const { store } = watched();
  const budget = createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage });
  const small = poolOf(1, { name: 'small', bucket: { blocks: 5, points: 1 } });
  const large = poolOf(2, { name: 'large', bucket: { blocks: 104, points: 2 } });
  const rows = [[small], [large]];
  const take = (tick: number) => budget.take(rows, tick, 1);
  expect([await take(0), await take(1), budget.ticksToNext(rows, 1)]).toEqual([true, false, 4]);
  expect([await take(5), await take(10), budget.ticksToNext(rows, 10)]).toEqual([true, false, 94]);
  // A new bucket has begun in the meantime.
  expect([budget.ticksToNext(rows, 104), await take(104)]).toEqual([1, true]);
});

test('a lane of two pools waits while both are empty, and by its insurance while the shared count is away', async () => {
  const { store, state } = watched();
  const budget = createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage });
  const of = (name: string) =>
    poolOf(1, { name, bucket: { blocks: 3, points: 1 }, insured: { blocks: 12, points: 1 } });
  const rows = [[of('cancels'), of('placements')]];
  const take = () => budget.take(rows, 4, 1);
  expect(await takeAll(take)).toBe(2);
  expect(budget.ticksToNext(rows, 4)).toBe(2);
  const none = [[poolOf(0, { name: 'none' }), of('placements')]];
  expect(budget.ticksToNext(none, 4)).toBe(2);
  state.failure = new Error('ECONNREFUSED');
  expect([await budget.take(rows, 6, 1), budget.ticksToNext(rows, 6)]).toEqual([true, 6]);
});

test('names without an end take no memory without an end', async () => {
  const { store } = watched();
  const budget = createRateBudget({ store, insurance: memoryRateStore(), outage: told().outage });
  for (let n = 0; n < 10_500; n++) {
    expect(await budget.take([[poolOf(1, { name: `tenant-${n}` })]], 1, 1)).toBe(true);
  }
  expect(await budget.take([[poolOf(1, { name: 'tenant-0' })]], 1, 1)).toBe(false);
});
