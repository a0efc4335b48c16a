// The schema that this one was made from does not work as printed. Its thirteen faults (docs/decisions.md): first what
// its own SQL does, run as printed in a database of its own, then what ours does instead.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { normalizeDecimal } from '../../src/core/decimal.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { indexUsage, slowQueries, tableSizes } from '../../src/store/monitoring.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { recordOrders } from '../../src/store/recording.ts';
import { setUpRoles } from '../../src/store/role-setup.ts';
import type { Role } from '../../src/store/roles.ts';
import { createDatabase } from '../support/databases.ts';
import {
  attemptsOf,
  fillOf,
  fillsOf,
  historyOf,
  inMs,
  insertRow,
  newCursor,
  newOrder,
  nextName,
  openSession,
  orderRow,
  reportOf,
  type Session,
  signed,
  statefulColumns,
} from './builders.ts';

const TYPES = `
CREATE TYPE order_side AS ENUM ('BUY', 'SELL');
CREATE TYPE order_type AS ENUM ('MARKET', 'LIMIT', 'STOP_MARKET', 'STOP_LIMIT', 'TAKE_PROFIT_MARKET', 'TAKE_PROFIT_LIMIT');
CREATE TYPE order_status AS ENUM ('PENDING', 'OPEN', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED', 'PARTIALLY_FILLED');
CREATE TYPE time_in_force AS ENUM ('GTT', 'FOK', 'IOC');`;

const TYPES_AGAIN = `
CREATE TYPE order_status AS ENUM ('PENDING', 'OPEN', 'FILLED', 'PARTIALLY_FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED');
CREATE TYPE time_in_force AS ENUM ('GTT', 'FOK', 'IOC');`;

const TABLES = `
CREATE TABLE orders (
    id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
    client_id VARCHAR(255) NOT NULL UNIQUE,
    order_id VARCHAR(255) UNIQUE,
    market VARCHAR(50) NOT NULL,
    side order_side NOT NULL,
    type order_type NOT NULL,
    size DECIMAL(20, 8) NOT NULL CHECK (size > 0),
    price DECIMAL(20, 8) CHECK (price > 0 OR type = 'MARKET'),
    status order_status NOT NULL DEFAULT 'PENDING',
    filled_size DECIMAL(20, 8) NOT NULL DEFAULT 0 CHECK (filled_size >= 0),
    remaining_size DECIMAL(20, 8) NOT NULL CHECK (remaining_size >= 0),
    time_in_force time_in_force NOT NULL DEFAULT 'GTT',
    good_til_block INTEGER,
    reduce_only BOOLEAN NOT NULL DEFAULT FALSE,
    post_only BOOLEAN NOT NULL DEFAULT FALSE,
    tx_hash VARCHAR(255),
    block_height BIGINT,
    gas_used BIGINT,
    gas_wanted BIGINT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    placed_at TIMESTAMP WITH TIME ZONE,
    filled_at TIMESTAMP WITH TIME ZONE,
    cancelled_at TIMESTAMP WITH TIME ZONE,
    error_message TEXT,
    retry_count INTEGER NOT NULL DEFAULT 0,
    metadata JSONB,
    CONSTRAINT valid_filled_size CHECK (filled_size <= size),
    CONSTRAINT valid_remaining_size CHECK (remaining_size = size - filled_size),
    CONSTRAINT price_required_for_limit CHECK (
        (type = 'LIMIT' AND price IS NOT NULL) OR
        (type = 'MARKET' AND price IS NULL)
    )
);
CREATE TABLE order_status_history (
    id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
    order_id UUID NOT NULL REFERENCES orders(id) ON DELETE CASCADE,
    old_status order_status,
    new_status order_status NOT NULL,
    reason VARCHAR(255),
    tx_hash VARCHAR(255),
    block_height BIGINT,
    filled_size DECIMAL(20, 8),
    remaining_size DECIMAL(20, 8),
    fill_price DECIMAL(20, 8),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    metadata JSONB
);`;

const INDEXES = `
CREATE INDEX idx_orders_client_id ON orders(client_id);
CREATE INDEX idx_orders_order_id ON orders(order_id) WHERE order_id IS NOT NULL;
CREATE INDEX idx_orders_status ON orders(status);
CREATE INDEX idx_orders_market ON orders(market);
CREATE INDEX idx_orders_created_at ON orders(created_at);
CREATE INDEX idx_orders_updated_at ON orders(updated_at);
CREATE INDEX idx_orders_market_status ON orders(market, status);
CREATE INDEX idx_orders_status_created_at ON orders(status, created_at);
CREATE INDEX idx_orders_market_side_status ON orders(market, side, status);
CREATE INDEX idx_orders_active ON orders(market, created_at)
WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED');
CREATE INDEX idx_order_status_history_order_id ON order_status_history(order_id);
CREATE INDEX idx_order_status_history_created_at ON order_status_history(created_at);
CREATE INDEX idx_order_status_history_new_status ON order_status_history(new_status);`;

const TRIGGERS = `
CREATE OR REPLACE FUNCTION create_order_status_history()
RETURNS TRIGGER AS $$
BEGIN
    IF OLD.status IS DISTINCT FROM NEW.status THEN
        INSERT INTO order_status_history (
            order_id, old_status, new_status, filled_size, remaining_size, tx_hash, block_height, reason
        ) VALUES (
            NEW.id, OLD.status, NEW.status, NEW.filled_size, NEW.remaining_size, NEW.tx_hash, NEW.block_height,
            CASE
                WHEN NEW.status = 'FILLED' THEN 'Order completely filled'
                WHEN NEW.status = 'PARTIALLY_FILLED' THEN 'Order partially filled'
                WHEN NEW.status = 'CANCELLED' THEN 'Order cancelled'
                WHEN NEW.status = 'REJECTED' THEN 'Order rejected'
                ELSE 'Status updated'
            END
        );
    END IF;
    RETURN NEW;
END;
$$ language 'plpgsql';
CREATE TRIGGER create_order_status_history_trigger
    AFTER UPDATE ON orders
    FOR EACH ROW
    EXECUTE FUNCTION create_order_status_history();`;

const ARCHIVE_TABLE = 'CREATE TABLE orders_archive (LIKE orders INCLUDING ALL);';
const ARCHIVE = `
WITH archived_orders AS (
    DELETE FROM orders
    WHERE created_at < NOW() - INTERVAL '90 days'
      AND status IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
    RETURNING *
)
INSERT INTO orders_archive SELECT * FROM archived_orders;`;

const TABLE_SIZES = `
SELECT schemaname, tablename, pg_size_pretty(pg_total_relation_size(schemaname||'.'||tablename)) as size
FROM pg_tables
WHERE schemaname = 'public'
ORDER BY pg_total_relation_size(schemaname||'.'||tablename) DESC;`;
const INDEX_USAGE = `
SELECT schemaname, tablename, indexname, idx_scan, idx_tup_read, idx_tup_fetch
FROM pg_stat_user_indexes
ORDER BY idx_scan DESC;`;
const SLOW_QUERIES = `
SELECT query, calls, total_time, mean_time, rows
FROM pg_stat_statements
WHERE query LIKE '%orders%'
ORDER BY mean_time DESC
LIMIT 10;`;

const GRANTS = `
GRANT USAGE ON SCHEMA public TO cryptopulse_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO cryptopulse_app;
GRANT SELECT, INSERT ON order_status_history TO cryptopulse_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO cryptopulse_app;`;
const POLICY = `
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY orders_tenant_policy ON orders
    FOR ALL TO cryptopulse_app
    USING (tenant_id = current_setting('app.tenant_id'));`;

const [theirs, ours] = await Promise.all([createDatabase('empty'), createDatabase()]);
const { db } = ours;
afterAll(() => Promise.all([theirs[Symbol.asyncDispose](), ours[Symbol.asyncDispose]()]));
await setUpRoles(db);
{
  await using session = await openSession(theirs.url);
  // Its extension is not on every server.
  await session.query(
    `CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'`,
  );
}

type Work<Result> = (session: Session) => Promise<Result>;

async function inTransaction<Result>(url: string, work: Work<Result>): Promise<Result> {
  await using session = await openSession(url);
  await session.query('BEGIN');
  return await work(session);
}

/** In a transaction that is rolled back: every test begins with its types and tables as printed. */
const inSource = <Result>(work: Work<Result>): Promise<Result> =>
  inTransaction(theirs.url, async (session) => {
    await session.query(TYPES + TABLES + INDEXES + TRIGGERS);
    return work(session);
  });

/** In ours, with the rights of that role and in the name of that tenant; rolled back. */
const asRole = <Result>(role: Role, tenant: string | undefined, work: Work<Result>): Promise<Result> =>
  inTransaction(ours.url, async (session) => {
    await session.query(`SET LOCAL ROLE ${role}`);
    if (tenant !== undefined) await session.query(`SET LOCAL app.tenant_id = '${tenant}'`);
    return work(session);
  });

/** @returns the refusal of a statement that must fail; the transaction goes on */
async function refusalOf(session: Session, statement: string): Promise<unknown> {
  await session.query('SAVEPOINT before');
  const error: unknown = await session.query(statement).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  await session.query('ROLLBACK TO before');
  return error;
}

/** @returns the first column of the first row */
async function ask(session: Session, query: string): Promise<unknown> {
  const { rows } = await session.query({ text: query, rowMode: 'array' });
  return rows[0]?.[0];
}

const error = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

/** An order of the source of a size of 10. */
const INSERT = (values: string, columns = '') => `
  INSERT INTO orders (client_id, market, side, type, size, price, remaining_size${columns})
  VALUES ('c-1', 'BTC-USD', 'BUY', ${values}) RETURNING id`;
const LIMIT = INSERT(`'LIMIT', 10, 60000, 10`);

/** FILLED in two parts, signed once, answered. */
async function filledOrder(on: Database = db) {
  const owner = nextName('dydx1fault');
  const order = await signed(on, {}, { owner });
  const fills = [
    fillOf(order, { size: '4', price: '60000' }),
    fillOf(order, { size: '6', price: '59999.5' }),
  ];
  await bookReport(on, reportOf(await newCursor(on, owner), fills), 2);
  return order;
}

async function archive(on: Database, ...ids: string[]): Promise<number | undefined> {
  const { rows } = await sql<{ moved: number }>`SELECT archive_orders(${ids}::uuid[]) AS moved`.execute(on);
  return rows[0]?.moved;
}

test('1. order_status and time_in_force are made once: twice is an error', async () => {
  await inTransaction(theirs.url, async (session) => {
    expect(await refusalOf(session, TYPES + TYPES_AGAIN)).toEqual(
      error('42710', 'type "order_status" already exists'),
    );
    await session.query(TYPES);
    expect(await refusalOf(session, `CREATE TYPE time_in_force AS ENUM ('GTT', 'FOK', 'IOC')`)).toEqual(
      error('42710', 'type "time_in_force" already exists'),
    );
  });
  const labels = (type: string) =>
    sql<{ label: string }>`SELECT unnest(enum_range(NULL::${sql.raw(type)}))::text AS label`
      .execute(db)
      .then(({ rows }) => rows.map(({ label }) => label).toSorted());
  expect(await labels('order_status')).toEqual(
    ['PENDING', 'OPEN', 'FILLED', 'PARTIALLY_FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'].toSorted(),
  );
  expect(await labels('time_in_force')).toEqual(['FOK', 'GTT', 'IOC']);
});

test('2. STOP and TAKE_PROFIT orders can be stored: price_required_for_limit refused all four', async () => {
  const types = ['STOP_MARKET', 'STOP_LIMIT', 'TAKE_PROFIT_MARKET', 'TAKE_PROFIT_LIMIT'] as const;
  await inSource(async (session) => {
    for (const type of types) {
      for (const price of ['NULL', '60000']) {
        expect(await refusalOf(session, INSERT(`'${type}', 10, ${price}, 10`))).toEqual(
          error('23514', 'price_required_for_limit'),
        );
      }
    }
  });
  for (const type of types) {
    const price = type.endsWith('LIMIT') ? '60000' : null;
    const order = await insertRow(db, { type, price, trigger_price: '61000' });
    expect(await orderRow(db, order)).toMatchObject({ type });
  }
});

test('3. a fill changes filled_size alone: remaining_size is computed', async () => {
  await inSource(async (session) => {
    expect(
      await refusalOf(
        session,
        `INSERT INTO orders (client_id, market, side, type, size) VALUES ('c-0', 'BTC-USD', 'BUY', 'MARKET', 10)`,
      ),
    ).toEqual(error('23502', 'remaining_size'));
    await session.query(LIMIT);
    expect(await refusalOf(session, 'UPDATE orders SET filled_size = 4')).toEqual(
      error('23514', 'valid_remaining_size'),
    );
  });
  const order = await insertRow(db, { status: 'PARTIALLY_FILLED', filled_size: '1' });
  await db.updateTable('orders').set({ filled_size: '4' }).where('id', '=', order.id).execute();
  expect(normalizeDecimal((await orderRow(db, order)).remaining_size ?? '')).toBe('6');
});

test('4. archiving keeps the whole audit trail, which ON DELETE CASCADE deleted', async () => {
  await inSource(async (session) => {
    await session.query(ARCHIVE_TABLE);
    const id = await ask(session, LIMIT);
    await session.query(`UPDATE orders SET status = 'OPEN'`);
    await session.query(`UPDATE orders SET status = 'CANCELLED', created_at = now() - interval '91 days'`);
    const trail = `SELECT count(*)::int FROM order_status_history WHERE order_id = '${id}'`;
    expect(await ask(session, trail)).toBe(2);
    await session.query(ARCHIVE);
    expect(await ask(session, 'SELECT count(*)::int FROM orders_archive')).toBe(1);
    expect(await ask(session, trail)).toBe(0);
  });

  const [order, active] = [await filledOrder(), await signed(db)];
  const row = await orderRow(db, order);
  const before = {
    orders: [row],
    order_status_history: await historyOf(db, order),
    order_fills: await fillsOf(db, order),
    order_attempts: await attemptsOf(db, order),
  };
  expect(Object.values(before).map((rows) => rows.length)).toEqual([1, 3, 2, 1]);
  // One that is not final stays, whoever names it.
  expect(await archive(db, order.id, active.id)).toBe(1);
  for (const [table, rows] of Object.entries(before)) {
    const key = table === 'orders' ? 'id' : 'order_id';
    const left = await sql`SELECT FROM ${sql.id(table)} WHERE ${sql.id(key)} = ${order.id}`.execute(db);
    expect(left.rows, table).toEqual([]);
    const order_by = {
      orders: 'id',
      order_status_history: 'seq',
      order_fills: 'height',
      order_attempts: 'attempt',
    };
    const moved = await sql`SELECT * FROM ${sql.id(`${table}_archive`)} WHERE ${sql.id(key)} = ${order.id}
      ORDER BY ${sql.id(order_by[table as keyof typeof order_by])}`.execute(db);
    const addition =
      table === 'orders' ? { archived_at: expect.any(Date) } : { order_created_at: row.created_at };
    expect(moved.rows, table).toEqual(expect.arrayContaining(rows.map((each) => ({ ...each, ...addition }))));
    expect(moved.rows).toHaveLength(rows.length);
  }
  expect((await orderRow(db, active)).status).toBe('PENDING');
  expect(await archive(db, order.id)).toBe(0);
});

test('5. history has the creation, every fill with its price, a reason and a time of its own', async () => {
  await inSource(async (session) => {
    await session.query(LIMIT);
    const rows = async () =>
      (
        await session.query(
          'SELECT new_status, reason, fill_price, created_at FROM order_status_history ORDER BY created_at',
        )
      ).rows;
    expect(await rows()).toEqual([]);
    const fill = (size: number) =>
      session.query(
        `UPDATE orders SET status = 'PARTIALLY_FILLED', filled_size = ${size}, remaining_size = 10 - ${size}`,
      );
    await session.query(`UPDATE orders SET status = 'OPEN'`);
    await fill(4);
    await fill(7);
    await session.query(`UPDATE orders SET status = 'EXPIRED'`);
    const history = await rows();
    // The second fill left no trace, neither did any price, and of one transaction nothing tells which came first.
    expect(history.map(({ new_status }) => new_status).toSorted()).toEqual([
      'EXPIRED',
      'OPEN',
      'PARTIALLY_FILLED',
    ]);
    for (const { new_status, reason, fill_price } of history) {
      expect(fill_price).toBeNull();
      expect(reason === 'Status updated').toBe(new_status !== 'PARTIALLY_FILLED');
    }
    expect(await ask(session, 'SELECT count(DISTINCT created_at)::int FROM order_status_history')).toBe(1);
  });

  // Both fills in one transaction.
  const order = await filledOrder();
  const history = await historyOf(db, order);
  expect(
    history.map((row) => [row.new_status, row.reason, row.fill_price && normalizeDecimal(row.fill_price)]),
  ).toEqual([
    ['PENDING', 'recorded', null],
    ['PARTIALLY_FILLED', 'partially filled', '60000'],
    ['FILLED', 'completely filled', '59999.5'],
  ]);
  const { rows } = await sql<{ times: number }>`SELECT count(DISTINCT created_at)::int AS times
    FROM order_status_history WHERE order_id = ${order.id}`.execute(db);
  expect(rows).toEqual([{ times: 3 }]);
});

test('6. the monitoring queries name columns that exist, and tables that need quotes', async () => {
  await inSource(async (session) => {
    await session.query('CREATE TABLE "Mixed Case" ()');
    expect(await refusalOf(session, TABLE_SIZES)).toEqual(error('42602', 'invalid name syntax'));
    expect(await refusalOf(session, INDEX_USAGE)).toEqual(
      error('42703', 'column "tablename" does not exist'),
    );
  });

  await using own = await createDatabase();
  await sql`CREATE TABLE "Mixed Case" AS SELECT repeat('x', 100) FROM generate_series(1, 10000)`.execute(
    own.db,
  );
  const sizes = await tableSizes(own.db);
  expect(sizes[0]).toEqual({
    table: 'Mixed Case',
    bytes: expect.any(Number),
    size: expect.stringMatching(/kB|MB/),
  });
  expect(sizes.map(({ bytes }) => bytes)).toEqual(sizes.map(({ bytes }) => bytes).toSorted((a, b) => b - a));
  expect(sizes.map(({ table }) => table)).toContain('orders');

  const usage = await indexUsage(own.db);
  expect(usage).toContainEqual({
    ...{ table: 'orders', index: 'idx_orders_due' },
    ...{ scans: expect.any(Number), entries_read: expect.any(Number), rows_fetched: expect.any(Number) },
    ...{ bytes: expect.any(Number), is_unique: false },
  });
});

test('6. slow statements are read where the server measures them, and are undefined where it does not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'router-statements-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const start = (...settings: string[]) =>
    startEmbeddedPostgres({ folder: join(folder, 'postgres'), settings: ['fsync=off', ...settings] });
  const measured = await start('shared_preload_libraries=pg_stat_statements');
  const first = openDatabase({ url: measured.url });
  onTestFinished(() => measured.stop());
  expect(await slowQueries(first), 'without the extension').toBeUndefined();
  // Wherever it lies.
  await sql`CREATE SCHEMA "Extra"`.execute(first);
  await sql`CREATE EXTENSION pg_stat_statements SCHEMA "Extra"`.execute(first);
  await sql`CREATE TABLE orders (id int)`.execute(first);
  for (let call = 0; call < 3; call++) await sql`SELECT id AS slow FROM orders`.execute(first);
  await sql`SELECT 1 AS elsewhere`.execute(first);
  {
    await using session = await openSession(measured.url);
    await session.query('SET search_path = "Extra"');
    await expect(session.query(SLOW_QUERIES)).rejects.toEqual(
      error('42703', 'column "total_time" does not exist'),
    );
  }
  const found = await slowQueries(first);
  expect(found?.find(({ query }) => query.includes('slow'))).toEqual({
    ...{ query: 'SELECT id AS slow FROM orders', calls: 3, rows: 0 },
    ...{
      total_ms: expect.any(Number),
      mean_ms: expect.any(Number),
      query_id: expect.stringMatching(/^-?\d+$/),
    },
  });
  expect(found?.filter(({ query }) => query.includes('elsewhere'))).toEqual([]);
  expect(found?.map(({ mean_ms }) => mean_ms)).toEqual(
    found?.map(({ mean_ms }) => mean_ms).toSorted((a, b) => b - a),
  );
  expect(await slowQueries(first, 1)).toHaveLength(1);
  await first.destroy();
  await measured.stop();

  const unmeasured = await start();
  onTestFinished(() => unmeasured.stop());
  const second = openDatabase({ url: unmeasured.url });
  expect(await slowQueries(second), 'with the extension, but not loaded').toBeUndefined();
  await second.destroy();
});

test('7. a tenant sees its own rows, and whoever named none sees none: no table had a tenant_id', async () => {
  await inSource(async (session) => {
    expect(await refusalOf(session, POLICY)).toEqual(error('42703', 'column "tenant_id" does not exist'));
    await session.query(`ALTER TABLE orders ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'a'`);
    await session.query(GRANTS + POLICY);
    await session.query(LIMIT);
    await session.query('SET LOCAL ROLE cryptopulse_app');
    expect(await refusalOf(session, 'SELECT FROM orders')).toEqual(
      error('42704', 'unrecognized configuration parameter "app.tenant_id"'),
    );
  });

  const [a, b] = [nextName('tenant-a'), nextName('tenant-b')];
  for (const tenant_id of [a, b]) await insertRow(db, { tenant_id });
  const seen = 'SELECT array_agg(DISTINCT tenant_id) FROM orders';
  expect(await asRole('cryptopulse_app', a, (session) => ask(session, seen))).toEqual([a]);
  expect(await asRole('cryptopulse_app', undefined, (session) => ask(session, seen))).toBeNull();
  const spend = `INSERT INTO order_keys (tenant_id, client_id, order_id, intent_hash)
    VALUES ('${b}', 'theirs', gen_random_uuid(), repeat('a', 64))`;
  expect(await asRole('cryptopulse_app', a, (session) => refusalOf(session, spend))).toEqual(
    error('42501', 'violates row-level security policy'),
  );
  expect(await asRole('cryptopulse_app', b, (session) => refusalOf(session, spend))).toBeUndefined();
});

test('8. the app may not forge history, maintenance may archive, and there is a sequence to grant', async () => {
  const forged = (id: unknown) =>
    `INSERT INTO order_status_history (order_id, new_status, reason) VALUES ('${id}', 'FILLED', 'forged')`;
  await inSource(async (session) => {
    expect(await ask(session, `SELECT count(*)::int FROM pg_class WHERE relkind = 'S'`)).toBe(0);
    await session.query(GRANTS + ARCHIVE_TABLE);
    const id = await ask(session, LIMIT);
    await session.query('SET LOCAL ROLE cryptopulse_app');
    expect(await refusalOf(session, ARCHIVE)).toEqual(
      error('42501', 'permission denied for table orders_archive'),
    );
    expect(await refusalOf(session, 'CREATE TABLE public.mine ()')).toEqual(error('42501'));
    expect(await refusalOf(session, forged(id))).toBeUndefined();
  });

  const order = await filledOrder();
  const move = `SELECT archive_orders(ARRAY['${order.id}']::uuid[])`;
  const { tenant_id } = order.intent;
  for (const role of ['cryptopulse_app', 'cryptopulse_worker', 'cryptopulse_maintenance'] as const) {
    await asRole(role, tenant_id, async (session) => {
      expect(await refusalOf(session, forged(order.id)), role).toEqual(
        error('42501', 'permission denied for table order_status_history'),
      );
      const isMaintenance = role === 'cryptopulse_maintenance';
      if (isMaintenance) expect(await ask(session, move)).toBe(1);
      else expect(await refusalOf(session, move), role).toEqual(error('42501', 'function archive_orders'));
    });
  }
  await asRole('cryptopulse_app', tenant_id, async (session) => {
    expect(await refusalOf(session, `UPDATE orders SET status = 'EXPIRED'`)).toEqual(error('42501'));
    expect(await refusalOf(session, 'DELETE FROM orders')).toEqual(error('42501'));
    expect(await refusalOf(session, `SELECT nextval('dydx_client_id_blocks')`)).toEqual(error('42501'));
  });
  const next = `SELECT nextval('dydx_client_id_blocks') IS NOT NULL`;
  expect(await asRole('cryptopulse_worker', undefined, (session) => ask(session, next))).toBe(true);
});

// A dump is no point in time: WAL replays onto a base backup only, which is made and restored with the maintenance
// commands. What can be shown of a dump is who may take one: pg_dump sets row_security = off, and so does this.
test('9. a dump is whole or fails: the role for backups passes row-level security, others are stopped by it', async () => {
  const tenants = [nextName('dump-a'), nextName('dump-b')];
  for (const tenant_id of tenants) await insertRow(db, { tenant_id });
  const dump = async (session: Session) => {
    await session.query('SET LOCAL row_security = off');
    return session.query('SELECT tenant_id FROM orders');
  };
  for (const role of ['cryptopulse_app', 'cryptopulse_readonly', 'cryptopulse_maintenance'] as const) {
    await expect(asRole(role, tenants[0], dump)).rejects.toEqual(
      error('42501', 'query would be affected by row-level security policy for table "orders"'),
    );
  }
  const { rows } = await asRole('cryptopulse_backup', undefined, dump);
  const all = await db.selectFrom('orders').select('tenant_id').execute();
  expect(rows.map(({ tenant_id }) => tenant_id).toSorted()).toEqual(
    all.map((row) => row.tenant_id).toSorted(),
  );
  expect(rows.map(({ tenant_id }) => tenant_id)).toEqual(expect.arrayContaining(tenants));
  // And every table: one that it cannot read fails the dump.
  const unreadable = await asRole('cryptopulse_backup', undefined, (session) =>
    ask(
      session,
      `SELECT array_agg(oid::regclass::text) FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relkind IN ('r', 'p', 'v', 'S') AND NOT has_table_privilege(oid, 'SELECT')`,
    ),
  );
  expect(unreadable).toBeNull();
});

test('10. archiving names its columns, and a client_id stays spent for ever', async () => {
  const expire = `UPDATE orders SET status = 'EXPIRED', created_at = now() - interval '91 days'`;
  await inSource(async (session) => {
    await session.query(ARCHIVE_TABLE);
    await session.query(LIMIT);
    await session.query(expire);
    await session.query(ARCHIVE);
    // The same client_id again, and it is bought twice.
    await session.query(LIMIT);
    await session.query(expire);
    await session.query('ALTER TABLE orders ADD COLUMN strategy TEXT');
    expect(await refusalOf(session, ARCHIVE)).toEqual(
      error('42601', 'INSERT has more expressions than target columns'),
    );
  });

  await using own = await createDatabase();
  const order = await filledOrder(own.db);
  const counts = async () =>
    (
      await sql<Record<string, number>>`SELECT (SELECT count(*)::int FROM orders) AS orders,
        (SELECT count(*)::int FROM order_status_history) AS history, (SELECT count(*)::int FROM order_fills) AS fills,
        (SELECT count(*)::int FROM order_attempts) AS attempts`.execute(own.db)
    ).rows[0];
  const before = await counts();
  await sql`ALTER TABLE orders ADD COLUMN strategy TEXT DEFAULT 'grid'`.execute(own.db);
  await expect(archive(own.db, order.id)).rejects.toEqual(error('42703', 'column "strategy" of relation'));
  expect(await counts()).toEqual(before);
  // There it comes after a column that orders lacks.
  await sql`ALTER TABLE orders_archive ADD COLUMN strategy TEXT`.execute(own.db);
  expect(await archive(own.db, order.id)).toBe(1);
  expect(await counts()).toEqual({ orders: 0, history: 0, fills: 0, attempts: 0 });
  const moved = await sql`SELECT client_id, strategy, status FROM orders_archive`.execute(own.db);
  expect(moved.rows).toEqual([{ client_id: order.intent.client_id, strategy: 'grid', status: 'FILLED' }]);

  const again = { ...newOrder(), intent: order.intent, intentHash: order.intentHash };
  expect(await recordOrders(own.db, [again])).toEqual(['duplicate']);
  const { client_id } = order.intent;
  expect(await recordOrders(own.db, [newOrder({ client_id, size: '11' })])).toEqual(['conflict']);
  expect(await counts()).toMatchObject({ orders: 0 });
});

/** Indexes of schema public whose columns another one of the same table begins with, and the same rows. */
const REPEATED = `
  WITH i AS (
    SELECT x.indexrelid::regclass::text AS name, x.indrelid, x.indisunique,
      string_to_array(x.indkey::text, ' ') AS columns, x.indnkeyatts AS keys,
      -- No one looks for NULL in an index: that it leaves them out makes it no other one.
      CASE WHEN pg_get_expr(x.indpred, x.indrelid) = format('(%s IS NOT NULL)', a.attname) THEN ''
        ELSE coalesce(pg_get_expr(x.indpred, x.indrelid), '') END AS predicate
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
    JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
    WHERE c.relnamespace = 'public'::regnamespace
  )
  SELECT array_agg(DISTINCT a.name ORDER BY a.name) FROM i a JOIN i b
    ON b.indrelid = a.indrelid AND b.name <> a.name AND b.predicate = a.predicate
    AND b.columns[1:a.keys] = a.columns[1:a.keys] AND b.keys >= a.keys
  WHERE NOT a.indisunique`;

test('11. orders has the indexes that its queries use, and none that repeats another or is its prefix', async () => {
  expect(await inSource((session) => ask(session, REPEATED))).toEqual([
    'idx_orders_client_id',
    'idx_orders_market',
    'idx_orders_order_id',
    'idx_orders_status',
  ]);

  await using session = await openSession(ours.url);
  expect(await ask(session, REPEATED)).toBeNull();
  const { rows } = await session.query(
    `SELECT indexname FROM pg_indexes WHERE tablename = 'orders' ORDER BY 1`,
  );
  expect(rows.map(({ indexname }) => indexname)).toEqual([
    'idx_orders_active',
    'idx_orders_active_created_at',
    'idx_orders_cancelled',
    'idx_orders_dead',
    'idx_orders_due',
    'idx_orders_due_cancels',
    'idx_orders_expired',
    'idx_orders_filled',
    'idx_orders_market_cancelled',
    'idx_orders_market_expired',
    'idx_orders_market_filled',
    'idx_orders_market_rejected',
    'idx_orders_reconcile',
    'idx_orders_rejected',
    'orders_one_nonce',
    'orders_order_id_key',
    'orders_pkey',
    'orders_venue_identity',
  ]);
});

test("12. an order can say its trigger price, its time, its subaccount and the venue's client id", async () => {
  await inSource(async (session) => {
    for (const column of ['trigger_price', 'good_til_time', 'subaccount_number', 'dydx_client_id']) {
      expect(await refusalOf(session, INSERT(`'LIMIT', 10, 60000, 10, NULL`, `, ${column}`))).toEqual(
        error('42703', `column "${column}"`),
      );
    }
  });
  const said = { good_til_time: inMs(3_600_000), subaccount_number: 127 };
  const order = await insertRow(db, {
    ...{ status: 'OPEN', type: 'STOP_LIMIT', trigger_price: '61000', ...said },
    ...statefulColumns(),
    ...{ order_flags: 32, trigger_subticks: 6_100_000_000, dydx_client_id: 4_294_967_295, ...said },
  });
  expect(await orderRow(db, order)).toMatchObject({
    ...{ ...said, order_flags: 32, dydx_client_id: '4294967295', trigger_subticks: '6100000000' },
    trigger_price: '61000.000000000000000000',
  });
});

test('13. prices and sizes come back as they were, where DECIMAL(20,8) rounds without a word', async () => {
  await inSource(async (session) => {
    const stored = (price: string) => ask(session, `SELECT ${price}::DECIMAL(20, 8)::text`);
    expect(await stored('0.0000000001')).toBe('0.00000000');
    expect(await refusalOf(session, INSERT(`'LIMIT', 10, 0.0000000001, 10`))).toEqual(error('23514'));
    // Above the half of its last place it is taken, for another price.
    await session.query(INSERT(`'LIMIT', 10, 0.0000000051, 10`));
    expect(await ask(session, 'SELECT price::text FROM orders')).toBe('0.00000001');
    expect(await refusalOf(session, INSERT(`'LIMIT', 12345678901234567890, 1, 10`))).toEqual(
      error('22003', 'numeric field overflow'),
    );
  });

  const exact = { price: '0.0000000001', size: '12345678901234567890.123456789012345678' };
  const order = await insertRow(db, { market: 'PEPE-USD', ...exact });
  const row = await orderRow(db, order);
  expect({ price: normalizeDecimal(row.price ?? ''), size: row.size }).toEqual(exact);
  // Through the door as well, in the words of an intent.
  const intent = { market: 'PEPE-USD', price: exact.price, size: '12345678901234567890' };
  const recorded = newOrder(intent);
  await recordOrders(db, [recorded]);
  const { price, size } = await orderRow(db, recorded);
  expect([price, size].map((value) => normalizeDecimal(value ?? ''))).toEqual([intent.price, intent.size]);
});
