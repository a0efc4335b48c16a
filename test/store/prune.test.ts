// What is kept for a time only goes when its time is over, and nothing else.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { lastRuns, listRuns, runTask } from '../../src/store/maintenance.ts';
import { prune } from '../../src/store/prune.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';

const pruneAfter = ({ db, url }: TestDatabase, keepDays: number) =>
  runTask(
    { db, url, task: 'prune', startedBy: 'a test', signal: new AbortController().signal },
    prune(keepDays),
  );

test('refused intents go after their time, however many there are', async () => {
  await using database = await createDatabase();
  const { db } = database;
  await sql`INSERT INTO intent_rejections (source, refusals, created_at)
    SELECT 'old#' || n, '[]', now() - interval '31 days' FROM generate_series(1, 4500) AS n`.execute(db);
  await sql`INSERT INTO intent_rejections (source, refusals) VALUES ('new#1', '[]')`.execute(db);
  expect(await pruneAfter(database, 30)).toMatchObject({ outcome: 'done', counts: { rejections: 4_500 } });
  const left = await db.selectFrom('intent_rejections').select('source').execute();
  expect(left).toEqual([{ source: 'new#1' }]);
});

test('of the runs the newest of each outcome stays, however old: it tells what is due', async () => {
  await using database = await createDatabase();
  const { db } = database;
  await sql`INSERT INTO maintenance_runs (task, outcome, started_at) VALUES
    ('vacuum', 'done', now() - interval '50 days'), ('vacuum', 'done', now() - interval '40 days'),
    ('vacuum', 'failed', now() - interval '60 days'), ('vacuum', 'failed', now() - interval '45 days'),
    ('vacuum', 'done', now() - interval '35 days'), ('analyze', 'done', now() - interval '90 days'),
    ('archive', NULL, now() - interval '90 days')`.execute(db);
  const before = await lastRuns(db, 'vacuum');
  expect(await pruneAfter(database, 30)).toMatchObject({ counts: { runs: 3 } });
  expect(await lastRuns(db, 'vacuum')).toMatchObject({ done: before.done, failed: before.failed });
  expect((await listRuns(db, 10)).map(({ task, outcome }) => `${task} ${outcome}`).toSorted()).toEqual([
    'analyze done',
    'archive null',
    'prune done',
    'vacuum done',
    'vacuum failed',
  ]);
});

test('timers and limiters that nobody has used for a month are forgotten', async () => {
  await using database = await createDatabase();
  const { db } = database;
  await sql`INSERT INTO timer_turns VALUES ('gone', now() - interval '31 days'), ('here', now())`.execute(db);
  await sql`INSERT INTO rate_limits VALUES ('gone', 1, extract(epoch FROM now() - interval '31 days') * 1000),
    ('here', 1, extract(epoch FROM now()) * 1000), ('for ever', 1, NULL)`.execute(db);
  expect(await pruneAfter(database, 30)).toMatchObject({ counts: { timer_turns: 1, rate_limits: 1 } });
  expect(await db.selectFrom('timer_turns').select('timer').execute()).toEqual([{ timer: 'here' }]);
  expect(await db.selectFrom('rate_limits').select('key').orderBy('key').execute()).toEqual([
    { key: 'for ever' },
    { key: 'here' },
  ]);
});

test('nobody may delete younger records, whatever is asked for', async () => {
  await using database = await createDatabase();
  const { db } = database;
  await sql`INSERT INTO intent_rejections (source, refusals, created_at) VALUES
    ('29', '[]', now() - interval '29 days'), ('31', '[]', now() - interval '31 days')`.execute(db);
  expect(await pruneAfter(database, 0)).toMatchObject({ counts: { rejections: 1 } });
  expect(await db.selectFrom('intent_rejections').select('source').execute()).toEqual([{ source: '29' }]);
});
