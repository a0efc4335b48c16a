// The queue `baseline` on Redis or on BullMQ's PostgreSQL backend, with the settings that BullMQ's documentation shows.
import { createPostgresBackend, Queue, runMigrations, Worker } from 'bullmq';
import pg from 'pg';

const NAME = 'baseline';
const SCHEMA = 'bullmq';
const JOB_OPTIONS = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 1000 },
  removeOnComplete: { count: 1000 },
  removeOnFail: { count: 5000 },
};

/** The PostgreSQL backend's own tables; idempotent. */
export async function makeQueue({ redisUrl, databaseUrl }) {
  if (redisUrl !== undefined) return;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await runMigrations(client, SCHEMA);
  } finally {
    await client.end();
  }
}

/** The last arguments of a Queue or a Worker: its options, and the backend unless it is Redis. */
function backendOf({ redisUrl, queuePrefix, databaseUrl }, options = {}) {
  if (redisUrl !== undefined) {
    return [{ ...options, prefix: queuePrefix, connection: { url: redisUrl, maxRetriesPerRequest: null } }];
  }
  return [
    { ...options, connection: { connectionString: databaseUrl, schema: SCHEMA } },
    createPostgresBackend,
  ];
}

export function openQueue(settings) {
  const queue = new Queue(NAME, ...backendOf(settings, { defaultJobOptions: JOB_OPTIONS }));
  queue.on('error', (error) => console.error('queue:', error.message));
  return queue;
}

export function openWorker(settings, carryOut) {
  const { concurrency, lockMs } = settings;
  const options = { concurrency, lockDuration: lockMs, stalledInterval: lockMs };
  const worker = new Worker(NAME, carryOut, ...backendOf(settings, options));
  worker.on('error', (error) => console.error('worker:', error.message));
  return worker;
}

/** Its id keeps the same intent from being queued twice while a job of it is kept. BullMQ takes no ':' in it. */
export function jobOf(intent) {
  return { name: 'place', data: intent, opts: { jobId: `order-${encodeURIComponent(intent.client_id)}` } };
}
