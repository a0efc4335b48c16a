// The queue in Redis: one connection for all that is added and asked, which fails fast, and two a worker, which wait
// for Redis to come back.
import { type Processor, Queue, Worker } from 'bullmq';
import type { QueueBackend, WorkerSettings } from './backend.ts';
import { openAskingRedis, openWorkerRedis, type RedisClient } from './open-redis.ts';
import { redisRateStore } from './rate-store.ts';
import { explainErrorsOf } from './redis-errors.ts';
import { redisHazards } from './redis-hazards.ts';
import { parseRedisUrl } from './redis-url.ts';
import { workerOptions } from './worker-options.ts';

/**
 * BullMQ asks for the version once, and a queue whose first question failed would fail for ever; so a queue asks
 * nothing beforehand, and every command of it finds out for itself.
 */
const FROM_THE_FIRST_COMMAND = { skipWaitingForReady: true, skipVersionCheck: true } as const;

/**
 * @param prefix begins every key; its braces keep a queue in one slot of a cluster
 * @param maxSilenceMs of every connection, instead of the defaults in open-redis.ts
 */
export function redisBackend(url: string, prefix: string, maxSilenceMs?: number): QueueBackend {
  const target = parseRedisUrl(url);
  const open = () => {
    const { client, close } = openAskingRedis(target, maxSilenceMs);
    return { client, close, explain: explainErrorsOf(client, target.kind) };
  };
  let shared: ReturnType<typeof open> | undefined;
  const asking = () => {
    shared ??= open();
    return shared;
  };
  const ask = async <Result>(question: (client: RedisClient) => Promise<Result>): Promise<Result> => {
    const { client, explain } = asking();
    try {
      return await question(client);
    } catch (error) {
      throw explain(error);
    }
  };
  return {
    kind: 'redis',
    migrate: async () => {},
    queue: <Data>(name: string) =>
      new Queue<Data>(name, { connection: asking().client, prefix, ...FROM_THE_FIRST_COMMAND }),
    worker: <Data>(name: string, process: Processor<Data>, settings: WorkerSettings) => {
      const connection = openWorkerRedis(target, maxSilenceMs);
      const worker = new Worker<Data>(name, process, { ...workerOptions(settings), connection, prefix });
      // What waits for a Redis that is away fails: its jobs are given to another worker later.
      worker.on('closing', () => {
        if (connection.status !== 'ready') connection.disconnect();
      });
      worker.on('closed', () => connection.disconnect());
      return worker;
    },
    ping: async () => {
      await ask((client) => client.ping());
    },
    hazards: () => ask(redisHazards),
    rateStore: () => {
      const { client, explain } = asking();
      const { take } = redisRateStore(client, prefix);
      return {
        take: (bucket, wanted) =>
          take(bucket, wanted).catch((error: unknown) => {
            throw explain(error);
          }),
      };
    },
    close: async () => shared?.close(),
  };
}
