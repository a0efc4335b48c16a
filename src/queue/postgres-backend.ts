// The queue in the router's own database, in a schema of its own: nothing else to run, slower than Redis.
import {
  assertSchemaCompatibility,
  createPostgresBackend,
  type Processor,
  Queue,
  runMigrations,
  Worker,
} from 'bullmq';
import pg from 'pg';
import type { QueueBackend, WorkerSettings } from './backend.ts';
import { workerOptions } from './worker-options.ts';

const SCHEMA = 'bullmq';
/** Connections of a worker, besides the one that listens; every job is fetched and finished by a statement. */
const WORKER_CONNECTIONS = 8;
/** Of a queue that is only added to and asked. */
const QUEUE_CONNECTIONS = 2;

/** At most, of one process that works one queue and adds to both. */
export const CONNECTIONS_OF_A_WORKER = WORKER_CONNECTIONS + 1 + 2 * QUEUE_CONNECTIONS;

/** Throws with what to do unless the queue's own tables are there in this version. */
export async function requirePostgresQueue(connectionString: string, timeoutMs: number): Promise<void> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => {});
  await client.connect();
  try {
    await assertSchemaCompatibility(client, SCHEMA);
  } finally {
    await client.end();
  }
}

export function postgresBackend(connectionString: string): QueueBackend {
  const connection = (max: number) => ({
    connectionString,
    schema: SCHEMA,
    max,
    application_name: 'dydx-order-router queue',
  });
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
      new Queue(
        name,
        { connection: connection(QUEUE_CONNECTIONS) },
        createPostgresBackend,
      ) as unknown as Queue<Data>,
    worker: <Data>(name: string, process: Processor<Data>, settings: WorkerSettings) =>
      new Worker(
        name,
        process as Processor,
        { ...workerOptions(settings), connection: connection(WORKER_CONNECTIONS) },
        createPostgresBackend,
      ) as unknown as Worker<Data>,
    // It is the database, which every process asks anyway.
    ping: async () => {},
    hazards: async () => [],
    close: async () => {},
  };
}
