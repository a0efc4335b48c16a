// The one place that chooses where the queue lives: Redis when REDIS_URL is set, else BullMQ's PostgreSQL backend
// in the router's own database. Everything above it is the same code for both.
import {
  createPostgresBackend,
  createRedisBackend,
  type Processor,
  Queue,
  runMigrations,
  Worker,
  type WorkerOptions,
} from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';

export type QueueBackend = {
  readonly kind: 'redis' | 'postgres';
  /** Makes the queue's own tables where it needs some; idempotent, safe with many starters. */
  readonly migrate: () => Promise<void>;
  readonly queue: <Data>(name: string) => Queue<Data>;
  readonly worker: <Data>(name: string, process: Processor<Data>, options: WorkerSettings) => Worker<Data>;
};

export type WorkerSettings = Pick<
  WorkerOptions,
  'concurrency' | 'lockDuration' | 'stalledInterval' | 'drainDelay'
> & {
  /** ms until a job that threw is tried again */
  readonly backoff: (attemptsMade: number) => number;
};

export type BackendOptions = {
  readonly redisUrl?: string | undefined;
  readonly databaseUrl: string;
  /** Redis only: the hash tag keeps all keys of a queue in one cluster slot. */
  readonly prefix?: string;
};

const SCHEMA = 'bullmq';
/** A worker that dies this often with one job has found a poisonous one. */
const MAX_STALLED_COUNT = 5;
/** Finished jobs are done with: the rows are the truth, and a job that stays would swallow the same id again. */
const KEEP_COMPLETED = { count: 0 };

export function chooseBackend(options: BackendOptions): QueueBackend {
  return options.redisUrl === undefined
    ? postgresBackend(options.databaseUrl)
    : redisBackend(options.redisUrl, options.prefix ?? '{router}');
}

function workerOptions({ backoff, ...settings }: WorkerSettings) {
  return {
    ...settings,
    autorun: false,
    maxStalledCount: MAX_STALLED_COUNT,
    removeOnComplete: KEEP_COMPLETED,
    settings: { backoffStrategy: (attemptsMade: number) => backoff(attemptsMade) },
  };
}

function postgresBackend(connectionString: string): QueueBackend {
  const connection = {
    connectionString,
    schema: SCHEMA,
    max: 8,
    application_name: 'dydx-order-router queue',
  };
  return {
    kind: 'postgres',
    migrate: async () => {
      const client = new pg.Client({ connectionString });
      client.on('error', () => {});
      await client.connect();
      try {
        await runMigrations(client, SCHEMA);
      } finally {
        await client.end();
      }
    },
    queue: <Data>(name: string) =>
      new Queue(name, { connection }, createPostgresBackend) as unknown as Queue<Data>,
    worker: <Data>(name: string, process: Processor<Data>, settings: WorkerSettings) =>
      new Worker(
        name,
        process as Processor,
        { ...workerOptions(settings), connection },
        createPostgresBackend,
      ) as unknown as Worker<Data>,
  };
}

function redisBackend(url: string, prefix: string): QueueBackend {
  // Producers fail fast; a worker waits for Redis to come back.
  const producer = () =>
    new Redis(url, { maxRetriesPerRequest: 1, enableOfflineQueue: true, lazyConnect: true });
  const consumer = () => new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true });
  return {
    kind: 'redis',
    migrate: async () => {},
    queue: <Data>(name: string) => {
      const connection = producer();
      const queue = new Queue<Data>(name, { connection, prefix }, createRedisBackend as never);
      const close = queue.close.bind(queue);
      queue.close = async () => {
        await close();
        connection.disconnect();
      };
      return queue;
    },
    worker: <Data>(name: string, process: Processor<Data>, settings: WorkerSettings) => {
      const connection = consumer();
      const worker = new Worker<Data>(name, process, { ...workerOptions(settings), connection, prefix });
      worker.on('closed', () => connection.disconnect());
      return worker;
    },
  };
}
