// `router doctor` as a process, against real servers that are fine, wrong, or do not answer.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { startRedisServer } from '../../src/kit/lab/redis-server.ts';
import { startPaper } from '../../src/paper/paper.ts';
import { bareEnvironment } from '../support/child-environment.ts';
import { administer, createDatabase } from '../support/databases.ts';

type Check = {
  readonly name: string;
  readonly status: string;
  readonly found: string;
  readonly todo: string;
};
type Settings = Readonly<Record<string, string>>;

const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli.ts');
/** Half a minute on a machine that does much else; the doctor's own deadlines end after 8 s. */
const MAX_MS = 30_000;

async function doctor(settings: Settings, flags: readonly string[] = ['--json']) {
  const folder = mkdtempSync(join(tmpdir(), 'router-doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const child = spawn(process.execPath, [CLI, 'doctor', ...flags], {
    env: { ...bareEnvironment(), DATA_DIR: folder, ...settings },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: MAX_MS,
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [status] = await once(child, 'close');
  return { status, output };
}

async function examined(settings: Settings) {
  const { status, output } = await doctor(settings);
  const report: { readonly ok: boolean; readonly checks: readonly Check[] } = JSON.parse(output);
  expect(report.ok).toBe(status === 0);
  const of = (name: string) => report.checks.find((check) => check.name === name);
  return { ...report, status, of, failing: report.checks.filter((check) => check.status === 'FAIL') };
}

test('a router that has all that it needs passes, in one line a check', async () => {
  await using database = await createDatabase();
  await using paper = await startPaper({ blockMs: 50, seed: 1 });
  await using redis = await startRedisServer();
  const settings = {
    DATABASE_URL: database.url,
    DYDX_VALIDATOR_URLS: paper.url,
    DYDX_INDEXER_URL: paper.url,
  };
  const onRedis = await examined({ ...settings, REDIS_URL: redis.url, NODE_ENV: 'production' });
  expect(onRedis.failing).toEqual([]);
  expect(onRedis.status).toBe(0);
  expect(onRedis.checks.filter(({ status }) => status === 'skip')).toEqual([]);
  expect(onRedis.of('connections')?.found).toContain(', 8 a submitter');
  expect(onRedis.of('block')?.found).toMatch(/^block \d+, \d\.\d s old$/);
  expect(onRedis.of('account')?.found).toMatch(/^number \d+$/);
  expect(onRedis.of('redis persistence')?.status).toBe('ok');
  expect(onRedis.of('maintenance')?.found).toBe('nothing was ever done');
  expect(onRedis.of('backup')?.todo).toMatch(/^set BACKUP_DIR/);

  const { status, output } = await doctor(settings, []);
  expect(status).toBe(0);
  expect(output).toMatch(/^ok {4}queue +BullMQ's PostgreSQL backend/m);
  for (const line of output.trim().split('\n')) expect(line).toMatch(/^(ok|warn) +\w+/);
  // Nothing was claimed by looking.
  expect(await database.db.selectFrom('installation').selectAll().execute()).toEqual([]);
});

test('what is wrong is named, with what to do, and what depends on it is skipped', async () => {
  await using database = await createDatabase();
  await using paper = await startPaper({ blockMs: 50, seed: 1 });
  await using redis = await startRedisServer({
    args: ['--maxmemory-policy', 'allkeys-lru', '--appendonly', 'no'],
  });
  await sql`INSERT INTO installation (chain_id, server) VALUES ('dydx-mainnet-1', '1/1')`.execute(
    database.db,
  );
  const venue = { DYDX_VALIDATOR_URLS: paper.url, DYDX_INDEXER_URL: paper.url };

  const other = await examined({
    ...venue,
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    NODE_ENV: 'production',
  });
  expect(other.failing.map(({ name }) => name)).toEqual([
    'installation',
    'server',
    'redis eviction',
    'redis persistence',
  ]);
  expect(other.of('server')?.todo).toBe('router recovered, or router recovered --nothing-lost');
  expect(other.status).toBe(1);

  const wrong = new URL(database.url);
  wrong.password = 'hunter2';
  wrong.username = 'mallory';
  const refused = await examined({ ...venue, DATABASE_URL: wrong.href });
  expect(refused.of('database')).toMatchObject({
    status: 'FAIL',
    todo: 'check user and password in DATABASE_URL',
  });
  expect(refused.of('schema')).toMatchObject({ status: 'skip' });
  expect(JSON.stringify(refused)).not.toContain('hunter2');

  const custom = await examined({
    ...venue,
    DATABASE_URL: database.url,
    DYDX_NETWORK: 'custom',
    DYDX_CHAIN_ID: 'dydx-mainnet-1',
    DYDX_PRIVATE_KEY: '1'.repeat(64),
  });
  expect(custom.of('validator')).toMatchObject({
    status: 'FAIL',
    todo: 'check DYDX_VALIDATOR_URLS and DYDX_CHAIN_ID',
  });
  expect(custom.of('installation')?.status).toBe('ok');
  expect(custom.of('account')?.status).toBe('skip');
});

test('a role that may not write, and an empty database', async () => {
  await using database = await createDatabase();
  const role = `reader_${process.pid}`;
  await administer(database.url, `CREATE ROLE ${role} LOGIN PASSWORD 'reads'`);
  try {
    await administer(database.url, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
    const url = new URL(database.url);
    url.username = role;
    url.password = 'reads';
    const reader = await examined({ DATABASE_URL: url.href });
    expect(reader.of('rights')).toMatchObject({
      status: 'FAIL',
      found: expect.stringMatching(/lacks .*UPDATE on orders.*USAGE on dydx_client_id_blocks/),
    });
    expect(reader.of('ownership')?.status).toBe('warn');
  } finally {
    await administer(database.url, `DROP OWNED BY ${role}`);
    await administer(database.url, `DROP ROLE ${role}`);
  }
  await using empty = await createDatabase('empty');
  const bare = await examined({ DATABASE_URL: empty.url });
  expect(bare.of('schema')?.todo).toBe('run `router migrate`');
  expect(bare.of('queue')?.todo).toBe('run `router migrate`');
  expect(bare.of('heartbeats')?.status).toBe('skip');
});

test('servers that take the connection and never answer hold it up for seconds only', async () => {
  const sockets = new Set<{ destroy: () => unknown }>();
  const hole = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(hole, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    hole.close();
  });
  const place = `127.0.0.1:${(hole.address() as AddressInfo).port}`;
  const silent = await examined({
    DATABASE_URL: `postgres://router:x@${place}/router`,
    REDIS_URL: `redis://${place}`,
    DYDX_VALIDATOR_URLS: `http://${place}`,
    DYDX_INDEXER_URL: `http://${place}`,
  });
  expect(silent.failing.map(({ name }) => name)).toEqual(['database', 'validator', 'indexer', 'queue']);
  for (const { todo } of silent.failing) expect(todo).not.toBe('');
});

test('settings that are not usable', async () => {
  const report = await examined({ HEIGHT_POLL_MS: 'x' });
  expect(report.of('settings')).toMatchObject({
    status: 'FAIL',
    found: expect.stringContaining('HEIGHT_POLL_MS'),
  });
  expect(report.of('database')?.status).toBe('skip');
});
