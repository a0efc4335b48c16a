// The maintenance tasks as commands, for people and for cron: the same functions, the same record and the same turn as those of
// the maintenance process.
import { type FinishedRun, isTaskDue } from '../app/upkeep.ts';
import { type Config, readConfig, type Secrets } from '../config.ts';
import type { Counts, RunTask } from '../core/upkeep.ts';
import { upkeepSchedules, upkeepWorks } from '../runtime/upkeep-works.ts';
import { lastRuns, runTask, type Work } from '../store/maintenance.ts';
import { requireSchema } from '../store/migrations.ts';
import { endOnInterrupt } from './interrupt.ts';
import { createScreen } from './screen.ts';
import { whoIs } from './who.ts';
import { withDatabase } from './with-database.ts';

export type UpkeepOptions = {
  /** only if the schedule has had a tick since the last run that was done */
  readonly ifDue: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
};

/** Throws when the settings do not make it possible. */
export type MakeWork = (config: Config, secrets: Secrets) => Work;

/** EX_TEMPFAIL of sysexits.h: another process is at it, try later. */
const BUSY = 75;
const INTERRUPTED = 130;

/** @param work instead of the one that the settings make @returns the exit code */
export async function runUpkeepCommand(
  task: RunTask,
  { ifDue, json, verbose }: UpkeepOptions,
  work: MakeWork = workOf(task),
): Promise<number> {
  const { config, secrets } = readConfig(process.env);
  const interrupt = endOnInterrupt();
  try {
    return await withDatabase(async ({ db, router }) => {
      await requireSchema(db);
      const schedules: Readonly<Partial<Record<RunTask, string>>> = upkeepSchedules(config, secrets);
      if (ifDue && !isTaskDue(schedules[task], await lastRuns(db, task))) {
        if (verbose) console.log(`${task} is not due`);
        return 0;
      }
      const screen = process.stderr.isTTY ? createScreen(process.stderr) : undefined;
      const run = await runTask(
        {
          db,
          url: router.databaseDirectUrl,
          task,
          startedBy: whoIs(undefined),
          signal: interrupt.signal,
          onProgress: (counts, share) => screen?.draw([`${task} ${bar(share)}${inWords(counts)}`]),
        },
        work(config, secrets),
      );
      screen?.draw([]);
      if (run.outcome === 'busy') {
        console.error(`another process is at ${task}: router maintenance shows which`);
        return BUSY;
      }
      report(task, run, { json, verbose });
      return run.outcome === 'done' ? 0 : INTERRUPTED;
    });
  } finally {
    interrupt.release();
  }
}

function workOf(task: RunTask): MakeWork {
  return (config, secrets) => {
    const work = task === 'base_backup' ? undefined : upkeepWorks(config, secrets)[task];
    if (work === undefined) throw new Error(`${task} is not set up: see .env.example`);
    return work;
  };
}

/** Cron mails whatever is printed: a run that is done says nothing, unless a person looks on or asks. */
function report(
  task: RunTask,
  run: FinishedRun,
  { json, verbose }: Pick<UpkeepOptions, 'json' | 'verbose'>,
): void {
  const { outcome, counts, ms } = run;
  if (json) console.log(JSON.stringify({ task, outcome, ms, ...counts }));
  else if (verbose || process.stdout.isTTY || outcome === 'stopped')
    console.log(`${task} ${outcome} in ${(ms / 1000).toFixed(1)} s: ${inWords(counts)}`);
}

const BAR_CHARS = 20;

/** @param share 0 to 1; undefined where nobody knows how much there is */
function bar(share: number | undefined): string {
  if (share === undefined) return '';
  const full = Math.round(Math.min(1, share) * BAR_CHARS);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_CHARS - full)} ${Math.floor(Math.min(1, share) * 100)} % `;
}

function inWords(counts: Counts): string {
  return (
    Object.entries(counts)
      .map(([what, count]) => `${what.replaceAll('_', ' ')} ${count}`)
      .join(', ') || 'nothing'
  );
}
