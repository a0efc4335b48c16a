// The metrics of one process, in a registry of its own: what its telemetry counts, and what is asked when it is
// scraped. docs/metrics.md says what each of them means; a test compares.
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import packageJson from '../../package.json' with { type: 'json' };
import { noTelemetry, SUBMITTER_BATCHES, type Telemetry } from '../core/telemetry.ts';
import { askAtMost } from './ask.ts';
import type { Health } from './health.ts';
import {
  countBatches,
  countCancels,
  countEnds,
  countFills,
  countIncidents,
  countIndexerRequests,
  countIntents,
  countJobFailures,
  countPasses,
  countTransmissions,
} from './telemetry.ts';

/** Something outside that is asked when the metrics are scraped, and may be gone. */
type Source = {
  readonly name: 'database' | 'tables' | 'queue' | 'indexer';
  /** Asks and shows. */
  readonly read: () => Promise<void>;
  /** What was shown is not known any more: no figure is better than an old one. */
  readonly forget: () => void;
};

export type Metrics = {
  readonly registry: Registry;
  readonly telemetry: Telemetry;
  /** Read before every scrape, at most once a second; router_source_up says whether it could be. */
  readonly addSources: (sources: readonly Source[]) => void;
  /** The process itself and its readiness. Once a process. */
  readonly watchProcess: (health: Health) => void;
  readonly scrape: () => Promise<{ readonly type: string; readonly text: string }>;
};

/** Of each kind of process, what it can tell. */
const TELEMETRY: Readonly<Record<string, (registry: Registry) => Partial<Telemetry>>> = {
  submitter: (registry) => ({
    ...countIntents(registry),
    ...countTransmissions(registry),
    ...countCancels(registry),
    ...countEnds(registry),
    ...countBatches(registry, SUBMITTER_BATCHES),
    ...countIndexerRequests(registry),
    ...countJobFailures(registry, ['orders', 'control']),
  }),
  reconciler: (registry) => ({
    ...countFills(registry),
    ...countIncidents(registry),
    ...countEnds(registry),
    ...countPasses(registry),
    ...countBatches(registry, ['report']),
    ...countIndexerRequests(registry),
  }),
  maintenance: (registry) => countJobFailures(registry, ['maintenance']),
  ops: countIndexerRequests,
};

const LIMITS = { maxAgeMs: 1_000, deadlineMs: 3_000 };

/** @param component submitter, reconciler, maintenance, ops; of any other one only itself is known */
export function createMetrics(component: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ component });
  const telemetry = { ...noTelemetry, ...TELEMETRY[component]?.(registry) };
  const reads: (() => Promise<void>)[] = [];
  return {
    registry,
    telemetry,
    addSources: (sources) => {
      const isUp = new Gauge({
        name: 'router_source_up',
        help: '1 when what is asked at each scrape has answered; its figures are missing otherwise',
        labelNames: ['source'],
        registers: [registry],
      });
      for (const { name, read, forget } of sources) {
        const ask = askAtMost(read, LIMITS);
        reads.push(async () => {
          const { ok } = await ask();
          if (!ok) forget();
          isUp.set({ source: name }, ok ? 1 : 0);
        });
      }
    },
    watchProcess: (health) => {
      watchReadiness(registry, health);
      new Gauge({
        name: 'router_build_info',
        help: 'always 1; which version runs on which Node',
        labelNames: ['version', 'node'],
        registers: [registry],
      }).set({ version: packageJson.version, node: process.version }, 1);
      collectDefaultMetrics({ register: registry, prefix: 'router_' });
    },
    scrape: async () => {
      await Promise.all(reads.map((read) => read()));
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}

function watchReadiness(registry: Registry, health: Health): void {
  const checks = new Gauge({
    name: 'router_check_ok',
    help: '1 when this check of /readyz is fine',
    labelNames: ['check'],
    registers: [registry],
    collect: async () => {
      const report = await health.report();
      checks.reset();
      for (const [check, { ok }] of Object.entries(report.checks)) checks.set({ check }, ok ? 1 : 0);
    },
  });
  const ready: Gauge = new Gauge({
    name: 'router_ready',
    help: '1 when /readyz answers 200',
    registers: [registry],
    collect: async () => {
      ready.set((await health.report()).status === 'ready' ? 1 : 0);
    },
  });
}
