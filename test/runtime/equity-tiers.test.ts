// Tiers and equity are remembered for a while; what cannot be had is undefined, and not asked for by every order.
import { beforeEach, expect, test, vi } from 'vitest';
import { createEquityTiers, type EquityTiers } from '../../src/runtime/equity-tiers.ts';

const TIERS = [{ usdcQuantums: 0n, limit: 5 }];
const at = (subaccountNumber: number) => ({ owner: 'dydx1a', subaccountNumber });
let nowMs: number;
let asked: string[];
let warnings: object[];
let equity: string | undefined | Error;
let tiers: EquityTiers;

const open = (now?: () => number) =>
  createEquityTiers(
    {
      validator: {
        equityTiers: async () => {
          asked.push('tiers');
          return TIERS;
        },
      },
      indexer: {
        equity: async (owner, subaccountNumber) => {
          asked.push(`${owner}/${subaccountNumber}`);
          if (equity instanceof Error) throw equity;
          return equity;
        },
      },
    },
    { debug: () => {}, info: () => {}, warn: (fields) => warnings.push(fields), error: () => {} },
    now,
  );

beforeEach(() => {
  [nowMs, asked, warnings, equity] = [0, [], [], '100.5'];
  tiers = open(() => nowMs);
});

test('many orders ask once, tiers for ten minutes and equities for ten seconds', async () => {
  expect(await Promise.all([tiers.of(at(0)), tiers.of(at(0)), tiers.of(at(1))])).toEqual(
    Array.from({ length: 3 }, () => ({ tiers: TIERS, equity: '100.5' })),
  );
  expect(asked.toSorted()).toEqual(['dydx1a/0', 'dydx1a/1', 'tiers']);
  nowMs = 9_999;
  await tiers.of(at(0));
  expect(asked).toHaveLength(3);
  nowMs = 10_000;
  await tiers.of(at(0));
  expect(asked.at(-1)).toBe('dydx1a/0');
  nowMs = 600_000;
  await tiers.of(at(0));
  expect(asked.filter((what) => what === 'tiers')).toHaveLength(2);
});

test('an equity that cannot be had is undefined, told, and asked for again after five seconds', async () => {
  equity = new Error('the indexer is away');
  expect(await tiers.of(at(0))).toBeUndefined();
  equity = '7';
  expect(await tiers.of(at(0))).toBeUndefined();
  expect(warnings).toMatchObject([{ error: 'the indexer is away' }]);
  nowMs = 5_000;
  expect(await tiers.of(at(0))).toEqual({ tiers: TIERS, equity: '7' });
});

test('a subaccount that the indexer does not know has none', async () => {
  equity = undefined;
  expect(await tiers.of(at(0))).toBeUndefined();
  expect(warnings).toEqual([]);
});

test('a clock that is set makes nothing older', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    tiers = open();
    await tiers.of(at(0));
    vi.setSystemTime(Date.now() + 86_400_000);
    await tiers.of(at(0));
    expect(asked).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});
