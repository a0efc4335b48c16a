// One measured run of the whole router: producer, queue, submitters, exchange, reconciler, database, all on this
// machine, each a process of its own. Warm-up, then a window in which everything is counted, then the books.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../store/database.ts';
import { freePort } from '../lab/free-port.ts';
import type { Servers } from '../lab/servers.ts';
import { openSite, type Site } from '../lab/site.ts';
import type { WorkerProcess } from '../lab/worker-process.ts';
import { type Books, checkBooks, untilSettled } from './books.ts';
import { coreCount, cpuSecondsOf, machineCpuSeconds } from './cpu.ts';
import { startExchange } from './exchange.ts';
import { type Buckets, bucketsOf, quantileOf, sumOf } from './histogram.ts';
import type { LoadMode, LoadSpec } from './load-process.ts';
import { countOrders, countRequests, type Requests } from './requests.ts';

export type PipelineOptions = {
  readonly mode: LoadMode;
  readonly perCall: number;
  readonly pace: LoadSpec['pace'];
  readonly submitters: number;
  /** default 1 */
  readonly reconcilers?: number;
  readonly warmUpS: number;
  readonly seconds: number;
  readonly seed: number;
  readonly blockMs: number;
  readonly subaccounts: number;
  /** of the router's processes, over what they have by themselves */
  readonly settings?: Readonly<Record<string, string>>;
  /** Runs on the site's database before anything starts. */
  readonly prepare?: (site: Site) => Promise<void>;
  /** Runs when every order of the run is final; the window was between the two. */
  readonly inspect?: (db: Database, since: Date, until: Date) => Promise<void>;
  readonly signal: AbortSignal;
  readonly onStage?: (stage: string) => void;
};

/** ms */
export type Percentiles = { readonly p50: number; readonly p99: number };

export type PipelineFigures = {
  readonly mode: LoadMode;
  readonly submitters: number;
  readonly window_s: number;
  /** became FILLED within the window */
  readonly orders: number;
  readonly orders_per_s: number;
  /** from the producer's add to: the bytes leave, the answer is known, the row is FILLED */
  readonly latency_ms: Readonly<
    Record<'enqueue_to_send' | 'enqueue_to_answer' | 'enqueue_to_filled', Percentiles | null>
  >;
  readonly cpu_ms_per_order: Readonly<Record<string, number>>;
  /** share of all cores that was idle, and that was used by processes which are not ours */
  readonly cores: { readonly idle: number; readonly foreign: number };
  /** placements that left, by the exchange's count, per order; of the whole run, in which every order ends */
  readonly round_trips_per_order: number;
  readonly requests_per_order: Readonly<Record<string, number>>;
  readonly commits_per_order: number;
} & Books;

const SETTLE_MS = 60_000;

/** Throws when a process ends by itself. */
export async function runPipeline(servers: Servers, options: PipelineOptions): Promise<PipelineFigures> {
  const { signal, onStage = () => {} } = options;
  await using opened = new AsyncDisposableStack();
  const exchange = await startExchange(servers, options);
  opened.defer(() => exchange.process.stop());
  const site = opened.use(
    await openSite(servers, {
      exchange,
      settings: {
        // The exchange has its own; the router takes all of it.
        RATE_LIMIT_SHARE: '100',
        IOC_GOOD_TIL_BLOCKS: '20',
        ...options.settings,
      },
    }),
  );
  await options.prepare?.(site);
  // Ids of version 7 ascend with time: what was there before is below.
  const firstId = uuidv7();
  onStage('starting');
  const submitters = await Promise.all(
    Array.from({ length: options.submitters }, async () => {
      const port = await freePort();
      return { port, process: site.start('submitter', { PORT: String(port) }) };
    }),
  );
  const reconcilers = Array.from({ length: options.reconcilers ?? 1 }, () => site.start('reconciler'));
  const workers = [...submitters.map(({ process }) => process), ...reconcilers];
  await Promise.all(workers.map(({ ready }) => ready));
  signal.throwIfAborted();
  const load = startLoad(servers, site, exchange.url, options);
  await load.ready;

  const processes: Readonly<Record<string, readonly number[]>> = {
    submitter: submitters.map(({ process }) => process.pid),
    reconciler: reconcilers.map(({ pid }) => pid),
    postgres: [servers.postgres.pid()],
    ...(servers.redis === undefined ? {} : { redis: [servers.redis.pid] }),
    exchange: [exchange.process.pid],
    producer: [load.pid],
  };
  const ports = submitters.map(({ port }) => port);
  onStage('warming up');
  await delay(options.warmUpS * 1_000, undefined, { signal });
  onStage('measuring');
  const before = await sample(site.db, exchange.url, processes, ports);
  await delay(options.seconds * 1_000, undefined, { signal });
  const after = await sample(site.db, exchange.url, processes, ports);
  for (const each of [load, exchange.process, ...workers]) {
    if (each.hasEnded()) throw new Error(`${each.name} ended during the run: ${site.said(1)}`);
  }
  onStage('settling');
  await load.stop();
  await untilSettled(site.db, signal, SETTLE_MS);
  await options.inspect?.(site.db, before.at, after.at);
  onStage('comparing');
  const books = await checkBooks(site.db, exchange.url, firstId);
  return {
    mode: options.mode,
    submitters: options.submitters,
    ...(await figuresOf(site.db, before, after)),
    round_trips_per_order: round((await countOrders(exchange.url)) / books.orders_checked, 4),
    ...books,
  };
}

function startLoad(
  servers: Servers,
  site: Site,
  exchangeUrl: string,
  options: PipelineOptions,
): WorkerProcess {
  const { mode, perCall, pace, subaccounts } = options;
  const spec: LoadSpec = {
    mode,
    perCall,
    pace,
    subaccounts,
    prefix: 'bench',
    databaseUrl: site.urls.worker,
    redisUrl: servers.redis?.url,
    queuePrefix: site.settings['QUEUE_PREFIX'],
    exchangeUrl,
  };
  return site.startProgram([join(import.meta.dirname, 'load-process.ts'), JSON.stringify(spec)]);
}

type Sample = {
  readonly at: Date;
  readonly atMs: number;
  readonly cpu: Readonly<Record<string, number>>;
  readonly machine: number;
  readonly requests: Requests;
  readonly commits: number;
  readonly sends: Buckets;
};

async function sample(
  db: Database,
  exchangeUrl: string,
  processes: Readonly<Record<string, readonly number[]>>,
  ports: readonly number[],
): Promise<Sample> {
  const { rows } = await sql<{ at: Date; commits: string }>`
    SELECT clock_timestamp() AS at, xact_commit AS commits FROM pg_stat_database
    WHERE datname = current_database()`.execute(db);
  const texts = await Promise.all(
    ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the database does not count');
  return {
    at: row.at,
    atMs: performance.now(),
    cpu: Object.fromEntries(
      Object.entries(processes).map(([name, pids]) => [
        name,
        pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0),
      ]),
    ),
    machine: machineCpuSeconds(),
    requests: await countRequests(exchangeUrl),
    commits: Number(row.commits),
    sends: sumOf(texts.map((text) => bucketsOf(text, 'router_enqueue_to_send_seconds'))),
  };
}

async function figuresOf(db: Database, before: Sample, after: Sample) {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const { rows } = await sql<{ orders: string; answer: number[] | null; filled: number[] | null }>`
    WITH f AS (
      SELECT order_id, created_at FROM order_status_history
      WHERE new_status = 'FILLED' AND created_at >= ${before.at} AND created_at < ${after.at}
    )
    SELECT count(*) AS orders,
      percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM a.answered_at - o.enqueued_at)) AS answer,
      percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM f.created_at - o.enqueued_at)) AS filled
    FROM f JOIN orders o ON o.id = f.order_id JOIN order_attempts a ON a.order_id = o.id AND a.attempt = 1`.execute(
    db,
  );
  const orders = Number(rows[0]?.orders ?? 0);
  if (orders === 0)
    throw new Error(
      'no order became FILLED within the window: give it longer, or look at what else runs here',
    );
  const cpu = Object.fromEntries(
    Object.keys(after.cpu).map((name) => [name, (after.cpu[name] ?? 0) - (before.cpu[name] ?? 0)]),
  );
  const ours = Object.values(cpu).reduce((sum, each) => sum + each, 0);
  const cores = coreCount() * seconds;
  const machine = after.machine - before.machine;
  const requests = Object.fromEntries(
    Object.keys(after.requests).map((name) => [
      name,
      (after.requests[name] ?? 0) - (before.requests[name] ?? 0),
    ]),
  );
  const send = (share: number) => quantileOf(before.sends, after.sends, share);
  return {
    window_s: round(seconds, 2),
    orders,
    orders_per_s: round(orders / seconds, 1),
    latency_ms: {
      enqueue_to_send: percentiles([send(0.5), send(0.99)]),
      enqueue_to_answer: percentiles(rows[0]?.answer ?? []),
      enqueue_to_filled: percentiles(rows[0]?.filled ?? []),
    },
    cpu_ms_per_order: mapValues({ ...cpu, all: ours }, (value) => round((value * 1_000) / orders, 4)),
    cores: { idle: round(1 - machine / cores, 3), foreign: round(Math.max(0, machine - ours) / cores, 3) },
    requests_per_order: mapValues(requests, (value) => round(value / orders, 4)),
    commits_per_order: round((after.commits - before.commits) / orders, 4),
  };
}

/** @param seconds p50 and p99 */
function percentiles([p50, p99]: readonly (number | undefined)[]): Percentiles | null {
  if (p50 === undefined || p99 === undefined) return null;
  return { p50: round(Number(p50) * 1_000, 2), p99: round(Number(p99) * 1_000, 2) };
}

function mapValues<Value, Result>(record: Readonly<Record<string, Value>>, map: (value: Value) => Result) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
