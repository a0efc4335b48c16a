// The chain's limits as pools of an owner: documented ones until they are read, the read ones from then on.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BlockRateLimits } from '../../src/core/ports.ts';
import { createBlockRates } from '../../src/runtime/block-rates.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
let answer: BlockRateLimits | Error;
const validator = {
  blockRateLimits: async () => {
    if (answer instanceof Error) throw answer;
    return answer;
  },
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('limits that cannot be read are those of the documentation, with a warning, until they can be', async () => {
  const warnings: object[] = [];
  answer = new Error('no node answers');
  const rates = createBlockRates(validator, 50, { ...silent, warn: (fields) => warnings.push(fields) });
  await rates.start();
  expect(warnings).toMatchObject([{ error: 'no node answers' }]);
  const points = () => rates.pools('dydx1a', 'short_term').map(([pool]) => pool?.bucket);
  expect(points()).toEqual([{ blocks: 1, points: 320 }]);
  expect(rates.pools('dydx1a', 'stateful').map(([pool]) => pool?.bucket)).toEqual([
    { blocks: 5, points: 1 },
    { blocks: 104, points: 10 },
  ]);
  answer = { shortTerm: [{ limit: 2_000, blocks: 5 }], stateful: [] };
  await vi.advanceTimersByTimeAsync(30_000);
  expect(points()).toEqual([{ blocks: 1, points: 160 }]);
  expect(rates.pools('dydx1a', 'stateful')).toEqual([]);
  await rates.stop();
});

test('a lane takes from its own pools: a cancel from its fifth first, then from what placements leave', async () => {
  answer = { shortTerm: [{ limit: 4_000, blocks: 5 }], stateful: [] };
  const rates = createBlockRates(validator, 50, silent);
  await rates.start();
  const [placements] = rates.pools('dydx1a', 'short_term');
  const [cancels] = rates.pools('dydx1a', 'cancel');
  expect(cancels).toMatchObject([{ bucket: { points: 80 }, insured: { points: 20 } }, placements?.[0]]);
  expect(rates.pools('dydx1b', 'short_term')[0]?.[0]?.name).not.toBe(placements?.[0]?.name);
  await rates.stop();
  await rates.stop();
});
