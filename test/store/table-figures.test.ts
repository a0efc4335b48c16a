// Figures of the database for those who watch: by table, an archive's months as one, and what became of the upkeep.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { UPKEEP_TASKS } from '../../src/core/upkeep.ts';
import { readDatabaseFigures } from '../../src/store/table-figures.ts';
import { createDatabase } from '../support/databases.ts';
import { insertRow } from './builders.ts';

test('tables have sizes, rows and ages, and the months of an archive are one table', async () => {
  await using database = await createDatabase();
  const { db } = database;
  await insertRow(db);
  await sql`SELECT make_archive_month('2026-01-05Z'), make_archive_month('2026-02-05Z')`.execute(db);
  await sql`ANALYZE`.execute(db);
  const { tables, indexes } = await readDatabaseFigures(db);
  const names = tables.map(({ table }) => table);
  expect(names).toEqual([...new Set(names)]);
  expect(names).toContain('orders_archive');
  expect(names.filter((name) => /\d{4}_\d\d/.test(name))).toEqual([]);
  const orders = tables.find(({ table }) => table === 'orders');
  expect(orders).toMatchObject({ liveRows: 1, deadRows: expect.any(Number) });
  expect(orders?.bytes).toBeGreaterThan(8_192);
  expect(orders?.freezeAge).toBeGreaterThan(0);
  expect(indexes).toContainEqual(expect.objectContaining({ index: 'orders_pkey', is_unique: true }));
  expect(indexes.filter(({ table }) => /\d{4}_\d\d$/.test(table))).toEqual([]);
});

test('upkeep tells when it was done, whether the newest run failed, and whether one runs', async () => {
  await using database = await createDatabase();
  const { db } = database;
  await sql`INSERT INTO maintenance_runs (task, outcome, started_at) VALUES
    ('vacuum', 'failed', '2026-01-01Z'), ('vacuum', 'done', '2026-01-02Z'),
    ('archive', 'done', '2026-01-01Z'), ('archive', 'failed', '2026-01-02Z'), ('archive', NULL, '2026-01-03Z'),
    ('backup', NULL, '2026-01-03Z')`.execute(db);
  const { upkeep } = await readDatabaseFigures(db);
  const never = { lastDoneAt: null, hasFailed: false, isRunning: false };
  expect(upkeep.map(({ task }) => task).toSorted()).toEqual([...UPKEEP_TASKS].toSorted());
  expect(upkeep.toSorted((a, b) => (a.task < b.task ? -1 : 1))).toEqual([
    { task: 'analyze', ...never },
    { task: 'archive', lastDoneAt: new Date('2026-01-01Z'), hasFailed: true, isRunning: true },
    { task: 'backup', lastDoneAt: null, hasFailed: false, isRunning: true },
    { task: 'prune', ...never },
    { task: 'vacuum', lastDoneAt: new Date('2026-01-02Z'), hasFailed: false, isRunning: false },
  ]);
});
