// VACUUM and ANALYZE: every table is tended, and one that is passed over or fails makes the run fail and holds up no other.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { runTask } from '../../src/store/maintenance.ts';
import { MAINTAINED } from '../../src/store/roles.ts';
import { analyze, vacuum } from '../../src/store/vacuum.ts';
import { createDatabase } from '../support/databases.ts';
import { openSession } from './builders.ts';

const WORKS = { vacuum, analyze } as const;
const TIMEOUT_S = 60;

const tend = (task: keyof typeof WORKS, { db, url }: { db: Database; url: string }, timeoutS = TIMEOUT_S) =>
  runTask(
    { db, url, task, startedBy: 'a test', signal: new AbortController().signal },
    WORKS[task](timeoutS),
  );

async function analyzed(db: Database): Promise<string[]> {
  const { rows } = await sql<{ relname: string }>`
    SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL ORDER BY relname`.execute(db);
  return rows.map(({ relname }) => relname);
}

describe.each(['vacuum', 'analyze'] as const)('%s', (task) => {
  test('gives every table statistics', async () => {
    await using database = await createDatabase();
    expect(await tend(task, database)).toMatchObject({
      outcome: 'done',
      counts: { tables: MAINTAINED.length },
    });
    expect(await analyzed(database.db)).toEqual(MAINTAINED.toSorted());
  });

  test('fails for a table that is not there, and tends the others', async () => {
    await using database = await createDatabase();
    await sql`ALTER TABLE order_keys RENAME TO away`.execute(database.db);
    await expect(tend(task, database)).rejects.toThrow('order_keys: relation "order_keys" does not exist');
    expect(await analyzed(database.db)).toEqual(
      MAINTAINED.filter((name) => name !== 'order_keys').toSorted(),
    );
  });

  test('fails for a table that does not end in its time, and tends the others', async () => {
    await using database = await createDatabase();
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('LOCK TABLE order_fills IN ACCESS EXCLUSIVE MODE');
    await expect(tend(task, database, 1)).rejects.toThrow(
      /^order_fills: canceling statement due to statement timeout$/,
    );
    expect(await analyzed(database.db)).toEqual(
      MAINTAINED.filter((name) => name !== 'order_fills').toSorted(),
    );
  });

  test("is failed when tables are passed over because they are another role's", async ({ skip }) => {
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
      await expect(tend(task, { db, url: url.href })).rejects.toThrow('skipping');
    } finally {
      await sql.raw(`DROP ROLE ${role}`).execute(db);
    }
  });
});
