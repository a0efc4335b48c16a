// Recovery to a moment: trade, base backup, trade on, note the moment, damage, recover to it. What is there then is what was
// true, everything is halted, and what the venue remembers and the database has forgotten is booked to no new order.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { audit } from '../../src/app/audit.ts';
import type { Paper } from '../../src/paper/paper.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { everyEvidence, findOrder } from '../../src/store/order-story.ts';
import { serverUser } from '../../src/store/server-user.ts';
import type { TableSums } from '../../src/store/snapshot.ts';
import type { TestDatabase } from '../support/databases.ts';
import type { TestRouter } from '../support/router.ts';
import { binaries, named, type Site, startSite, sumsOf } from './site.ts';
import { routerOn, tradeOn } from './trading.ts';

const started = new AsyncDisposableStack();
afterAll(() => started.disposeAsync());

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'router-recovery-'));
  started.defer(() => rmSync(folder, { recursive: true, force: true }));
  serverUser().own(folder);
  return folder;
}

const order = (client_id: string, price: string) => ({
  client_id,
  tenant_id: 'default',
  market: 'BTC-USD',
  side: 'BUY' as const,
  type: 'LIMIT' as const,
  size: '0.01',
  price,
});
const rowOf = async (db: Database, clientId: string) => (await findOrder(db, 'default', clientId))?.order;
const statusOf = async (db: Database, clientId: string) => (await rowOf(db, clientId))?.status;

/** The submitter has read that the halt is over: what it takes is not refused any more. */
async function untilResumed(router: TestRouter): Promise<void> {
  let tries = 0;
  const tryOne = async () => {
    const probe = { ...order(`probe-${tries++}`, '63000'), good_til_blocks: 40 };
    await router.client.enqueue([probe]);
    await router.settled([probe]);
    return statusOf(router.db, probe.client_id);
  };
  await expect.poll(tryOne).toBe('FILLED');
}

/** What the venue has beside what was known at the moment. */
function forgottenBy(paper: Paper, known: ReadonlySet<string | null>) {
  const truth = paper.truth();
  const orders = truth.orders.filter(({ id }) => !known.has(id));
  const ids = new Set(orders.map(({ id }) => id));
  const fills = truth.fills.filter(({ order_id }) => ids.has(order_id)).map(({ id }) => id);
  return { orders, fills: fills.sort() };
}

async function unexplainedIn(db: Database): Promise<string[]> {
  const rows = await db.selectFrom('unexplained_fills').select('id').execute();
  return rows.map(({ id }) => id).sort();
}

/** What is unproven, or not as at that exchange. */
async function againstTruth(db: Database, paper: Paper): Promise<string[]> {
  const { unproven, mismatched } = await audit(everyEvidence(db), paper.truth());
  return [...unproven.map(({ why }) => why), ...mismatched.map(({ what }) => what)];
}

/** Does it with both processes running, and leaves the database still afterwards. */
async function running(router: TestRouter, work: () => Promise<void>): Promise<void> {
  const services = [await router.submitter(), await router.reconciler()];
  await work();
  for (const service of services) await service.stop();
}

/** The setting as deploy/postgresql.conf has it. */
function deployed(setting: string): string {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'deploy', 'postgresql.conf'), 'utf8');
  const [, value] = new RegExp(`^${setting} = '(.*)'$`, 'm').exec(text) ?? [];
  if (value === undefined) throw new Error(`deploy/postgresql.conf does not set ${setting}`);
  return value;
}

test('a database that is recovered to a moment is what it was then, halted, and mistakes nothing of what it has forgotten', {
  timeout: 240_000,
}, async () => {
  const wal = newFolder();
  const archiveCommand = deployed('archive_command').replaceAll('/backup/wal', wal);
  const site = started.use(await startSite(['archive_mode=on', `archive_command=${archiveCommand}`]));
  const router = started.use(await routerOn(site.database, { paper: { blockMs: 200 } }));
  const { paper } = router;
  await tradeUntil(site, router);
  const then = await whatIsTrue(site);
  await tradeAfter(site, router);
  const forgotten = forgottenBy(paper, then.orders);
  expect(forgotten.orders.length).toBeGreaterThan(10);
  expect(forgotten.fills.length).toBeGreaterThan(3);

  await damage(site, wal);
  const recovered = await recover(site, wal, then.at);
  // Read to the last row, before anybody writes again.
  expect(await sumsOf(recovered.url)).toEqual<TableSums>(then.sums);

  // Workers that find it before the operator does work on nothing.
  const again = started.use(await routerAt(recovered, paper));
  const sentBefore = paper.truth().orders.length;
  const isUnknown = /was on server (\d+), timeline 1, and is on server \1, timeline 2: nothing is signed/;
  await expect(again.submitter()).rejects.toThrow(isUnknown);
  await expect(again.reconciler()).rejects.toThrow(isUnknown);

  const command = (...words: string[]) => site.router(words, { DATABASE_URL: recovered.url });
  const finished = await command('recovered', '--reason', 'tables dropped');
  expect(finished).toMatchObject({ code: 0, stderr: '' });
  expect(finished.stdout).toMatch(/halted.*\nset aside 1 orders.*\n1 short-term orders/);

  await running(again, async () => {
    await nothingLeaves(again, forgotten.fills);
    expect(paper.truth().orders).toHaveLength(sentBefore);
    expect(await command('resume', '--reason', 'compared')).toMatchObject({ code: 0 });
    await untilResumed(again);
    await tradeOn(again, 12, 5, 'after');
    expect(await statusOf(recovered.db, 'unsent')).toBe('PENDING');
    expect(await command('cancel', 'unsent')).toMatchObject({ code: 0 });
  });
  const after = paper.truth().orders.slice(sentBefore);
  expect(after.length).toBeGreaterThan(8);
  // A recovered sequence has skipped 32 blocks, as after every crash: the few ids of a test would not meet without new ones.
  expect(nearest(after, forgotten.orders)).toBeGreaterThan(1_000_000_000);
  await requireHonestBooks(recovered.db, paper, forgotten);
});

/** A base backup in the midst; in the end one order rests, one is on the chain, and one is recorded and not sent yet. */
async function tradeUntil(site: Site, router: TestRouter): Promise<void> {
  const { db } = site;
  await running(router, async () => {
    await tradeOn(router, 8, 1, 'before');
    expect(await site.router(['backup', 'base'])).toEqual({ code: 0, stdout: '', stderr: '' });
    await tradeOn(router, 8, 2, 'between');
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    await router.client.enqueue([{ ...order('on-chain', '50000'), good_til_time: inAnHour }]);
    await expect.poll(async () => (await rowOf(db, 'on-chain'))?.included_height ?? null).not.toBeNull();
    await router.client.enqueue([{ ...order('resting', '57000'), good_til_blocks: 40 }]);
    await expect.poll(() => statusOf(db, 'resting')).toBe('OPEN');
  });
  await router.client.enqueue([{ ...order('unsent', '63000'), good_til_blocks: 40 }], { until: 'recorded' });
}

/** Of a database that nobody writes to. */
async function whatIsTrue({ db, url }: Site) {
  const sums = await sumsOf(url);
  const orders = await db.selectFrom('orders').select('order_id').execute();
  const { rows } = await sql<{ at: string }>`SELECT clock_timestamp()::text AS at`.execute(db);
  return { sums, orders: new Set(orders.map(({ order_id }) => order_id)), at: rows[0]?.at ?? '' };
}

/** What will be forgotten: new orders, and what becomes of those that were there. */
async function tradeAfter(site: Site, router: TestRouter): Promise<void> {
  await running(router, async () => {
    await expect.poll(() => statusOf(site.db, 'unsent')).toBe('FILLED');
    await tradeOn(router, 12, 3, 'forgotten');
    await site.router(['cancel', 'on-chain']);
    await expect.poll(() => statusOf(site.db, 'on-chain')).toBe('CANCELLED');
  });
  expect(await router.findings()).toEqual([]);
}

/** The exchange is the one of before; its own makes no blocks. */
function routerAt(database: TestDatabase, paper: Paper): Promise<TestRouter> {
  const settings = { DYDX_VALIDATOR_URLS: paper.nodes.join(','), DYDX_INDEXER_URL: paper.url };
  // Each forgotten fill would be told.
  return routerOn(database, { paper: { blockMs: 0 }, settings: { ...settings, LOG_LEVEL: 'silent' } });
}

/** Under the halt the venue is read, and what was known comes to the end that it had. */
async function nothingLeaves(router: TestRouter, forgottenFills: readonly string[]): Promise<void> {
  const { db } = router;
  await tradeOn(router, 4, 4, 'halted');
  const halted = await db.selectFrom('orders').selectAll().where('client_id', 'like', 'halted-%').execute();
  expect(halted.map(({ status, attempt_count }) => [status, attempt_count])).toEqual(
    Array(4).fill(['REJECTED', 0]),
  );
  await expect.poll(() => unexplainedIn(db)).toEqual(forgottenFills);
  await expect.poll(() => statusOf(db, 'resting')).toMatch(/^(EXPIRED|FILLED)$/);
  await expect.poll(() => statusOf(db, 'on-chain')).toBe('CANCELLED');
  expect(await statusOf(db, 'unsent')).toBe('PENDING');
}

type WithId = { readonly client_id: number };

/** On the circle of uint32. */
function nearest(some: readonly WithId[], others: readonly WithId[]): number {
  const apart = some.flatMap((one) => others.map((other) => Math.abs(one.client_id - other.client_id)));
  return Math.min(...apart.map((far) => Math.min(far, 2 ** 32 - far)));
}

/** They agree with the exchange for every order that they know, and tell of the others. */
async function requireHonestBooks(
  db: Database,
  paper: Paper,
  forgotten: ReturnType<typeof forgottenBy>,
): Promise<void> {
  const booked = await db.selectFrom('order_fills').select('id').execute();
  expect(booked.filter(({ id }) => forgotten.fills.includes(id))).toEqual([]);
  expect(await unexplainedIn(db)).toEqual(forgotten.fills);
  const unknown = 'the venue has an order that we do not know';
  const findings = await againstTruth(db, paper);
  expect(findings.filter((finding) => finding !== unknown)).toEqual([]);
  expect(findings.filter((finding) => finding === unknown)).toHaveLength(forgotten.orders.length);
}

/** A table dropped and rows deleted by somebody who may; then the server ends, its WAL put away. */
async function damage(site: Site, wal: string): Promise<void> {
  await sql`DROP TABLE order_fills CASCADE`.execute(site.db);
  await sql`ALTER TABLE order_keys DISABLE TRIGGER ALL`.execute(site.db);
  await sql`DELETE FROM order_keys`.execute(site.db);
  const { rows } = await sql<{ file: string }>`SELECT pg_walfile_name(pg_switch_wal()) AS file`.execute(
    site.db,
  );
  await expect.poll(() => existsSync(join(wal, rows[0]?.file ?? ''))).toBe(true);
  await site.cluster[Symbol.asyncDispose]();
}

/** As the run book has it: the base backup into a new data folder, recovery.signal, where WAL is, until when. */
async function recover(site: Site, wal: string, then: string): Promise<TestDatabase> {
  const folder = join(newFolder(), 'postgres');
  const [base = ''] = readdirSync(join(site.folder, 'base'));
  cpSync(join(site.folder, 'base', base), folder, { recursive: true });
  chmodSync(folder, 0o700);
  writeFileSync(join(folder, 'recovery.signal'), '');
  writeFileSync(`${folder}.password`, decodeURIComponent(new URL(site.url).password));
  const server = await startEmbeddedPostgres({
    folder,
    ...(binaries === undefined ? {} : { binaries }),
    settings: [
      `restore_command=cp ${wal}/%f %p`,
      `recovery_target_time=${then}`,
      'recovery_target_action=promote',
      'max_connections=300',
      'fsync=off',
      'autovacuum=off',
    ],
  });
  started.defer(server.stop);
  const url = named(server.url, new URL(site.url).pathname.slice(1));
  const db = openDatabase({ url });
  started.defer(() => db.destroy());
  await expect
    .poll(async () => (await sql<{ is: boolean }>`SELECT pg_is_in_recovery() AS is`.execute(db)).rows)
    .toEqual([{ is: false }]);
  return { url, db, [Symbol.asyncDispose]: async () => {} };
}
