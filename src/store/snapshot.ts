// One moment of the database, which several sessions can look at: a dump is taken of it while its tables are counted and
// summed, so that a copy can be compared with what it was taken from.
import pg from 'pg';
import { QUEUE_SCHEMA } from './role-sql.ts';
import type { Role } from './roles.ts';

/** checksum: the sum of a hash of each row's text, so that the order of rows does not matter. */
type TableSum = { readonly rows: number; readonly checksum: string };
/** By `schema.table`. */
export type TableSums = Readonly<Record<string, TableSum>>;

type Source = {
  /** e.g. 150018 */
  readonly version: number;
  readonly database: string;
  /** when the server was started, to the microsecond: tells servers apart */
  readonly serverStart: string;
  readonly login: string;
  /** as whom it reads, by SET ROLE; undefined: as itself */
  readonly role: Role | undefined;
  /** undefined: no process has used this database yet */
  readonly installation: { readonly id: string; readonly chainId: string } | undefined;
  /** the newest migration; undefined: none */
  readonly schema: string | undefined;
};

export type Snapshot = {
  /** for `pg_dump --snapshot`, while the work runs */
  readonly id: string;
  readonly source: Source;
  readonly sums: () => Promise<TableSums>;
};

const CONNECT_TIMEOUT_MS = 5_000;
/** A row's text must be the same whatever server, login and locale it is read by. */
const SESSION = `
  SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '30s';
  SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1;
  SET bytea_output = 'hex'; SET row_security = off; SET search_path = pg_catalog, public`;

/** @param signal breaks off whatever it waits for @throws when the login may not read something, which names the table */
export async function withSnapshot<Result>(
  url: string,
  signal: AbortSignal,
  work: (snapshot: Snapshot) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const session = new pg.Client({
    connectionString: url,
    application_name: 'dydx-order-router snapshot',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  session.on('error', () => {});
  const giveUp = () => session.connection.stream.destroy();
  signal.addEventListener('abort', giveUp);
  try {
    await session.connect();
    await session.query(SESSION);
    const role = await readAs(session);
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows } = await session.query('SELECT pg_export_snapshot() AS id');
    const source = { ...(await readSource(session)), role };
    return await work({ id: rows[0].id, source, sums: () => readSums(session, signal) });
  } finally {
    signal.removeEventListener('abort', giveUp);
    giveUp();
  }
}

const READER = 'cryptopulse_backup' satisfies Role;

/** BYPASSRLS is a role's own: who is a member of one that has it must act as that one. */
async function readAs(session: pg.Client): Promise<Role | undefined> {
  const { rowCount } = await session.query(
    `SELECT FROM pg_roles me, pg_roles reader WHERE me.rolname = session_user AND NOT (me.rolsuper OR me.rolbypassrls)
       AND reader.rolname = $1 AND pg_has_role(reader.oid, 'MEMBER')`,
    [READER],
  );
  if (rowCount === 0) return undefined;
  await session.query(`SET ROLE ${READER}`);
  return READER;
}

async function readSource(session: pg.Client): Promise<Omit<Source, 'role'>> {
  const { rows } = await session.query(`
    SELECT current_setting('server_version_num')::int AS version, current_database() AS database,
      pg_postmaster_start_time()::text AS server_start,
      session_user::text AS login, to_regclass('public.installation') IS NOT NULL AS has_installation,
      to_regclass('public.kysely_migration') IS NOT NULL AS has_migrations`);
  const [{ version, database, server_start, login, has_installation, has_migrations }] = rows;
  const one = async (isThere: boolean, query: string) =>
    isThere ? (await session.query(query)).rows[0] : undefined;
  const installation = await one(has_installation, 'SELECT id, chain_id FROM public.installation');
  const migration = await one(has_migrations, 'SELECT max(name) AS name FROM public.kysely_migration');
  return {
    version,
    database,
    serverStart: server_start,
    login,
    installation: installation && { id: installation.id, chainId: installation.chain_id },
    schema: migration?.name ?? undefined,
  };
}

/** Tables that hold rows and outlive a crash: partitions each by itself; not the queue's, which are wake-ups. */
const TABLES = `
  SELECT n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS quoted
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> ALL ($1) AND n.nspname NOT LIKE 'pg\\_%'
    AND NOT EXISTS (
      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ORDER BY n.nspname, c.relname`;

async function readSums(session: pg.Client, signal: AbortSignal): Promise<TableSums> {
  const { rows: tables } = await session.query(TABLES, [['information_schema', QUEUE_SCHEMA]]);
  const sums: Record<string, TableSum> = {};
  for (const { schema, name, quoted } of tables) {
    signal.throwIfAborted();
    const { rows } = await session.query(`
      SELECT count(*)::float8 AS rows, coalesce(sum(hashtextextended(t::text, 0)), 0)::text AS checksum FROM ${quoted} AS t`);
    sums[`${schema}.${name}`] = { rows: rows[0].rows, checksum: rows[0].checksum };
  }
  return sums;
}

/** What two copies do not have in common; one line a table. */
export function differences(expected: TableSums, found: TableSums): string[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  return names.flatMap((name) => {
    const [is, was] = [found[name], expected[name]];
    if (is === undefined) return [`${name} is missing`];
    if (was === undefined) return [`${name} was not there`];
    if (is.rows !== was.rows) return [`${name} has ${is.rows} rows, not ${was.rows}`];
    return is.checksum === was.checksum ? [] : [`${name} has ${is.rows} rows, but other values`];
  });
}
