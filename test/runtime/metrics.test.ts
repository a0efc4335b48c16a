// What the processes really serve: the metrics that docs/metrics.md names, with the right counts.
import { expect, test } from 'vitest';
import { startMaintenance } from '../../src/runtime/maintenance.ts';
import { startOps } from '../../src/runtime/ops.ts';
import { startReconciler } from '../../src/runtime/reconciler.ts';
import { startSubmitter } from '../../src/runtime/submitter.ts';
import { documentedMetrics } from '../ops/documented-metrics.ts';
import { startTestRouter } from '../support/router.ts';
import { expectSamples, startServed } from './served.ts';

/** prom-client leaves them out where there is no /proc. */
const LINUX_ONLY = /^router_process_(virtual_memory_bytes|heap_bytes|open_fds|max_fds)$/;

const filled = { client_id: 'filled', market: 'BTC-USD', side: 'BUY', type: 'MARKET', size: '0.01' } as const;

test('every metric of every process is documented with its type and labels, and no other', async () => {
  await using router = await startTestRouter();
  await using submitter = await startServed('submitter', startSubmitter, router.settings);
  await using reconciler = await startServed('reconciler', startReconciler, router.settings);
  await using maintenance = await startServed('maintenance', startMaintenance, router.settings);
  await using ops = await startServed('ops', startOps, router.settings);
  const processes = { submitter, reconciler, maintenance, ops };
  const served = new Map<string, { type: string; labels: readonly string[]; processes: string[] }>();
  for (const [component, { context }] of Object.entries(processes)) {
    for (const metric of context.metrics.registry.getMetricsAsArray()) {
      const { type, labelNames: labels = [] } = metric as unknown as { type: string; labelNames?: string[] };
      const known = served.get(metric.name);
      if (known !== undefined) known.processes.push(component);
      else served.set(metric.name, { type, labels: labels.toSorted(), processes: [component] });
    }
  }
  const documented = documentedMetrics().filter(({ name }) => served.has(name) || !LINUX_ONLY.test(name));
  expect(new Set(documented.map(({ name }) => name)).size).toBe(documented.length);
  expect(
    [...served]
      .map(([name, one]) => ({ name, ...one, processes: one.processes.toSorted() }))
      .toSorted(byName),
  ).toEqual(documented.toSorted(byName));
});

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

test('an order in doubt shows with its age, and figures of a database that is gone are missing, not old', async () => {
  await using router = await startTestRouter({ paper: { blockMs: 0 } });
  router.paper.produceBlock();
  router.paper.faults.add({ on: 'broadcast', action: 'hang_before' });
  await using submitter = await startServed('submitter', startSubmitter, router.settings);
  await using ops = await startServed('ops', startOps, router.settings);
  const [queued] = await router.client.enqueue([filled]);
  expect(queued?.outcome).toMatch(/queued|recorded/);
  await expect
    .poll(async () => (await submitter.samples()).get('router_transmissions_total{attempt="resend"}'))
    .toBeGreaterThan(0);
  const samples = await expectSamples(ops, {
    'router_orders_active{status="PENDING"}': 1,
    router_orders_in_doubt: 1,
  });
  expect(samples.get('router_oldest_doubt_seconds')).toBeGreaterThan(0);

  await ops.context.db.destroy();
  await expect.poll(async () => (await ops.samples()).get('router_source_up{source="database"}')).toBe(0);
  const without = await ops.samples();
  expect(
    [...without.keys()].filter((name) => /router_(orders|oldest|due|heartbeat|database)/.test(name)),
  ).toEqual([]);
});
