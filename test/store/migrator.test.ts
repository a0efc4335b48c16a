import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { migrate, migrationStatus, requireSchema } from '../../src/store/migrator.ts';
import { createDatabase } from '../support/databases.ts';

test('ten starters migrate an empty database at once, and it is migrated once', async () => {
  await using empty = await createDatabase('empty');
  const starters = Array.from({ length: 10 }, () => openDatabase({ url: empty.url, maxConnections: 2 }));
  const applied = await Promise.all(starters.map((db) => migrate(db)));
  await Promise.all(starters.map((db) => db.destroy()));
  expect(applied.flat()).toEqual(['000001_orders', '000002_timers']);
  expect(await migrate(empty.db)).toEqual([]);
  expect((await migrationStatus(empty.db)).every(({ appliedAt }) => appliedAt !== undefined)).toBe(true);
});

test('a process that finds no schema says which command makes it', async () => {
  await using empty = await createDatabase('empty');
  await expect(requireSchema(empty.db)).rejects.toThrow('run `router migrate`');
});

test('old code refuses a database that a newer version has migrated', async () => {
  await using database = await createDatabase();
  await sql`INSERT INTO kysely_migration VALUES ('999999_future', now()::text)`.execute(database.db);
  await expect(requireSchema(database.db)).rejects.toThrow('999999_future, which this version does not know');
});
