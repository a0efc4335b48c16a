// What the orders are like right now, for those who watch. Each figure has an index and a limit, and all of them
// together two seconds: watching must not slow down trading.
import { sql } from 'kysely';
import type { Database } from './database.ts';

/** Ages in seconds by the database's clock; 0 when there is nothing that could have one. */
export type Figures = {
  readonly activeByStatus: Readonly<Record<'PENDING' | 'OPEN' | 'PARTIALLY_FILLED', number>>;
  /** active, sent, and its newest attempt has no answer or one that says nothing */
  readonly inDoubt: number;
  readonly oldestDoubtSeconds: number;
  readonly dueRows: number;
  readonly oldestDueSeconds: number;
  readonly unexplainedFills: number;
  /** of the subaccounts that have active orders, the one that was reconciled longest ago */
  readonly oldestReconcileSeconds: number;
  /** of everybody, to all databases of the server */
  readonly connections: number;
  readonly maxConnections: number;
};

/** Counts stop here: who has more knows enough. */
const MAX_COUNTED = 100_000;
const TIMEOUT_MS = 2_000;

export async function readFigures(db: Database): Promise<Figures> {
  const row = await db
    .transaction()
    .setAccessMode('read only')
    .execute(async (trx) => {
      await sql`SELECT set_config('statement_timeout', ${String(TIMEOUT_MS)}, true)`.execute(trx);
      const { rows } = await sql<FiguresRow>`
        WITH active AS MATERIALIZED (
          SELECT id, status, attempt_count FROM orders
          WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') LIMIT ${MAX_COUNTED}
        ),
        due AS MATERIALIZED (
          SELECT next_wake_at FROM orders WHERE next_wake_at <= statement_timestamp()
          ORDER BY next_wake_at LIMIT ${MAX_COUNTED}
        ),
        doubt AS MATERIALIZED (
          SELECT a.created_at FROM active o JOIN order_attempts a ON a.order_id = o.id AND a.attempt = o.attempt_count
          WHERE a.outcome IS NULL OR a.outcome = 'doubt'
        ),
        unexplained AS MATERIALIZED (SELECT FROM unexplained_fills LIMIT ${MAX_COUNTED}),
        waiting AS MATERIALIZED (
          SELECT updated_at FROM reconcile_cursors c WHERE EXISTS (
            SELECT FROM orders o WHERE o.owner = c.owner AND o.subaccount_number = c.subaccount_number
              AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
          )
        )
        SELECT
          (SELECT count(*) FROM active WHERE status = 'PENDING')::int AS pending,
          (SELECT count(*) FROM active WHERE status = 'OPEN')::int AS open,
          (SELECT count(*) FROM active WHERE status = 'PARTIALLY_FILLED')::int AS partially_filled,
          (SELECT count(*) FROM doubt)::int AS in_doubt,
          (SELECT ${age('min(created_at)')} FROM doubt) AS oldest_doubt,
          (SELECT count(*) FROM due)::int AS due,
          (SELECT ${age('min(next_wake_at)')} FROM due) AS oldest_due,
          (SELECT count(*) FROM unexplained)::int AS unexplained,
          (SELECT ${age('min(updated_at)')} FROM waiting) AS oldest_reconcile,
          (SELECT sum(numbackends) FROM pg_stat_database)::int AS connections,
          current_setting('max_connections')::int AS max_connections`.execute(trx);
      return rows[0];
    });
  if (row === undefined) throw new Error('the database has no figures');
  return {
    activeByStatus: { PENDING: row.pending, OPEN: row.open, PARTIALLY_FILLED: row.partially_filled },
    inDoubt: row.in_doubt,
    oldestDoubtSeconds: row.oldest_doubt,
    dueRows: row.due,
    oldestDueSeconds: row.oldest_due,
    unexplainedFills: row.unexplained,
    oldestReconcileSeconds: row.oldest_reconcile,
    connections: row.connections,
    maxConnections: row.max_connections,
  };
}

type FiguresRow = {
  pending: number;
  open: number;
  partially_filled: number;
  in_doubt: number;
  oldest_doubt: number;
  due: number;
  oldest_due: number;
  unexplained: number;
  oldest_reconcile: number;
  connections: number;
  max_connections: number;
};

/** greatest() ignores NULL: of nothing the age is 0. */
function age(since: string) {
  return sql.raw(`greatest(extract(epoch FROM clock_timestamp() - ${since}), 0)::float8`);
}

/** The database's clock. */
export async function databaseTime(db: Database): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(db);
  if (rows[0] === undefined) throw new Error('the database tells no time');
  return rows[0].now;
}
