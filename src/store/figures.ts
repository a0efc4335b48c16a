// What the orders are like right now, for those who watch (the view fleet_figures). Each figure has an index and a
// limit, and all of them together two seconds: watching must not slow down trading.
import { type NotNull, sql } from 'kysely';
import type { Database } from './database.ts';
import type { FleetFigures } from './schema.ts';

/** Ages in seconds by the database's clock; 0 when there is nothing that could have one. */
export type Figures = {
  readonly activeByStatus: Readonly<Record<'PENDING' | 'OPEN' | 'PARTIALLY_FILLED', number>>;
  /** active, sent, and its newest attempt has no answer or one that says nothing */
  readonly inDoubt: number;
  readonly oldestDoubtSeconds: number;
  readonly dueRows: number;
  readonly oldestDueSeconds: number;
  readonly unexplainedFills: number;
  readonly unexplainedOrders: number;
  readonly openIncidents: number;
  /** of the subaccounts that have active orders, the one that was reconciled longest ago */
  readonly oldestReconcileSeconds: number;
  /** of everybody, to all databases of the server */
  readonly connections: number;
  readonly maxConnections: number;
};

const TIMEOUT_MS = 2_000;

/** Over all tenants, whoever asks: the view sees them with its owner's eyes. */
export async function readFigures(db: Database): Promise<Figures> {
  const row = await db
    .transaction()
    .setAccessMode('read only')
    .execute(async (trx) => {
      await sql`SELECT set_config('statement_timeout', ${String(TIMEOUT_MS)}, true)`.execute(trx);
      return trx.selectFrom('fleet_figures').selectAll().$narrowType<Known>().executeTakeFirstOrThrow();
    });
  return {
    activeByStatus: { PENDING: row.pending, OPEN: row.open, PARTIALLY_FILLED: row.partially_filled },
    inDoubt: row.in_doubt,
    oldestDoubtSeconds: row.oldest_doubt_seconds,
    dueRows: row.due,
    oldestDueSeconds: row.oldest_due_seconds,
    unexplainedFills: row.unexplained_fills,
    unexplainedOrders: row.unexplained_orders,
    openIncidents: row.open_incidents,
    oldestReconcileSeconds: row.oldest_reconcile_seconds,
    connections: row.connections,
    maxConnections: row.max_connections,
  };
}

/** Of a view PostgreSQL does not say that a column is never null. These are counts, and ages of at least 0. */
type Known = { [Column in keyof FleetFigures]: NotNull };

/** The database's clock. */
export async function databaseTime(db: Database): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(db);
  if (rows[0] === undefined) throw new Error('the database tells no time');
  return rows[0].now;
}
