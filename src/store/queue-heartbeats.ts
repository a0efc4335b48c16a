// When each queue was last seen to be consumed: a heartbeat job goes through it and its consumer says so here.
import { sql } from 'kysely';
import type { Database } from './database.ts';

export type Heartbeat = {
  readonly queue: string;
  /** since a worker took the newest one, by the database's clock */
  readonly ageMs: number;
  /** what that one spent in the queue */
  readonly transitMs: number;
};

/**
 * One that is older than the last is ignored, but for a clock that was set back.
 * @param sentAt the database's time when it was added
 */
export async function recordHeartbeat(db: Database, queue: string, sentAt: Date): Promise<void> {
  await sql`
    INSERT INTO queue_heartbeats AS h (queue, sent_at, received_at) VALUES (${queue}, ${sentAt}, clock_timestamp())
    ON CONFLICT (queue) DO UPDATE SET sent_at = excluded.sent_at, received_at = excluded.received_at
      WHERE excluded.sent_at >= h.sent_at OR h.received_at > excluded.received_at`.execute(db);
}

export async function listHeartbeats(db: Database): Promise<Heartbeat[]> {
  const { rows } = await sql<{ queue: string; age_ms: string; transit_ms: string }>`
    SELECT queue, extract(epoch FROM clock_timestamp() - received_at) * 1000 AS age_ms,
      extract(epoch FROM received_at - sent_at) * 1000 AS transit_ms
    FROM queue_heartbeats ORDER BY queue`.execute(db);
  return rows.map(({ queue, age_ms, transit_ms }) => ({
    queue,
    ageMs: Number(age_ms),
    transitMs: Number(transit_ms),
  }));
}
