// What processes count as they work, by Prometheus' rules: seconds, base units, few labels. Each value of a label is
// there from the start, at 0: rate() misses the first event of a counter that comes with it.
import { Counter, Histogram, type Registry } from 'prom-client';
import { INCIDENT_KINDS } from '../core/incidents.ts';
import {
  ATTEMPT_KINDS,
  type Batch,
  INDEXER_RESULTS,
  OFFER_RESULTS,
  type Telemetry,
} from '../core/telemetry.ts';

const OUTCOMES = ['accepted', 'known', 'refused', 'deferred', 'doubt'] as const;
const FINAL_STATUSES = ['FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'] as const;

/** From an idle machine's best to the point where somebody must look. */
const LATENCY_BUCKETS_S = [
  0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
const ROUND_TRIP_BUCKETS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const COMMIT_BUCKETS_S = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];
const ITEM_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
const PASS_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function countIntents(registry: Registry): Pick<Telemetry, 'offered'> {
  const intents = countBy(registry, {
    name: 'router_intents_total',
    help: 'intents that the submitter took from the queue, by what became of them',
    label: 'result',
    values: OFFER_RESULTS,
  });
  return { offered: (result) => intents(result) };
}

export function countTransmissions(registry: Registry): Pick<Telemetry, 'sent' | 'answered'> {
  const transmissions = countBy(registry, {
    name: 'router_transmissions_total',
    help: 'transactions whose bytes left for a validator',
    label: 'attempt',
    values: ATTEMPT_KINDS,
  });
  const answers = countBy(registry, {
    name: 'router_answers_total',
    help: 'answers to transmissions as they were judged; silence is doubt',
    label: 'outcome',
    values: OUTCOMES,
  });
  const waited = new Histogram({
    name: 'router_enqueue_to_send_seconds',
    help: 'from the moment the producer let go of an intent until its first bytes left',
    buckets: LATENCY_BUCKETS_S,
    registers: [registry],
  });
  const roundTrip = new Histogram({
    name: 'router_broadcast_seconds',
    help: 'from the first byte to the answer, or to the deadline',
    buckets: ROUND_TRIP_BUCKETS_S,
    registers: [registry],
  });
  return {
    sent: (kind, offeredAt) => {
      transmissions(kind);
      if (kind === 'first') waited.observe(secondsSince(offeredAt));
    },
    answered: (outcome, roundTripMs) => {
      answers(outcome);
      if (roundTripMs !== undefined) roundTrip.observe(roundTripMs / 1000);
    },
  };
}

export function countCancels(registry: Registry): Pick<Telemetry, 'cancelAnswered'> {
  const answers = countBy(registry, {
    name: 'router_cancel_answers_total',
    help: 'answers to cancel transactions as they were judged; one transaction may be for many orders',
    label: 'outcome',
    values: OUTCOMES,
  });
  return { cancelAnswered: (outcome) => answers(outcome) };
}

export function countEnds(registry: Registry): Pick<Telemetry, 'ended'> {
  const ends = countBy(registry, {
    name: 'router_orders_final_total',
    help: 'orders that this process brought to a final status',
    label: 'status',
    values: FINAL_STATUSES,
  });
  return { ended: (status) => ends(status) };
}

export function countIncidents(registry: Registry): Pick<Telemetry, 'incident' | 'orderUnexplained'> {
  const orders = new Counter({
    name: 'router_unexplained_orders_total',
    help: 'orders on our subaccounts that no intent explains',
    registers: [registry],
  });
  const incidents = countBy(registry, {
    name: 'router_incidents_total',
    help: 'what cannot be, by all that the router knows',
    label: 'kind',
    values: INCIDENT_KINDS,
  });
  return { incident: (kind) => incidents(kind), orderUnexplained: () => orders.inc() };
}

export function countFills(registry: Registry): Pick<Telemetry, 'fillBooked' | 'fillUnexplained'> {
  const fills = new Counter({
    name: 'router_fills_total',
    help: 'fills booked',
    registers: [registry],
  });
  const late = new Counter({
    name: 'router_late_fills_total',
    help: 'fills booked after their order was final',
    registers: [registry],
  });
  const unexplained = new Counter({
    name: 'router_unexplained_fills_total',
    help: 'fills on our subaccounts that no order of ours explains',
    registers: [registry],
  });
  const delay = new Histogram({
    name: 'router_fill_to_row_seconds',
    help: "from a fill's block time until it was booked",
    buckets: LATENCY_BUCKETS_S,
    registers: [registry],
  });
  return {
    fillBooked: (filledAt, isLate) => {
      fills.inc();
      delay.observe(secondsSince(filledAt));
      if (isLate) late.inc();
    },
    fillUnexplained: () => unexplained.inc(),
  };
}

export function countPasses(registry: Registry): Pick<Telemetry, 'reconciled' | 'reconcileFailed'> {
  const passes = new Histogram({
    name: 'router_reconcile_pass_seconds',
    help: 'one pass over all subaccounts',
    buckets: PASS_BUCKETS_S,
    registers: [registry],
  });
  const failures = new Counter({
    name: 'router_reconcile_failures_total',
    help: 'subaccounts or passes that had to be repeated',
    registers: [registry],
  });
  return { reconciled: (ms) => passes.observe(ms / 1000), reconcileFailed: () => failures.inc() };
}

export function countIndexerRequests(registry: Registry): Pick<Telemetry, 'indexerAnswered'> {
  const requests = countBy(registry, {
    name: 'router_indexer_requests_total',
    help: 'requests to the indexer by what came back',
    label: 'result',
    values: INDEXER_RESULTS,
  });
  return { indexerAnswered: (result) => requests(result) };
}

export function countBatches(registry: Registry, batches: readonly Batch[]): Pick<Telemetry, 'flushed'> {
  const items = new Histogram({
    name: 'router_batch_items',
    help: 'orders, answers or changes that shared one commit',
    labelNames: ['batch'],
    buckets: ITEM_BUCKETS,
    registers: [registry],
  });
  const commits = new Histogram({
    name: 'router_commit_seconds',
    help: 'one shared statement with its commit',
    labelNames: ['batch'],
    buckets: COMMIT_BUCKETS_S,
    registers: [registry],
  });
  const failures = new Counter({
    name: 'router_commit_failures_total',
    help: 'shared statements that committed nothing',
    labelNames: ['batch'],
    registers: [registry],
  });
  for (const batch of batches) {
    items.zero({ batch });
    commits.zero({ batch });
    failures.inc({ batch }, 0);
  }
  return {
    flushed: (batch, count, ms, isCommitted) => {
      if (!isCommitted) return failures.inc({ batch });
      items.observe({ batch }, count);
      commits.observe({ batch }, ms / 1000);
    },
  };
}

export function countJobFailures(
  registry: Registry,
  queues: readonly string[],
): Pick<Telemetry, 'jobFailed'> {
  const failures = countBy(registry, {
    name: 'router_job_failures_total',
    help: 'jobs that threw; they are tried again or kept as failed',
    label: 'queue',
    values: queues,
  });
  return { jobFailed: (queue) => failures(queue) };
}

type CounterOf<Value extends string> = {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly Value[];
};

/** Counts by a label whose values are known beforehand; any other one is not counted. */
function countBy<Value extends string>(
  registry: Registry,
  { name, help, label, values }: CounterOf<Value>,
): (value: string) => void {
  const counter = new Counter({ name, help, labelNames: [label], registers: [registry] });
  const children = new Map<string, { readonly inc: (by?: number) => void }>();
  for (const value of values) {
    const child = counter.labels(value);
    child.inc(0);
    children.set(value, child);
  }
  return (value) => children.get(value)?.inc();
}

/** Clocks differ: never negative. */
function secondsSince(time: Date): number {
  return Math.max(0, Date.now() - time.getTime()) / 1000;
}
