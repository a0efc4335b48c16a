// The market table keeps what it has: only a good answer replaces it.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Market } from '../../src/core/market.ts';
import { IndexerError } from '../../src/venue/indexer.ts';
import { createMarketTable, type MarketTable } from '../../src/venue/market-table.ts';

const market = (ticker: string, oraclePrice = '1'): Market => ({
  ticker,
  clobPairId: 0,
  status: 'ACTIVE',
  atomicResolution: -10,
  quantumConversionExponent: -9,
  stepBaseQuantums: 1n,
  subticksPerTick: 1n,
  oraclePrice,
});

let answer: () => Promise<readonly Market[]>;
let calls: number;
let errors: unknown[];
let refreshes: number;
let table: MarketTable;

const good =
  (...markets: Market[]) =>
  async () =>
    markets;
const broken = async () => {
  throw new IndexerError('HTTP 429', { status: 429, retryAfterMs: 7_000 });
};
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  answer = good(market('BTC-USD'), market('ETH-USD'));
  calls = 0;
  errors = [];
  refreshes = 0;
  table = createMarketTable({
    indexer: {
      markets: () => {
        calls++;
        return answer();
      },
    },
    intervalMs: 5_000,
    onError: (error) => errors.push(error),
    onRefresh: () => refreshes++,
  });
});
afterEach(async () => {
  await table.stop();
  vi.useRealTimers();
});

test('loads at start and refreshes', async () => {
  table.start();
  await table.ready();
  expect(table.get('BTC-USD')?.oraclePrice).toBe('1');
  expect(table.get('XRP-USD')).toBeUndefined();
  expect(table.all().map((one) => one.ticker)).toEqual(['BTC-USD', 'ETH-USD']);
  answer = good(market('BTC-USD', '2'));
  await pass(5_000);
  expect(table.get('BTC-USD')?.oraclePrice).toBe('2');
  expect(refreshes).toBe(2);
});

test('a market that an answer leaves out stays with its price, which ages by itself', async () => {
  table.start();
  await table.ready();
  answer = good(market('BTC-USD', '2'));
  await pass(5_000);
  expect(table.get('ETH-USD')?.oraclePrice).toBe('1');
  expect([table.isFresh('BTC-USD', 1_000), table.isFresh('ETH-USD', 1_000)]).toEqual([true, false]);
  expect(table.isFresh('ETH-USD', 5_000)).toBe(true);
  expect((table.loadedAtMs('BTC-USD') ?? 0) - (table.loadedAtMs('ETH-USD') ?? 0)).toBe(5_000);
});

test('a price is as old as the question for it', async () => {
  const slow = Promise.withResolvers<readonly Market[]>();
  answer = () => slow.promise;
  table.start();
  await pass(3_000);
  slow.resolve([market('BTC-USD')]);
  await table.ready();
  expect(table.isFresh('BTC-USD', 2_999)).toBe(false);
  expect(table.isFresh('BTC-USD', 3_000)).toBe(true);
});

test('a price ages although the clock is set back', async () => {
  table.start();
  await table.ready();
  answer = broken;
  await pass(5_000);
  vi.setSystemTime(Date.now() - 3_600_000);
  expect(table.isFresh('BTC-USD', 4_999)).toBe(false);
});

test('keeps the last good table on errors and on an empty list', async () => {
  table.start();
  await table.ready();
  answer = broken;
  await pass(5_000);
  answer = good();
  await pass(7_000);
  expect(errors).toHaveLength(2);
  expect(table.all()).toHaveLength(2);
});

test('tries again sooner than at the interval, but not before the indexer allows', async () => {
  answer = async () => {
    throw new Error('down');
  };
  table.start();
  await pass(1_000);
  expect(calls).toBe(2);
  answer = broken;
  await pass(2_000);
  expect(calls).toBe(3);
  await pass(6_999);
  expect(calls).toBe(3);
  await pass(1);
  expect(calls).toBe(4);
});

test('a stored copy makes it ready while the indexer is away', async () => {
  answer = broken;
  table.seed([market('BTC-USD', '9')]);
  table.start();
  await table.ready();
  expect(table.get('BTC-USD')?.oraclePrice).toBe('9');
  expect(table.loadedAtMs('BTC-USD')).toBeUndefined();
  expect(table.isFresh('BTC-USD', 3_600_000)).toBe(false);
});

test('a stored copy does not replace what was loaded, and an empty one counts for nothing', async () => {
  table.seed([]);
  table.start();
  await table.ready();
  table.seed([market('BTC-USD', '9')]);
  expect(table.get('BTC-USD')?.oraclePrice).toBe('1');
});

test('ready rejects at its limit with the last error', async () => {
  answer = broken;
  table.start();
  const rejected = expect(table.ready(2_000)).rejects.toThrow('no market table within 2000 ms: HTTP 429');
  await pass(2_000);
  await rejected;
});
