// One connection pool, one typed Kysely over it. Every runtime query goes through here; the hot statements are
// prepared by name, which saves their planning (9 % of the whole pipeline).
import { Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import type { DB } from './schema.ts';
import { sqlstateOf } from './sqlstate.ts';

export type Database = Kysely<DB>;

export type DatabaseOptions = {
  readonly url: string;
  /**
   * Connections. Too low: batches wait for each other; too high × replicas meets the server's max_connections
   * (docs/operations.md has the budget). Default DEFAULT_CONNECTIONS: statements are batched.
   */
  readonly maxConnections?: number | undefined;
  readonly applicationName?: string;
  /**
   * The url is that of a pooler that lends a server connection per transaction: nothing is prepared by name, and no
   * setting is sent with the start, because the next transaction has another connection. `router roles --grant`
   * keeps the timeouts with the login instead.
   */
  readonly isPooled?: boolean | undefined;
  /** SET ROLE for every connection; not through a pooler. */
  readonly role?: string | undefined;
  /**
   * For those whose statements name the rows that they want. A prepared plan outlives the size that its tables had when it
   * was made: made on a young database it reads all of `orders` for every batch (measured: 6.7 ms instead of 1 ms at 2,000
   * orders), until autovacuum comes by. Not through a pooler, which shares connections with others.
   */
  readonly isByKey?: boolean;
  /** For those who sign or settle: no connection works on a database that may have forgotten what left (000011). */
  readonly mustKnowServer?: boolean;
  /** Migrations: an index on a full table takes as long as it takes, but nobody waits long for its lock. */
  readonly isUnhurried?: boolean;
  /** Called for errors of idle connections (the server went away); the pool replaces them. */
  readonly onError?: (error: Error) => void;
};

const DEFAULT_CONNECTIONS = 8;
/** The source document's pool: at most 25 open (src/config.ts), 5 of them idle, each replaced after 5 minutes. */
const MAX_IDLE = 5;
const MAX_LIFETIME_S = 300;
/** An idle connection beyond MAX_IDLE is closed after this. */
const IDLE_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A statement of ours takes milliseconds: one that takes this long waits for a lock or a dead server. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Shorter, so that the error names the lock; longer than any transaction of ours holds one. */
const LOCK_TIMEOUT_MS = 10_000;
/** The server's timeout does not help when the server is gone: past this the connection is given up. */
const QUERY_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;

/** The server's settings of a runtime connection; a login behind a transaction pooler has them as its own. */
export const SESSION_SETTINGS = {
  statement_timeout: STATEMENT_TIMEOUT_MS,
  lock_timeout: LOCK_TIMEOUT_MS,
  idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
} as const;

export function openDatabase(options: DatabaseOptions): Database {
  const max = options.maxConnections ?? DEFAULT_CONNECTIONS;
  const pool = new pg.Pool({
    connectionString: options.url,
    max,
    min: Math.min(max, MAX_IDLE),
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    maxLifetimeSeconds: MAX_LIFETIME_S,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    application_name: options.applicationName ?? 'dydx-order-router',
    ...settingsOf(options),
    ...(options.mustKnowServer && { onConnect: requireKnownServer }),
  });
  const onError = options.onError ?? (() => {});
  pool.on('error', onError);
  // A connection that breaks while it is checked out fails its query; without a listener it would also end the process.
  pool.on('connect', (client) => client.on('error', onError));
  const source = options.isPooled ? pool : preparing(pool);
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool: source }) });
}

export const REQUIRE_KNOWN_SERVER = 'SELECT require_known_server()';

async function requireKnownServer(client: pg.ClientBase): Promise<void> {
  try {
    await client.query(REQUIRE_KNOWN_SERVER);
  } catch (error) {
    // A schema from before it: requireSchema tells what to do.
    if (sqlstateOf(error) !== UNDEFINED_FUNCTION) throw error;
  }
}

const UNDEFINED_FUNCTION = '42883';

/** Before PostgreSQL 18 a scan that cannot be avoided looks so dear that it would be compiled first. */
const BY_KEY = ['-c enable_seqscan=off', '-c jit=off'];

function settingsOf({ role, isPooled, isUnhurried, isByKey }: DatabaseOptions): pg.PoolConfig {
  const settings = [...(role === undefined ? [] : [`-c role=${role}`]), ...(isByKey ? BY_KEY : [])];
  if (isUnhurried) {
    // The login's own are for statements of a moment.
    settings.push('-c statement_timeout=0', '-c idle_in_transaction_session_timeout=0');
    return { options: settings.join(' '), lock_timeout: LOCK_TIMEOUT_MS };
  }
  if (isPooled) return { query_timeout: QUERY_TIMEOUT_MS };
  return { options: settings.join(' '), ...SESSION_SETTINGS, query_timeout: QUERY_TIMEOUT_MS };
}

const NAMED = /^\/\* prepared: (\w+) \*\//;

/** A statement that starts with a `prepared: name` comment is sent as a prepared statement of that name. */
function preparing(pool: pg.Pool) {
  return {
    connect: async (): Promise<PostgresPoolClient> => preparingClient(await pool.connect()),
    end: () => pool.end(),
    options: pool.options,
  };
}

const prepared = new WeakMap<pg.PoolClient, PostgresPoolClient>();

function preparingClient(client: pg.PoolClient): PostgresPoolClient {
  const known = prepared.get(client);
  if (known) return known;
  const query = client.query.bind(client);
  const wrapped = Object.create(client, {
    query: {
      value: (first: unknown, values?: unknown) => {
        const name = typeof first === 'string' ? NAMED.exec(first)?.[1] : undefined;
        return name === undefined
          ? Reflect.apply(query, client, [first, values])
          : Reflect.apply(query, client, [{ name, text: first, values }]);
      },
    },
    release: { value: (error?: Error | boolean) => client.release(error) },
  }) as PostgresPoolClient;
  prepared.set(client, wrapped);
  return wrapped;
}
