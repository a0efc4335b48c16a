// Migrations: all or nothing, once however many start, and no version works on a schema that it does not understand.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { createExtensions } from '../../src/store/extensions.ts';
import {
  type MigrationFile,
  migrationStatus,
  NewerSchemaError,
  readMigrationFiles,
  requireSchema,
} from '../../src/store/migrations.ts';
import { migrate } from '../../src/store/migrator.ts';
import { setUpRoles } from '../../src/store/role-setup.ts';
import { noteDeath } from '../../src/store/stateful.ts';
import { catalogueOf } from '../support/catalogue.ts';
import { createDatabase } from '../support/databases.ts';
import { runProcess, runRouter } from '../support/run-router.ts';
import { include, insertRow, openSession, setStatus, signedColumns, signedStateful } from './builders.ts';

const RELEASED = readMigrationFiles();
const NAMES = RELEASED.map(({ name }) => name);

/** The released migrations, and these after them. */
function withFiles(files: Readonly<Record<string, string>>): readonly MigrationFile[] {
  const folder = mkdtempSync(join(tmpdir(), 'router-migrations-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.sql`), text);
  return [...RELEASED, ...readMigrationFiles(folder)];
}

async function pendingOf(db: Database, files: readonly MigrationFile[]): Promise<string[]> {
  const all = await migrationStatus(db, files);
  return all.filter(({ appliedAt }) => appliedAt === undefined).map(({ name }) => name);
}

const pretend = (db: Database, name: string) =>
  sql`INSERT INTO kysely_migration (name, timestamp) VALUES (${name}, now()::text)`.execute(db);

const indexLines = async (db: Database, name: string) =>
  (await catalogueOf(db)).filter((line) => line.includes(` index: `) && line.includes(name));

test('ten starters migrate an empty database at once, and it is migrated once', async () => {
  await using empty = await createDatabase('empty');
  const starters = Array.from({ length: 10 }, () => openDatabase({ url: empty.url, maxConnections: 2 }));
  const applied = await Promise.all(starters.map((db) => migrate(db)));
  await Promise.all(starters.map((db) => db.destroy()));
  expect(applied.flat()).toEqual(NAMES);
  expect(await migrate(empty.db)).toEqual([]);
  expect(await pendingOf(empty.db, RELEASED)).toEqual([]);
});

test('migrations that fail half way leave the schema as it was, and say which', async () => {
  await using database = await createDatabase();
  const { db } = database;
  const before = await catalogueOf(db);
  const files = withFiles({
    '900001_good': 'CREATE TABLE good (id INTEGER); ALTER TABLE orders ADD COLUMN good INTEGER;',
    '900002_bad': 'CREATE TABLE half (id INTEGER); ALTER TABLE orders DROP COLUMN gas_used; SELECT 1 / 0;',
    '900003_next': 'CREATE TABLE next (id INTEGER);',
  });
  await expect(migrate(db, { files })).rejects.toThrow(
    '900002_bad failed and nothing was changed: division by zero',
  );
  expect(await catalogueOf(db)).toEqual(before);
  expect(await pendingOf(db, files)).toEqual(['900001_good', '900002_bad', '900003_next']);
  // The lock is free again.
  expect(await migrate(db)).toEqual([]);
});

describe('a migration that says no-transaction', () => {
  const UNIQUE = `-- no-transaction
CREATE TABLE IF NOT EXISTS before_index (id INTEGER);
DROP INDEX CONCURRENTLY IF EXISTS orders_one_per_count;
CREATE UNIQUE INDEX CONCURRENTLY orders_one_per_count
  ON orders (retry_count);
`;

  test('runs each statement alone, between those that share a transaction', async () => {
    await using database = await createDatabase();
    const files = withFiles({
      '900001_table': 'CREATE TABLE indexed (id INTEGER);',
      '900002_index':
        '-- no-transaction: as those on full tables\nCREATE INDEX CONCURRENTLY indexed_id ON indexed (id);\nVACUUM indexed;\n',
      '900003_column': 'ALTER TABLE indexed ADD COLUMN name TEXT;',
    });
    expect(await migrate(database.db, { files })).toEqual(['900001_table', '900002_index', '900003_column']);
    expect(await indexLines(database.db, 'indexed_id')).toEqual([
      'public.indexed index: CREATE INDEX indexed_id ON public.indexed USING btree (id)',
    ]);
    expect(await requireSchema(database.db, files)).toEqual([]);
  });

  test('says that it was broken off, and is repeated from its start', async () => {
    await using database = await createDatabase();
    const { db } = database;
    for (const client_id of ['a', 'b']) await insertRow(db, { client_id });
    const files = withFiles({ '900001_unique': UNIQUE });
    await expect(migrate(db, { files })).rejects.toThrow(
      /900001_unique failed and it may have been done in part; run it again: it starts over: could not create unique index/,
    );
    const [left] = await indexLines(db, 'orders_one_per_count');
    expect(left).toMatch(/INVALID$/);
    expect(await pendingOf(db, files)).toEqual(['900001_unique']);

    await sql`UPDATE orders SET retry_count = 1 WHERE client_id = 'a'`.execute(db);
    expect(await migrate(db, { files })).toEqual(['900001_unique']);
    expect(await indexLines(db, 'orders_one_per_count')).toEqual([
      'public.orders index: CREATE UNIQUE INDEX orders_one_per_count ON public.orders USING btree (retry_count)',
    ]);
  });

  const alone = RELEASED.filter(({ isTransactional }) => !isTransactional);
  test.each(alone.map(({ name }) => [name]))('%s may have been broken off anywhere', async (name) => {
    await using empty = await createDatabase('empty');
    const { db } = empty;
    const files = RELEASED.slice(0, NAMES.indexOf(name) + 1);
    const { statements } = files.at(-1) ?? { statements: [] };
    const made = statements.flatMap(
      (statement) => /^CREATE INDEX CONCURRENTLY (\w+)/.exec(statement)?.[1] ?? [],
    );
    await migrate(db, { files });
    const whole = await catalogueOf(db);
    for (let done = 0; done < statements.length; done++) {
      await sql`DELETE FROM kysely_migration WHERE name = ${name}`.execute(db);
      const cut = files.map((file) =>
        file.name === name
          ? { ...file, statements: [...statements.slice(0, done), 'SELECT broken off'] }
          : file,
      );
      await expect(migrate(db, { files: cut })).rejects.toThrow(`${name} failed`);
      // As a server that was killed in the middle of it leaves it.
      await sql`UPDATE pg_index SET indisvalid = false FROM pg_class
        WHERE pg_class.oid = indexrelid AND relname = ANY(${made})`.execute(db);
      expect(await migrate(db, { files })).toEqual([name]);
      expect(await catalogueOf(db)).toEqual(whole);
    }
  });

  test('is among the released ones', () => {
    expect(alone.map(({ name }) => name)).toEqual([
      '000004_query_indexes',
      '000006_submission_indexes',
      '000010_archive_keys',
    ]);
  });

  test('is not held up by starters that wait for the one at work', async () => {
    await using database = await createDatabase();
    const files = withFiles({
      '900001_index': '-- no-transaction\nCREATE INDEX CONCURRENTLY one ON orders (market);\n',
    });
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('LOCK TABLE orders IN ROW EXCLUSIVE MODE');
    const first = migrate(database.db, { files });
    await expect
      .poll(async () => {
        const { rows } = await sql<{ waits: boolean }>`SELECT EXISTS (SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%') AS waits`.execute(
          database.db,
        );
        return rows[0]?.waits;
      })
      .toBe(true);
    const others = Array.from({ length: 3 }, () => openDatabase({ url: database.url, maxConnections: 2 }));
    const isWaiting = others.map(() => Promise.withResolvers<void>());
    const later = others.map((db, index) =>
      migrate(db, { files, onWait: () => isWaiting[index]?.resolve() }),
    );
    await Promise.all(isWaiting.map(({ promise }) => promise));
    await session.query('COMMIT');
    expect(await first).toEqual(['900001_index']);
    expect(await Promise.all(later)).toEqual([[], [], []]);
    await Promise.all(others.map((db) => db.destroy()));
  });
});

test('the schema of submission finds what was traded before it, archived orders included, and archives on', async () => {
  await using empty = await createDatabase('empty');
  const { db } = empty;
  const before = NAMES.indexOf('000005_submission.breaking');
  await migrate(db, { files: RELEASED.slice(0, before) });
  const traded = async (side: 'BUY' | 'SELL', size: string, market = 'BTC-USD') => {
    const signed = { ...signedColumns(), owner: 'dydx1before' };
    const order = await insertRow(db, { status: 'CANCELLED', side, market, filled_size: size, ...signed });
    await sql`INSERT INTO order_attempts (order_id, attempt, good_til_block, signed_height, tx_hash, tx_bytes)
      VALUES (${order.id}, 1, 120, 100, repeat('A', 64), 'x')`.execute(db);
    await sql`INSERT INTO order_fills (id, order_id, market, side, size, price, fee, liquidity, height, filled_at)
      SELECT gen_random_uuid(), id, market, side, filled_size, 60000, 0, 'MAKER', 110, now() FROM orders
      WHERE id = ${order.id}`.execute(db);
    return order;
  };
  const archive = async ({ id }: { readonly id: string }) => {
    const { rows } = await sql<{ moved: number }>`SELECT archive_orders(${[id]}::uuid[]) AS moved`.execute(
      db,
    );
    return rows[0]?.moved;
  };
  await traded('BUY', '4');
  expect(await archive(await traded('BUY', '3'))).toBe(1);
  expect(await archive(await traded('SELL', '1.5'))).toBe(1);
  await traded('SELL', '2', 'ETH-USD');

  expect(await migrate(db)).toEqual(NAMES.slice(before));
  const positions = await db.selectFrom('positions').selectAll().orderBy('market').execute();
  const of = { owner: 'dydx1before', subaccount_number: 0, updated_at: expect.any(Date) };
  expect(positions).toEqual([
    { ...of, market: 'BTC-USD', size: '5.500000000000000000' },
    { ...of, market: 'ETH-USD', size: '-2.000000000000000000' },
  ]);
  // Into the month that was made before: an attempt without a block has a place there now.
  const order = await signedStateful(db);
  await include(db, order);
  await noteDeath(db, order.id, 1, { cause: 'removed', height: 200 });
  const resolution = JSON.stringify({ rule: 'dead', height: 202, fills: 0 });
  await setStatus(db, order, 'CANCELLED', { filled_size: '0', resolution });
  expect(await archive(order)).toBe(1);
  const { rows } = await sql`SELECT o.nonce, o.included_height, o.dead_height, o.death ->> 'cause' AS cause,
      a.good_til_block, a.included_code, a.nonce AS attempt_nonce
    FROM orders_archive o JOIN order_attempts_archive a ON a.order_id = o.id WHERE o.id = ${order.id}`.execute(
    db,
  );
  const nonce = String(order.attempt.nonce);
  expect(rows).toEqual([
    {
      ...{ nonce, included_height: '105', dead_height: '200', cause: 'removed' },
      ...{ good_til_block: null, included_code: '0', attempt_nonce: nonce },
    },
  ]);
});

test('roles that are set up meanwhile wait for the migration, instead of it for them and they for it', async () => {
  await using empty = await createDatabase('empty');
  const { db, url } = empty;
  await migrate(db);
  await using session = await openSession(url);
  await session.query('BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE');
  const files = withFiles({
    '900001_index': '-- no-transaction\nCREATE INDEX CONCURRENTLY one ON orders (market);\n',
  });
  const migrating = migrate(db, { files });
  const sessions = (which: string) => async () => {
    const { rows } = await sql<{ count: number }>`SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE datname = current_database() AND ${sql.raw(which)}`.execute(db);
    return rows[0]?.count;
  };
  await expect.poll(sessions(`wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%'`)).toBe(1);
  const roles = openDatabase({ url, maxConnections: 2, applicationName: 'roles' });
  const settingUp = setUpRoles(roles);
  // In no transaction, which the index would wait for.
  const asks = `application_name = 'roles' AND state = 'idle' AND query LIKE '%advisory_lock%'`;
  await expect.poll(sessions(asks)).toBe(1);
  await session.query('COMMIT');
  expect(await migrating).toEqual(['900001_index']);
  expect(await settingUp).toMatchObject({ hasTables: true });
  await roles.destroy();
});

test('a process that finds no schema, or half of it, says which command makes it', async () => {
  await using empty = await createDatabase('empty');
  const missing = `the database lacks ${NAMES.join(', ')}: run \`router migrate\``;
  await expect(requireSchema(empty.db)).rejects.toThrow(missing);
  const worker = await runProcess(['workers/reconciler.ts'], { DATABASE_URL: empty.url });
  expect(worker).toEqual({ code: 1, stdout: '', stderr: `reconciler did not start: ${missing}\n` });

  await migrate(empty.db);
  const files = withFiles({ '900001_later': 'SELECT 1;' });
  await expect(requireSchema(empty.db, files)).rejects.toThrow('lacks 900001_later: run `router migrate`');
});

describe('a newer version has migrated', () => {
  test('this one goes on with what is harmless to it, and migrates nothing', async () => {
    await using database = await createDatabase();
    const { db, url } = database;
    await pretend(db, '999999_future');
    const before = await catalogueOf(db);
    expect(await requireSchema(db)).toEqual(['999999_future']);
    expect(await migrate(db)).toEqual([]);
    expect(await runRouter(url, 'migrate')).toEqual({ code: 0, stdout: 'nothing to do\n', stderr: '' });
    expect(await catalogueOf(db)).toEqual(before);
  });

  test('this one refuses what breaks it, with an exit code of its own', async () => {
    await using database = await createDatabase();
    const { db, url } = database;
    await pretend(db, '999998_future');
    await pretend(db, '999999_future.breaking');
    const before = await catalogueOf(db);
    const line =
      'the database has 999999_future.breaking, which this version cannot work with: run the newer version';
    for (const refused of [requireSchema(db), migrate(db)]) {
      await expect(refused).rejects.toThrow(new NewerSchemaError(line));
      await expect(refused).rejects.toMatchObject({ exitCode: 3 });
    }
    const settings = { DATABASE_URL: url };
    const [command, worker] = await Promise.all([
      runRouter(url, 'migrate'),
      runProcess(['workers/reconciler.ts'], settings),
    ]);
    expect(command).toEqual({ code: 3, stdout: '', stderr: `error: ${line}\n` });
    expect(worker).toEqual({ code: 3, stdout: '', stderr: `reconciler did not start: ${line}\n` });
    expect(await catalogueOf(db)).toEqual(before);
  });

  test('the version that made the breaking one works with it', async () => {
    await using database = await createDatabase();
    const files = withFiles({ '900001_next.breaking': 'CREATE TABLE next (id INTEGER);' });
    expect(await migrate(database.db, { files })).toEqual(['900001_next.breaking']);
    expect(await requireSchema(database.db, files)).toEqual([]);
    await expect(requireSchema(database.db)).rejects.toThrow(NewerSchemaError);
  });
});

describe('extensions', () => {
  const installed = async (db: Database) =>
    (await catalogueOf(db)).filter((line) => line.startsWith('extension')).map((line) => line.split(' ')[1]);

  test('are created, and a second time are there', async () => {
    await using empty = await createDatabase('empty');
    expect(await createExtensions(empty.db)).toEqual([]);
    expect(await installed(empty.db)).toEqual(['pg_stat_statements', 'uuid-ossp']);
    expect(await createExtensions(empty.db)).toEqual([]);
  });

  test('that the server does not have are named, with what is missed by it', async () => {
    await using empty = await createDatabase('empty');
    // In front of the server's own view.
    await sql`CREATE SCHEMA poor`.execute(empty.db);
    await sql`CREATE VIEW poor.pg_available_extensions AS
      SELECT * FROM pg_catalog.pg_available_extensions WHERE name <> 'pg_stat_statements'`.execute(empty.db);
    const url = new URL(empty.url);
    url.searchParams.set('options', '-c search_path=poor,pg_catalog,public');
    const db = openDatabase({ url: url.href, maxConnections: 1 });
    onTestFinished(() => db.destroy());
    expect(await createExtensions(db)).toEqual([
      'extension pg_stat_statements: this server does not have it; missed is the slow statements',
    ]);
    expect(await installed(empty.db)).toEqual(['uuid-ossp']);
  });

  test('that the login may not create are named, with who may', async ({ skip }) => {
    await using empty = await createDatabase('empty');
    const { rows } = await sql<{ may: boolean }>`
      SELECT rolsuper OR rolcreaterole AS may FROM pg_roles WHERE rolname = current_user`.execute(empty.db);
    skip(rows[0]?.may !== true, 'the test role may not make roles');
    const role = `visitor_${randomUUID().replaceAll('-', '')}`;
    await sql.raw(`CREATE ROLE ${role} LOGIN PASSWORD 'visitor'`).execute(empty.db);
    const url = new URL(empty.url);
    url.username = role;
    url.password = 'visitor';
    const db = openDatabase({ url: url.href, maxConnections: 1 });
    try {
      expect(await createExtensions(db)).toEqual([
        'extension uuid-ossp: needs a superuser, as whom CREATE EXTENSION "uuid-ossp" once; missed is only uuid_generate_v4() in queries of your own',
        'extension pg_stat_statements: needs a superuser, as whom CREATE EXTENSION "pg_stat_statements" once; missed is the slow statements',
      ]);
    } finally {
      await db.destroy();
      await sql.raw(`DROP ROLE ${role}`).execute(empty.db);
    }
  });
});
