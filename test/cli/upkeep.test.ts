// vacuum, analyze, prune and maintenance as cron and people run them: what they say, and how they end.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { listRuns } from '../../src/store/maintenance.ts';
import { openSession, untilBlocked } from '../store/builders.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { runProcess, runRouter } from '../support/run-router.ts';

test('done is 0 and says nothing to cron, something to who asks, and is on record', async () => {
  await using database = await createDatabase();
  const url = asLogin(database.url, 'maintenance');
  const router = (...args: readonly string[]) => runRouter(url, ...args);
  for (const task of ['vacuum', 'analyze', 'prune'])
    expect(await router(task)).toEqual({ code: 0, stdout: '', stderr: '' });
  expect((await router('analyze', '--verbose')).stdout).toMatch(/^analyze done in [\d.]+ s: tables \d+\n$/);
  expect(JSON.parse((await router('prune', '--json')).stdout)).toEqual({
    task: 'prune',
    outcome: 'done',
    ms: expect.any(Number),
    rejections: 0,
    runs: 0,
    timer_turns: 0,
    rate_limits: 0,
  });
  const runs = await listRuns(database.db, 10);
  expect(runs.map(({ task, outcome }) => `${task} ${outcome}`)).toEqual([
    'prune done',
    'analyze done',
    'prune done',
    'analyze done',
    'vacuum done',
  ]);
  for (const { started_by } of runs) expect(started_by).toMatch(/.@./);
  const listed = (await router('maintenance')).stdout;
  expect(listed).toMatch(/^vacuum +30 3 \* \* \* +20\S+ .*\d$/m);
  expect(listed).toMatch(/^backup +- +never +BACKUP_DIR is not set$/m);
  const lines = (await router('maintenance', '--json', '--limit', '2')).stdout.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ task: 'prune' }, { task: 'analyze' }]);
});

test('--if-due runs what is due, and once', async () => {
  await using database = await createDatabase();
  const url = asLogin(database.url, 'maintenance');
  expect((await runRouter(url, 'vacuum', '--if-due', '--verbose')).stdout).toMatch(/^vacuum done/);
  expect((await runRouter(url, 'vacuum', '--if-due', '--verbose')).stdout).toBe('vacuum is not due\n');
  expect(await runRouter(url, 'vacuum', '--if-due')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await listRuns(database.db, 10)).toHaveLength(1);
});

test('busy is 75, failed is 1 with the table that failed', async () => {
  await using database = await createDatabase();
  const url = asLogin(database.url, 'maintenance');
  {
    await using session = await openSession(database.url);
    await session.query(`SELECT pg_advisory_lock(hashtext('maintenance vacuum'))`);
    expect(await runRouter(url, 'vacuum')).toEqual({
      code: 75,
      stdout: '',
      stderr: 'another process is at vacuum: router maintenance shows which\n',
    });
  }
  await sql`ALTER TABLE order_keys RENAME TO away`.execute(database.db);
  expect(await runRouter(url, 'vacuum')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: order_keys: relation "order_keys" does not exist\n',
  });
  expect(await listRuns(database.db, 10)).toMatchObject([{ outcome: 'failed' }]);
});

test('a login without the right is told so, and it is on record where it may write', async () => {
  await using database = await createDatabase();
  const refused = await runRouter(asLogin(database.url, 'worker'), 'vacuum');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/^error: permission denied for table maintenance_runs/);
});

test('Ctrl-C ends it with 130, and the row says that it was broken off', async () => {
  await using database = await createDatabase();
  await using session = await openSession(database.url);
  await session.query('BEGIN');
  await session.query('LOCK TABLE order_fills IN ACCESS EXCLUSIVE MODE');
  const stop = new AbortController();
  const run = runProcess(
    ['src/cli.ts', 'vacuum'],
    { DATABASE_URL: asLogin(database.url, 'maintenance') },
    45_000,
    stop.signal,
  );
  await untilBlocked(database.db);
  stop.abort();
  expect(await run).toMatchObject({ code: 130, stdout: expect.stringMatching(/^vacuum stopped in /) });
  expect(await listRuns(database.db, 10)).toMatchObject([{ task: 'vacuum', outcome: 'stopped' }]);
});
