// P4: every change is on record, written by trigger in the same transaction, and nobody can change the record.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { normalizeDecimal } from '../../src/core/decimal.ts';
import type { OrderStatus } from '../../src/core/status.ts';
import type { Database } from '../../src/store/database.ts';
import { createDatabase } from '../support/databases.ts';
import { historyOf, insertRow, openSession, setStatus } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

type FillStep = { readonly filled: string; readonly price: string; readonly status: OrderStatus };

async function applyFill(trx: Database, order: { id: string }, step: FillStep): Promise<string> {
  const fillId = randomUUID();
  await trx
    .updateTable('orders')
    .set({
      filled_size: step.filled,
      last_fill_id: fillId,
      last_fill_price: step.price,
      status: step.status,
      resolution: step.status === 'FILLED' ? '{"rule":"filled","height":9}' : null,
    })
    .where('id', '=', order.id)
    .execute();
  return fillId;
}

test('creation is the first row', async () => {
  const order = await insertRow(db, { tx_hash: 'AB', block_height: 7 });
  expect(await historyOf(db, order)).toEqual([
    expect.objectContaining({
      old_status: null,
      new_status: 'PENDING',
      reason: 'recorded',
      tx_hash: 'AB',
      block_height: '7',
      filled_size: '0.000000000000000000',
      remaining_size: '10.000000000000000000',
      fill_price: null,
      metadata: null,
    }),
  ]);
});

test('an order that is created in its final status brings its evidence', async () => {
  const order = await insertRow(db, { status: 'REJECTED', status_reason: 'halted' });
  expect(await historyOf(db, order)).toEqual([
    expect.objectContaining({
      new_status: 'REJECTED',
      reason: 'halted',
      metadata: { evidence: { rule: 'refused' } },
    }),
  ]);
});

test('creating many orders in one statement writes one row for each', async () => {
  const ids = Array.from({ length: 50 }, () => randomUUID());
  const row = { market: 'BTC-USD', side: 'BUY', type: 'LIMIT', size: '1', price: '1' } as const;
  await db
    .insertInto('orders')
    .values(ids.map((id) => ({ ...row, id, client_id: id })))
    .execute();
  for (const id of ids) expect(await historyOf(db, { id })).toHaveLength(1);
});

test('every change of status is one row with its reason', async () => {
  const order = await insertRow(db);
  await db
    .updateTable('orders')
    .set({ status: 'OPEN', status_reason: 'accepted by a node' })
    .where('id', '=', order.id)
    .execute();
  await setStatus(db, order, 'EXPIRED');
  const history = await historyOf(db, order);
  expect(history.map((row) => [row.old_status, row.new_status])).toEqual([
    [null, 'PENDING'],
    ['PENDING', 'OPEN'],
    ['OPEN', 'EXPIRED'],
  ]);
  expect(history[1]).toMatchObject({ reason: 'accepted by a node', metadata: null });
  expect(history[2]?.metadata).toEqual(expect.objectContaining({ evidence: { rule: 'dead' } }));
});

test('two fills in one transaction are two rows, each with its own fill, price and sizes, in their order', async () => {
  const order = await insertRow(db, { status: 'OPEN' });
  const steps: FillStep[] = [
    { filled: '2.5', price: '60000', status: 'PARTIALLY_FILLED' },
    { filled: '4', price: '60001.5', status: 'PARTIALLY_FILLED' },
    { filled: '10', price: '59999', status: 'FILLED' },
  ];
  const fillIds = await db.transaction().execute(async (trx) => {
    const ids: string[] = [];
    for (const step of steps) ids.push(await applyFill(trx, order, step));
    return ids;
  });
  const [, ...rows] = await historyOf(db, order);
  expect(
    rows.map((row) => [
      row.old_status,
      row.new_status,
      normalizeDecimal(row.filled_size ?? ''),
      normalizeDecimal(row.remaining_size ?? ''),
      normalizeDecimal(row.fill_price ?? ''),
      row.metadata,
    ]),
  ).toEqual([
    ['OPEN', 'PARTIALLY_FILLED', '2.5', '7.5', '60000', { fill_id: fillIds[0] }],
    ['PARTIALLY_FILLED', 'PARTIALLY_FILLED', '4', '6', '60001.5', { fill_id: fillIds[1] }],
    [
      'PARTIALLY_FILLED',
      'FILLED',
      '10',
      '0',
      '59999',
      { fill_id: fillIds[2], evidence: { rule: 'filled', height: 9 } },
    ],
  ]);
  // Written in one transaction, and yet each has a time of its own, in the order of seq: now() would be the same.
  const times = await db
    .selectFrom('order_status_history')
    .select(sql<string>`created_at::text`.as('at'))
    .where('order_id', '=', order.id)
    .where('old_status', 'is not', null)
    .orderBy('seq')
    .execute();
  expect(new Set(times.map((row) => row.at)).size).toBe(3);
  expect(times.map((row) => row.at)).toEqual(times.map((row) => row.at).sort());
});

test('a change of status without a fill does not repeat the price of the last fill', async () => {
  const order = await insertRow(db, { status: 'OPEN' });
  await applyFill(db, order, { filled: '4', price: '60000', status: 'PARTIALLY_FILLED' });
  await setStatus(db, order, 'CANCELLED');
  const last = (await historyOf(db, order)).at(-1);
  expect(last).toMatchObject({ new_status: 'CANCELLED', fill_price: null });
  expect(last?.metadata).toEqual({ evidence: { rule: 'dead' } });
});

test('what changes neither status nor fills writes no row', async () => {
  const order = await insertRow(db, { status: 'OPEN' });
  await db
    .updateTable('orders')
    .set({ next_wake_at: new Date(), retry_count: 3, error_message: 'x', tx_hash: 'AB', status_reason: 'y' })
    .where('id', '=', order.id)
    .execute();
  expect(await historyOf(db, order)).toHaveLength(1);
});

test('a change that is rolled back leaves no row', async () => {
  const order = await insertRow(db, { status: 'OPEN' });
  const rolledBack = db.transaction().execute(async (trx) => {
    await setStatus(trx, order, 'FILLED');
    throw new Error('rolled back');
  });
  await expect(rolledBack).rejects.toThrow('rolled back');
  expect(await historyOf(db, order)).toHaveLength(1);
});

test('a batch of 1,000 after a batch of one is joined by hash, and has 1,000 rows', async () => {
  await using session = await openSession(database.url);
  const plans: string[] = [];
  session.on('notice', (notice) => plans.push(notice.message ?? ''));
  // auto_explain shows the plans of statements inside functions; the notices reach this session only.
  await session.query(`LOAD 'auto_explain'`);
  await session.query(`SET auto_explain.log_nested_statements = on`);
  await session.query(`
    INSERT INTO orders (id, client_id, market, side, type, size, price)
    SELECT gen_random_uuid(), 'batch-' || n, 'BATCH-USD', 'BUY', 'LIMIT', 1, 1 FROM generate_series(1, 1001) n`);
  // So often that PostgreSQL keeps a plan, made for one row.
  for (let turn = 0; turn < 7; turn++) {
    await session.query(`UPDATE orders SET gas_used = 1 WHERE client_id = 'batch-1001'`);
  }
  await session.query(`SET auto_explain.log_min_duration = 0`);
  await session.query(`SET auto_explain.log_analyze = on`);
  await session.query(`SET client_min_messages = log`);
  await session.query(
    `UPDATE orders SET status = 'OPEN' WHERE market = 'BATCH-USD' AND client_id <> 'batch-1001'`,
  );
  await session.query(`SET client_min_messages = error`);
  const plan = plans.find((text) => text.includes('INSERT INTO order_status_history'));
  expect(plan).toContain('Hash Join');
  expect(plan).not.toContain('Nested Loop');
  const { rows } = await session.query(`
    SELECT count(*)::int AS count FROM order_status_history h JOIN orders o ON o.id = h.order_id
    WHERE o.market = 'BATCH-USD' AND h.new_status = 'OPEN'`);
  expect(rows).toEqual([{ count: 1000 }]);
});

describe('the record is append-only', () => {
  const refusal = { code: '42501', message: 'order_status_history is append-only' };
  test.each([
    `UPDATE order_status_history SET reason = 'forged'`,
    `UPDATE order_status_history SET reason = 'forged' WHERE false`,
    `DELETE FROM order_status_history`,
    `TRUNCATE order_status_history`,
    `TRUNCATE orders CASCADE`,
  ])('%s is refused', async (statement) => {
    await insertRow(db);
    await expect(sql.raw(statement).execute(db)).rejects.toMatchObject(refusal);
  });

  test('an order with a history cannot be deleted', async () => {
    const order = await insertRow(db);
    await expect(db.deleteFrom('orders').where('id', '=', order.id).execute()).rejects.toMatchObject({
      code: '23503',
    });
  });
});
