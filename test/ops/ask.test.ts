import { expect, test } from 'vitest';
import { askAtMost } from '../../src/ops/ask.ts';

const HOUR_MS = 3_600_000;

test('an answer is not asked for again while it is fresh, and asked for again afterwards', async () => {
  let asked = 0;
  const fresh = askAtMost(async () => ++asked, { maxAgeMs: HOUR_MS, deadlineMs: HOUR_MS });
  expect([await fresh(), await fresh()]).toMatchObject([{ value: 1 }, { value: 1 }]);
  const always = askAtMost(async () => ++asked, { maxAgeMs: 0, deadlineMs: HOUR_MS });
  expect([await always(), await always()]).toMatchObject([{ value: 2 }, { value: 3 }]);
});

test('a failure is an answer and as fresh as any other', async () => {
  let asked = 0;
  const ask = askAtMost(
    async () => {
      asked += 1;
      throw new Error('away');
    },
    { maxAgeMs: HOUR_MS, deadlineMs: HOUR_MS },
  );
  for (const answer of [await ask(), await ask()]) {
    expect(answer).toMatchObject({ ok: false, error: new Error('away') });
  }
  expect(asked).toBe(1);
});

test('what hangs is told at the deadline and not asked a second time; what it says at last is heard', async () => {
  let asked = 0;
  const { promise, resolve } = Promise.withResolvers<string>();
  const ask = askAtMost(
    () => {
      asked += 1;
      return promise;
    },
    { maxAgeMs: HOUR_MS, deadlineMs: 10 },
  );
  const both = await Promise.all([ask(), ask()]);
  expect(both.map(({ ok }) => ok)).toEqual([false, false]);
  expect(await ask()).toMatchObject({ ok: false, error: new Error('no answer within 10 ms') });
  resolve('here');
  await promise;
  expect(await ask()).toMatchObject({ ok: true, value: 'here' });
  expect(asked).toBe(1);
});
