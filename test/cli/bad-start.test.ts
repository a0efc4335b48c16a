// What a worker cannot start with ends it with status 1 and one line that names what to look at: no stack, no secret.
// It does not wait for a server that is away: what manages it starts it again, and sees that it fails.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { freePort } from '../../src/kit/lab/free-port.ts';
import { startRedisServer } from '../../src/kit/lab/redis-server.ts';
import { createDatabase } from '../support/databases.ts';
import { startWorkerProcess } from './worker-process.ts';

type Settings = Readonly<Record<string, string>>;

/** @returns the one line of a start that failed */
async function refusalOf(settings: Settings, worker = 'maintenance', code = 1): Promise<string> {
  const process = startWorkerProcess(worker, settings);
  expect(await process.ended).toBe(code);
  expect(process.lines()).toHaveLength(1);
  const [line = ''] = process.lines();
  expect(line).not.toMatch(/hunter2|^\s+at /);
  return line;
}

test('no database at all', async () => {
  expect(await refusalOf({})).toMatch(/^no database: set DATABASE_URL/);
});

test('a user that the database does not know', async () => {
  await using database = await createDatabase();
  const url = new URL(database.url);
  url.username = 'mallory';
  url.password = 'hunter2';
  expect(await refusalOf({ DATABASE_URL: url.href })).toMatch(
    /mallory.*: check user and password in DATABASE_URL$/,
  );
});

test('a database that does not exist, and a server that is not there', async () => {
  await using database = await createDatabase();
  const missing = new URL(database.url);
  missing.pathname = '/nowhere';
  expect(await refusalOf({ DATABASE_URL: missing.href })).toMatch(
    /"nowhere" does not exist: .*DATABASE_URL$/,
  );
  const away = `postgres://router:hunter2@127.0.0.1:${await freePort()}/router`;
  expect(await refusalOf({ DATABASE_URL: away })).toMatch(
    /ECONNREFUSED.*: is the database running.*DATABASE_URL/,
  );
  const unknown = 'postgres://router:hunter2@database.invalid/router';
  expect(await refusalOf({ DATABASE_URL: unknown })).toMatch(
    /database\.invalid: is the host name right.*DATABASE_URL/,
  );
});

test('a database of another chain', async () => {
  await using database = await createDatabase();
  await sql`INSERT INTO installation (chain_id) VALUES ('dydx-mainnet-1')`.execute(database.db);
  const venue = { DYDX_VALIDATOR_URLS: 'http://127.0.0.1:1', DYDX_INDEXER_URL: 'http://127.0.0.1:1' };
  for (const worker of ['submitter', 'reconciler']) {
    expect(await refusalOf({ DATABASE_URL: database.url, ...venue }, worker)).toMatch(
      /belongs to chain dydx-mainnet-1, not dydx-paper-1: use another database \(DATABASE_URL/,
    );
  }
});

test('a schema that is empty, half migrated, or newer', async () => {
  await using empty = await createDatabase('empty');
  expect(await refusalOf({ DATABASE_URL: empty.url })).toMatch(
    /lacks 000001_orders, .*: run `router migrate`/,
  );
  await using half = await createDatabase();
  await sql`DROP TABLE timer_turns, queue_heartbeats`.execute(half.db);
  await sql`DELETE FROM kysely_migration WHERE name > '000001_orders'`.execute(half.db);
  expect(await refusalOf({ DATABASE_URL: half.url })).toMatch(/lacks 000002_timers.*: run `router migrate`/);
  await using newer = await createDatabase();
  await sql`INSERT INTO kysely_migration (name, timestamp) VALUES ('999999_next.breaking', now()::text)`.execute(
    newer.db,
  );
  // A supervisor knows by it that starting again is of no use.
  expect(await refusalOf({ DATABASE_URL: newer.url }, 'maintenance', 3)).toMatch(
    /has 999999_next\.breaking.*: run the newer version/,
  );
});

test('a Redis that is not there, in production and in development', async () => {
  await using database = await createDatabase();
  const REDIS_URL = `redis://:hunter2@127.0.0.1:${await freePort()}`;
  for (const NODE_ENV of ['production', 'development']) {
    expect(await refusalOf({ DATABASE_URL: database.url, REDIS_URL, NODE_ENV })).toMatch(
      /REDIS_URL: connect ECONNREFUSED 127\.0\.0\.1:\d+: is Redis running/,
    );
  }
});

test('a Redis with another password, or none in the URL', async () => {
  await using database = await createDatabase();
  await using server = await startRedisServer({ args: ['--requirepass', 'right'] });
  const wrong = server.url.replace('//', '//:hunter2@');
  expect(await refusalOf({ DATABASE_URL: database.url, REDIS_URL: wrong })).toMatch(
    /REDIS_URL: WRONGPASS.*: check user and password/,
  );
  expect(await refusalOf({ DATABASE_URL: database.url, REDIS_URL: server.url })).toMatch(
    /REDIS_URL: NOAUTH.*: it lacks the password/,
  );
});

test('a REDIS_URL that is none', async () => {
  await using database = await createDatabase();
  const REDIS_URL = 'redis://:hunter2@cache:port';
  expect(await refusalOf({ DATABASE_URL: database.url, REDIS_URL })).toMatch(
    /REDIS_URL must name host\[:port\]/,
  );
});
