// The queue in Redis: one connection for all that is added and asked, which fails fast, and one a worker, which waits
// for Redis to come back.
import { type Processor, Queue, Worker } from 'bullmq';
import type { QueueBackend, WorkerSettings } from './backend.ts';
import { redisHazards } from './redis-hazards.ts';
import { openRedis } from './redis-url.ts';
import { workerOptions } from './worker-options.ts';

/** A producer that hangs is worse than one that is told: the intent can be sent again, the sweep finds the rows. */
const COMMAND_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** @param prefix begins every key; its braces keep a queue in one slot of a cluster */
export function redisBackend(url: string, prefix: string): QueueBackend {
  let shared: ReturnType<typeof openRedis> | undefined;
  const producer = () => {
    if (shared === undefined) {
      shared = openRedis(url, {
        maxRetriesPerRequest: 1,
        commandTimeout: COMMAND_TIMEOUT_MS,
        connectTimeout: CONNECT_TIMEOUT_MS,
      });
      // Every command that fails is told to its caller; without a listener it would be printed as well.
      shared.on('error', () => {});
    }
    return shared;
  };
  return {
    kind: 'redis',
    migrate: async () => {},
    queue: <Data>(name: string) => new Queue<Data>(name, { connection: producer(), prefix }),
    worker: <Data>(name: string, process: Processor<Data>, settings: WorkerSettings) => {
      const connection = openRedis(url, { maxRetriesPerRequest: null, connectTimeout: CONNECT_TIMEOUT_MS });
      const worker = new Worker<Data>(name, process, { ...workerOptions(settings), connection, prefix });
      worker.on('closed', () => connection.disconnect());
      return worker;
    },
    ping: async () => {
      await producer().ping();
    },
    hazards: () => redisHazards(producer()),
    close: async () => shared?.disconnect(),
  };
}
