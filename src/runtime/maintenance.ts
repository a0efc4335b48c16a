// The maintenance process: runs the upkeep that is due.
import { SCHEDULES, type UpkeepDeps, upkeep } from '../app/upkeep.ts';
import { errorFields } from '../ops/logger.ts';
import { HEARTBEAT, heartbeatSentAt, type JobData, MAINTENANCE_QUEUE, queueBackoff } from '../queue/jobs.ts';
import { lastMaintenanceRun, runMaintenance, type UpkeepTask } from '../store/maintenance.ts';
import { recordHeartbeat } from '../store/queue-heartbeats.ts';
import { type Context, refuseForgetfulQueue, type Service } from './context.ts';
import { baseChecks } from './health.ts';
import { startTimers } from './timers.ts';

const TASKS = Object.keys(SCHEDULES) as UpkeepTask[];
/** A heartbeat must get through while every task runs. */
const CONCURRENCY = TASKS.length + 1;

export async function startMaintenance(context: Context): Promise<Service> {
  const { log, db, queues, databaseDirectUrl, outages } = context;
  await refuseForgetfulQueue(context);
  const { telemetry } = context.metrics;
  const queue = context.queue<JobData>(MAINTENANCE_QUEUE);
  const deps: UpkeepDeps = {
    lastRun: (task) => lastMaintenanceRun(db, task),
    run: (task) => runMaintenance(db, databaseDirectUrl, task),
    now: () => new Date(),
    log,
  };
  const worker = queues.worker<JobData>(
    MAINTENANCE_QUEUE,
    async (job) => {
      if (job.name === HEARTBEAT) return recordHeartbeat(db, MAINTENANCE_QUEUE, heartbeatSentAt(job.data));
      const task = TASKS.find((name) => name === job.name);
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
  const timers = startTimers(context);
  // A tick that was missed while nobody ran is made up now.
  for (const task of TASKS) await queue.add(task, {}, { removeOnComplete: true, removeOnFail: true });
  log.info({}, 'maintenance ready');
  return {
    checks: baseChecks(context, [MAINTENANCE_QUEUE]),
    stop: async () => {
      await Promise.all([timers.stop(), worker.close()]);
    },
  };
}
