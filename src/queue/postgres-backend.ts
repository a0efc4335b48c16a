// The queue in the router's own database, in a schema of its own: nothing else to run, slower than Redis. All that a
// process adds and asks goes through one small pool, whose first contact may fail and is made again; a worker has
// connections of its own.
import type { EventEmitter } from 'node:events';
import {
  assertSchemaCompatibility,
  type BackendFactory,
  type PgPool,
  PostgresConnection,
  type PostgresConnectionOptions,
  PostgresQueueBackend,
  type Processor,
  Queue,
  runMigrations,
  Worker,
} from 'bullmq';
import pg from 'pg';
import type { QueueBackend, WorkerSettings } from './backend.ts';
import { QUEUES } from './jobs.ts';
import { postgresRateStore } from './rate-store.ts';
import { workerOptions } from './worker-options.ts';

/** src/store/role-sql.ts gives rights on it. */
const SCHEMA = 'bullmq';
/** Connections of a worker, besides the one that listens; every job is fetched and finished by a statement. */
const WORKER_CONNECTIONS = 8;
/** The same of the worker of the queue `control`, which has little to do. */
export const CONTROL_CONNECTIONS = 2;
/** Of all queues of a process that are only added to and asked. */
const ASKING_CONNECTIONS = 2;

/** At most: it works two queues, listens for each, and adds to any. */
export const CONNECTIONS_OF_A_SUBMITTER =
  WORKER_CONNECTIONS + 1 + CONTROL_CONNECTIONS + 1 + ASKING_CONNECTIONS;

// The same as in src/store/database.ts, which must not be imported from here.
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** The server's timeout does not help when the server is gone: past this a connection is given up. */
const MAX_SILENCE_MS = STATEMENT_TIMEOUT_MS + 5_000;

/**
 * A worker asks again after this many seconds although nobody notified it: a listening connection that fell silent
 * is not noticed, and BullMQ would rely on it for an hour when a delayed job waits.
 */
const MAX_BLOCK_S = 10;

type PostgresFactory = BackendFactory<PostgresQueueBackend, PostgresConnectionOptions>;

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

/** @param maxSilenceMs past this without an answer a statement fails and its connection is replaced */
export function postgresBackend(connectionString: string, maxSilenceMs = MAX_SILENCE_MS): QueueBackend {
  const connection = (max: number) => ({
    connectionString,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    // Also of the connection that listens: it waits between statements and not in one.
    query_timeout: maxSilenceMs,
    keepAlive: true,
    application_name: 'dydx-order-router queue',
  });
  const open = () => {
    // BullMQ's statements name no schema.
    const options = `-c search_path=${SCHEMA}`;
    // A Pool is what BullMQ takes; its types are worded so that pg's do not fit.
    const pool = new pg.Pool({ ...connection(ASKING_CONNECTIONS), options }) as unknown as PgPool;
    // An idle connection that breaks is replaced by the next statement.
    pool.on('error', () => {});
    return { pool, contact: untilItSucceeds(() => assertSchemaCompatibility(pool, SCHEMA)) };
  };
  let shared: ReturnType<typeof open> | undefined;
  const asking = () => {
    shared ??= open();
    return shared;
  };
  return {
    kind: 'postgres',
    migrate: async (role) => {
      // A login's timeouts are for statements of a moment.
      const options = `-c statement_timeout=0${role === undefined ? '' : ` -c role=${role}`}`;
      const client = new pg.Client({
        connectionString,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        options,
      });
      client.on('error', () => {});
      await client.connect();
      try {
        await runMigrations(client, SCHEMA);
        await makeIdSequences(client);
      } finally {
        await client.end();
      }
    },
    queue: <Data>(name: string) => {
      const { pool, contact } = asking();
      const factory: PostgresFactory = (queueName, options) => {
        // BullMQ remembers a first contact that failed, in both: such a queue would fail for ever.
        const lasting = Object.assign(new PostgresConnection(pool), { waitUntilReady: contact });
        return Object.assign(new PostgresQueueBackend(lasting, queueName, options), {
          waitUntilReady: contact,
        });
      };
      return new Queue(name, { connection: pool }, factory) as unknown as Queue<Data>;
    },
    worker: <Data>(name: string, process: Processor<Data>, settings: WorkerSettings) =>
      new Worker(
        name,
        process as Processor,
        {
          ...workerOptions(settings),
          connection: { ...connection(settings.connections ?? WORKER_CONNECTIONS), schema: SCHEMA },
        },
        workerFactory,
      ) as unknown as Worker<Data>,
    ping: async () => {
      await assertSchemaCompatibility(asking().pool, SCHEMA);
    },
    hazards: async () => [],
    rateStore: () => postgresRateStore(asking().pool),
    close: async () => {
      const pool = shared?.pool;
      shared = undefined;
      await pool?.end();
    },
  };
}

const workerFactory: PostgresFactory = (name, options) => {
  const connection = new PostgresConnection(options.connection);
  const { getListenClient } = connection;
  const wrapped = new WeakSet<object>();
  // A client whose LISTEN was not answered would be asked for ever, and its worker would fetch nothing: told as an
  // error of the client, BullMQ opens another one.
  connection.getListenClient = async () => {
    const client = await getListenClient.call(connection);
    if (wrapped.has(client)) return client;
    wrapped.add(client);
    const { query } = client;
    return Object.assign(client, {
      query: async (text: string, params?: readonly unknown[]) => {
        try {
          return await query.call(client, text, params);
        } catch (error) {
          (client as unknown as EventEmitter).emit('error', error);
          throw error;
        }
      },
    });
  };
  const backend = new PostgresQueueBackend(connection, name, options, true, name);
  return Object.defineProperty(backend, 'maximumBlockTimeout', { value: MAX_BLOCK_S });
};

/** BullMQ makes them with a queue's first job, as whoever adds that: nobody else could then use them. */
async function makeIdSequences(client: pg.Client): Promise<void> {
  for (const queue of QUEUES) {
    const { rows } = await client.query(`SELECT ${SCHEMA}.job_id_seq_name($1) AS name`, [queue]);
    await client.query(`CREATE SEQUENCE IF NOT EXISTS ${SCHEMA}.${pg.escapeIdentifier(rows[0]?.name)}`);
  }
}

/** Its success is remembered, its failure is not. */
function untilItSucceeds(work: () => Promise<unknown>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    if (done !== undefined) return done;
    const trying = work().then(
      () => {},
      (error: unknown) => {
        done = undefined;
        throw error;
      },
    );
    done = trying;
    return trying;
  };
}
