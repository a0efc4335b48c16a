// `router bench --reconcile`: what proof costs. Orders that all end in one block, subaccounts on which nothing happens,
// and the time from a fill on chain to its row.
import { sql } from 'kysely';
import type { Database } from '../../store/database.ts';
import { type QueueKind, type Servers, startServers } from '../lab/servers.ts';
import { type IdleFigures, runIdle } from './idle-run.ts';
import { describeMachine, type Machine, SERVER_SETTINGS, signatureMicroseconds } from './machine.ts';
import { type Percentiles, type PipelineFigures, runPipeline } from './pipeline.ts';
import { round } from './reconciler-usage.ts';
import { runSettle, type SettleFigures } from './settle-run.ts';

export type ReconcileBenchOptions = {
  readonly queue: QueueKind;
  /** that end in the same block; 0: not measured */
  readonly orders: number;
  readonly subaccounts: number;
  /** how many settle them in a second run, and book the fills; the first run is with one */
  readonly reconcilers: number;
  /** 0: not measured */
  readonly idle: number;
  /** orders/s that cross; 0: not measured */
  readonly fillRate: number;
  readonly seconds: number;
  readonly warmUpS: number;
  readonly blockMs: number;
  readonly seed: number;
  /** of the router's processes, over what they have by themselves */
  readonly settings: Readonly<Record<string, string>>;
};

type FillFigures = {
  readonly orders_per_s: number;
  readonly reconcilers: number;
  readonly fills: number;
  /** from the time of the fill's block until the commit of its row */
  readonly fill_to_row_ms: Percentiles | null;
} & Pick<
  PipelineFigures,
  'cpu_ms_per_order' | 'requests_per_order' | 'cores' | 'orders_checked' | 'wrong' | 'findings'
>;

export type ReconcileBenchResult = {
  readonly reconcile: {
    readonly settle: readonly SettleFigures[];
    readonly idle: IdleFigures | null;
    readonly fills: FillFigures | null;
    /** over all runs; 0, or the bench has failed */
    readonly wrong: number;
    readonly settings: Readonly<Record<string, string>>;
    readonly queue: QueueKind;
    readonly block_ms: number;
    readonly seed: number;
    readonly machine: Machine;
  };
};

/** Throws the signal's reason when it is broken off; whatever it started has ended then. */
export async function benchReconcile(
  options: ReconcileBenchOptions,
  signal: AbortSignal,
  onStage: (stage: string) => void,
): Promise<ReconcileBenchResult> {
  const { queue, settings, blockMs, seed } = options;
  onStage('starting the servers');
  await using servers = await startServers({
    queue,
    postgresSettings: [...SERVER_SETTINGS, 'track_commit_timestamp=on'],
    signal,
  });
  const signatureBefore = signatureMicroseconds();
  const settle: SettleFigures[] = [];
  for (const reconcilers of options.orders > 0 ? new Set([1, options.reconcilers]) : []) {
    const name = `${options.orders} orders, reconcilers: ${reconcilers}`;
    const stage = (what: string) => onStage(`${name}: ${what}`);
    settle.push(await runSettle(servers, { ...options, reconcilers, signal, onStage: stage }));
  }
  const fills = options.fillRate > 0 ? await measureFills(servers, options, signal, onStage) : null;
  const idle =
    options.idle > 0
      ? await runIdle(servers, {
          ...options,
          subaccounts: options.idle,
          signal,
          onStage: (stage) => onStage(`idle, ${stage}`),
        })
      : null;
  const wrong = settle.reduce((sum, run) => sum + run.wrong, fills?.wrong ?? 0);
  const machine = describeMachine(servers.postgres.version, signatureBefore);
  return { reconcile: { settle, idle, fills, wrong, settings, queue, block_ms: blockMs, seed, machine } };
}

/** As a small desk has them. */
const FILLED_SUBACCOUNTS = 4;

async function measureFills(
  servers: Servers,
  options: ReconcileBenchOptions,
  signal: AbortSignal,
  onStage: (stage: string) => void,
): Promise<FillFigures> {
  const { reconcilers } = options;
  const booked: { fills: number; percentiles: Percentiles | null }[] = [];
  const run = await runPipeline(servers, {
    ...options,
    mode: 'jobs',
    perCall: 1,
    pace: { rate: options.fillRate },
    submitters: 1,
    subaccounts: FILLED_SUBACCOUNTS,
    signal,
    onStage: (stage) => onStage(`fills, ${options.fillRate}/s: ${stage}`),
    inspect: async (db, since, until) => {
      booked.push(await fillToRow(db, since, until));
    },
  });
  const { cpu_ms_per_order, requests_per_order, cores, orders_checked, wrong, findings } = run;
  return {
    orders_per_s: options.fillRate,
    reconcilers,
    fills: booked[0]?.fills ?? 0,
    fill_to_row_ms: booked[0]?.percentiles ?? null,
    ...{ cpu_ms_per_order, requests_per_order, cores, orders_checked, wrong, findings },
  };
}

/** Of the fills whose block is of that time. */
async function fillToRow(db: Database, since: Date, until: Date) {
  const { rows } = await sql<{ fills: string; ms: number[] | null }>`
    SELECT count(*) AS fills, percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
      ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin) - filled_at)::float8 * 1000) AS ms
    FROM order_fills WHERE filled_at >= ${since} AND filled_at < ${until}`.execute(db);
  const [p50, p99] = rows[0]?.ms ?? [];
  const percentiles =
    p50 === undefined || p99 === undefined ? null : { p50: round(p50, 1), p99: round(p99, 1) };
  return { fills: Number(rows[0]?.fills ?? 0), percentiles };
}
