// `router maintenance`: what is scheduled, when it was last done, and what became of the latest runs.
import { isTaskDue, nextTick } from '../app/upkeep.ts';
import { readConfig } from '../config.ts';
import { UPKEEP_TASKS } from '../core/upkeep.ts';
import { upkeepSchedules } from '../runtime/upkeep-works.ts';
import { lastRuns, listRuns } from '../store/maintenance.ts';
import { requireSchema } from '../store/migrations.ts';
import { table, time } from './output.ts';
import { withDatabase } from './with-database.ts';

export async function runMaintenanceList({
  limit,
  json,
}: {
  readonly limit: number;
  readonly json: boolean;
}): Promise<void> {
  const { config, secrets } = readConfig(process.env);
  const schedules = upkeepSchedules(config, secrets);
  await withDatabase(async ({ db }) => {
    await requireSchema(db);
    const runs = await listRuns(db, limit);
    if (json) {
      for (const run of runs) console.log(JSON.stringify(run));
      return;
    }
    const tasks: string[][] = [];
    for (const task of UPKEEP_TASKS) {
      const pattern = schedules[task];
      const last = await lastRuns(db, task);
      const off = task === 'backup' && config.BACKUP_DIR === undefined ? 'BACKUP_DIR is not set' : 'off';
      const next = pattern === undefined ? off : time(nextTick(pattern, last.now));
      const done = last.done === undefined ? 'never' : time(last.done);
      tasks.push([task, pattern ?? '-', done, isTaskDue(pattern, last) ? 'due now' : next]);
    }
    console.log(table([['task', 'schedule (UTC)', 'last done', 'next'], ...tasks]));
    if (runs.length === 0) return;
    console.log('');
    console.log(
      table([
        ['started', 'task', 'by', 'outcome', 's', 'what'],
        ...runs.map((run) => [
          time(run.started_at),
          run.task,
          run.started_by ?? '-',
          run.outcome ?? 'runs',
          run.ended_at === null
            ? '-'
            : ((run.ended_at.getTime() - run.started_at.getTime()) / 1000).toFixed(1),
          run.error ?? JSON.stringify(run.counts ?? {}),
        ]),
      ]),
    );
  });
}
