// Databases of a server as wholes: made, dropped, renamed, while nobody else does the same to one of that name.
import pg from 'pg';
import { sqlstateOf } from './sqlstate.ts';

export type ServerDatabases = {
  /** e.g. 150018 */
  readonly version: number;
  /** absent; empty: no tables; used: has some */
  readonly look: (name: string) => Promise<'absent' | 'empty' | 'used'>;
  /** Unfinished until it is renamed. */
  readonly create: (name: string) => Promise<void>;
  /** One that create has made and nobody has finished; whoever is connected to it is thrown out. Refuses any other. */
  readonly dropUnfinished: (name: string) => Promise<void>;
  /** Fails when somebody is connected to it. */
  readonly drop: (name: string) => Promise<void>;
  readonly rename: (from: string, to: string) => Promise<void>;
  readonly urlOf: (name: string) => string;
};

const CONNECT_TIMEOUT_MS = 5_000;
/** The comment of a database that a restore or a drill has made and not finished: only such a one is dropped. */
const UNFINISHED = 'unfinished, by router restore';
/** Every server has it; names of databases are locked there. */
const COMMON_DATABASE = 'postgres';

/** Another process restores into that name, or drills there. */
class DatabaseBusyError extends Error {
  override readonly name = 'DatabaseBusyError';
  /** EX_TEMPFAIL of sysexits.h */
  readonly exitCode = 75;
}

/** @param url of any database of the server, by a login that may create databases @param name held while the work runs */
export async function holdingDatabase<Result>(
  url: string,
  name: string,
  work: (server: ServerDatabases) => Promise<Result>,
): Promise<Result> {
  const urlOf = (database: string) => {
    const of = new URL(url);
    of.pathname = `/${encodeURIComponent(database)}`;
    return of.href;
  };
  return withClient(urlOf(COMMON_DATABASE), async (client) => {
    const { rows } = await client.query(
      `SELECT pg_try_advisory_lock(hashtext($1)) AS locked, current_setting('server_version_num')::int AS version`,
      [`dydx-order-router database ${name}`],
    );
    const [{ locked, version }] = rows;
    if (!locked) throw new DatabaseBusyError(`another process is at work on database ${name}`);
    const run = (statement: string) => client.query(statement).then(() => {});
    const quoted = pg.escapeIdentifier;
    return work({
      version,
      look: async (database) => {
        const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
        if (found.rowCount === 0) return 'absent';
        return (await hasTables(urlOf(database))) ? 'used' : 'empty';
      },
      create: async (database) => {
        await run(`CREATE DATABASE ${quoted(database)} TEMPLATE template0 ENCODING 'UTF8'`).catch(
          (error: unknown) => {
            if (sqlstateOf(error) !== '42501') throw error;
            const { username } = new URL(url);
            throw new Error(
              `the login ${username} may not create databases: give another one, or let a superuser ALTER ROLE ${quoted(username)} CREATEDB`,
            );
          },
        );
        await run(`COMMENT ON DATABASE ${quoted(database)} IS '${UNFINISHED}'`);
      },
      dropUnfinished: async (database) => {
        const found = await client.query(
          `SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = $1`,
          [database],
        );
        const [row] = found.rows;
        if (row === undefined) return;
        // Killed between making it and saying so, it is empty.
        if (row.comment !== UNFINISHED && (await hasTables(urlOf(database))))
          throw new Error(
            `the database ${database} is in the way and was not left by a restore or a drill: rename it, or drop it`,
          );
        await run(`DROP DATABASE IF EXISTS ${quoted(database)} WITH (FORCE)`);
      },
      drop: (database) => run(`DROP DATABASE IF EXISTS ${quoted(database)}`),
      rename: async (from, to) => {
        await run(`ALTER DATABASE ${quoted(from)} RENAME TO ${quoted(to)}`);
        await run(`COMMENT ON DATABASE ${quoted(to)} IS NULL`);
      },
      urlOf,
    });
  });
}

async function hasTables(url: string): Promise<boolean> {
  return withClient(url, async (client) => {
    const { rows } = await client.query(`
      SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%') AS has`);
    return rows[0].has === true;
  });
}

async function withClient<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'dydx-order-router restore',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
