// Lists of orders: newest first, in pages without a gap or a repeat, of one tenant, filtered.
import { afterAll, describe, expect, test } from 'vitest';
import type { OrderStatus } from '../../src/core/status.ts';
import { listActiveOrders, listOrders, type OrderFilter } from '../../src/store/order-pages.ts';
import { createDatabase } from '../support/databases.ts';
import { insertRow, nextName } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

/** Six of a new market, newest first; two of them made at one time, two within one millisecond. */
async function six(): Promise<{ market: string; expected: string[] }> {
  const market = nextName('M');
  const times = ['05:04', '05:03.0002', '05:03.0001', '05:02', '05:02', '05:01'];
  const statuses: OrderStatus[] = ['OPEN', 'FILLED', 'PENDING', 'EXPIRED', 'PARTIALLY_FILLED', 'CANCELLED'];
  const made: { id: string; time: string }[] = [];
  for (const [n, time] of times.entries()) {
    const changes = { market, status: statuses[n] ?? 'OPEN', created_at: `2026-03-04T10:${time}Z` };
    made.push({ ...(await insertRow(db, changes)), time });
  }
  const expected = made.toSorted((a, b) =>
    b.time === a.time ? (b.id < a.id ? -1 : 1) : b.time < a.time ? -1 : 1,
  );
  return { market, expected: expected.map(({ id }) => id) };
}

type Changes = Partial<OrderFilter> & { readonly market: string };
const page = (changes: Changes) => listOrders(db, { tenantId: 'default', limit: 10, ...changes });
const ids = async (changes: Changes) => (await page(changes)).orders.map(({ id }) => id);

test('pages of any size make up the whole, newest first, without a gap or a repeat', async () => {
  const { market, expected } = await six();
  expect(await ids({ market })).toEqual(expected);
  for (const limit of [1, 2, 3, 6]) {
    const read: string[] = [];
    let after: OrderFilter['after'];
    do {
      const { orders, next } = await page({ market, limit, after });
      read.push(...orders.map(({ id }) => id));
      after = next;
    } while (after !== undefined);
    expect(read).toEqual(expected);
  }
});

test('a page that is not full is the last one', async () => {
  const { market } = await six();
  expect((await page({ market, limit: 7 })).next).toBeUndefined();
  expect((await page({ market, limit: 6 })).next).toBeDefined();
});

describe('only what was asked for', () => {
  test('of the market and the status', async () => {
    const { market } = await six();
    const { orders } = await page({ market, status: 'EXPIRED' });
    expect(orders.map(({ status }) => status)).toEqual(['EXPIRED']);
    expect(await ids({ market: nextName('M') })).toEqual([]);
  });

  test('of the tenant', async () => {
    const { market } = await six();
    expect(await ids({ market, tenantId: nextName('T') })).toEqual([]);
  });
});

test('active orders are those that are pending, open or partially filled, in pages', async () => {
  const { market } = await six();
  const first = await listActiveOrders(db, { tenantId: 'default', market, limit: 2 });
  expect(first.orders.map(({ status }) => status)).toEqual(['OPEN', 'PENDING']);
  const rest = await listActiveOrders(db, { tenantId: 'default', market, limit: 2, after: first.next });
  expect(rest.orders.map(({ status }) => status)).toEqual(['PARTIALLY_FILLED']);
  expect(rest.next).toBeUndefined();
});
