// The orders of a whole way, counted by the processes that they passed; on both queues.
import { expect, test } from 'vitest';
import { type JobData, ORDERS_QUEUE } from '../../src/queue/jobs.ts';
import { startOps } from '../../src/runtime/ops.ts';
import { startReconciler } from '../../src/runtime/reconciler.ts';
import { startSubmitter } from '../../src/runtime/submitter.ts';
import { expectSamples, startServed } from '../runtime/served.ts';
import { startTestRouter } from '../support/router.ts';

/** No job stalls and no order outlives its blocks before it is sent, however slow the machine is. */
const UNHURRIED = {
  paper: { blockMs: 200 },
  settings: {
    VALIDATOR_TIMEOUT_MS: '10000',
    RESEND_AFTER_MS: '20000',
    JOB_LOCK_MS: '30000',
    IOC_GOOD_TIL_BLOCKS: '20',
  },
};

const base = { market: 'BTC-USD', side: 'BUY', size: '0.01' } as const;
const filled = { ...base, client_id: 'filled', type: 'MARKET' } as const;
const unmatched = {
  ...base,
  client_id: 'unmatched',
  type: 'LIMIT',
  time_in_force: 'IOC',
  price: '30000',
} as const;
const crossing = {
  ...base,
  client_id: 'crossing',
  type: 'LIMIT',
  price: '90000',
  post_only: true,
  good_til_blocks: 20,
} as const;
const late = { ...filled, client_id: 'late' } as const;

test('orders that went the whole way are counted once at each step of it', async () => {
  await using router = await startTestRouter(UNHURRIED);
  const submit_by = new Date(Date.now() + 3_000).toISOString();
  await router.client.enqueue({ ...late, submit_by }, { until: 'recorded' });
  await expect.poll(() => Date.now() > Date.parse(submit_by)).toBe(true);

  await using submitter = await startServed('submitter', startSubmitter, router.settings);
  await using reconciler = await startServed('reconciler', startReconciler, router.settings);
  await using ops = await startServed('ops', startOps, router.settings);
  await router.client.enqueue([filled, unmatched, crossing]);
  const keys = [filled, unmatched, crossing, late].map(({ client_id }) => ({
    client_id,
    tenant_id: 'default',
  }));
  await router.settled(keys);

  // Straight into the queue, as producers of other languages do: a repeat, another body, no intent, no job of ours.
  await using stack = new AsyncDisposableStack();
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  stack.defer(() => queue.close());
  const offers = [filled, { ...filled, size: '0.02' }, { client_id: 'none' }];
  for (const offer of offers) await queue.add('place', offer, { attempts: 1 });
  await queue.add('dance', {});
  await expect
    .poll(async () => (await submitter.samples()).get('router_job_failures_total{queue="orders"}'))
    .toBe(1);

  const ended = await expectSamples(submitter, {
    'router_intents_total{result="recorded"}': 3,
    'router_intents_total{result="duplicate"}': 1,
    'router_intents_total{result="conflict"}': 1,
    'router_intents_total{result="refused"}': 1,
    'router_transmissions_total{attempt="first"}': 3,
    'router_transmissions_total{attempt="resend"}': 0,
    'router_transmissions_total{attempt="resign"}': 0,
    'router_answers_total{outcome="accepted"}': 2,
    'router_answers_total{outcome="refused"}': 1,
    'router_answers_total{outcome="doubt"}': 0,
    'router_orders_final_total{status="REJECTED"}': 1,
    'router_orders_final_total{status="EXPIRED"}': 1,
    router_enqueue_to_send_seconds_count: 3,
    'router_enqueue_to_send_seconds_bucket{le="60"}': 3,
    router_broadcast_seconds_count: 3,
    'router_batch_items_sum{batch="outcome"}': 3,
    'router_batch_items_sum{batch="end_never_sent"}': 1,
    'router_commit_failures_total{batch="record"}': 0,
  });
  expect(ended.get('router_commit_seconds_count{batch="record"}')).toBeGreaterThan(0);
  expect(ended.get('router_validator_height')).toBeGreaterThan(0);

  const fills = router.paper.truth().fills.length;
  const booked = await expectSamples(reconciler, {
    router_fills_total: fills,
    router_late_fills_total: 0,
    router_unexplained_fills_total: 0,
    router_fill_to_row_seconds_count: fills,
    'router_orders_final_total{status="FILLED"}': 1,
    'router_orders_final_total{status="CANCELLED"}': 1,
    'router_orders_final_total{status="EXPIRED"}': 0,
    'router_batch_items_sum{batch="report"}': fills + 1,
    router_reconcile_failures_total: 0,
  });
  expect(booked.get('router_reconcile_pass_seconds_count')).toBeGreaterThan(0);
  expect(booked.get('router_indexer_requests_total{result="ok"}')).toBeGreaterThan(0);
  expect(booked.get('router_indexer_height')).toBeGreaterThan(0);

  const fleet = await expectSamples(ops, {
    'router_orders_active{status="PENDING"}': 0,
    'router_orders_active{status="OPEN"}': 0,
    router_orders_in_doubt: 0,
    router_due_rows: 0,
    router_unexplained_fill_rows: 0,
    'router_queue_jobs{queue="orders",state="waiting"}': 0,
    'router_queue_jobs{queue="orders",state="failed"}': 1,
    'router_source_up{source="database"}': 1,
    'router_source_up{source="queue"}': 1,
    'router_source_up{source="indexer"}': 1,
  });
  expect(fleet.get('router_database_max_connections')).toBeGreaterThan(
    fleet.get('router_database_connections') ?? 0,
  );
  expect(Math.abs(fleet.get('router_indexer_lag_blocks') ?? Number.NaN)).toBeLessThan(100);
  await expect
    .poll(async () => (await ops.samples()).get('router_heartbeat_age_seconds{queue="orders"}'))
    .toBeLessThan(60);
});
