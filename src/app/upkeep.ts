// Regular care of the tables: the source's daily VACUUM and weekly ANALYZE. What is due is decided from
// maintenance_runs, so a missed tick is made up once and a doubled one does nothing.
import type { UpkeepTask } from '../store/maintenance.ts';

/** UTC. Vacuum at a quiet hour; a first ANALYZE comes at once, because plans on young tables are bad. */
export const SCHEDULES = {
  vacuum: { pattern: '30 3 * * *', everyMs: 24 * 3_600_000 },
  analyze: { pattern: '0 4 * * 0', everyMs: 7 * 24 * 3_600_000 },
} as const satisfies Record<UpkeepTask, { pattern: string; everyMs: number }>;

/** A tick a little early still counts: cron and clocks are not exact. */
const TOLERANCE_MS = 60_000;

function isDue(task: UpkeepTask, lastStartedAt: Date | undefined, now: Date): boolean {
  if (lastStartedAt === undefined) return true;
  return now.getTime() - lastStartedAt.getTime() >= SCHEDULES[task].everyMs - TOLERANCE_MS;
}

export type UpkeepDeps = {
  /** when the task was last started and not failed */
  readonly lastRun: (task: UpkeepTask) => Promise<Date | undefined>;
  /** runs it and writes its maintenance_runs row; false when another replica is at it */
  readonly run: (task: UpkeepTask) => Promise<boolean>;
  readonly now: () => Date;
  readonly log: { readonly info: (fields: object, message: string) => void };
};

export async function upkeep(deps: UpkeepDeps, task: UpkeepTask): Promise<void> {
  if (!isDue(task, await deps.lastRun(task), deps.now())) return;
  const startedMs = deps.now().getTime();
  if (await deps.run(task)) deps.log.info({ task, ms: deps.now().getTime() - startedMs }, 'maintenance done');
}
