// `npm run bench:archive`: how fast old orders move into the archive, with everything that belongs to them and both sides
// compared, at two sizes; and what submission beside a paced run feels of it. On a durable server of its own, which is
// thrown away. Exits 1 when a target is missed or a row is lost.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { wholeNumber } from '../src/cli/whole-number.ts';
import { coreCount, cpuSecondsOf, machineCpuSeconds } from '../src/kit/bench/cpu.ts';
import { SERVER_SETTINGS } from '../src/kit/bench/machine.ts';
import { seedOrders } from '../src/kit/bench/seed-orders.ts';
import { archive } from '../src/store/archive.ts';
import { type Database, openDatabase } from '../src/store/database.ts';
import { runTask } from '../src/store/maintenance.ts';
import { type BenchServer, LOADING, makeDatabase, startBenchServer } from './database.ts';
import { type Spread, spreadOf } from './measure.ts';
import { machineFacts, printTable } from './report.ts';
import { benchCommand, runBench } from './run.ts';
import { submitFor } from './submission.ts';

type Options = {
  orders: number;
  smaller: number;
  seed: number;
  seconds: number;
  rate: number;
  json: boolean;
};

const TARGET_PER_SECOND = 8_000;
const TARGET_MS = 250;
const TARGET_RATIO = 2;
/** Every seeded order is older than that. */
const OLDER_THAN_DAYS = 1;

const options = benchCommand('bench:archive', 'Times the archive.', 1_000_000)
  .option('--smaller <n>', 'the size to compare with, for cost that grows; 0: none', wholeNumber(0), 100_000)
  .option(
    '--seconds <n>',
    'of submission, alone and beside the paced archive; 0: none',
    wholeNumber(0, 600),
    20,
  )
  .option('--rate <n>', 'orders/s of submission', wholeNumber(1, 2_000), 200)
  .option('--json', 'one JSON object, the last line of standard output', false)
  .parse()
  .opts<Options>();
await runBench((signal) => benchArchive(options, signal));

function nameOf(size: number): string {
  return `bench_archive_${size}`;
}

type Archived = {
  readonly orders: number;
  readonly rows: number;
  readonly perSecond: number;
  /** of the server, an order: a figure that others on the machine distort least */
  readonly cpuUs: number;
  /** of all processors, what neither the server nor this process had */
  readonly othersPercent: number;
  /** of each transaction, with its round trip, in ms */
  readonly transactions: Spread;
};

async function benchArchive(
  { orders, smaller, seed, seconds, rate, json }: Options,
  signal: AbortSignal,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-archive-'));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const sizes = smaller > 0 ? [smaller, orders] : [orders];
  const loading = await startBenchServer(folder, LOADING, signal);
  opened.defer(loading.stop);
  for (const size of sizes) {
    console.error(`seeding ${size} orders, seed ${seed}`);
    await makeDatabase(loading, nameOf(size), (url) =>
      seedOrders(url, { orders: size, seed, hasActive: false }),
    );
  }
  await loading.stop();
  const server = await startBenchServer(folder, SERVER_SETTINGS, signal);
  opened.defer(server.stop);
  const serverPid = Number(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
  const archived: Archived[] = [];
  for (const size of sizes) {
    // What is loaded without a care is written now, and not while it is measured.
    await server.administer('CHECKPOINT');
    archived.push(await archiveAll(server, serverPid, size, signal));
    console.error(JSON.stringify(archived.at(-1)));
  }
  const beside = seconds > 0 ? await besideSubmission(server, { seed, seconds, rate }, signal) : undefined;
  const db = openDatabase({ url: server.urlOf(nameOf(orders)), maxConnections: 1 });
  opened.defer(() => db.destroy());
  const facts = { ...(await machineFacts(db)), seed, orders };
  const missed = missedOf(archived, beside);
  print(facts, archived, beside, missed);
  if (json) console.log(JSON.stringify({ ...facts, archived, beside, missed }));
  return missed.length === 0 ? 0 : 1;
}

/** Throws when one row is missing or doubled. */
async function archiveAll(
  server: BenchServer,
  serverPid: number,
  size: number,
  signal: AbortSignal,
): Promise<Archived> {
  const url = server.urlOf(nameOf(size));
  const db = openDatabase({ url, maxConnections: 2, isUnhurried: true });
  try {
    const before = await rowsOf(db, '');
    const usage = startUsage(serverPid);
    const { ms, transactions, counts } = await run(db, url, false, signal);
    const { serverS, othersPercent } = usage(ms);
    const after = await rowsOf(db, '_archive');
    if (JSON.stringify(before) !== JSON.stringify(after) || counts !== size)
      throw new Error(`${JSON.stringify(before)} rows were there, ${JSON.stringify(after)} are archived`);
    const rows = Object.values(after).reduce((sum, count) => sum + count, 0);
    const perSecond = Math.round((size / ms) * 1000);
    const cpuUs = Math.round((serverS * 1e6) / size);
    return { orders: size, rows, perSecond, cpuUs, othersPercent, transactions: spreadOf(transactions) };
  } finally {
    await db.destroy();
  }
}

/** @returns what was used until it is called */
function startUsage(serverPid: number) {
  const read = () => ({
    server: cpuSecondsOf(serverPid),
    machine: machineCpuSeconds(),
    own: process.cpuUsage(),
  });
  const before = read();
  return (ms: number) => {
    const after = read();
    const serverS = after.server - before.server;
    const { user, system } = process.cpuUsage(before.own);
    const othersS = after.machine - before.machine - serverS - (user + system) / 1e6;
    const othersPercent = Math.max(0, Math.round((othersS * 1e5) / (ms * coreCount())));
    return { serverS, othersPercent };
  };
}

async function rowsOf(db: Database, suffix: '' | '_archive'): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of ['orders', 'order_status_history', 'order_fills', 'order_attempts']) {
    const { rows } = await sql<{ count: number }>`
      SELECT count(*)::int AS count FROM ${sql.table(`${table}${suffix}`)}`.execute(db);
    counts[table] = rows[0]?.count ?? 0;
  }
  return counts;
}

/** A run as the command makes it. @returns how long it took, and each of its transactions */
async function run(db: Database, url: string, isPaced: boolean, signal: AbortSignal) {
  const transactions: number[] = [];
  const work = archive({
    olderThanDays: OLDER_THAN_DAYS,
    isPaced,
    url,
    onBatch: (ms) => void transactions.push(ms),
  });
  const startedMs = performance.now();
  const ended = await runTask({ db, url, task: 'archive', startedBy: 'bench', signal }, work);
  if (ended.outcome === 'busy') throw new Error('another run is at it');
  return { ms: performance.now() - startedMs, transactions, counts: Number(ended.counts['orders']) };
}

type Beside = {
  readonly rate: number;
  readonly idle: Spread;
  readonly archiving: Spread;
  readonly archivedPerSecond: number;
  readonly transactions: Spread;
};

/** On a database of its own: as large as the time needs. */
async function besideSubmission(
  server: BenchServer,
  { seed, seconds, rate }: { readonly seed: number; readonly seconds: number; readonly rate: number },
  signal: AbortSignal,
): Promise<Beside> {
  const size = seconds * 3_000;
  console.error(`seeding ${size} orders for the paced run`);
  await makeDatabase(server, nameOf(0), (url) => seedOrders(url, { orders: size, seed, hasActive: false }));
  await server.administer('CHECKPOINT');
  const url = server.urlOf(nameOf(0));
  const db = openDatabase({ url, maxConnections: 4 });
  try {
    const window = { seconds, rate, seed };
    await submitFor(db, { ...window, seconds: Math.min(5, seconds), from: 0 }, signal);
    const idle = await submitFor(db, { ...window, from: 1_000_000 }, signal);
    const end = new AbortController();
    const startedMs = performance.now();
    const running = run(db, url, true, AbortSignal.any([signal, end.signal]));
    const archiving = await submitFor(db, { ...window, from: 2_000_000 }, signal);
    end.abort(new Error('the window is over'));
    const { transactions, counts } = await running;
    const archivedPerSecond = Math.round((counts / (performance.now() - startedMs)) * 1000);
    return { rate, idle, archiving, archivedPerSecond, transactions: spreadOf(transactions) };
  } finally {
    await db.destroy();
  }
}

function missedOf(archived: readonly Archived[], beside: Beside | undefined): string[] {
  const missed: string[] = [];
  for (const { orders, perSecond, transactions } of archived) {
    if (perSecond < TARGET_PER_SECOND) missed.push(`${orders}: ${perSecond} orders/s`);
    if (transactions.p99 > TARGET_MS)
      missed.push(`${orders}: p99 of a transaction ${Math.round(transactions.p99)} ms`);
  }
  if (beside !== undefined && beside.archiving.p99 > TARGET_RATIO * beside.idle.p99)
    missed.push(
      `p99 of submission ${beside.archiving.p99.toFixed(1)} ms instead of ${beside.idle.p99.toFixed(1)} ms`,
    );
  return missed;
}

function print(
  facts: Awaited<ReturnType<typeof machineFacts>>,
  archived: readonly Archived[],
  beside: Beside | undefined,
  missed: readonly string[],
): void {
  for (const [name, value] of Object.entries(facts)) console.log(`${name.padEnd(9)} ${value}`);
  const inMs = ({ p50, p99, max }: Spread) => [p50, p99, max].map((value) => value.toFixed(1));
  printTable(
    ['archived', 'rows', 'orders/s', 'CPU µs', 'others %', 'transactions', 'p50 ms', 'p99 ms', 'max ms'],
    archived.map(({ orders, rows, perSecond, cpuUs, othersPercent, transactions }) => [
      ...[orders, rows, perSecond, cpuUs, othersPercent, transactions.calls].map(String),
      ...inMs(transactions),
    ]),
  );
  if (beside !== undefined)
    printTable(
      [`submission, ${beside.rate}/s`, 'p50 ms', 'p99 ms', 'max ms'],
      [
        ['alone', ...inMs(beside.idle)],
        [`beside the paced archive (${beside.archivedPerSecond}/s)`, ...inMs(beside.archiving)],
      ],
    );
  for (const line of missed) console.log(`missed: ${line}`);
}
