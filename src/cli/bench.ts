// `router bench`: what this machine carries, and what of it is whose. One table for people, one object for machines.
import type { BenchOptions, BenchResult, NamedRun } from '../kit/bench/bench.ts';
import { bench } from '../kit/bench/bench.ts';
import type { Percentiles } from '../kit/bench/pipeline.ts';
import { table } from './output.ts';
import { runMeasured } from './run-measured.ts';

/** @returns the exit code: 0; 1 when an order ended wrong; 130 interrupted */
export function runBench({ json, ...options }: BenchOptions & { readonly json: boolean }): Promise<number> {
  return runMeasured({
    json,
    measure: (signal, onStage) => bench(options, signal, onStage),
    asText,
    verdictOf: ({ runs, wrong }) => ({
      wrong,
      findings: runs.flatMap(({ name, findings }) => findings.map((found) => `${name}: ${found}`)),
    }),
  });
}

function asText(result: BenchResult): string {
  const processes = [
    ...new Set(result.runs.flatMap(({ cpu_ms_per_order }) => Object.keys(cpu_ms_per_order))),
  ];
  const baselines = Object.entries(result.baselines).map(([name, figures]) => [
    name,
    String(figures.orders_per_s),
    '-',
    '-',
    '-',
    String(figures.round_trips_per_order),
    '-',
    '-',
    `${figures.cpu_ms_per_order} its worker`,
  ]);
  return [
    table([
      [
        'run',
        'orders/s',
        'add → send',
        'add → answer',
        'add → FILLED',
        'trips',
        'commits',
        'wrong',
        'CPU ms an order',
      ],
      ...result.runs.map((run) => rowOf(run, processes)),
      ...baselines,
    ]),
    '',
    `add → …: p50 / p99 in ms. trips: placements sent per order (of a baseline: requests to the node). CPU: ${processes.join(' + ')}.`,
    ...(result.ratio === null ? [] : [`${result.ratio} times naive, in this run`]),
    `queue ${result.queue}, seed ${result.seed}; ${Object.entries(result.machine)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`,
  ].join('\n');
}

function rowOf(run: NamedRun, processes: readonly string[]): string[] {
  const { latency_ms: latency, cpu_ms_per_order: cpu } = run;
  return [
    run.name,
    String(run.orders_per_s),
    both(latency.enqueue_to_send),
    both(latency.enqueue_to_answer),
    both(latency.enqueue_to_filled),
    String(run.round_trips_per_order),
    String(run.commits_per_order),
    String(run.wrong),
    processes.map((name) => (cpu[name] ?? 0).toFixed(2)).join(' + '),
  ];
}

function both(percentiles: Percentiles | null): string {
  return percentiles === null ? '-' : `${percentiles.p50} / ${percentiles.p99}`;
}
