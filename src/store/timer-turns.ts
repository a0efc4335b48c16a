// Of all processes, one at a time runs a timer: whoever takes the turn, by the database's clock.
import { sql } from 'kysely';
import type { Database } from './database.ts';

/**
 * @param intervalMs a turn is given again only after this
 * @returns the database's time when the turn is ours; undefined when another process had it lately
 */
export async function takeTurn(db: Database, timer: string, intervalMs: number): Promise<Date | undefined> {
  const interval = sql`make_interval(secs => ${intervalMs / 1000})`;
  // A turn that lies in the future by a little was taken while this statement waited; by more, it is from before the
  // clock was set back and holds nobody up.
  const { rows } = await sql<{ taken_at: Date }>`
    INSERT INTO timer_turns AS t (timer, taken_at) VALUES (${timer}, clock_timestamp())
    ON CONFLICT (timer) DO UPDATE SET taken_at = excluded.taken_at
      WHERE excluded.taken_at - t.taken_at NOT BETWEEN -${interval} AND ${interval}
    RETURNING taken_at`.execute(db);
  return rows[0]?.taken_at;
}

/** What could not be done in this turn, another process may try at once. */
export async function giveTurnBack(db: Database, timer: string): Promise<void> {
  await sql`DELETE FROM timer_turns WHERE timer = ${timer}`.execute(db);
}
