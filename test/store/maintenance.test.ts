// VACUUM and ANALYZE: on record whatever happens, one run at a time, and skipped is failed.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { lastMaintenanceRun, runMaintenance } from '../../src/store/maintenance.ts';
import { createDatabase } from '../support/databases.ts';
import { openSession, untilBlocked } from './builders.ts';

const runs = (db: Database) => db.selectFrom('maintenance_runs').selectAll().orderBy('id').execute();

describe.each(['vacuum', 'analyze'] as const)('%s', (task) => {
  test('writes its row, and the tables have statistics', async () => {
    await using database = await createDatabase();
    const { db, url } = database;
    expect(await lastMaintenanceRun(db, task)).toBeUndefined();
    expect(await runMaintenance(db, url, task)).toBe(true);
    const [run] = await runs(db);
    expect(run).toMatchObject({ task, outcome: 'done', error: null, ended_at: expect.any(Date) });
    expect(await lastMaintenanceRun(db, task)).toEqual(run?.started_at);
    const { rows } = await sql<{ relname: string }>`
      SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL ORDER BY relname`.execute(db);
    expect(rows.map((row) => row.relname)).toEqual([
      'order_attempts',
      'order_fills',
      'order_keys',
      'order_status_history',
      'orders',
    ]);
  });

  test('is left to the one that is at it', async () => {
    await using database = await createDatabase();
    const { db, url } = database;
    await using session = await openSession(url);
    await session.query('BEGIN');
    await session.query('LOCK TABLE order_fills IN ACCESS EXCLUSIVE MODE');
    const first = runMaintenance(db, url, task);
    await untilBlocked(db);
    expect(await runMaintenance(db, url, task)).toBe(false);
    expect(await runs(db)).toMatchObject([{ task, outcome: null, ended_at: null }]);
    expect(await lastMaintenanceRun(db, task)).toBeUndefined();
    await session.query('ROLLBACK');
    expect(await first).toBe(true);
    expect(await runMaintenance(db, url, task)).toBe(true);
    expect((await runs(db)).map((run) => run.outcome)).toEqual(['done', 'done']);
  });

  test('that fails is recorded as failed, and frees its lock', async () => {
    await using database = await createDatabase();
    const { db, url } = database;
    await sql`ALTER TABLE order_keys RENAME TO away`.execute(db);
    await expect(runMaintenance(db, url, task)).rejects.toThrow('"order_keys" does not exist');
    expect(await runs(db)).toMatchObject([
      { task, outcome: 'failed', error: expect.stringContaining('order_keys'), ended_at: expect.any(Date) },
    ]);
    expect(await lastMaintenanceRun(db, task)).toBeUndefined();
    await sql`ALTER TABLE away RENAME TO order_keys`.execute(db);
    expect(await runMaintenance(db, url, task)).toBe(true);
  });

  test("that is passed over because the tables are another role's is recorded as failed", async ({
    skip,
  }) => {
    await using database = await createDatabase();
    const { db } = database;
    const may = sql<{
      may: boolean;
    }>`SELECT rolsuper OR rolcreaterole AS may FROM pg_roles WHERE rolname = current_user`;
    skip((await may.execute(db)).rows[0]?.may !== true, 'the test role may not make roles');
    const role = `visitor_${randomUUID().replaceAll('-', '')}`;
    await sql.raw(`CREATE ROLE ${role} LOGIN PASSWORD 'visitor'`).execute(db);
    try {
      const url = new URL(database.url);
      url.username = role;
      url.password = 'visitor';
      await expect(runMaintenance(db, url.href, task)).rejects.toThrow('skipping');
      expect(await runs(db)).toMatchObject([
        { outcome: 'failed', error: expect.stringContaining('skipping') },
      ]);
    } finally {
      await sql.raw(`DROP ROLE ${role}`).execute(db);
    }
  });
});

test('takes as long as it takes: the timeout of its login is for statements of a moment', async () => {
  await using database = await createDatabase();
  const { db, url } = database;
  await sql
    .raw(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET statement_timeout = '500ms'`)
    .execute(db);
  await using session = await openSession(url);
  await session.query('BEGIN');
  await session.query('LOCK TABLE order_fills IN ACCESS EXCLUSIVE MODE');
  const run = runMaintenance(db, url, 'vacuum');
  await untilBlocked(db);
  await session.query('SET LOCAL statement_timeout = 0');
  await session.query('SELECT pg_sleep(0.7)');
  await session.query('ROLLBACK');
  expect(await run).toBe(true);
});

test('a vacuum and an analyze do not stand in for each other', async () => {
  await using database = await createDatabase();
  const { db, url } = database;
  await runMaintenance(db, url, 'vacuum');
  expect(await lastMaintenanceRun(db, 'analyze')).toBeUndefined();
  await runMaintenance(db, url, 'analyze');
  expect((await runs(db)).map((run) => run.task)).toEqual(['vacuum', 'analyze']);
});
