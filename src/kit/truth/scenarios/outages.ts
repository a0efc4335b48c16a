// The servers that a system stands on go away, or forget.
import type { Scenario, Stage } from '../scenario.ts';
import { ROOMY } from './roomy.ts';

const ORDERS = 60;
const KINDS = ['cross', 'market', 'long'] as const;
/** So that most jobs wait: what a process holds it has recorded soon. */
const FEW_AT_A_TIME = { SUBMIT_CONCURRENCY: '5' };

export const postgresDown: Scenario = {
  name: 'postgres_down',
  what: 'PostgreSQL is away for 20 s (--outage) in the middle of it',
  paper: ROOMY,
  settings: FEW_AT_A_TIME,
  isRough: true,
  quietMs: 2_000,
  run: async (stage) => {
    const { servers, delay, outageMs } = stage;
    await startTrading(stage, false);
    await servers.postgres.stop();
    await delay(outageMs);
    await servers.postgres.start();
  },
};

export const queueWiped: Scenario = {
  name: 'queue_wiped',
  what: 'everything in the queue is gone (FLUSHALL, TRUNCATE), and those who worked on it die with it (SIGKILL)',
  paper: ROOMY,
  isRough: true,
  run: async (stage) => {
    await startTrading(stage, true);
    // As they are, they would finish all that they hold without the queue.
    await Promise.all([stage.system.senders().kill(), stage.system.wipeQueue()]);
  },
};

export const redisKilled: Scenario = {
  name: 'redis_killed',
  what: 'Redis is killed (SIGKILL) in the middle of it, and is back 3 s later with what it has on disk',
  onlyOn: 'redis',
  paper: ROOMY,
  settings: FEW_AT_A_TIME,
  isRough: true,
  quietMs: 2_000,
  run: async (stage) => {
    await startTrading(stage, false);
    await stage.servers.redis?.kill();
    await stage.delay(3_000);
    await stage.servers.redis?.restart();
  },
};

/** Resolves when some orders have been sent, and most have not. */
async function startTrading({ paper, orders, enqueue, until }: Stage, isRecorded: boolean): Promise<void> {
  paper.faults.add({ on: 'broadcast', action: 'delay_answer', params: { ms: 400 } });
  await enqueue(
    orders(ORDERS, (index) => ({ kind: KINDS[index % KINDS.length] ?? 'cross', landing: 'may' })),
    { isRecorded },
  );
  await until(() => paper.truth().orders.length >= ORDERS / 6, 10_000);
}
