// `router archive` as people and cron call it: what would move, what moved, and one clear line for what cannot be.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { insertRow, openSession } from '../store/builders.ts';
import { age, countOf, runsOf } from '../store/old-orders.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { runRouter } from '../support/run-router.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
  const { db } = database;
  const orders = [];
  for (let n = 0; n < 3; n++) orders.push(await insertRow(db, { status: 'FILLED' }));
  orders.push(await insertRow(db, { status: 'OPEN' }));
  await age(db, orders);
  await insertRow(db, { status: 'FILLED' });
});
afterAll(() => database[Symbol.asyncDispose]());

const router = (...args: readonly string[]) => runRouter(database.url, 'archive', ...args);

test('--dry-run says what would move, by month, and writes nothing', async () => {
  const told = await router('--dry-run', '--json');
  expect(told).toMatchObject({ code: 0, stderr: '' });
  const { months, ...rest } = JSON.parse(told.stdout);
  expect(rest).toEqual({
    task: 'archive',
    dry_run: true,
    older_than_days: 90,
    orders: 3,
    left: { active: 1 },
  });
  expect(Object.values(months)).toEqual([3]);
  expect(Object.keys(months)[0]).toMatch(/^\d{4}-\d\d$/);
  const { stdout } = await router('--dry-run', '--older-than', '30d');
  expect(stdout).toMatch(/^older than 30 days: 3 orders would move\n(?:.*\n)*1 stay: not final/);
  expect(await countOf(database.db, 'orders_archive')).toBe(0);
  expect(await runsOf(database.db)).toEqual([]);
});

test.each([
  [['--older-than', '0d'], 'must be a number of days from 1d to 36500d, such as 90d'],
  [['--older-than', '3 months'], 'must be a number of days'],
  [['--limit', '0'], 'must be a whole number between 1 and'],
  [['--limit', 'all'], 'must be a whole number between 1 and'],
])('%s is refused in one line', async (args, why) => {
  const { code, stderr } = await router(...args);
  expect(code).toBe(1);
  expect(stderr.split('\n')[0]).toContain(why);
});

test('moves what is old, says what it did, and tells when another is at it by status 75', async () => {
  const limited = await router('--limit', '2', '--json');
  expect(limited).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(limited.stdout)).toMatchObject({ task: 'archive', outcome: 'done', orders: 2 });
  // Quiet for cron; what was done at the schedule's last tick is not due.
  expect(await router('--if-due')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await countOf(database.db, 'orders_archive')).toBe(2);
  await using session = await openSession(database.url);
  await session.query(`SELECT pg_advisory_lock(hashtext('maintenance archive'))`);
  expect(await router()).toMatchObject({ code: 75, stdout: '' });
  await session.query('SELECT pg_advisory_unlock_all()');
  expect(await router('--fast')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await countOf(database.db, 'orders_archive')).toBe(3);
});

test('a failure is one line and status 1', async () => {
  await sql`ALTER TABLE orders ADD COLUMN strategy TEXT`.execute(database.db);
  const { code, stderr } = await router();
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringMatching(/^error: orders has the column strategy, and /),
  ]);
  await sql`ALTER TABLE orders DROP COLUMN strategy`.execute(database.db);
});

test('show and orders find what is archived, and say so', async () => {
  const { rows } = await sql<{ client_id: string }>`SELECT client_id FROM orders_archive LIMIT 1`.execute(
    database.db,
  );
  const clientId = rows[0]?.client_id ?? '';
  const shown = await runRouter(database.url, 'show', clientId);
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/^archived \d{4}-/m) });
  const { stdout } = await runRouter(database.url, 'orders');
  expect(stdout.split('\n').find((line) => line.includes(clientId))).toContain('(archived)');
});
