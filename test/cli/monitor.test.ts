// `router monitor`: tables for people, a line of JSON each for machines.
import { afterAll, expect, test } from 'vitest';
import { monitor } from '../../src/cli/monitor.ts';
import { createDatabase } from '../support/databases.ts';

const database = await createDatabase('empty');
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

test('an empty database has nothing to tell, and no statistics of statements', async () => {
  expect(await monitor(db, 'tables', false)).toBe('nothing');
  expect(await monitor(db, 'indexes', true)).toBe('');
  await expect(monitor(db, 'slow-queries', false)).rejects.toThrow(
    /set shared_preload_libraries = pg_stat_statements/,
  );
});

test('tables and indexes are told with their names, as a table or as JSON', async () => {
  await using migrated = await createDatabase();
  const tables = await monitor(migrated.db, 'tables', false);
  expect(tables.split('\n')[0]).toMatch(/^table +bytes +size$/);
  expect(tables).toMatch(/^orders +\d+ +\d+ (bytes|kB)$/m);
  const indexes = (await monitor(migrated.db, 'indexes', true)).split('\n').map((line) => JSON.parse(line));
  expect(indexes).toContainEqual(expect.objectContaining({ table: 'orders', index: 'idx_orders_due' }));
});

test('indexes that nobody uses are named in words, and those that keep a rule are not', async () => {
  await using migrated = await createDatabase();
  const text = await monitor(migrated.db, 'indexes', false);
  expect(text).toMatch(/^Never used since the database was made, and each costs every insert:$/m);
  expect(text).toMatch(/^ {2}idx_orders_due of orders, \d+ kB$/m);
  expect(text).not.toMatch(/^ {2}orders_pkey/m);
});
