// What only the ops process shows: how the database itself fares, and whether its upkeep is done.
import { Gauge, type Registry } from 'prom-client';

type Figures = {
  readonly tables: readonly {
    readonly table: string;
    readonly bytes: number;
    readonly liveRows: number;
    readonly deadRows: number;
    readonly freezeAge: number;
  }[];
  readonly indexes: readonly { readonly table: string; readonly index: string; readonly scans: number }[];
  readonly slowQueries: readonly {
    readonly query_id: string;
    readonly mean_ms: number;
    readonly calls: number;
  }[];
  readonly upkeep: readonly {
    readonly task: string;
    readonly lastDoneAt: Date | null;
    readonly hasFailed: boolean;
    readonly isRunning: boolean;
  }[];
};

export function createDatabaseMetrics(registry: Registry): {
  readonly show: (figures: Figures) => void;
  readonly forget: () => void;
} {
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const bytes = gauge('router_table_bytes', 'with indexes and TOAST; an archive is all its months', 'table');
  const live = gauge('router_table_live_rows', "rows, as the server's statistics estimate", 'table');
  const dead = gauge('router_table_dead_rows', 'rows that VACUUM has still to remove, likewise', 'table');
  const freeze = gauge(
    'router_table_freeze_age',
    'transactions since the oldest row that is not frozen; the server stops at 2^31',
    'table',
  );
  const scans = gauge('router_index_scans', "since the server's statistics were reset", 'table', 'index');
  const mean = gauge('router_slow_query_mean_seconds', 'of the ten slowest on average', 'query_id');
  const calls = gauge('router_slow_query_calls', 'of the same', 'query_id');
  const done = gauge(
    'router_maintenance_last_done_timestamp_seconds',
    'when it was last started and done',
    'task',
  );
  const failed = gauge('router_maintenance_failed', '1: its newest run failed', 'task');
  const running = gauge('router_maintenance_running', '1: a run has not ended', 'task');
  const forget = () => {
    for (const one of [bytes, live, dead, freeze, scans, mean, calls, done, failed, running]) one.reset();
  };
  return {
    show: (figures) => {
      forget();
      for (const { table, ...of } of figures.tables) {
        bytes.set({ table }, of.bytes);
        live.set({ table }, of.liveRows);
        dead.set({ table }, of.deadRows);
        freeze.set({ table }, of.freezeAge);
      }
      for (const { table, index, scans: count } of figures.indexes) scans.set({ table, index }, count);
      for (const { query_id, mean_ms, calls: count } of figures.slowQueries) {
        mean.set({ query_id }, mean_ms / 1000);
        calls.set({ query_id }, count);
      }
      for (const { task, lastDoneAt, hasFailed, isRunning } of figures.upkeep) {
        if (lastDoneAt !== null) done.set({ task }, lastDoneAt.getTime() / 1000);
        failed.set({ task }, hasFailed ? 1 : 0);
        running.set({ task }, isRunning ? 1 : 0);
      }
    },
    forget,
  };
}
