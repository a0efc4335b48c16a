// The tasks that tend the database, and what one run of them tells.

/** In the order in which a day runs them; each is a schedule, a job, a command and the `task` of maintenance_runs. */
export const UPKEEP_TASKS = ['backup', 'archive', 'vacuum', 'analyze', 'prune'] as const;
export type UpkeepTask = (typeof UPKEEP_TASKS)[number];
/** Also those that have no schedule. */
export type RunTask = UpkeepTask | 'base_backup';

/** What a run did, in numbers or in words; kept in maintenance_runs.counts. */
export type Counts = Readonly<Record<string, number | string>>;

/** When a task was last started, by how it ended; nothing that lies in the future. */
export type LastRuns = {
  readonly done: Date | undefined;
  readonly failed: Date | undefined;
  /** the database's clock, which wrote the others */
  readonly now: Date;
};

/** A tick a little early still counts: cron and clocks are not exact. */
export const TICK_TOLERANCE_MS = 60_000;
/** After a failure. Too low: the log fills with the same line; too high: a lock that is gone is noticed late. */
const RETRY_MS = 15 * 60_000;

/**
 * A missed tick is made up once, a doubled one does nothing, and what has never run is due at once: plans on tables without
 * statistics are bad.
 * @param tick the schedule's newest tick that is not later than now + TICK_TOLERANCE_MS
 */
export function isDue({ done, failed, now }: LastRuns, tick: Date): boolean {
  const since = tick.getTime() - TICK_TOLERANCE_MS;
  if (done !== undefined && done.getTime() >= since) return false;
  const failedMs = failed?.getTime() ?? Number.NEGATIVE_INFINITY;
  const hasFailedAtThisTick = done === undefined || failedMs >= since;
  return !(hasFailedAtThisTick && now.getTime() - failedMs < RETRY_MS);
}
