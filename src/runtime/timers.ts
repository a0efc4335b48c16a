// The timers that every process runs, each in its turn over all of them: rows that are due without a wake-up, the
// schedules, and heartbeats. A wiped queue gets all of it back from here, without a restart.
import { SCHEDULES } from '../app/upkeep.ts';
import { createPollLoop } from '../core/poll-loop.ts';
import { addHeartbeatJob, addWakeJob, type JobData, MAINTENANCE_QUEUE, ORDERS_QUEUE } from '../queue/jobs.ts';
import { hasDue } from '../store/due-orders.ts';
import type { UpkeepTask } from '../store/maintenance.ts';
import { takeTurn } from '../store/timer-turns.ts';
import type { Context, Service } from './context.ts';

export type Timer = {
  /** Names the turn: over all processes the same timer has the same name. */
  readonly name: string;
  /** @param turn the database's time when the turn was taken */
  readonly run: (turn: Date) => Promise<void>;
};

/** The turn of whoever was last must not delay the next one by the jitter of their clocks. */
const TURN_SHARE = 0.9;

/** @param own timers of this kind of process only */
export function startTimers(context: Context, own: readonly Timer[] = []): Service {
  const { config, db, outages } = context;
  const timers = [...sharedTimers(context), ...own];
  const intervalMs = config.SWEEP_INTERVAL_MS;
  const loop = createPollLoop(async () => {
    // One that fails holds up no other.
    for (const { name, run } of timers) {
      const turn = await takeTurn(db, name, intervalMs * TURN_SHARE).catch(outages.database.failed);
      if (turn === undefined) continue;
      outages.database.works();
      await run(turn).then(outages.queue.works, outages.queue.failed);
    }
    return intervalMs;
  });
  loop.start();
  return loop;
}

function sharedTimers({ db, queue }: Context): readonly Timer[] {
  const orders = queue<JobData>(ORDERS_QUEUE);
  const maintenance = queue<JobData>(MAINTENANCE_QUEUE);
  return [
    {
      name: 'sweep',
      run: async () => {
        if (await hasDue(db)) await addWakeJob(orders, 0);
      },
    },
    {
      name: 'schedules',
      run: async () => {
        for (const task of Object.keys(SCHEDULES) as UpkeepTask[]) {
          const { pattern } = SCHEDULES[task];
          await maintenance.upsertJobScheduler(task, { pattern, tz: 'UTC' }, { name: task });
        }
      },
    },
    {
      name: 'heartbeats',
      run: async (turn) => {
        await addHeartbeatJob(orders, turn);
        await addHeartbeatJob(maintenance, turn);
      },
    },
  ];
}
