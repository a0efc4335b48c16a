// The maintenance process: keeps the schedules in the queue, runs what is due, and sweeps.
import { SCHEDULES, type UpkeepDeps, type UpkeepTask, upkeep } from '../app/upkeep.ts';
import { createPollLoop } from '../core/poll-loop.ts';
import { errorFields } from '../ops/logger.ts';
import { addWakeJob, MAINTENANCE_QUEUE, ORDERS_QUEUE, type OrdersJob, queueBackoff } from '../queue/jobs.ts';
import { hasDue } from '../store/due-orders.ts';
import { lastMaintenanceRun, runMaintenance } from '../store/maintenance.ts';
import type { Context, Service } from './context.ts';

const TASKS = Object.keys(SCHEDULES) as UpkeepTask[];

export async function startMaintenance(context: Context): Promise<Service> {
  const { config, log, db, queues, databaseUrl } = context;
  const queue = queues.queue<object>(MAINTENANCE_QUEUE);
  const orders = queues.queue<OrdersJob>(ORDERS_QUEUE);
  const deps: UpkeepDeps = {
    lastRun: (task) => lastMaintenanceRun(db, task),
    run: (task) => runMaintenance(db, databaseUrl, task),
    now: () => new Date(),
    log,
  };
  const worker = queues.worker<object>(
    MAINTENANCE_QUEUE,
    async (job) => {
      const task = TASKS.find((name) => name === job.name);
      if (task === undefined) throw new Error(`unknown maintenance task ${job.name}`);
      await upkeep(deps, task);
    },
    { concurrency: 1, backoff: queueBackoff },
  );
  const onError = (error: Error) => log.warn(errorFields(error), 'queue not reachable');
  queue.on('error', onError);
  orders.on('error', onError);
  worker.on('error', onError);
  worker.on('failed', (job, error) =>
    log.error({ task: job?.name, ...errorFields(error) }, 'maintenance failed'),
  );
  await worker.waitUntilReady();
  void worker.run();

  // The schedules live in the queue: wiped with it, they come back with the next turn.
  const timers = createPollLoop(async () => {
    try {
      for (const task of TASKS) {
        const { pattern } = SCHEDULES[task];
        await queue.upsertJobScheduler(task, { pattern, tz: 'UTC' }, { name: task });
      }
      if (await hasDue(db)) await addWakeJob(orders, 0);
    } catch (error) {
      log.warn(errorFields(error), 'timers failed, will repeat');
    }
    return config.SWEEP_INTERVAL_MS;
  });
  timers.start();
  // A tick that was missed while nobody ran is made up now.
  for (const task of TASKS) await queue.add(task, {}, { removeOnComplete: true, removeOnFail: true });
  log.info({}, 'maintenance ready');
  return {
    stop: async () => {
      await timers.stop();
      await worker.close();
      await queue.close();
      await orders.close();
    },
  };
}
