// Active orders that stand still: in doubt for long, or due and carried out by nobody.
import { sql } from 'kysely';
import type { Database } from './database.ts';

export type StuckOrder = {
  readonly tenant_id: string;
  readonly client_id: string;
  readonly market: string;
  readonly status: string;
  /** doubt: sent, and neither an answer nor proof came. due: its next step is due, and was not taken. dead: its last block is over, and it was not settled. set_aside: by a recovery (src/store/recovery.ts) */
  readonly why: 'doubt' | 'due' | 'dead' | 'set_aside';
  readonly since: Date;
  readonly retry_count: number;
  readonly error_message: string | null;
};

/** Longest first. @param olderThanS s by the database's clock */
export async function listStuck(db: Database, olderThanS: number, limit: number): Promise<StuckOrder[]> {
  const { rows } = await sql<StuckOrder>`
    WITH o AS MATERIALIZED (
      SELECT o.*, a.outcome, a.created_at AS signed_at, c.height AS read_height
      FROM orders o
      LEFT JOIN order_attempts a ON a.order_id = o.id AND a.attempt = o.attempt_count
      LEFT JOIN reconcile_cursors c ON c.owner = o.owner AND c.subaccount_number = o.subaccount_number
      WHERE o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
    ),
    w AS (
      SELECT o.*, x.why, x.since FROM o CROSS JOIN LATERAL (VALUES
        ('due', CASE WHEN o.next_wake_at < clock_timestamp() THEN o.next_wake_at END),
        ('set_aside', CASE WHEN o.attempt_count = 0 AND o.next_wake_at IS NULL THEN o.updated_at END),
        ('doubt', CASE WHEN o.attempt_count > 0 AND (o.outcome IS NULL OR o.outcome = 'doubt') THEN o.signed_at END),
        ('dead', CASE WHEN coalesce(o.good_til_block, o.dead_height) < o.read_height THEN o.updated_at END)
      ) AS x (why, since)
      WHERE x.since < clock_timestamp() - ${olderThanS} * interval '1 second'
    )
    SELECT * FROM (
      SELECT DISTINCT ON (id) tenant_id, client_id, market, status, why, since, retry_count, error_message
      FROM w ORDER BY id, since
    ) AS s ORDER BY since LIMIT ${limit}`.execute(db);
  return rows;
}
