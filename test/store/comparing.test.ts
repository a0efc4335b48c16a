// The venue's list of orders against ours: strangers are kept and told once, other quantities are incidents, and what may
// only be an old answer is neither.
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import type { ListedOrder } from '../../src/core/ports.ts';
import { compareOrders, listUnexplained } from '../../src/store/comparing.ts';
import { closeIncident, listIncidents } from '../../src/store/incidents.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createDatabase } from '../support/databases.ts';
import { cursorOf, fillOf, newCursor, nextName, reportOf, type SignedOrder, signed } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const STRANGER = 'aaaaaaaa-0000-5000-8000-00000000000';
/** The cursor's start is block 90. */
const stranger = (digit: number, changes: Partial<ListedOrder> = {}): ListedOrder => ({
  id: `${STRANGER}${digit}`,
  market: 'BTC-USD',
  side: 'SELL',
  size: '1',
  totalFilled: '0',
  status: 'OPEN',
  updatedAtHeight: 95,
  ...changes,
});
const listed = (order: SignedOrder, totalFilled: string, updatedAtHeight = 112): ListedOrder => ({
  id: order.attempt.orderUuid,
  market: 'BTC-USD',
  side: 'BUY',
  size: order.intent.size,
  totalFilled,
  status: 'CANCELED',
  updatedAtHeight,
});

/** An order with a fill of 4 in block 110 that ended in block 120, ten seconds ago. */
async function ended() {
  const owner = nextName('dydx1v');
  const cursor = await newCursor(db, owner);
  const order = await signed(db, { size: '10' }, { owner });
  await bookReport(db, reportOf(cursor, [fillOf(order, { size: '4' })], 200), 1);
  await age(owner);
  return { owner, order, cursor: await cursorOf(db, owner) };
}

async function age(owner: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`SET LOCAL session_replication_role = replica`.execute(trx);
    await sql`UPDATE orders SET updated_at = updated_at - interval '10 seconds' WHERE owner = ${owner}`.execute(
      trx,
    );
  });
}

const incidentsAbout = async (id: string) =>
  (await listIncidents(db, { isAll: true, limit: 1_000 })).filter(({ subject }) => subject === id);

test('an order that no intent explains is kept and told once, however often it is listed', async () => {
  const { cursor, order } = await ended();
  const lists = [[stranger(1)], [stranger(1), listed(order, '4')]] as const;
  expect((await compareOrders(db, cursor, ...lists)).unexplained).toEqual([stranger(1)]);
  expect((await compareOrders(db, cursor, [stranger(1, { totalFilled: '1' })], [])).unexplained).toEqual([]);
  const { orders } = await listUnexplained(db, 10);
  expect(orders.find(({ order_uuid }) => order_uuid === stranger(1).id)?.listed).toMatchObject({
    totalFilled: '1',
  });
});

test('what ended before the first order of this database is not asked about; what is open is', async () => {
  const { cursor } = await ended();
  const old = stranger(2, { status: 'FILLED', updatedAtHeight: 90 });
  const young = stranger(3, { status: 'FILLED', updatedAtHeight: 91 });
  const resting = stranger(4, { updatedAtHeight: 12 });
  const onlySeen = stranger(5, { status: 'BEST_EFFORT_OPENED', updatedAtHeight: undefined });
  const { unexplained } = await compareOrders(db, cursor, [resting, onlySeen], [old, young, resting]);
  expect(unexplained.map(({ id }) => id.at(-1)).toSorted()).toEqual(['3', '4', '5']);
});

test('a quantity that the venue counts otherwise is one incident, until it is closed', async () => {
  const { cursor, order } = await ended();
  expect((await compareOrders(db, cursor, [], [listed(order, '4')])).incidents).toEqual([]);
  const { incidents } = await compareOrders(db, cursor, [], [listed(order, '5')]);
  expect(incidents).toMatchObject([{ kind: 'total_filled_differs', subject: order.id }]);
  expect((await compareOrders(db, cursor, [], [listed(order, '5')])).incidents).toEqual([]);
  const [open] = await incidentsAbout(order.id);
  expect(open?.client_id).toBe(order.intent.client_id);
  expect(open?.details).toMatchObject({ filled_size: expect.stringMatching(/^4/), total_filled: '5' });
  expect(await closeIncident(db, open?.id ?? '', 'alice')).toBe(true);
  expect(await closeIncident(db, open?.id ?? '', 'alice')).toBe(false);
  expect((await compareOrders(db, cursor, [], [listed(order, '5')])).incidents).toHaveLength(1);
});

test('a list that shows less counts only when it knows our last fill', async () => {
  const { cursor, order } = await ended();
  expect((await compareOrders(db, cursor, [], [listed(order, '3', 109)])).incidents).toEqual([]);
  expect((await compareOrders(db, cursor, [], [listed(order, '3', 110)])).incidents).toHaveLength(1);
});

test('an order that ended a moment ago, or is still active, is not compared: the answer may be older', async () => {
  const owner = nextName('dydx1v');
  const cursor = await newCursor(db, owner);
  const [active, fresh] = [
    await signed(db, {}, { owner }),
    await signed(db, {}, { owner, goodTilBlock: 101 }),
  ];
  await age(owner);
  await bookReport(db, reportOf(cursor, [], 110), 1);
  const lists = [listed(active, '1'), listed(fresh, '1')];
  expect((await compareOrders(db, cursor, [], lists)).incidents).toEqual([]);
});
