// `router bench --reconcile`: how soon the truth is in the rows, and what it costs. One table for people, one object for
// machines.
import {
  benchReconcile,
  type ReconcileBenchOptions,
  type ReconcileBenchResult,
} from '../kit/bench/reconcile-bench.ts';
import { table } from './output.ts';
import { runMeasured } from './run-measured.ts';

/** @returns the exit code: 0; 1 when an order ended wrong or not at all; 130 interrupted */
export function runBenchReconcile({
  json,
  ...options
}: ReconcileBenchOptions & { readonly json: boolean }): Promise<number> {
  return runMeasured({
    json,
    measure: (signal, onStage) => benchReconcile(options, signal, onStage),
    asText,
    verdictOf: ({ reconcile: { settle, fills, wrong } }) => ({
      wrong,
      findings: [...settle, ...(fills === null ? [] : [fills])].flatMap(({ findings }) => findings),
    }),
  });
}

function asText({ reconcile: result }: ReconcileBenchResult): string {
  const settings = Object.entries(result.settings).map(([name, value]) => `${name}=${value}`);
  return [
    table([
      ['measured', 'figure', 'CPU ms: reconciler + PostgreSQL', 'indexer', "others' CPU"],
      ...rowsOf(result),
    ]),
    '',
    'settled: s from the block that ends the orders until the first / half / the last of them, CPU an order. fill → row: p50 / p99 in ms from',
    'the time of its block until the commit, CPU an order. idle: CPU and requests a subaccount and minute, those without any taken off.',
    `queue ${result.queue}, blocks of ${result.block_ms} ms, seed ${result.seed}, ${settings.join(' ') || 'settings as they are by themselves'}; ${Object.entries(
      result.machine,
    )
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`,
  ].join('\n');
}

function rowsOf({ settle, fills, idle }: ReconcileBenchResult['reconcile']): string[][] {
  return [
    ...settle.map((run) => [
      `${run.orders} orders on ${run.subaccounts} subaccounts, reconcilers: ${run.reconcilers}`,
      `settled ${run.settle_first_s} / ${run.settle_half_s} / ${run.settle_s} s, wrong ${run.wrong}`,
      `${run.cpu_ms_per_order.reconciler} + ${run.cpu_ms_per_order.postgres}`,
      requestsOf(run.requests),
      percent(run.foreign),
    ]),
    ...(fills === null
      ? []
      : [
          [
            `${fills.fills} fills at ${fills.orders_per_s} orders/s, reconcilers: ${fills.reconcilers}`,
            `fill → row ${fills.fill_to_row_ms?.p50 ?? '-'} / ${fills.fill_to_row_ms?.p99 ?? '-'} ms, wrong ${fills.wrong}`,
            `${fills.cpu_ms_per_order['reconciler']} + ${fills.cpu_ms_per_order['postgres']}`,
            '-',
            percent(fills.cores.foreign),
          ],
        ]),
    ...(idle === null
      ? []
      : [
          [
            `${idle.subaccounts} idle subaccounts for ${idle.with.seconds} s`,
            'each, a minute:',
            `${idle.cpu_ms_per_idle_subaccount_minute.reconciler} + ${idle.cpu_ms_per_idle_subaccount_minute.postgres}`,
            `${idle.requests_per_idle_subaccount_minute} requests`,
            percent(idle.with.foreign),
          ],
        ]),
  ];
}

function requestsOf(requests: Readonly<Record<string, number>>): string {
  return `${Object.values(requests).reduce((sum, count) => sum + count, 0)} requests`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
