// What is kept for a time only: records that no order rests on, and leftovers of names that nobody uses any more.
import type { Work } from './maintenance.ts';

/** Rows of one transaction: milliseconds. */
const BATCH = 2_000;
/** Of a timer or a limit that nobody has used for so long the queue is gone. */
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
      ['timer_turns', LEFTOVER_DAYS],
    ] as const) {
      for (let pruned = BATCH; pruned === BATCH; ) {
        signal.throwIfAborted();
        pruned = await batch(kind, days);
        counts[kind] += pruned;
        progress({ ...counts });
      }
    }
    return counts;
  };
}
