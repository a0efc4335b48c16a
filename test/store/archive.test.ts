// The archive: whole orders move or stay, unchanged, whatever breaks a run off.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { seedOrders } from '../../src/kit/bench/seed-orders.ts';
import { sizeAfter } from '../../src/store/archive.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { insertRow, nextName, nextNonce, openSession, statefulColumns, untilBlocked } from './builders.ts';
import {
  age,
  booksOf,
  columnsOf,
  countOf,
  oldOrder,
  RECORD_TABLES,
  runArchive,
  runsOf,
} from './old-orders.ts';

const SEED = 7;
/** A few of them active: 2 %, of which three quarters. */
const ORDERS = 1_200;

async function seeded(orders = ORDERS): Promise<TestDatabase> {
  const database = await createDatabase();
  await seedOrders(database.url, { orders, seed: SEED });
  return database;
}

/** Whichever comes first: the answer to the statement, or the end of the connection. */
const ENDED = /terminating connection|session of the run is lost/;

const isActive = "status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')";
async function finalOrders({ db }: TestDatabase): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM orders WHERE NOT ${sql.raw(isActive)}`.execute(db);
  return rows[0]?.count ?? 0;
}

describe('a run', () => {
  test('moves every final order with all its rows, unchanged, and leaves the others', async () => {
    await using database = await seeded();
    const { db } = database;
    const before = await booksOf(db);
    const finals = await finalOrders(database);
    const statuses = await sql<{
      status: string;
    }>`SELECT DISTINCT status::text FROM orders WHERE NOT ${sql.raw(isActive)}`.execute(db);
    expect(statuses.rows).toHaveLength(4);
    const run = await runArchive(database);
    expect(run).toMatchObject({
      outcome: 'done',
      counts: {
        orders: finals,
        history: await countOf(db, 'order_status_history_archive'),
        fills: await countOf(db, 'order_fills_archive'),
        attempts: await countOf(db, 'order_attempts_archive'),
        left_active: ORDERS - finals,
        left_in_doubt: 0,
        left_locked: 0,
      },
    });
    expect(await booksOf(db)).toEqual(before);
    expect(await countOf(db, 'orders_archive')).toBe(finals);
    expect(await finalOrders(database)).toBe(0);
    // Nothing of them is left behind, and all months are there.
    const { rows: orphans } = await sql`SELECT FROM order_status_history h
      WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = h.order_id)`.execute(db);
    expect(orphans).toEqual([]);
    expect(await runArchive(database)).toMatchObject({ outcome: 'done', counts: { orders: 0 } });
  });

  test('ends at its limit, and the next one goes on where it ended', async () => {
    await using database = await seeded();
    const { db } = database;
    const before = await booksOf(db);
    const finals = await finalOrders(database);
    expect(await runArchive(database, { limit: 333 })).toMatchObject({ counts: { orders: 333 } });
    expect(await countOf(db, 'orders_archive')).toBe(333);
    // The oldest first.
    const { rows } = await sql`SELECT FROM orders o WHERE NOT ${sql.raw(isActive)}
      AND created_at < (SELECT max(created_at) FROM orders_archive)`.execute(db);
    expect(rows).toEqual([]);
    expect(await runArchive(database)).toMatchObject({ counts: { orders: finals - 333 } });
    expect(await booksOf(db)).toEqual(before);
  });

  test('that is broken off stops between two batches, and says what it has done', async () => {
    await using database = await seeded();
    const { db } = database;
    const before = await booksOf(db);
    const end = new AbortController();
    const run = await runArchive(
      database,
      { isPaced: true },
      { signal: end.signal, onProgress: () => end.abort(new Error('enough')) },
    );
    const moved = await countOf(db, 'orders_archive');
    expect(moved).toBeGreaterThan(0);
    expect(run).toMatchObject({ outcome: 'stopped', counts: { orders: moved, batches: 1 } });
    expect(await runsOf(db)).toMatchObject([{ outcome: 'stopped', counts: { orders: moved } }]);
    expect(await booksOf(db)).toEqual(before);
    await runArchive(database);
    expect(await finalOrders(database)).toBe(0);
    expect(await booksOf(db)).toEqual(before);
  });

  test('tells how far it is', async () => {
    await using database = await seeded();
    const shares: number[] = [];
    const onProgress = (_: unknown, share?: number) => void shares.push(share ?? Number.NaN);
    await runArchive(database, { olderThanDays: 1 }, { onProgress });
    expect(shares.every((share, index) => share >= (shares[index - 1] ?? 0) && share <= 1)).toBe(true);
    expect(shares.at(-1)).toBe(1);
  });

  test('is left to the one that is at it', async () => {
    await using database = await seeded(50);
    const { db, url } = database;
    await using holder = await openSession(url);
    await holder.query('BEGIN; LOCK TABLE order_attempts IN ACCESS EXCLUSIVE MODE');
    const first = runArchive(database);
    await untilBlocked(db);
    expect(await runArchive(database)).toEqual({ outcome: 'busy' });
    await holder.query('ROLLBACK');
    expect(await first).toMatchObject({ outcome: 'done' });
    expect(await finalOrders(database)).toBe(0);
  });

  test('whose session is ended by the server has moved whole batches only, and is recorded as failed', async () => {
    await using database = await seeded(50);
    const { db, url } = database;
    const before = await booksOf(db);
    await using holder = await openSession(url);
    await holder.query('BEGIN; LOCK TABLE order_attempts IN ACCESS EXCLUSIVE MODE');
    const run = runArchive(database).catch((error: unknown) => error);
    const [pid] = await untilBlocked(db);
    await sql`SELECT pg_terminate_backend(${pid})`.execute(db);
    expect(await run).toMatchObject({ message: expect.stringMatching(ENDED) });
    await holder.query('ROLLBACK');
    expect(await runsOf(db)).toMatchObject([{ outcome: 'failed', error: expect.stringMatching(ENDED) }]);
    expect(await countOf(db, 'orders_archive')).toBe(0);
    expect(await booksOf(db)).toEqual(before);
  });

  test('of a role that may not archive is a failed one, and moves nothing', async () => {
    await using database = await seeded(50);
    const { db } = database;
    const name = nextName('visitor').replace('-', '_') + process.pid;
    await sql.raw(`CREATE ROLE ${name} LOGIN PASSWORD 'visitor'`).execute(db);
    try {
      const url = new URL(database.url);
      url.username = name;
      url.password = 'visitor';
      await expect(runArchive({ db, url: url.href })).rejects.toThrow('permission denied');
      expect(await runsOf(db)).toMatchObject([
        { outcome: 'failed', error: expect.stringContaining('permission denied') },
      ]);
      expect(await countOf(db, 'orders_archive')).toBe(0);
    } finally {
      await sql.raw(`DROP ROLE ${name}`).execute(db);
    }
  });
});

describe('what stays', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database[Symbol.asyncDispose]());
  // Of the test before.
  beforeEach(() => runArchive(database));
  const isLive = async ({ id }: { readonly id: string }) => {
    const { rows } = await sql`SELECT FROM orders WHERE id = ${id}`.execute(database.db);
    return rows.length === 1;
  };

  test('is an order that is younger than asked for, and one that is not final', async () => {
    const { db } = database;
    const young = await insertRow(db, { status: 'FILLED' });
    await age(db, [young], 89);
    const active = await oldOrder(db, { status: 'OPEN' });
    const old = await oldOrder(db);
    await runArchive(database, { olderThanDays: 90 });
    expect([await isLive(young), await isLive(active), await isLive(old)]).toEqual([true, true, false]);
  });

  test('is an old order that was changed a moment ago', async () => {
    const { db } = database;
    const order = await oldOrder(db, { status: 'EXPIRED' });
    await sql`UPDATE orders SET late_fill_at = now() WHERE id = ${order.id}`.execute(db);
    const run = await runArchive(database);
    expect(run).toMatchObject({ counts: { orders: 0, left_changed_lately: 1 } });
    await age(db, [order], 2);
    await runArchive(database);
    expect(await isLive(order)).toBe(false);
  });

  test('is an order with an open incident, until somebody has dealt with it', async () => {
    const { db } = database;
    const order = await oldOrder(db);
    await db
      .insertInto('incidents')
      .values({ kind: 'overfill', subject: order.id, order_id: order.id })
      .execute();
    expect(await runArchive(database)).toMatchObject({ counts: { orders: 0, left_in_doubt: 1 } });
    // By hand as well.
    const byHand = await sql<{
      moved: number;
    }>`SELECT archive_orders(${[order.id]}::uuid[]) AS moved`.execute(db);
    expect(byHand.rows).toEqual([{ moved: 0 }]);
    await db.updateTable('incidents').set({ closed_at: new Date(), closed_by: 'test' }).execute();
    expect(await runArchive(database)).toMatchObject({ counts: { orders: 1, left_in_doubt: 0 } });
  });

  test('is a stateful order while its nonce, or that of a cancel of it, may reach the chain', async () => {
    const { db } = database;
    const columns = { ...statefulColumns(), owner: nextName('dydx1doubt') };
    const dead = JSON.stringify({ rule: 'filled', height: 110, fills: 1 });
    const order = await oldOrder(db, { ...columns, status: 'FILLED', resolution: dead, cancel_count: 1 });
    const cancelNonce = nextNonce();
    await db
      .insertInto('cancel_transactions')
      .values({
        tx_hash: 'A'.repeat(64),
        tenant_id: 'default',
        owner: columns.owner,
        order_ids: [order.id],
        nonce: cancelNonce,
        tx_bytes: Buffer.from('x'),
      })
      .execute();
    for (const nonce of [columns.nonce, cancelNonce]) {
      await db.insertInto('nonces_in_doubt').values({ owner: columns.owner, nonce }).execute();
      expect(await runArchive(database)).toMatchObject({ counts: { orders: 0, left_in_doubt: 1 } });
      await db.deleteFrom('nonces_in_doubt').execute();
    }
    expect(await runArchive(database)).toMatchObject({ counts: { orders: 1, cancels: 1 } });
  });

  test('is an order that somebody holds, for nobody waits', async () => {
    const { db, url } = database;
    const order = await oldOrder(db);
    await using session = await openSession(url);
    await session.query('BEGIN');
    await session.query('SELECT FROM orders WHERE id = $1 FOR NO KEY UPDATE', [order.id]);
    expect(await runArchive(database)).toMatchObject({ counts: { orders: 0, left_locked: 1 } });
    await session.query('ROLLBACK');
    expect(await runArchive(database)).toMatchObject({ counts: { orders: 1 } });
  });

  test('is a cancel until the last of its orders goes', async () => {
    const { db } = database;
    const [first, second] = [
      await oldOrder(db, { cancel_count: 1 }),
      await insertRow(db, { status: 'FILLED', cancel_count: 1 }),
    ];
    await db
      .insertInto('cancel_transactions')
      .values({
        tx_hash: 'B'.repeat(64),
        tenant_id: 'default',
        owner: 'dydx1row',
        order_ids: [first.id, second.id],
        good_til_block: 130,
        tx_bytes: Buffer.from('y'),
      })
      .execute();
    const before = await booksOf(db);
    expect(await runArchive(database)).toMatchObject({ counts: { orders: 1, cancels: 0 } });
    await age(db, [second]);
    const between = await booksOf(db);
    expect(between.cancel_transactions).toEqual(before.cancel_transactions);
    expect(await runArchive(database)).toMatchObject({ counts: { orders: 1, cancels: 1 } });
    expect(await booksOf(db)).toEqual(between);
  });
});

describe('nothing moves', () => {
  test.each(RECORD_TABLES)('when %s has gained a column that its archive lacks', async (table) => {
    await using database = await seeded(50);
    const { db } = database;
    await sql.raw(`ALTER TABLE ${table} ADD COLUMN strategy TEXT`).execute(db);
    await expect(runArchive(database)).rejects.toThrow(
      `${table} has the column strategy, and ${table}_archive`,
    );
    expect(await countOf(db, 'orders_archive')).toBe(0);
    expect(await runsOf(db)).toMatchObject([{ outcome: 'failed' }]);
  });

  test.each([
    ['orders', 'NEW.size := NEW.size + 1'],
    ['order_status_history', "NEW.metadata := '{}'"],
    ['order_fills', 'NEW.fee := 0'],
    ['order_attempts', "NEW.tx_bytes := '\\x00'"],
    ['cancel_transactions', "NEW.log := 'another'"],
    ['order_fills', 'RETURN NULL'],
  ] as const)('when what arrives in the archive of %s differs: %s', async (table, change) => {
    await using database = await (table === 'cancel_transactions' ? cancelled() : seeded(50));
    const { db } = database;
    const before = await booksOf(db);
    await sql
      .raw(`CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${change}; RETURN NEW; END $$;
        CREATE TRIGGER spoil BEFORE INSERT ON ${table}_archive FOR EACH ROW EXECUTE FUNCTION spoil()`)
      .execute(db);
    await expect(runArchive(database)).rejects.toThrow(/nothing is moved|leave it into the archive/);
    expect(await countOf(db, 'orders_archive')).toBe(0);
    expect(await booksOf(db)).toEqual(before);
    expect(await runsOf(db)).toMatchObject([{ outcome: 'failed', error: expect.stringContaining(table) }]);
  });

  async function cancelled(): Promise<TestDatabase> {
    const database = await createDatabase();
    const { db } = database;
    const order = await oldOrder(db, { cancel_count: 1 });
    await db
      .insertInto('cancel_transactions')
      .values({
        tx_hash: 'C'.repeat(64),
        tenant_id: 'default',
        owner: 'dydx1row',
        order_ids: [order.id],
        good_til_block: 130,
        tx_bytes: Buffer.from('z'),
      })
      .execute();
    return database;
  }
});

describe('the tables', () => {
  test('of the archive have every column of the live ones, of the same type', async () => {
    await using database = await createDatabase();
    for (const table of RECORD_TABLES) {
      const archived = await columnsOf(database.db, `${table}_archive`);
      expect(
        archived,
        `${table}_archive: a migration that adds a column must add it there, too`,
      ).toMatchObject(await columnsOf(database.db, table));
    }
  });

  test('of record let a cancel go into its archive only', async () => {
    await using database = await createDatabase();
    const { db } = database;
    await db
      .insertInto('cancel_transactions')
      .values({
        tx_hash: 'D'.repeat(64),
        tenant_id: 'default',
        owner: 'dydx1row',
        order_ids: [nextUuid()],
        good_til_block: 130,
        tx_bytes: Buffer.from('z'),
      })
      .execute();
    for (const statement of ['DELETE FROM cancel_transactions', 'TRUNCATE cancel_transactions'])
      await expect(sql.raw(statement).execute(db)).rejects.toMatchObject({ code: '42501' });
  });

  const nextUuid = () => '019fd07f-14cf-7042-8a04-f89b67d8862c';
});

describe('the size of the next batch', () => {
  test('is what takes the time that is aimed at, and at most twice as much as before', () => {
    expect(sizeAfter(100, 100, 10, 150)).toBe(200);
    expect(sizeAfter(1_000, 1_000, 300, 150)).toBe(500);
    expect(sizeAfter(1_000, 1_000, 120, 150)).toBe(1_250);
  });
  test('does not grow by one that moved little, for the next may move all', () => {
    expect(sizeAfter(1_000, 0, 5, 150)).toBe(1_000);
    expect(sizeAfter(1_000, 10, 5, 150)).toBe(300);
  });
  test('is never so small that it is all beginning, nor so large that it is all one', () => {
    expect(sizeAfter(20, 20, 5_000, 150)).toBe(20);
    expect(sizeAfter(5_000, 5_000, 1, 150)).toBe(5_000);
  });
});
