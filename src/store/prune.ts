// What is kept for a time only: records that no order rests on, and leftovers of names that nobody uses any more.
import { setImmediate } from 'node:timers/promises';
import type { Work } from './maintenance.ts';

/** Rows of one transaction: milliseconds. */
const BATCH = 2_000;
/** A timer that has not run for so long is of a queue that is gone. */
const LEFTOVER_DAYS = 30;

/** @param keepDays of refused intents and of the runs of maintenance; at least 30, the database sees to it */
export function prune(keepDays: number): Work {
  return async ({ session, signal, progress }) => {
    const counts = { rejections: 0, runs: 0, rate_limits: 0, timer_turns: 0 };
    const batch = async (kind: string, days: number): Promise<number> => {
      const { rows } = await session.query('SELECT prune_records($1, $2, $3) AS pruned', [kind, days, BATCH]);
      return rows[0].pruned;
    };
    for (const [kind, days] of [
      ['rejections', keepDays],
      ['runs', keepDays],
      ['rate_limits', LEFTOVER_DAYS],
    ] as const) {
      for (let pruned = BATCH; pruned === BATCH; ) {
        signal.throwIfAborted();
        pruned = await batch(kind, days);
        counts[kind] += pruned;
        progress({ ...counts });
        await setImmediate();
      }
    }
    const { rowCount } = await session.query(
      `DELETE FROM timer_turns WHERE taken_at < clock_timestamp() - interval '${LEFTOVER_DAYS} days'`,
    );
    return { ...counts, timer_turns: rowCount ?? 0 };
  };
}
