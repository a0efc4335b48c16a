// What only the ops process shows, once for all of them: the state of the orders and of the queues.
import { Gauge, type Registry } from 'prom-client';

/** Ages in seconds, 0 when there is nothing that could have one. */
type OrderFigures = {
  readonly activeByStatus: Readonly<Record<string, number>>;
  readonly inDoubt: number;
  readonly oldestDoubtSeconds: number;
  readonly dueRows: number;
  readonly oldestDueSeconds: number;
  readonly unexplainedFills: number;
  readonly unexplainedOrders: number;
  readonly openIncidents: number;
  readonly oldestReconcileSeconds: number;
  readonly connections: number;
  readonly maxConnections: number;
};

type QueueFigures = {
  readonly queue: string;
  readonly jobs: Readonly<Record<string, number>>;
};

type HeartbeatFigures = {
  readonly queue: string;
  readonly ageMs: number;
  readonly transitMs: number;
};

export type FleetMetrics = {
  readonly showOrders: (figures: OrderFigures) => void;
  readonly showHeartbeats: (heartbeats: readonly HeartbeatFigures[]) => void;
  readonly showQueues: (queues: readonly QueueFigures[]) => void;
  readonly forgetDatabase: () => void;
  readonly forgetQueues: () => void;
};

export function createFleetMetrics(registry: Registry): FleetMetrics {
  const gauge = (name: string, help: string, labelNames: readonly string[] = []) => {
    const made = new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
    // Without labels it would start as 0: not known is no sample.
    if (labelNames.length === 0) made.remove();
    return made;
  };
  const active = gauge('router_orders_active', 'orders that are not final', ['status']);
  const inDoubt = gauge('router_orders_in_doubt', 'sent, and neither an answer nor proof has come yet');
  const oldestDoubt = gauge(
    'router_oldest_doubt_seconds',
    'since the oldest of them was signed; 0 without one',
  );
  const due = gauge('router_due_rows', 'orders whose next step is due now');
  const oldestDue = gauge('router_oldest_due_seconds', 'how long the oldest of them is due; 0 without one');
  const unexplained = gauge('router_unexplained_fill_rows', 'fills that are kept as unexplained');
  const foreign = gauge('router_unexplained_order_rows', 'orders that are kept as unexplained');
  const incidents = gauge('router_open_incidents', 'incidents that nobody has closed');
  const oldestReconcile = gauge(
    'router_oldest_reconcile_seconds',
    'since the subaccount with active orders that waits longest was reconciled; 0 without one',
  );
  const connections = gauge(
    'router_database_connections',
    'connections to the database server, of everybody',
  );
  const maxConnections = gauge('router_database_max_connections', "the server's limit");
  const heartbeatAge = gauge('router_heartbeat_age_seconds', 'since a worker took the last heartbeat job', [
    'queue',
  ]);
  const heartbeatTransit = gauge('router_heartbeat_transit_seconds', 'what that job spent in the queue', [
    'queue',
  ]);
  const jobs = gauge('router_queue_jobs', 'jobs in the queue', ['queue', 'state']);
  const single = [
    inDoubt,
    oldestDoubt,
    due,
    oldestDue,
    unexplained,
    foreign,
    incidents,
    oldestReconcile,
    connections,
    maxConnections,
  ];
  return {
    showOrders: (figures) => {
      active.reset();
      for (const [status, count] of Object.entries(figures.activeByStatus)) active.set({ status }, count);
      inDoubt.set(figures.inDoubt);
      oldestDoubt.set(figures.oldestDoubtSeconds);
      due.set(figures.dueRows);
      oldestDue.set(figures.oldestDueSeconds);
      unexplained.set(figures.unexplainedFills);
      foreign.set(figures.unexplainedOrders);
      incidents.set(figures.openIncidents);
      oldestReconcile.set(figures.oldestReconcileSeconds);
      connections.set(figures.connections);
      maxConnections.set(figures.maxConnections);
    },
    showHeartbeats: (heartbeats) => {
      heartbeatAge.reset();
      heartbeatTransit.reset();
      for (const { queue, ageMs, transitMs } of heartbeats) {
        heartbeatAge.set({ queue }, ageMs / 1000);
        heartbeatTransit.set({ queue }, transitMs / 1000);
      }
    },
    showQueues: (queues) => {
      jobs.reset();
      for (const { queue, jobs: counts } of queues) {
        for (const [state, count] of Object.entries(counts)) jobs.set({ queue, state }, count);
      }
    },
    forgetDatabase: () => {
      for (const one of single) one.remove();
      for (const many of [active, heartbeatAge, heartbeatTransit]) many.reset();
    },
    forgetQueues: () => jobs.reset(),
  };
}
