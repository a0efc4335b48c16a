// What is archived is found, told and listed as before, and takes no fill any more.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { storyAsJson, storyAsText } from '../../src/cli/show.ts';
import type { OrderCursor } from '../../src/core/order-cursor.ts';
import { seedOrders } from '../../src/kit/bench/seed-orders.ts';
import { recordCancelOutcome, storeCancel } from '../../src/store/cancels.ts';
import { listOrders, type OrderFilter } from '../../src/store/order-pages.ts';
import { findOrder, orderWithHistory } from '../../src/store/order-story.ts';
import { recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createDatabase } from '../support/databases.ts';
import {
  answerOf,
  cancelOrder,
  cursorOf,
  fillOf,
  newCursor,
  nextName,
  openSession,
  orderRow,
  reportOf,
  type SignedOrder,
  signed,
  untilBlocked,
} from './builders.ts';
import { age, countOf, runArchive } from './old-orders.ts';

const database = await createDatabase();
const { db, url } = database;
afterAll(() => database[Symbol.asyncDispose]());

/** 100 days old, dead in block 120 with a fill of 1 of 10. */
async function expired() {
  const owner = nextName('dydx1archived');
  const order = await signed(db, {}, { owner });
  await recordOutcomes(db, [answerOf(order)]);
  await bookReport(db, reportOf(await newCursor(db, owner), [fillOf(order)], 130), 1);
  expect(await orderRow(db, order)).toMatchObject({ status: 'EXPIRED' });
  await age(db, [order]);
  return { order, owner };
}

const storyOf = ({ intent }: SignedOrder) => findOrder(db, intent.tenant_id, intent.client_id);
const archiveByHand = ({ id }: SignedOrder) => sql`SELECT archive_orders(${[id]}::uuid[])`.execute(db);

test('its story, its proof and its cancels are what they were', async () => {
  const owner = nextName('dydx1archived');
  const order = await signed(db, {}, { owner });
  await recordOutcomes(db, [answerOf(order)]);
  await cancelOrder(db, order);
  const tx = { hash: 'E'.repeat(64), bytes: Buffer.from('cancel') };
  await storeCancel(db, {
    tenantId: 'default',
    owner,
    orderIds: [order.id],
    goodTilBlock: 130,
    nonce: undefined,
    tx,
  });
  await recordCancelOutcome(db, {
    ...{ txHash: tx.hash, outcome: 'accepted', codespace: null, code: 0, log: '' },
    answeredAt: new Date(),
  });
  await bookReport(db, reportOf(await newCursor(db, owner), [fillOf(order)], 130), 1);
  await age(db, [order]);
  const before = await storyOf(order);
  if (before === undefined) throw new Error('there is no such order');
  expect(storyAsJson(before)).toMatchObject({ archived_at: null, proof: { proven: true } });
  await runArchive(database);
  expect(await countOf(db, 'cancel_transactions_archive')).toBe(1);
  const after = await storyOf(order);
  if (after === undefined) throw new Error('it is gone');
  const { archivedAt, ...told } = after;
  expect(archivedAt).toBeInstanceOf(Date);
  expect(told).toEqual(before);
  expect(storyAsJson(after)).toEqual({ ...storyAsJson(before), archived_at: archivedAt });
  expect(storyAsText(after)).toMatch(/^archived \d{4}-/m);
  const { order: row, history } = before;
  expect(await orderWithHistory(db, order.id)).toEqual({ order: row, history });
  expect(await findOrder(db, nextName('tenant'), order.intent.client_id)).toBeUndefined();
});

test('orders are listed over live and archived ones as they were before, page by page', async () => {
  await using own = await createDatabase();
  await seedOrders(own.url, { orders: 400, seed: 3 });
  const pages = async (filter: Omit<OrderFilter, 'tenantId' | 'limit'>) => {
    const seen: string[] = [];
    let after: OrderCursor | undefined;
    do {
      const page = await listOrders(own.db, { tenantId: 'default', limit: 7, ...filter, after });
      seen.push(...page.orders.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    return seen;
  };
  const filters = [
    {},
    { market: 'BTC-USD' },
    { status: 'EXPIRED' },
    { market: 'ETH-USD', status: 'FILLED' },
  ] as const;
  const before = await Promise.all(filters.map(pages));
  expect(before[0]?.length).toBeGreaterThan(200);
  await runArchive(own, { limit: 150 });
  expect(await Promise.all(filters.map(pages))).toEqual(before);
  await runArchive(own);
  expect(await Promise.all(filters.map(pages))).toEqual(before);
  const { orders } = await listOrders(own.db, { tenantId: 'default', limit: 400 });
  expect(orders.some((order) => order.archived_at === null)).toBe(true);
  expect(orders.some((order) => order.archived_at !== null)).toBe(true);
});

test('a fill that comes later is kept as unexplained, says why, and is alarmed', async () => {
  const { order, owner } = await expired();
  await runArchive(database);
  const late = fillOf(order, { id: randomUUID(), height: 111 });
  const booked = await bookReport(db, reportOf(await cursorOf(db, owner), [late], 131), 1);
  expect(booked).toMatchObject({
    bookings: [],
    unexplained: [{ fill: { id: late.id }, reason: 'its order is archived' }],
    incidents: [{ kind: 'late_fill', subject: late.id, orderId: order.id }],
  });
  const kept = await db.selectFrom('unexplained_fills').select('reason').where('id', '=', late.id).execute();
  expect(kept).toEqual([{ reason: 'its order is archived' }]);
});

test('a fill that comes while its order is archived waits, and finds it archived', async () => {
  const { order, owner } = await expired();
  const cursor = await cursorOf(db, owner);
  await using session = await openSession(url);
  await session.query('BEGIN');
  await session.query('SELECT archive_orders(ARRAY[$1]::uuid[])', [order.id]);
  const booking = bookReport(db, reportOf(cursor, [fillOf(order, { height: 111 })], 131), 1);
  await untilBlocked(db);
  await session.query('COMMIT');
  expect(await booking).toMatchObject({ bookings: [], unexplained: [{ reason: 'its order is archived' }] });
});

test('an order that is getting a fill stays, and takes it', async () => {
  const { order, owner } = await expired();
  const cursor = await cursorOf(db, owner);
  await using session = await openSession(url);
  // As the reconciler does before it books.
  await session.query('BEGIN');
  await session.query('SELECT FROM orders WHERE id = $1 FOR NO KEY UPDATE', [order.id]);
  expect(await runArchive(database)).toMatchObject({ counts: { orders: 0, left_locked: 1 } });
  await session.query('ROLLBACK');
  const booked = await bookReport(db, reportOf(cursor, [fillOf(order, { height: 111 })], 131), 1);
  expect(booked).toMatchObject({ bookings: [{ isLate: true }], unexplained: [] });
  // The late fill is an open incident: somebody looks at it before the order goes.
  expect(await runArchive(database)).toMatchObject({ counts: { orders: 0, left_in_doubt: 1 } });
  await archiveByHand(order);
  expect((await storyOf(order))?.fills).toHaveLength(2);
});
