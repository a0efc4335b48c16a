// The servers that a kit runs on: a PostgreSQL and, for that queue, a Redis of its own, in a folder that goes with
// them. Both can be taken away and come back where they were.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { bringUpToDate } from '../../cli/bring-up-to-date.ts';
import { chooseBackend } from '../../queue/backend.ts';
import { openDatabase } from '../../store/database.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../store/embedded-postgres.ts';
import { setUpRoles } from '../../store/role-setup.ts';
import { freePort } from './free-port.ts';
import { type RedisServer, startRedisServer } from './redis-server.ts';

export type QueueKind = 'postgres' | 'redis';

export type Servers = AsyncDisposable & {
  readonly queue: QueueKind;
  /** of the queue `redis` */
  readonly redis: RedisServer | undefined;
  readonly postgres: {
    /** of the postmaster that runs now */
    readonly pid: () => number;
    readonly version: string;
    /** Fast shutdown; every connection breaks. */
    readonly stop: () => Promise<void>;
    /** On the same port and folder. */
    readonly start: () => Promise<void>;
  };
  /** where processes may write what they say; gone with the servers */
  readonly folder: string;
  /** An empty, migrated database with its roles. @returns its URLs */
  readonly makeDatabase: (name: string) => Promise<DatabaseUrls>;
  readonly dropDatabase: (name: string) => Promise<void>;
};

export type DatabaseUrls = {
  /** as a superuser: for the kit itself */
  readonly admin: string;
  /** as the processes of the router log in */
  readonly worker: string;
};

export type ServersOptions = {
  readonly queue: QueueKind;
  /** `name=value`, over PostgreSQL's defaults, which are durable */
  readonly postgresSettings?: readonly string[];
  /** as on redis-server's command line, over its defaults here, which are durable */
  readonly redisArgs?: readonly string[];
  readonly signal?: AbortSignal | undefined;
};

const TEMPLATE = 'kit_template';
const WORKER = { user: 'kit_worker', password: 'kit' } as const;

export async function startServers({
  queue,
  postgresSettings = [],
  redisArgs = [],
  signal,
}: ServersOptions): Promise<Servers> {
  await using opening = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'router-kit-'));
  opening.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const redis = queue === 'redis' ? opening.use(await startRedisServer({ args: redisArgs })) : undefined;
  signal?.throwIfAborted();
  const port = await freePort();
  const cluster = join(folder, 'postgres');
  const start = () =>
    startEmbeddedPostgres({
      folder: cluster,
      port,
      settings: ['max_connections=300', ...postgresSettings],
      ...(signal === undefined ? {} : { signal }),
    });
  let server: EmbeddedPostgres = await start();
  opening.defer(() => server.stop());
  const urlOf = (database: string) => withPath(server.url, database);
  const administer = (statement: string) => ask(urlOf('postgres'), statement);
  await administer(`CREATE DATABASE ${TEMPLATE}`);
  const { rows } = await ask(urlOf(TEMPLATE), 'SHOW server_version');
  await fillTemplate(urlOf(TEMPLATE));
  signal?.throwIfAborted();
  const stack = opening.move();
  return {
    queue,
    redis,
    folder,
    postgres: {
      pid: () => Number.parseInt(readFileSync(join(cluster, 'postmaster.pid'), 'utf8'), 10),
      version: String(rows[0]?.server_version),
      stop: () => server.stop(),
      start: async () => {
        server = await start();
      },
    },
    makeDatabase: async (name) => {
      await administer(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
      const admin = urlOf(name);
      const worker = new URL(admin);
      worker.username = WORKER.user;
      worker.password = WORKER.password;
      return { admin, worker: worker.href };
    },
    dropDatabase: async (name) => {
      await administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function fillTemplate(url: string): Promise<void> {
  const queues = chooseBackend({ databaseUrl: url });
  await bringUpToDate(url, queues);
  await queues.close();
  const db = openDatabase({ url, maxConnections: 2 });
  try {
    await setUpRoles(db, [{ ...WORKER, role: 'cryptopulse_worker' }]);
  } finally {
    await db.destroy();
  }
}

function withPath(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

/** One statement over a connection of its own. */
export async function ask(url: string, statement: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.query(statement);
  } finally {
    await client.end().catch(() => {});
  }
}
