// The one place that chooses where the queue lives: Redis when REDIS_URL is set, else BullMQ's PostgreSQL backend
// in the router's own database. Everything above it is the same code for both.
import type { Processor, Queue, Worker, WorkerOptions } from 'bullmq';
import { postgresBackend } from './postgres-backend.ts';
import type { RateStore } from './rate-store.ts';
import { redisBackend } from './redis-backend.ts';

export type QueueBackend = {
  readonly kind: 'redis' | 'postgres';
  /**
   * Makes the queue's own tables where it needs some; idempotent, safe with many starters.
   * @param role as whom: what is made is theirs
   */
  readonly migrate: (role?: string) => Promise<void>;
  readonly queue: <Data>(name: string) => Queue<Data>;
  readonly worker: <Data>(name: string, process: Processor<Data>, options: WorkerSettings) => Worker<Data>;
  /** Throws when the queue cannot be asked. */
  readonly ping: () => Promise<void>;
  /** How the queue's server may lose jobs that it has taken, in words; empty when it keeps what it has. */
  readonly hazards: () => Promise<readonly string[]>;
  /** Counts that all processes on this queue share; it uses the connection that asks. */
  readonly rateStore: () => RateStore;
  /** After every queue and worker has been closed. */
  readonly close: () => Promise<void>;
};

export type WorkerSettings = Pick<
  WorkerOptions,
  'concurrency' | 'lockDuration' | 'stalledInterval' | 'drainDelay'
> & {
  /** of the PostgreSQL queue, besides the one that listens; default 8. Few for a queue that has few jobs. */
  readonly connections?: number;
  /** ms until a job that threw is tried again */
  readonly backoff: (attemptsMade: number) => number;
};

export type BackendOptions = {
  readonly redisUrl?: string | undefined;
  readonly databaseUrl: string;
  /** Redis only: begins every key; default `{router}` */
  readonly queuePrefix?: string | undefined;
  /** ms without an answer after which a connection is replaced; each use has its default, tests wait less */
  readonly maxSilenceMs?: number | undefined;
};

const DEFAULT_PREFIX = '{router}';

export function chooseBackend({
  redisUrl,
  databaseUrl,
  queuePrefix = DEFAULT_PREFIX,
  maxSilenceMs,
}: BackendOptions): QueueBackend {
  return redisUrl === undefined
    ? postgresBackend(databaseUrl, maxSilenceMs)
    : redisBackend(redisUrl, queuePrefix, maxSilenceMs);
}
