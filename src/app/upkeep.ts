// Regular care of the database. What is due is decided from maintenance_runs, so that a queue which forgets its schedules or
// doubles a tick, and cron beside them, change nothing.
import { CronExpressionParser } from 'cron-parser';
import { type Counts, isDue, type LastRuns, TICK_TOLERANCE_MS, type UpkeepTask } from '../core/upkeep.ts';

/** Cron patterns in UTC, of the tasks that this router runs by itself. */
export type Schedules = Readonly<Partial<Record<UpkeepTask, string>>>;

export type UpkeepDeps = {
  readonly schedules: Schedules;
  readonly lastRuns: (task: UpkeepTask) => Promise<LastRuns>;
  /** Runs it and writes its maintenance_runs row. */
  readonly run: (task: UpkeepTask) => Promise<RunOutcome>;
  readonly log: { readonly info: (fields: object, message: string) => void };
};

/** busy: another process is at it. stopped: it was broken off, and goes on in another run. */
export type RunOutcome = { readonly outcome: 'busy' } | FinishedRun;
export type FinishedRun = {
  readonly outcome: 'done' | 'stopped';
  readonly counts: Counts;
  readonly ms: number;
};

/** The newest tick not later than `now`. */
export function lastTick(pattern: string, now: Date): Date {
  // The parser's previous one is before, never at, the time that it is given.
  const currentDate = new Date(now.getTime() + 1);
  return CronExpressionParser.parse(pattern, { currentDate, tz: 'UTC' }).prev().toDate();
}

export function nextTick(pattern: string, now: Date): Date {
  return CronExpressionParser.parse(pattern, { currentDate: now, tz: 'UTC' }).next().toDate();
}

export function isTaskDue(pattern: string | undefined, last: LastRuns): boolean {
  if (pattern === undefined) return false;
  return isDue(last, lastTick(pattern, new Date(last.now.getTime() + TICK_TOLERANCE_MS)));
}

/** Runs it if it is due. Throws what it failed with. */
export async function upkeep(deps: UpkeepDeps, task: UpkeepTask): Promise<void> {
  if (!isTaskDue(deps.schedules[task], await deps.lastRuns(task))) return;
  const run = await deps.run(task);
  if (run.outcome === 'busy') return;
  const { outcome, counts, ms } = run;
  deps.log.info({ task, ms, counts }, outcome === 'done' ? 'maintenance done' : 'maintenance stopped');
}
