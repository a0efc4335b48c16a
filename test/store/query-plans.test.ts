// Each of the source schema's queries is read from the index that was made for it, and no list reads a whole table: by
// the plans of what the functions really send, on a database seeded as the one of bench:queries.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capturing, type PlanNode, planNodes } from '../../bench/explain.ts';
import { seedOrders } from '../../src/kit/bench/seed-orders.ts';
import { SEEDED_UNTIL } from '../../src/kit/bench/seed-rows.ts';
import { latestCancels, requestCancels, storeCancel } from '../../src/store/cancels.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { claimDue, whatIsDue } from '../../src/store/due-orders.ts';
import { readExposures } from '../../src/store/exposures.ts';
import { countByStatus } from '../../src/store/order-counts.ts';
import { listActiveOrders, listOrders } from '../../src/store/order-pages.ts';
import { orderWithHistory } from '../../src/store/order-story.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { recordOrders } from '../../src/store/recording.ts';
import { asTenant } from '../../src/store/tenant.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { attemptOf, cancelOrder, fillOf, newCursor, newOrder, reportOf } from './builders.ts';

const database = await createDatabase();
const { db } = database;
beforeAll(() => seedOrders(database.url, { orders: 20_000, seed: 1 }));
afterAll(() => database[Symbol.asyncDispose]());

const page = { tenantId: 'default', limit: 50 } as const;
const since = new Date(SEEDED_UNTIL.getTime() - 86_400_000);
const after = {
  createdAtMicros: `${SEEDED_UNTIL.getTime() - 30 * 86_400_000}000`,
  id: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
};

/** The scans of tables and indexes, `type index`, of all that the work sends. */
async function scansOf(reader: Database, work: (db: Database) => Promise<unknown>): Promise<string[]> {
  const captured = capturing(reader);
  await work(captured.db);
  const plans: (readonly PlanNode[])[] = [];
  for (const query of captured.queries) plans.push(await planNodes(reader, query));
  return plans
    .flat()
    .filter((node) => node['Node Type'].endsWith('Scan') && node['Node Type'] !== 'Subquery Scan')
    .map((node) => `${node['Node Type']} ${node['Index Name'] ?? node['Relation Name']}`);
}

const app = openDatabase({ url: asLogin(database.url, 'app') });
afterAll(() => app.destroy());
/** A comparison of enums is not leakproof: what is proven for a role that sees all need not be for a tenant's. */
const READERS: readonly [string, (work: (reader: Database) => Promise<string[]>) => Promise<string[]>][] = [
  ['who sees all', (work) => work(db)],
  ['a tenant under row-level security', (work) => asTenant(app, 'default', work)],
];

describe.each(READERS)('for %s', (_who, as) => {
  const ALL = ['active_created_at', 'filled', 'cancelled', 'rejected', 'expired'];
  const OF_MARKET = ['active', 'market_filled', 'market_cancelled', 'market_rejected', 'market_expired'];
  const scans = (indexes: readonly string[], kind = 'Index Scan') =>
    indexes.map((index) => `${kind} idx_orders_${index}`).toSorted();

  test.each([
    ['of all orders', {}, ALL],
    ['of a market', { market: 'ETH-USD' }, OF_MARKET],
    ['in a final status', { status: 'EXPIRED' }, ['expired']],
    ['in an active status', { status: 'OPEN' }, ['active_created_at']],
    ['of a small market in a frequent status', { market: 'FIL-USD', status: 'FILLED' }, ['market_filled']],
    ['of a large market in a rare status', { market: 'BTC-USD', status: 'REJECTED' }, ['market_rejected']],
    ['of a market in an active status', { market: 'BTC-USD', status: 'PENDING' }, ['active']],
  ] as const)(
    'a page %s is read from the index of its status, the first as well as one further on',
    async (_, filter, indexes) => {
      for (const cursor of [undefined, after]) {
        const read = (reader: Database) => listOrders(reader, { ...page, ...filter, after: cursor });
        expect((await as((reader) => scansOf(reader, read))).toSorted()).toEqual(scans(indexes));
      }
    },
  );

  test('the active orders of a market are read from their index', async () => {
    const read = (reader: Database) => listActiveOrders(reader, { ...page, market: 'BTC-USD' });
    expect(await as((reader) => scansOf(reader, read))).toEqual(scans(['active']));
  });

  test('counts of a tenant since a time are read from indexes alone', async () => {
    const count = (reader: Database) => countByStatus(reader, { tenantId: 'default', since });
    expect((await as((reader) => scansOf(reader, count))).toSorted()).toEqual(scans(ALL, 'Index Only Scan'));
  });
});

describe('cancels', () => {
  test('that are due are found in an index of their own, behind 5,000 placements that are due', async () => {
    await using busy = await createDatabase();
    const orders = Array.from({ length: 5_003 }, () => ({ ...newOrder(), wakeAt: new Date(0) }));
    for (let from = 0; from < orders.length; from += 1_000) {
      await recordOrders(busy.db, orders.slice(from, from + 1_000));
    }
    for (const order of orders.slice(-3)) await cancelOrder(busy.db, order);
    await sql`VACUUM (ANALYZE) orders`.execute(busy.db);
    expect(await scansOf(busy.db, whatIsDue)).toContain('Index Only Scan idx_orders_due_cancels');
    const claim = (reader: Database) => claimDue(reader, { limit: 100, leaseMs: 1_000, isOfCancels: true });
    const scans = (await scansOf(busy.db, claim)).filter((scan) => scan.includes('orders'));
    expect(scans).toEqual(['Index Scan idx_orders_due_cancels', 'Index Scan orders_pkey']);
  });

  test.each([
    ['of everything', {}, 'active_created_at'],
    ['of a tenant', { tenantId: 'default' }, 'active_created_at'],
    ['of a market', { market: 'BTC-USD' }, 'active'],
    ['of an account', { account: 'default' }, 'active_created_at'],
  ] as const)('%s read what is active, and nothing that has ended', async (_what, scope, index) => {
    const undone = new Error('undone');
    const scans: string[] = [];
    const asked = db.transaction().execute(async (trx) => {
      scans.push(...(await scansOf(trx, (reader) => requestCancels(reader, scope))));
      throw undone;
    });
    await expect(asked).rejects.toBe(undone);
    expect(scans.flatMap((scan) => /idx_orders_\w+/.exec(scan) ?? [])).toEqual([`idx_orders_${index}`]);
    expect(scans).not.toContain('Seq Scan orders');
  });

  test('of an order are found by its id', async () => {
    const { orders } = await listOrders(db, page);
    const ids = orders.map(({ id }) => id);
    for (let from = 0; from < 2_000; from += 100) {
      const cancels = Array.from({ length: 100 }, (_, index) => ({
        ...{ tenantId: 'default', owner: 'dydx1plan', goodTilBlock: 1, nonce: undefined },
        orderIds: [randomUUID()],
        tx: { hash: `${from + index}`.padStart(64, '0'), bytes: Buffer.of(1) },
      }));
      for (const cancel of cancels) await storeCancel(db, cancel);
    }
    await sql`VACUUM (ANALYZE) cancel_transactions`.execute(db);
    const latest = await scansOf(db, (reader) => latestCancels(reader, ids.slice(0, 5)));
    expect(latest).toContain('Bitmap Index Scan idx_cancel_transactions_order_ids');
    expect(latest.filter((scan) => scan.startsWith('Seq Scan'))).toEqual([]);
  });
});

test('what the reconciler may have to end is found by its block, short-term and stateful orders each in an index', async () => {
  const cursor = await newCursor(db, 'dydx1plan');
  const fill = fillOf({ ...newOrder(), attempt: attemptOf() });
  const report = reportOf(cursor, [fill], 1_000);
  const scans = await scansOf(db, (reader) => bookReport(reader, report, 2));
  expect(scans).toContain('Index Scan idx_orders_reconcile');
  expect(scans).toContain('Index Scan idx_orders_dead');
  expect(scans).not.toContain('Seq Scan orders');
});

test('an order and its history are read by their keys', async () => {
  const { orders } = await listOrders(db, page);
  const id = orders[0]?.id ?? '';
  expect(await scansOf(db, (reader) => orderWithHistory(reader, id))).toEqual([
    'Index Scan orders_pkey',
    'Index Scan order_status_history_pkey',
  ]);
});

test('what is open is read from an index of active orders, and what was let through by its keys', async () => {
  const pending = Array.from({ length: 50 }, (_, n) => ({ tenant_id: 'default', client_id: `none-${n}` }));
  const scans = await scansOf(db, (reader) => readExposures(reader, pending));
  expect(scans.filter((scan) => scan.startsWith('Seq Scan') && !scan.endsWith('positions'))).toEqual([]);
  expect(scans.join()).toMatch(/idx_orders_(active|reconcile)/);
});
