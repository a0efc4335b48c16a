// When a process is not ready, and what it says then.
import { sql } from 'kysely';
import { expect, inject, onTestFinished, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { noTelemetry } from '../../src/core/telemetry.ts';
import type { Check } from '../../src/ops/health.ts';
import { type PaperOptions, startPaper } from '../../src/paper/paper.ts';
import { chooseBackend } from '../../src/queue/backend.ts';
import { ORDERS_QUEUE } from '../../src/queue/jobs.ts';
import type { Context } from '../../src/runtime/context.ts';
import { baseChecks, caughtUpCheck, venueChecks } from '../../src/runtime/health.ts';
import { rememberHeight } from '../../src/runtime/indexer-height.ts';
import { startMaintenance } from '../../src/runtime/maintenance.ts';
import { startOps } from '../../src/runtime/ops.ts';
import { startReconciler } from '../../src/runtime/reconciler.ts';
import { startSubmitter } from '../../src/runtime/submitter.ts';
import { openIndexer, openValidator } from '../../src/runtime/venue.ts';
import { recordHeartbeat } from '../../src/store/queue-heartbeats.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createHeightFeed } from '../../src/venue/height-feed.ts';
import { fillOf, newCursor, reportOf, signed } from '../store/builders.ts';
import { administer, createDatabase } from '../support/databases.ts';
import { startTestRouter } from '../support/router.ts';
import { type Served, startServed } from './served.ts';

const BASE = ['database', 'schema', 'queue', 'clock'];
const VENUE = ['chain', 'height', 'chain_clock'];
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

test('each kind of process is ready when all that it needs is there, and checks nothing else', async () => {
  await using router = await startTestRouter();
  const expected = [
    [
      'submitter',
      startSubmitter,
      [...BASE, 'heartbeat_orders', 'heartbeat_control', 'caught_up', ...VENUE, 'tx_index'],
    ],
    ['reconciler', startReconciler, [...BASE, ...VENUE, 'indexer']],
    ['maintenance', startMaintenance, [...BASE, 'heartbeat_maintenance']],
    [
      'ops',
      startOps,
      [...BASE, 'heartbeat_orders', 'heartbeat_control', 'heartbeat_maintenance', ...VENUE, 'indexer'],
    ],
  ] as const;
  for (const [component, start, checks] of expected) {
    await using served = await startServed(component, start, router.settings);
    await expectReady(served);
    const { report } = await served.readyz();
    expect([report.component, Object.keys(report.checks)]).toEqual([component, checks]);
    await expect.poll(async () => (await served.samples()).get('router_ready')).toBe(1);
  }
});

/** A process that only checks. */
async function startChecked(
  settings: Readonly<Record<string, string>>,
  checks: (context: Context) => readonly Check[],
): Promise<Served> {
  return startServed(
    'tester',
    async (context) => ({ stop: async () => {}, checks: checks(context) }),
    settings,
  );
}

async function expectNotReady(served: Served, check: string, why: RegExp): Promise<void> {
  await expect
    .poll(async () => {
      const { status, report } = await served.readyz();
      return [status, report.status, report.checks[check]?.why];
    })
    .toEqual([503, 'not_ready', expect.stringMatching(why)]);
  await expect
    .poll(async () => {
      const samples = await served.samples();
      return [samples.get('router_ready'), samples.get(`router_check_ok{check="${check}"}`)];
    })
    .toEqual([0, 0]);
}

async function expectReady(served: Served): Promise<void> {
  await expect
    .poll(async () => {
      const { status, report } = await served.readyz();
      return [status, report.status];
    })
    .toEqual([200, 'ready']);
}

test('a process whose database is gone is not ready and says which one, without the password', async () => {
  await using database = await createDatabase();
  await using served = await startChecked({ DATABASE_URL: database.url }, (context) =>
    baseChecks(context, []),
  );
  await expectReady(served);
  const { pathname, password } = new URL(database.url);
  await administer(inject('serverUrl'), `DROP DATABASE ${pathname.slice(1)} WITH (FORCE)`);
  await expectNotReady(served, 'database', /database "router_\w+" does not exist: create it/);
  const { report } = await served.readyz();
  expect(Object.values(report.checks).map(({ ok }) => ok)).toEqual([false, false, false, false]);
  if (password !== '') expect(JSON.stringify(report)).not.toContain(password);
});

test('a database that a newer version has migrated is named with what to do', async () => {
  await using database = await createDatabase();
  await using served = await startChecked({ DATABASE_URL: database.url }, (context) =>
    baseChecks(context, []),
  );
  await expectReady(served);
  const { report } = await served.readyz();
  expect(report.checks['schema']).toMatchObject({ revision: expect.stringMatching(/^\d{6}_\w+$/) });
  await sql`INSERT INTO kysely_migration (name, timestamp) VALUES ('999999_later.breaking', '')`.execute(
    database.db,
  );
  await expectNotReady(served, 'schema', /999999_later\.breaking.*run the newer version/);
});

test('what happened while nobody ran must be read first, once', async () => {
  await using database = await createDatabase();
  const { db } = database;
  const cursor = await newCursor(db, 'dydx1late');
  const order = await signed(db, {}, { owner: 'dydx1late' });
  await using served = await startChecked({ DATABASE_URL: database.url }, (context) => [
    caughtUpCheck(context),
  ]);
  await expectNotReady(served, 'caught_up', /^1 subaccounts with active orders .* is a reconciler running/);
  await bookReport(db, reportOf(cursor, [fillOf(order)], 112), 1);
  await expectReady(served);
  // An order on a subaccount that was not read for long is no reason any more.
  await newCursor(db, 'dydx1other');
  await sql`UPDATE reconcile_cursors SET updated_at = now() - interval '1 day'`.execute(db);
  await signed(db, {}, { owner: 'dydx1other' });
  await expectReady(served);
});

test('a queue that does not answer is told as such', async () => {
  await using database = await createDatabase();
  const queues = chooseBackend({ redisUrl: 'redis://:hunter2@127.0.0.1:1', databaseUrl: database.url });
  onTestFinished(queues.close);
  await using served = await startChecked({ DATABASE_URL: database.url }, (context) =>
    baseChecks({ ...context, queues }, []),
  );
  await expectNotReady(served, 'queue', /./);
  expect(JSON.stringify(await served.readyz())).not.toContain('hunter2');
});

test.each([
  [9_000, /this clock is [89]\.\d s ahead of the database's: synchronize/],
  [-9_000, /this clock is (9|8|10)\.\d s behind the database's: synchronize/],
])('a clock that is %i ms off the database is not ready', async (offMs, why) => {
  await using database = await createDatabase();
  await using served = await startChecked({ DATABASE_URL: database.url }, (context) =>
    baseChecks(context, [], () => Date.now() + offMs),
  );
  await expectNotReady(served, 'clock', why);
});

test('a queue whose heartbeat is old is not ready until somebody takes one again', async () => {
  await using database = await createDatabase();
  await recordHeartbeat(database.db, ORDERS_QUEUE, new Date());
  await using served = await startChecked({ DATABASE_URL: database.url }, (context) =>
    baseChecks(context, [ORDERS_QUEUE]),
  );
  await expectReady(served);
  await sql`UPDATE queue_heartbeats SET received_at = received_at - interval '1 hour'`.execute(database.db);
  await expectNotReady(
    served,
    'heartbeat_orders',
    /nobody has taken a heartbeat from queue orders for 36\d\d\.\d s: is a worker of it running/,
  );
  await recordHeartbeat(database.db, ORDERS_QUEUE, new Date());
  await expectReady(served);
});

test('a queue that never had a heartbeat is late when the process has waited long enough for one', async () => {
  await using database = await createDatabase();
  await using patient = await startChecked({ DATABASE_URL: database.url }, (context) =>
    baseChecks(context, [ORDERS_QUEUE]),
  );
  await using impatient = await startChecked(
    { DATABASE_URL: database.url, HEARTBEAT_MAX_AGE_MS: '100', SWEEP_INTERVAL_MS: '50' },
    (context) => baseChecks(context, [ORDERS_QUEUE]),
  );
  await expectNotReady(impatient, 'heartbeat_orders', /nobody has taken a heartbeat/);
  await expectReady(patient);
});

async function startVenue(
  options: {
    readonly paper?: PaperOptions;
    readonly now?: () => number;
    readonly monotonicMs?: () => number;
    readonly needsTxIndex?: boolean;
  } = {},
) {
  const database = await createDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  const paper = await startPaper({ blockMs: 50, ...options.paper });
  onTestFinished(paper.close);
  const settings = {
    DATABASE_URL: database.url,
    DYDX_VALIDATOR_URLS: paper.url,
    DYDX_INDEXER_URL: paper.url,
  };
  const { config } = readConfig(settings);
  const validator = openValidator(config, silent);
  const indexer = openIndexer(config, silent, noTelemetry);
  const heights = createHeightFeed({
    validator,
    intervalMs: 10,
    maxAgeMs: 15_000,
    onError: () => {},
    ...(options.now ? { now: options.now } : {}),
    ...(options.monotonicMs ? { monotonicMs: options.monotonicMs } : {}),
  });
  heights.start();
  onTestFinished(async () => {
    await heights.stop();
    await Promise.all([validator.close(), indexer.close()]);
  });
  const indexerHeight = rememberHeight(indexer);
  const { needsTxIndex = false, now } = options;
  const served = await startChecked(settings, () =>
    venueChecks({ validator, chainId: 'dydx-paper-1', heights, needsTxIndex, indexerHeight }, now),
  );
  onTestFinished(() => served[Symbol.asyncDispose]());
  return { served, paper, indexerHeight };
}

test('a validator of another chain is not ready', async () => {
  const { served } = await startVenue({ paper: { chainId: 'dydx-other-1' } });
  await expectNotReady(served, 'chain', /on chain dydx-other-1, not dydx-paper-1: check DYDX_VALIDATOR_URLS/);
});

test.each([
  [60_000, /the chain's newest block was \d\d\.\d s old .* or this clock is ahead/],
  [-60_000, /the chain's newest block is \d\d\.\d s in the future: this clock is behind/],
])('a clock that is %i ms off the blocks is not ready', async (offMs, why) => {
  const { served } = await startVenue({ now: () => Date.now() + offMs });
  await expectNotReady(served, 'chain_clock', why);
});

test('a clock that is set back while the process runs is not ready', async () => {
  let offMs = 0;
  const { served } = await startVenue({ now: () => Date.now() + offMs });
  await expectReady(served);
  offMs = -3_600_000;
  await expectNotReady(
    served,
    'chain_clock',
    /the chain's newest block is 3\d{3}\.\d s in the future: this clock is behind/,
  );
});

test('a process that proves where transactions are is not ready without a node that indexes them', async () => {
  const { served, paper } = await startVenue({ needsTxIndex: true });
  await expectReady(served);
  paper.setNode(0, { tx_index: false });
  await expectNotReady(served, 'tx_index', /set tx_index = "kv" on a node of DYDX_VALIDATOR_URLS/);
});

test('a chain that stands still is not ready, although its node answers', async () => {
  let offMs = 0;
  const { served, paper } = await startVenue({
    paper: { blockMs: 0 },
    monotonicMs: () => performance.now() + offMs,
  });
  paper.produceBlock();
  await expectReady(served);
  offMs = 60_000;
  await expectNotReady(served, 'height', /no new block for \d+\.\d s: the chain stands still/);
});

test('a venue that is away is not ready; it is again when it is back', async () => {
  const { served, paper, indexerHeight } = await startVenue();
  await expectReady(served);
  // The node answers for its chain only; what the feed knows is still young.
  paper.faults.add({ on: 'rpc', action: 'http_502' });
  paper.faults.add({ on: 'indexer', action: 'http_502' });
  await expectNotReady(served, 'chain', /status failed at 127\.0\.0\.1:\d+: HTTP 502/);
  expect((await served.readyz()).report.checks['indexer']?.ok).toBe(true);
  await expect(indexerHeight.known(-1)).rejects.toThrow('HTTP 502');
  paper.faults.clear();
  await expectReady(served);
});
