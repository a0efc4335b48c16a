// The maintenance process: runs the upkeep that is due.
import { isTaskDue, type UpkeepDeps, upkeep } from '../app/upkeep.ts';
import { UPKEEP_TASKS } from '../core/upkeep.ts';
import { errorFields } from '../ops/logger.ts';
import {
  addUpkeepJob,
  HEARTBEAT,
  heartbeatSentAt,
  type JobData,
  keepSchedules,
  MAINTENANCE_QUEUE,
  queueBackoff,
} from '../queue/jobs.ts';
import { lastRuns, runTask } from '../store/maintenance.ts';
import { recordHeartbeat } from '../store/queue-heartbeats.ts';
import { type Context, refuseForgetfulQueue, type Service } from './context.ts';
import { baseChecks } from './health.ts';
import { startTimers, told } from './timers.ts';
import { upkeepSchedules, upkeepWorks } from './upkeep-works.ts';

/** A heartbeat must get through while every task runs. */
const CONCURRENCY = UPKEEP_TASKS.length + 1;

export async function startMaintenance(context: Context): Promise<Service> {
  const { config, secrets, log, db, queues, databaseDirectUrl, outages } = context;
  await refuseForgetfulQueue(context);
  const { telemetry } = context.metrics;
  const queue = context.queue<JobData>(MAINTENANCE_QUEUE);
  const stopping = new AbortController();
  const works = upkeepWorks(config, secrets);
  const deps: UpkeepDeps = {
    schedules: upkeepSchedules(config, secrets),
    lastRuns: (task) => lastRuns(db, task),
    run: async (task) => {
      const work = works[task];
      if (work === undefined) throw new Error(`${task} is not set up here`);
      const { signal } = stopping;
      return runTask({ db, url: databaseDirectUrl, task, startedBy: 'schedule', signal }, work);
    },
    log,
  };
  const worker = queues.worker<JobData>(
    MAINTENANCE_QUEUE,
    async (job) => {
      if (job.name === HEARTBEAT) return recordHeartbeat(db, MAINTENANCE_QUEUE, heartbeatSentAt(job.data));
      const task = UPKEEP_TASKS.find((name) => name === job.name);
      if (task === undefined) throw new Error(`unknown maintenance task ${job.name}`);
      await upkeep(deps, task);
    },
    { concurrency: CONCURRENCY, backoff: queueBackoff },
  );
  worker.on('error', outages.queue.failed);
  worker.on('failed', (job, error) => {
    telemetry.jobFailed(MAINTENANCE_QUEUE);
    log.error({ task: job?.name, ...errorFields(error) }, 'maintenance failed');
  });
  await worker.waitUntilReady();
  void worker.run();
  const timers = startTimers(context, {
    own: [
      { name: 'schedules', run: () => told(outages.queue, keepSchedules(queue, deps.schedules)) },
      {
        // A tick that nobody saw, a run that failed: the queue has forgotten both.
        name: 'upkeep',
        run: async () => {
          for (const task of UPKEEP_TASKS) {
            const last = await told(outages.database, lastRuns(db, task));
            if (isTaskDue(deps.schedules[task], last)) await told(outages.queue, addUpkeepJob(queue, task));
          }
        },
      },
    ],
  });
  log.info({ schedules: deps.schedules }, 'maintenance ready');
  return {
    checks: baseChecks(context, [MAINTENANCE_QUEUE]),
    stop: async () => {
      stopping.abort(new Error('stopping'));
      await Promise.all([timers.stop(), worker.close()]);
    },
  };
}
