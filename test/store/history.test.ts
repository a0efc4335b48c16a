// P4: every change is on record, written by trigger in the same transaction, and nobody can change the record.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { normalizeDecimal } from '../../src/core/decimal.ts';
import type { OrderStatus } from '../../src/core/status.ts';
import { requestCancel } from '../../src/store/cancels.ts';
import type { Database } from '../../src/store/database.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createDatabase } from '../support/databases.ts';
import {
  fillOf,
  historyOf,
  insertRow,
  insertWithKeys,
  newCursor,
  nextName,
  openSession,
  reportOf,
  type Session,
  STATE_OF,
  setStatus,
  signed,
  signedColumns,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

type FillStep = { readonly filled: string; readonly price: string; readonly status: OrderStatus };

async function applyFill(trx: Database, order: { id: string }, step: FillStep): Promise<string> {
  const fillId = randomUUID();
  await trx
    .updateTable('orders')
    .set({
      last_fill_id: fillId,
      last_fill_price: step.price,
      ...(step.status === 'FILLED' ? { ...STATE_OF.FILLED, resolution: '{"rule":"filled","height":9}' } : {}),
      filled_size: step.filled,
      status: step.status,
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
      metadata: { evidence: expect.objectContaining({ rule: 'refused' }) },
    }),
  ]);
});

test('creating many orders in one statement writes one row for each', async () => {
  const ids = Array.from({ length: 50 }, () => randomUUID());
  const row = { tenant_id: 'default', market: 'BTC-USD', side: 'BUY', type: 'MARKET', size: '1' } as const;
  await insertWithKeys(
    db,
    ids.map((id) => ({ ...row, id, client_id: id })),
  );
  for (const id of ids) expect(await historyOf(db, { id })).toHaveLength(1);
});

test('every change of status is one row with its reason', async () => {
  const order = await insertRow(db);
  await db
    .updateTable('orders')
    .set({ ...signedColumns(), ...STATE_OF.OPEN, status: 'OPEN', status_reason: 'accepted by a node' })
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
  expect(history[2]?.metadata).toMatchObject({ evidence: { rule: 'dead' } });
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
  expect(last?.metadata).toEqual({ evidence: expect.objectContaining({ rule: 'dead' }) });
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

describe('a batch of 1,000 after batches of one, whose plan PostgreSQL keeps', () => {
  /** Creates as many orders with their keys as named. */
  const creation = (from: number, to: number) => `
    WITH k AS (
      INSERT INTO order_keys (tenant_id, client_id, order_id, intent_hash)
      SELECT 'default', 'batch-' || n, gen_random_uuid(), repeat('a', 64) FROM generate_series(${from}, ${to}) n
      RETURNING client_id, order_id
    )
    INSERT INTO orders (id, client_id, market, side, type, size)
    SELECT order_id, client_id, 'BATCH-USD', 'BUY', 'MARKET', 1 FROM k`;

  /** @returns the plan of the statement inside the trigger that contains these words, as it was run */
  async function planOf(session: Session, statement: string, words: string): Promise<string> {
    const plans: string[] = [];
    const listen = (notice: { readonly message: string | undefined }) => plans.push(notice.message ?? '');
    session.on('notice', listen);
    // auto_explain shows the plans of statements inside functions; the notices reach this session only.
    await session.query(`LOAD 'auto_explain'`);
    await session.query('SET auto_explain.log_nested_statements = on');
    await session.query('SET auto_explain.log_min_duration = 0');
    await session.query('SET auto_explain.log_analyze = on');
    await session.query('SET client_min_messages = log');
    await session.query(statement);
    await session.query('SET client_min_messages = error');
    session.off('notice', listen);
    const plan = plans.find((text) => text.includes(words));
    if (plan === undefined) throw new Error(`no plan of ${words}`);
    return plan;
  }

  test('is created by looking up 1,000 keys, not by reading all of them', async () => {
    await using own = await createDatabase();
    await using session = await openSession(own.url);
    // Of a table that is known to have one row, which is cheapest read whole.
    await session.query(creation(0, 0));
    await session.query('ANALYZE order_keys');
    for (let n = 1; n <= 7; n++) await session.query(creation(n, n));
    const plan = await planOf(session, creation(8, 1007), 'LEFT JOIN order_keys');
    expect(plan).toContain('Index Scan using order_keys_pkey');
    expect(plan).not.toContain('Seq Scan on order_keys');
    expect(plan).not.toMatch(/Hash|Merge/);
  });

  test('is changed by a hash join, and has 1,000 rows', async () => {
    await using session = await openSession(database.url);
    await session.query(creation(1, 1001));
    for (let turn = 0; turn < 7; turn++) {
      await session.query(`UPDATE orders SET gas_used = 1 WHERE client_id = 'batch-1001'`);
    }
    const plan = await planOf(
      session,
      `UPDATE orders SET status = 'EXPIRED', status_reason = 'never sent', resolution = '{"rule": "never_sent"}'
        WHERE market = 'BATCH-USD' AND client_id <> 'batch-1001'`,
      'INSERT INTO order_status_history',
    );
    expect(plan).toContain('Hash Join');
    expect(plan).not.toContain('Nested Loop');
    const { rows } = await session.query(`
      SELECT count(*)::int AS count FROM order_status_history h JOIN orders o ON o.id = h.order_id
      WHERE o.market = 'BATCH-USD' AND h.new_status = 'EXPIRED'`);
    expect(rows).toEqual([{ count: 1000 }]);
  });
});

describe('the record is append-only, whoever asks', () => {
  const refused = (message: string) => ({ code: '42501', message });
  /** With a history, an attempt and a fill. */
  async function filledOrder() {
    const owner = nextName('dydx1kept');
    const order = await signed(db, {}, { owner });
    await bookReport(db, reportOf(await newCursor(db, owner), [fillOf(order)]), 2);
    return order;
  }

  test.each(['order_status_history', 'order_fills'])(
    '%s takes no UPDATE, not even of no row',
    async (table) => {
      await filledOrder();
      for (const where of ['true', 'false']) {
        await expect(
          sql.raw(`UPDATE ${table} SET created_at = now() WHERE ${where}`).execute(db),
        ).rejects.toMatchObject(refused(`${table}: what is on record stays as it is`));
      }
    },
  );

  test.each([
    ['orders', `size = 11`],
    ['orders', `client_id = 'other'`],
    ['orders', `created_at = now()`],
    ['orders', `order_id = 'other'`],
    ['orders', `quantums = quantums + 1`],
    ['orders', `first_good_til_block = NULL`],
    ['orders', `good_til_block = good_til_block - 1`],
    ['orders', `attempt_count = 0`],
    ['orders', `retry_count = retry_count - 1`],
    ['orders', `cancel_count = cancel_count - 1`],
    ['orders', `trigger_subticks = 1`],
    ['order_attempts', `tx_bytes = ''`],
    ['order_attempts', `good_til_block = 1`],
    ['order_keys', `order_id = gen_random_uuid()`],
    ['order_keys', `intent_hash = repeat('b', 64)`],
    ['order_keys', `client_id = 'other'`],
  ])('%s: what was asked for, signed or spent does not change: %s', async (table, change) => {
    const { id } = await filledOrder();
    const key = table === 'orders' ? 'id' : 'order_id';
    const update = sql.raw(`UPDATE ${table} SET ${change} WHERE ${key} = '${id}'`).execute(db);
    await expect(update).rejects.toMatchObject(refused(`${table}: what is on record stays as it is`));
  });

  test('a key that a cancel spent gets the order that comes later', async () => {
    const key = { tenant_id: 'default', client_id: nextName('cancelled') };
    await db
      .insertInto('order_keys')
      .values({ ...key, cancel_requested_at: new Date() })
      .execute();
    const { numUpdatedRows } = await db
      .updateTable('order_keys')
      .set({ order_id: '00000000-0000-0000-0000-000000000001', intent_hash: 'a'.repeat(64) })
      .where('client_id', '=', key.client_id)
      .executeTakeFirst();
    expect(numUpdatedRows).toBe(1n);
  });

  test('an order that is archived is not born again', async () => {
    const owner = nextName('dydx1kept');
    const order = await signed(db, { size: '1' }, { owner });
    await bookReport(db, reportOf(await newCursor(db, owner), [fillOf(order)]), 2);
    await sql`SELECT archive_orders(${[order.id]}::uuid[])`.execute(db);
    const { id, intent } = order;
    const again = sql`INSERT INTO orders (id, client_id, market, side, type, size, time_in_force)
      VALUES (${id}, ${intent.client_id}, 'BTC-USD', 'BUY', 'MARKET', 1, 'IOC')`.execute(db);
    await expect(again).rejects.toMatchObject({ code: '23503', constraint: 'orders_have_keys' });
    const touched = db.transaction().execute(async (trx) => {
      await requestCancel(trx, 'default', intent.client_id);
      await sql`INSERT INTO orders (id, client_id, market, side, type, size, time_in_force)
        VALUES (${id}, ${intent.client_id}, 'BTC-USD', 'BUY', 'MARKET', 1, 'IOC')`.execute(trx);
    });
    await expect(touched).rejects.toMatchObject({ code: '23503', constraint: 'orders_have_keys' });
  });

  test.each(['UPDATE', 'DELETE', 'TRUNCATE'])('the archive takes no %s', async (command) => {
    const owner = nextName('dydx1kept');
    const order = await signed(db, { size: '1' }, { owner });
    await bookReport(db, reportOf(await newCursor(db, owner), [fillOf(order)]), 2);
    await sql`SELECT archive_orders(${[order.id]}::uuid[])`.execute(db);
    const { rows: months } = await sql<{ name: string }>`
      SELECT inhrelid::regclass::text AS name FROM pg_inherits
      WHERE inhparent::regclass::text IN ('orders_archive', 'order_status_history_archive')`.execute(db);
    expect(months.length).toBeGreaterThan(1);
    for (const table of [
      ...months.map(({ name }) => name),
      'orders_archive',
      'order_status_history_archive',
      'order_fills_archive',
      'order_attempts_archive',
    ]) {
      const statement = {
        UPDATE: `UPDATE ${table} SET created_at = now()`,
        DELETE: `DELETE FROM ${table}`,
        TRUNCATE: `TRUNCATE ${table}`,
      }[command];
      await expect(sql.raw(statement ?? '').execute(db)).rejects.toMatchObject({ code: '42501' });
    }
  });

  test.each(['order_status_history', 'order_fills', 'order_attempts', 'order_keys', 'orders CASCADE'])(
    'TRUNCATE %s is refused',
    async (table) => {
      await filledOrder();
      await expect(sql.raw(`TRUNCATE ${table}`).execute(db)).rejects.toMatchObject({
        code: '42501',
        message: expect.stringMatching(/^order\w*: what is on record stays as it is$/),
      });
    },
  );

  test.each(['order_status_history', 'order_fills', 'order_attempts'])(
    'a row of %s leaves it into the archive only',
    async (table) => {
      const { id } = await filledOrder();
      await expect(
        sql.raw(`DELETE FROM ${table} WHERE order_id = '${id}'`).execute(db),
      ).rejects.toMatchObject(refused(`${table} is append-only: rows leave it into the archive`));
    },
  );

  test('an order leaves into the archive only, and its attempts and fills go before it', async () => {
    const { id } = await filledOrder();
    const deletion = (trx: typeof db) => trx.deleteFrom('orders').where('id', '=', id).execute();
    await expect(deletion(db)).rejects.toMatchObject(
      refused('orders is append-only: rows leave it into the archive'),
    );
    const asIfMoved = db.transaction().execute(async (trx) => {
      await sql`SET LOCAL router.moved_by_move_rows = 'orders'`.execute(trx);
      await deletion(trx);
    });
    // restrict_violation from version 18 on.
    await expect(asIfMoved).rejects.toMatchObject({ code: expect.stringMatching(/^23(503|001)$/) });
  });

  test('a spent key is never deleted', async () => {
    await filledOrder();
    await expect(db.deleteFrom('order_keys').execute()).rejects.toMatchObject(
      refused('order_keys: what is on record stays as it is'),
    );
  });
});
