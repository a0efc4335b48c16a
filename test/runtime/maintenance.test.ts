// The maintenance process on a real queue: it keeps the schedules as they are set, makes up what nobody ran, and breaks its
// run off when it is stopped.
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { type Context, openContext } from '../../src/runtime/context.ts';
import { startMaintenance } from '../../src/runtime/maintenance.ts';
import { listRuns } from '../../src/store/maintenance.ts';
import { openSession, untilBlocked } from '../store/builders.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';

/** Nobody's ticks come while a test runs. */
const YEARLY = '0 0 1 1 *';
const OFF = {
  BACKUP_SCHEDULE: 'off',
  ARCHIVE_SCHEDULE: 'off',
  VACUUM_SCHEDULE: 'off',
  ANALYZE_SCHEDULE: 'off',
  PRUNE_SCHEDULE: 'off',
};

async function open(database: TestDatabase, settings: Readonly<Record<string, string>>): Promise<Context> {
  const { config, secrets } = readConfig({
    DATABASE_URL: database.url,
    SWEEP_INTERVAL_MS: '50',
    LOG_LEVEL: 'silent',
    ...OFF,
    ...settings,
  });
  const context = await openContext('maintenance', config, secrets);
  onTestFinished(() => context.close());
  return context;
}

const schedulersOf = async (context: Context) => {
  const all = await context.queue('maintenance').getJobSchedulers();
  return all.map(({ key, pattern, tz }) => `${key} ${pattern} ${tz}`).toSorted();
};

test('the queue has the schedules that are set, in UTC, and forgets those that are not', async () => {
  await using database = await createDatabase();
  const context = await open(database, { VACUUM_SCHEDULE: YEARLY, ANALYZE_SCHEDULE: YEARLY });
  await context.queue('maintenance').upsertJobScheduler('renamed_long_ago', { pattern: YEARLY });
  const service = await startMaintenance(context);
  onTestFinished(() => service.stop());
  await expect.poll(() => schedulersOf(context)).toEqual([`analyze ${YEARLY} UTC`, `vacuum ${YEARLY} UTC`]);
});

test('what has never been done is done by itself, once', async () => {
  await using database = await createDatabase();
  const context = await open(database, { ANALYZE_SCHEDULE: YEARLY, PRUNE_SCHEDULE: YEARLY });
  const service = await startMaintenance(context);
  const done = async () =>
    (await listRuns(context.db, 10))
      .map((run) => `${run.task} ${run.outcome} by ${run.started_by}`)
      .toSorted();
  const once = ['analyze done by schedule', 'prune done by schedule'];
  await expect.poll(done).toEqual(once);
  // A tick that comes twice, and one that nobody has set.
  for (const task of ['analyze', 'vacuum']) await context.queue('maintenance').add(task, {});
  await expect
    .poll(async () => await context.queue('maintenance').getJobCounts('waiting', 'active'))
    .toEqual({
      waiting: 0,
      active: 0,
    });
  await service.stop();
  expect(await done()).toEqual(once);
});

test('a stop breaks the run off, and its row says so', async () => {
  await using database = await createDatabase();
  await using session = await openSession(database.url);
  await session.query('BEGIN');
  await session.query('LOCK TABLE order_fills IN ACCESS EXCLUSIVE MODE');
  const context = await open(database, { VACUUM_SCHEDULE: YEARLY });
  const service = await startMaintenance(context);
  await untilBlocked(database.db);
  await service.stop();
  expect(await listRuns(context.db, 10)).toMatchObject([{ task: 'vacuum', outcome: 'stopped', error: null }]);
  await session.query('ROLLBACK');
  const { rows } =
    await sql`SELECT 1 FROM pg_stat_activity WHERE application_name = 'dydx-order-router vacuum'
    AND datname = current_database()`.execute(database.db);
  expect(rows).toEqual([]);
});
