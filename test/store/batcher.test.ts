// The batcher alone: who shares a flush, who is split off, who is told what. Nothing is lost and nothing is told twice.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBatcher, repeatTransient } from '../../src/store/batcher.ts';

function failure(code: string): Error {
  return Object.assign(new Error(`failed with ${code}`), { code });
}

const DATA = '22003';
const settledOf = (results: readonly PromiseSettledResult<unknown>[]) =>
  results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.code));

/** Doubles every item; the answer to each flush is decided by the test. */
function recording(decide: (items: readonly number[], turn: number) => void | Promise<void> = () => {}) {
  const flushes: (readonly number[])[] = [];
  const flush = async (items: readonly number[]) => {
    flushes.push(items);
    await decide(items, flushes.length);
    return items.map((item) => item * 2);
  };
  return { flushes, flush };
}

describe('sharing', () => {
  test('what is pushed in one turn shares a flush, and each gets its own result in order', async () => {
    const { flushes, flush } = recording();
    const { push } = createBatcher({ flush });
    expect(await Promise.all([3, 1, 2].map(push))).toEqual([6, 2, 4]);
    expect(flushes).toEqual([[3, 1, 2]]);
  });

  test('what comes while a flush is under way shares the next one', async () => {
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const { flushes, flush } = recording(async (_items, turn) => {
      started.resolve();
      if (turn === 1) await gate.promise;
    });
    const { push } = createBatcher({ flush });
    const first = push(1);
    await started.promise;
    const rest = Promise.all([2, 3, 4].map(push));
    gate.resolve();
    expect([await first, ...(await rest)]).toEqual([2, 4, 6, 8]);
    expect(flushes).toEqual([[1], [2, 3, 4]]);
  });

  test('one flush holds at most maxItems', async () => {
    const { flushes, flush } = recording();
    const { push } = createBatcher({ flush, maxItems: 2 });
    expect(await Promise.all([1, 2, 3, 4, 5].map(push))).toEqual([2, 4, 6, 8, 10]);
    expect(flushes).toEqual([[1, 2], [3, 4], [5]]);
  });

  test('a linger gathers what comes in later turns', async () => {
    const { flushes, flush } = recording();
    const { push } = createBatcher({ flush, lingerMs: 20 });
    const first = push(1);
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([first, push(2)]);
    expect(flushes).toEqual([[1, 2]]);
  });

  test('it starts again after it was idle', async () => {
    const { flushes, flush } = recording();
    const { push } = createBatcher({ flush });
    await push(1);
    await push(2);
    expect(flushes).toEqual([[1], [2]]);
  });
});

describe('failures', () => {
  const refusing = (bad: readonly number[]) =>
    recording((items) => {
      if (items.some((item) => bad.includes(item))) throw failure(DATA);
    });

  test('bad data is split off until it stands alone', async () => {
    const { flushes, flush } = refusing([3]);
    const { push } = createBatcher({ flush });
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map(push));
    expect(settledOf(results)).toEqual([2, 4, DATA, 8, 10]);
    expect(flushes).toEqual([[1, 2, 3, 4, 5], [1, 2, 3], [1, 2], [3], [4, 5]]);
  });

  test.each(['23505', '23514', '22P05'])('class 22 and 23 are bad data: %s', async (code) => {
    const { push } = createBatcher({
      flush: recording((items) => {
        if (items.includes(2)) throw failure(code);
      }).flush,
    });
    expect(settledOf(await Promise.allSettled([1, 2, 3].map(push)))).toEqual([2, code, 6]);
  });

  test.each(['08006', '57P01', '53300', '42P01', undefined])(
    '%s fails the whole batch, once',
    async (code) => {
      const { flushes, flush } = recording(() => {
        throw code === undefined ? new Error('no code') : failure(code);
      });
      const { push } = createBatcher({ flush });
      expect(settledOf(await Promise.allSettled([1, 2, 3].map(push)))).toEqual([code, code, code]);
      expect(flushes).toEqual([[1, 2, 3]]);
    },
  );

  test('a failed batch does not stop the next one', async () => {
    const { flush } = recording((_items, turn) => {
      if (turn === 1) throw failure('08006');
    });
    const { push } = createBatcher({ flush, maxItems: 1 });
    expect(settledOf(await Promise.allSettled([1, 2].map(push)))).toEqual(['08006', 4]);
  });

  test('a flush that answers with another number of results fails its batch', async () => {
    const { push } = createBatcher({ flush: async (items: readonly number[]) => items.slice(1) });
    const results = await Promise.allSettled([1, 2].map(push));
    expect(results).toMatchObject(
      Array(2).fill({ status: 'rejected', reason: new Error('1 results for 2 items') }),
    );
  });

  test('a flush that throws before its first await fails its batch only', async () => {
    const { push } = createBatcher({
      flush: (items: readonly number[]) => {
        if (items.includes(1)) throw failure('08006');
        return Promise.resolve(items);
      },
      maxItems: 1,
    });
    expect(settledOf(await Promise.allSettled([1, 2].map(push)))).toEqual(['08006', 2]);
  });

  test.each(['40P01', '40001'])('%s is repeated as it is', async (code) => {
    const { flushes, flush } = recording((_items, turn) => {
      if (turn <= 3) throw failure(code);
    });
    const { push } = createBatcher({ flush });
    expect(await Promise.all([1, 2].map(push))).toEqual([2, 4]);
    expect(flushes).toEqual(Array(4).fill([1, 2]));
  });

  test('a deadlock without end is repeated five times', async () => {
    let calls = 0;
    const work = async () => {
      calls += 1;
      throw failure('40P01');
    };
    await expect(repeatTransient(work)).rejects.toMatchObject({ code: '40P01' });
    expect(calls).toBe(6);
  });
});

test('whatever fails, everyone is told once: their own result, or why not', async () => {
  const codes = fc.constantFrom('none', 'none', 'none', DATA, '40P01', '08006');
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(1_000), { minLength: 1, maxLength: 30 }),
      fc.array(codes, { maxLength: 40 }),
      fc.array(fc.nat(1_000), { maxLength: 5 }),
      fc.integer({ min: 1, max: 8 }),
      async (items, script, poison, maxItems) => {
        const done = new Map<number, number>();
        let turn = 0;
        const { push } = createBatcher({
          maxItems,
          flush: async (batch: readonly number[]) => {
            const code = script[turn++] ?? 'none';
            await Promise.resolve();
            // The database decides for the whole statement: nothing of a failed one has happened.
            if (code !== 'none') throw failure(code);
            if (batch.some((item) => poison.includes(item))) throw failure(DATA);
            for (const item of batch) done.set(item, (done.get(item) ?? 0) + 1);
            return batch.map((item) => item * 2);
          },
        });
        const results = await Promise.allSettled(items.map(push));
        for (const [index, item] of items.entries()) {
          const result = results[index];
          if (result?.status === 'fulfilled') expect(result.value).toBe(item * 2);
          // Told of success exactly when it was done, and done once.
          expect(done.get(item) ?? 0).toBe(result?.status === 'fulfilled' ? 1 : 0);
        }
        const isClean = script.every((code) => code === 'none');
        const failed = items.filter((_, index) => results[index]?.status === 'rejected');
        if (isClean) expect(failed).toEqual(items.filter((item) => poison.includes(item)));
      },
    ),
    { numRuns: 300 },
  );
});

test('each statement is told with its size, and whether it committed', async () => {
  const told: [number, boolean][] = [];
  const { flush } = recording((items) => {
    if (items.includes(2)) throw failure(DATA);
  });
  const { push } = createBatcher({
    flush,
    onFlush: (items, ms, isCommitted) => {
      expect(ms).toBeGreaterThanOrEqual(0);
      told.push([items, isCommitted]);
    },
  });
  await Promise.allSettled([1, 2, 3].map(push));
  expect(told).toEqual([
    [3, false],
    [2, false],
    [1, true],
    [1, false],
    [1, true],
  ]);
});
