// Runs of maintenance: on record whatever happens, one of a task at a time, and nothing goes on without its turn.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { UpkeepTask } from '../../src/core/upkeep.ts';
import type { Database } from '../../src/store/database.ts';
import { lastRuns, listRuns, type Run, runTask, type Work } from '../../src/store/maintenance.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';

const runs = async (db: Database) => (await listRuns(db, 100)).toReversed();

type Options = { readonly signal?: AbortSignal; readonly task?: UpkeepTask };

function runOn({ db, url }: TestDatabase, work: Work, { signal, task = 'vacuum' }: Options = {}) {
  return runTask(
    { db, url, task, startedBy: 'a test', signal: signal ?? new AbortController().signal },
    work,
  );
}

/** A work that waits for a word; `begun` gives what it got. */
function waiting() {
  const begun = Promise.withResolvers<Run>();
  const goOn = Promise.withResolvers<void>();
  const work: Work = async (run) => {
    begun.resolve(run);
    await goOn.promise;
    return { things: 7 };
  };
  return { begun: begun.promise, goOn: () => goOn.resolve(), work };
}

test('a run leaves a row: who, when, what', async () => {
  await using database = await createDatabase();
  const { outcome } = await runOn(database, async () => ({ tables: 5, note: 'all' }));
  expect(outcome).toBe('done');
  const [row] = await runs(database.db);
  expect(row).toMatchObject({
    task: 'vacuum',
    started_by: 'a test',
    outcome: 'done',
    counts: { tables: 5, note: 'all' },
    error: null,
    ended_at: expect.any(Date),
  });
  const { done, failed, now } = await lastRuns(database.db, 'vacuum');
  expect({ done, failed }).toEqual({ done: row?.started_at, failed: undefined });
  expect(now.getTime()).toBeGreaterThanOrEqual(row?.ended_at?.getTime() ?? Number.POSITIVE_INFINITY);
  expect(await lastRuns(database.db, 'analyze')).toMatchObject({ done: undefined, failed: undefined });
});

test('one task is left to the one that is at it, another task is not', async () => {
  await using database = await createDatabase();
  const { begun, goOn, work } = waiting();
  const first = runOn(database, work);
  await begun;
  expect(await runOn(database, work)).toEqual({ outcome: 'busy' });
  expect((await runOn(database, async () => ({}), { task: 'analyze' })).outcome).toBe('done');
  expect(await runs(database.db)).toMatchObject([
    { task: 'vacuum', outcome: null, ended_at: null },
    { task: 'analyze', outcome: 'done' },
  ]);
  goOn();
  expect((await first).outcome).toBe('done');
  expect((await runOn(database, async () => ({}))).outcome).toBe('done');
});

test('a failure is recorded with what had been done, and frees the turn', async () => {
  await using database = await createDatabase();
  const failing = runOn(database, async ({ session, progress }) => {
    progress({ tables: 2 });
    await session.query('SELECT 1/0');
    return {};
  });
  await expect(failing).rejects.toThrow('division by zero');
  expect(await runs(database.db)).toMatchObject([
    { outcome: 'failed', error: 'division by zero', counts: { tables: 2 }, ended_at: expect.any(Date) },
  ]);
  expect((await lastRuns(database.db, 'vacuum')).failed).toBeInstanceOf(Date);
  await expect.poll(async () => (await runOn(database, async () => ({}))).outcome).toBe('done');
});

test('a run that is broken off ends its statement, and is neither done nor failed', async () => {
  await using database = await createDatabase();
  const stop = new AbortController();
  const begun = Promise.withResolvers<void>();
  const run = runOn(
    database,
    async ({ session, progress }) => {
      progress({ orders: 300 });
      begun.resolve();
      await session.query('SELECT pg_sleep(600)');
      return {};
    },
    { signal: stop.signal },
  );
  await begun.promise;
  await untilAsleep(database.db);
  stop.abort();
  expect(await run).toMatchObject({ outcome: 'stopped', counts: { orders: 300 } });
  expect(await runs(database.db)).toMatchObject([
    { outcome: 'stopped', counts: { orders: 300 }, error: null },
  ]);
  expect(await lastRuns(database.db, 'vacuum')).toMatchObject({ done: undefined, failed: undefined });
});

test('a run whose session is lost fails, and its work is told', async () => {
  await using database = await createDatabase();
  const { begun, goOn, work } = waiting();
  const run = runOn(database, async (of) => {
    await work(of);
    of.signal.throwIfAborted();
    return {};
  });
  const failed = expect(run).rejects.toThrow('the session of the run is lost');
  const { signal } = await begun;
  const told = new Promise((resolve) => signal.addEventListener('abort', resolve));
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'dydx-order-router vacuum'`.execute(database.db);
  await told;
  goOn();
  await failed;
  expect(await runs(database.db)).toMatchObject([
    { outcome: 'failed', error: expect.stringContaining('the session of the run is lost') },
  ]);
});

test('the row of a process that vanished is ended by the next run', async () => {
  await using database = await createDatabase();
  await sql`INSERT INTO maintenance_runs (task, started_by) VALUES ('vacuum', 'dead'), ('analyze', 'alive')`.execute(
    database.db,
  );
  await runOn(database, async () => ({}));
  expect(await runs(database.db)).toMatchObject([
    { task: 'vacuum', outcome: 'failed', error: 'its process ended without a word' },
    { task: 'analyze', outcome: null },
    { task: 'vacuum', outcome: 'done' },
  ]);
});

test('a run from before the clock was set back holds up nothing', async () => {
  await using database = await createDatabase();
  await sql`INSERT INTO maintenance_runs (task, outcome, started_at)
    VALUES ('vacuum', 'done', now() + interval '1 year'), ('vacuum', 'done', now() - interval '1 day')`.execute(
    database.db,
  );
  const { done, now } = await lastRuns(database.db, 'vacuum');
  expect(done?.getTime()).toBeLessThan(now.getTime());
});

test('takes as long as it takes: the timeout of its login is for statements of a moment', async () => {
  await using database = await createDatabase();
  await sql
    .raw(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET statement_timeout = '50ms'`)
    .execute(database.db);
  const { outcome } = await runOn(database, async ({ session }) => {
    await session.query('SELECT pg_sleep(0.2)');
    return {};
  });
  expect(outcome).toBe('done');
});

test('a signal that came before the start starts nothing', async () => {
  await using database = await createDatabase();
  await expect(runOn(database, async () => ({}), { signal: AbortSignal.abort() })).rejects.toThrow();
  expect(await runs(database.db)).toEqual([]);
});

test('a clock that has jumped moves and deletes nothing', async () => {
  await using database = await createDatabase();
  const { db, url } = database;
  const { signal } = new AbortController();
  let hasRun = false;
  const run = runTask(
    { db, url, task: 'prune', startedBy: 'a test', signal, now: () => Date.now() - 3_600_000 },
    async () => {
      hasRun = true;
      return {};
    },
  );
  await expect(run).rejects.toThrow(/^the database's clock is 3\d{3} s ahead of this machine's/);
  expect(hasRun).toBe(false);
  expect(await runs(db)).toMatchObject([{ task: 'prune', outcome: 'failed' }]);
});

async function untilAsleep(db: Database): Promise<void> {
  await expect
    .poll(async () => {
      const { rows } = await sql`SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'
        AND state = 'active' AND datname = current_database()`.execute(db);
      return rows.length;
    })
    .toBe(1);
}
