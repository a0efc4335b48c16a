// `router bench`: a row of measured runs on servers of their own, compared within one bench only: machines, and one
// machine from hour to hour, differ by more than systems do. What a signature costs just then is told with the figures.
import { BASELINES, type BaselineName, ensureBaselines } from '../lab/baselines.ts';
import { type QueueKind, type Servers, startServers } from '../lab/servers.ts';
import { type BaselineFigures, runBaseline } from './baseline.ts';
import type { LoadMode } from './load-process.ts';
import { describeMachine, type Machine, SERVER_SETTINGS, signatureMicroseconds } from './machine.ts';
import { type PipelineFigures, type PipelineOptions, runPipeline } from './pipeline.ts';
import { seedOrders } from './seed-orders.ts';

export type BenchOptions = {
  readonly queue: QueueKind;
  readonly modes: readonly LoadMode[];
  /** orders a second of the runs that measure latency; empty: none */
  readonly rates: readonly number[];
  readonly submitters: number;
  readonly seconds: number;
  readonly warmUpS: number;
  /** orders on their way at a time while throughput is measured */
  readonly outstanding: number;
  /** orders that are there before the last run, which repeats the first one; 0: no such run */
  readonly existing: number;
  readonly hasBaselines: boolean;
  readonly blockMs: number;
  readonly seed: number;
};

export type BenchResult = {
  /** of the first mode */
  readonly orders_per_s: number;
  /** from the producer's add until the bytes leave, at the lowest rate */
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly cpu_ms_per_order: Readonly<Record<string, number>>;
  readonly round_trips_per_order: number;
  /** over all runs; 0, or the bench has failed */
  readonly wrong: number;
  readonly baselines: Partial<Readonly<Record<BaselineName, BaselineFigures>>>;
  /** orders_per_s over that of naive; null without baselines */
  readonly ratio: number | null;
  readonly queue: QueueKind;
  readonly seed: number;
  readonly runs: readonly NamedRun[];
  readonly machine: Machine;
};

export type NamedRun = { readonly name: string } & PipelineFigures;

/** What a group, or a call to the door, carries. */
const PER_CALL = 20;
/** Most teams leave it there; more makes neither baseline faster. */
const BASELINE_CONCURRENCY = 64;
/** As a small desk has them: each is a list of fills of its own. */
const SUBACCOUNTS = 4;

/** Throws the signal's reason when it is broken off; whatever it started has ended then. */
export async function bench(
  options: BenchOptions,
  signal: AbortSignal,
  onStage: (stage: string) => void,
): Promise<BenchResult> {
  if (options.hasBaselines) await ensureBaselines(() => onStage('installing the baselines'), signal);
  onStage('starting the servers');
  await using servers = await startServers({
    queue: options.queue,
    postgresSettings: SERVER_SETTINGS,
    signal,
  });
  const signatureBefore = signatureMicroseconds();
  const run = async (name: string, change: Partial<PipelineOptions>): Promise<NamedRun> => {
    const figures = await runPipeline(servers, {
      mode: 'jobs',
      perCall: PER_CALL,
      pace: { outstanding: options.outstanding },
      submitters: options.submitters,
      warmUpS: options.warmUpS,
      seconds: options.seconds,
      seed: options.seed,
      blockMs: options.blockMs,
      subaccounts: SUBACCOUNTS,
      signal,
      onStage: (stage) => onStage(`${name}: ${stage}`),
      ...change,
    });
    return { name, ...figures };
  };
  const runs: NamedRun[] = [];
  const [firstMode, ...otherModes] = options.modes;
  if (firstMode !== undefined) runs.push(await run(firstMode, { mode: firstMode }));
  // Right after what they are compared with: the machine's neighbours come and go.
  const baselines: BenchResult['baselines'] = options.hasBaselines
    ? await runBaselines(servers, options, signal, onStage)
    : {};
  for (const mode of otherModes) runs.push(await run(mode, { mode }));
  const paced: NamedRun[] = [];
  for (const rate of options.rates) paced.push(await run(`at ${rate}/s`, { pace: { rate } }));
  runs.push(...paced);
  if (options.existing > 0) {
    const mode = firstMode ?? 'jobs';
    const prepare = seeding(options, onStage);
    runs.push(await run(`${mode}, ${options.existing} orders before`, { mode, prepare }));
  }
  const [first] = runs;
  if (first === undefined) throw new Error('nothing to measure: give a mode or a rate');
  const latency = (paced[0] ?? first).latency_ms.enqueue_to_send;
  return {
    orders_per_s: first.orders_per_s,
    p50_ms: latency?.p50 ?? null,
    p99_ms: latency?.p99 ?? null,
    cpu_ms_per_order: first.cpu_ms_per_order,
    round_trips_per_order: first.round_trips_per_order,
    wrong: runs.reduce((sum, { wrong }) => sum + wrong, 0),
    baselines,
    ratio: baselines.naive === undefined ? null : ratioOf(first.orders_per_s, baselines.naive.orders_per_s),
    queue: options.queue,
    seed: options.seed,
    runs,
    machine: describeMachine(servers.postgres.version, signatureBefore),
  };
}

async function runBaselines(
  servers: Servers,
  { warmUpS, seconds, blockMs, seed }: BenchOptions,
  signal: AbortSignal,
  onStage: (stage: string) => void,
): Promise<BenchResult['baselines']> {
  const figures: [BaselineName, BaselineFigures][] = [];
  const concurrency = BASELINE_CONCURRENCY;
  for (const name of BASELINES) {
    const measured = { concurrency, warmUpS, seconds, blockMs, seed, signal, onStage };
    figures.push([name, await runBaseline(servers, name, measured)]);
  }
  return Object.fromEntries(figures);
}

function seeding(
  { existing, seed }: BenchOptions,
  onStage: (stage: string) => void,
): NonNullable<PipelineOptions['prepare']> {
  return ({ urls }) =>
    seedOrders(urls.admin, { orders: existing, seed, hasActive: false }, (orders) =>
      onStage(`${orders} of ${existing} orders seeded`),
    );
}

function ratioOf(ours: number, theirs: number): number {
  return Number((ours / theirs).toFixed(2));
}
