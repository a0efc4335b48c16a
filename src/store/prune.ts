// What is kept for a time only: records that no order rests on, and leftovers of names that nobody uses any more.
import { setImmediate } from 'node:timers/promises';
import type { Work } from './maintenance.ts';

/** Rows of one transaction: milliseconds. */
const BATCH = 2_000;
/** Of a timer or limiter that has not run for so long nobody is left. */
const LEFTOVER = "interval '30 days'";

/** @param keepDays of refused intents and of the runs of maintenance */
export function prune(keepDays: number): Work {
  return async ({ session, signal, progress }) => {
    const counts = { rejections: 0, runs: 0, timer_turns: 0, rate_limits: 0 };
    const old = `clock_timestamp() - make_interval(days => ${keepDays})`;
    const parts = [
      {
        name: 'rejections',
        // The oldest lie first in the table's own order: ids ascend with time.
        statement: `DELETE FROM intent_rejections WHERE id IN (
          SELECT id FROM (SELECT id, created_at FROM intent_rejections ORDER BY id LIMIT ${BATCH}) AS oldest
          WHERE created_at < ${old})`,
      },
      {
        name: 'runs',
        // The newest of each outcome tells what is due, however old it is.
        statement: `DELETE FROM maintenance_runs r WHERE id IN (
          SELECT id FROM maintenance_runs WHERE started_at < ${old} AND outcome IS NOT NULL
            AND id NOT IN (SELECT max(id) FROM maintenance_runs GROUP BY task, outcome) LIMIT ${BATCH})`,
      },
      {
        name: 'timer_turns',
        statement: `DELETE FROM timer_turns WHERE taken_at < clock_timestamp() - ${LEFTOVER}`,
      },
      {
        name: 'rate_limits',
        statement: `DELETE FROM rate_limits
          WHERE expire < (extract(epoch FROM clock_timestamp() - ${LEFTOVER}) * 1000)::bigint`,
      },
    ] as const;
    for (const { name, statement } of parts) {
      for (let deleted = BATCH; deleted >= BATCH; ) {
        signal.throwIfAborted();
        deleted = (await session.query(statement)).rowCount ?? 0;
        counts[name] += deleted;
        progress({ ...counts });
        await setImmediate();
      }
    }
    return counts;
  };
}
