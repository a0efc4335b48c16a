// What the turns of all layouts come to, each beside the first.
import { sql } from 'kysely';
import type { Database } from '../src/store/database.ts';
import { medianOf } from './measure.ts';
import { printTable, sizesOf } from './report.ts';
import { type Cost, type Measured, type Run, WRITES, type Write } from './write-rounds.ts';

export type Result = Measured & {
  readonly layout: string;
  /** how many times that of the first layout in the same round; medians */
  readonly ratio: Readonly<
    Record<'insertsPerSecond' | 'updatesPerSecond' | 'cpuMicros' | 'walBytes', number>
  >;
  /** of the updates of orders and of attempts, the share that touched no index */
  readonly hotShare: Readonly<Record<string, number>>;
  readonly sizes: Awaited<ReturnType<typeof sizesOf>>;
};

export async function resultOf({ layout, db, measured }: Run, ours: Run): Promise<Result> {
  const overRounds = (of: (round: Measured) => number) => medianOf(measured.map(of));
  const times = (of: (round: Measured) => number) =>
    medianOf(measured.map((round, index) => of(round) / of(ours.measured[index] ?? round)));
  const cost = (name: Write) => ({
    perSecond: overRounds((round) => round[name].perSecond),
    cpuMicros: overRounds((round) => round[name].cpuMicros),
    walBytes: overRounds((round) => round[name].walBytes),
  });
  return {
    layout: layout.name,
    record: cost('record'),
    accept: cost('accept'),
    fill: cost('fill'),
    ratio: {
      insertsPerSecond: times((round) => round.record.perSecond),
      updatesPerSecond: times((round) => 1 / (1 / round.accept.perSecond + 1 / round.fill.perSecond)),
      cpuMicros: times((round) => sumOf(round, 'cpuMicros')),
      walBytes: times((round) => sumOf(round, 'walBytes')),
    },
    hotShare: await hotShareOf(db),
    sizes: await sizesOf(db),
  };
}

/** Over the life of an order. */
function sumOf(costs: Measured, what: 'cpuMicros' | 'walBytes'): number {
  return WRITES.reduce((sum, name) => sum + costs[name][what], 0);
}

async function hotShareOf(db: Database): Promise<Record<string, number>> {
  await sql`SELECT pg_stat_force_next_flush()`.execute(db);
  const { rows } = await sql<{ name: string; share: number }>`
    SELECT relname AS name, n_tup_hot_upd::float8 / n_tup_upd AS share FROM pg_stat_user_tables
    WHERE relname IN ('orders', 'order_attempts') AND n_tup_upd > 0`.execute(db);
  return Object.fromEntries(rows.map(({ name, share }) => [name, share]));
}

export function printResults(results: readonly Result[]): void {
  const times = (ratio: number) => `× ${ratio.toFixed(2)}`;
  const percent = (share: number | undefined) => `${Math.round(100 * (share ?? 0))} %`;
  const megabytes = (table: Readonly<Record<string, number>> | undefined) => {
    const { rows: _, table_mb = 0, ...indexes } = table ?? {};
    const inIndexes = Object.values(indexes).reduce((sum, mb) => sum + mb, 0);
    return `${table_mb.toFixed(0)} + ${inIndexes.toFixed(0)}`;
  };
  const cpu = (cost: Cost) => cost.cpuMicros.toFixed(0);
  printTable(
    [
      'layout',
      ...WRITES.map((write) => `${write}/s`),
      'inserts',
      'updates',
      'CPU µs/order',
      '',
      'WAL B/order',
      '',
    ],
    results.map((result) => [
      result.layout,
      ...WRITES.map((write) => result[write].perSecond.toFixed(0)),
      times(result.ratio.insertsPerSecond),
      times(result.ratio.updatesPerSecond),
      WRITES.map((write) => cpu(result[write])).join(' + '),
      times(result.ratio.cpuMicros),
      WRITES.map((write) => result[write].walBytes.toFixed(0)).join(' + '),
      times(result.ratio.walBytes),
    ]),
  );
  printTable(
    ['layout', 'HOT updates of orders', 'of attempts', 'orders MB', 'history MB'],
    results.map(({ layout, hotShare, sizes }) => [
      layout,
      percent(hotShare['orders']),
      percent(hotShare['order_attempts']),
      megabytes(sizes['orders']),
      megabytes(sizes['order_status_history']),
    ]),
  );
  console.log(
    '\n×: against the first layout in the same round (median). CPU of the server process, WAL: record + accept + fill.\nMB: table + its indexes.',
  );
}
