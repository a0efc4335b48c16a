// The timers that every process runs, each in its turn over all of them: rows that are due without a wake-up,
// and heartbeats. A wiped queue gets them back from here, without a restart.
import { createPollLoop } from '../core/poll-loop.ts';
import type { Outage } from '../ops/outage.ts';
import {
  addHeartbeatJob,
  addSweepJob,
  CONTROL_QUEUE,
  type JobData,
  ORDERS_QUEUE,
  QUEUES,
} from '../queue/jobs.ts';
import { whatIsDue } from '../store/due-orders.ts';
import { giveTurnBack, takeTurn } from '../store/timer-turns.ts';
import type { Context, Service } from './context.ts';

export type Timer = {
  /** Names the turn: over all processes on the same queue the same timer has the same name. */
  readonly name: string;
  /** Throws when it could not be done; whom it asked tells the outage. @param turn the database's time of the turn */
  readonly run: (turn: Date) => Promise<void>;
};

export type TimerOptions = {
  /** timers of this kind of process only */
  readonly own?: readonly Timer[];
  /** Works on the rows that are due, when the queue takes no wake-up; without it, another process must. */
  readonly carryOn?: () => Promise<unknown>;
};

/** The turn of whoever was last must not delay the next one by the jitter of their clocks. */
const TURN_SHARE = 0.9;

export function startTimers(context: Context, { own = [], carryOn }: TimerOptions = {}): Service {
  // One loop a timer: whatever hangs or fails holds up no other.
  const loops = [...sharedTimers(context, carryOn), ...own].map((timer) =>
    createPollLoop(() => takeTurnAndRun(context, timer)),
  );
  for (const loop of loops) loop.start();
  return {
    stop: async () => {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

async function takeTurnAndRun(context: Context, { name, run }: Timer): Promise<number> {
  const { config, db, queues, outages } = context;
  const intervalMs = config.SWEEP_INTERVAL_MS;
  // A process that is set to another queue serves that one: its turns are not these.
  const timer = queues.kind === 'redis' ? `${name} redis ${config.QUEUE_PREFIX}` : `${name} postgres`;
  try {
    const turn = await told(outages.database, takeTurn(db, timer, intervalMs * TURN_SHARE));
    if (turn !== undefined) {
      await run(turn).catch(async (error: unknown) => {
        // Somebody else may be able to; who fails must not hold the turn of the whole fleet.
        await giveTurnBack(db, timer);
        throw error;
      });
    }
  } catch {
    // Told already by the outage of whatever was asked.
  }
  return intervalMs;
}

/** Tells the outage what became of the question. */
export async function told<Answer>(outage: Outage, question: Promise<Answer>): Promise<Answer> {
  try {
    const answer = await question;
    outage.works();
    return answer;
  } catch (error) {
    outage.failed(error);
    throw error;
  }
}

function sharedTimers({ db, queue, outages }: Context, carryOn: TimerOptions['carryOn']): readonly Timer[] {
  const orders = queue<JobData>(ORDERS_QUEUE);
  return [
    {
      name: 'sweep',
      run: async () => {
        const { hasDue, hasDueCancels } = await told(outages.database, whatIsDue(db));
        if (!hasDue) return;
        try {
          if (hasDueCancels) await told(outages.queue, addSweepJob(queue<JobData>(CONTROL_QUEUE)));
          await told(outages.queue, addSweepJob(orders));
        } catch (error) {
          if (carryOn === undefined) throw error;
          // The rows are the work: a queue that is away, full or read-only must not keep them waiting.
          await told(outages.database, carryOn());
        }
      },
    },
    {
      name: 'heartbeats',
      run: async (turn) => {
        for (const consumed of QUEUES) {
          await told(outages.queue, addHeartbeatJob(queue<JobData>(consumed), turn));
        }
      },
    },
  ];
}
