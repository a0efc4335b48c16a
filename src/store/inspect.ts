// What `router doctor` asks a database: facts only, nothing is written, nothing is judged.
import { sql } from 'kysely';
import type { Database } from './database.ts';

export type DatabaseFacts = {
  /** e.g. 150018 */
  readonly versionNumber: number;
  readonly version: string;
  readonly role: string;
  readonly fsync: string;
  readonly synchronousCommit: string;
  readonly fullPageWrites: string;
  readonly isInRecovery: boolean;
  readonly maxConnections: number;
  /** kept for superusers and privileged roles */
  readonly reservedConnections: number;
  readonly usedConnections: number;
  readonly extensions: readonly string[];
  readonly canCreate: boolean;
  /** the database's clock minus ours, ms; the round trip's half is what it may be wrong by */
  readonly clockAheadMs: number;
};

export async function inspectDatabase(db: Database): Promise<DatabaseFacts> {
  type Row = {
    version_number: number;
    version: string;
    role: string;
    fsync: string;
    synchronous_commit: string;
    full_page_writes: string;
    in_recovery: boolean;
    max_connections: number;
    reserved: number;
    used: number;
    extensions: string[];
    can_create: boolean;
  };
  const { rows } = await sql<Row>`
    SELECT current_setting('server_version_num')::int AS version_number, current_setting('server_version') AS version,
      current_user AS role, current_setting('fsync') AS fsync,
      current_setting('synchronous_commit') AS synchronous_commit,
      current_setting('full_page_writes') AS full_page_writes, pg_is_in_recovery() AS in_recovery,
      current_setting('max_connections')::int AS max_connections,
      current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
      (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
      ARRAY(SELECT extname::text FROM pg_extension ORDER BY extname) AS extensions,
      has_database_privilege(current_database(), 'CREATE') AS can_create`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('the database answered nothing');
  return {
    versionNumber: row.version_number,
    version: row.version,
    role: row.role,
    fsync: row.fsync,
    synchronousCommit: row.synchronous_commit,
    fullPageWrites: row.full_page_writes,
    isInRecovery: row.in_recovery,
    maxConnections: row.max_connections,
    reservedConnections: row.reserved,
    usedConnections: row.used,
    extensions: row.extensions,
    canCreate: row.can_create,
    clockAheadMs: await clockAhead(db),
  };
}

/** Asked on a connection that is open by now, so that the round trip is one. */
async function clockAhead(db: Database): Promise<number> {
  const startMs = Date.now();
  const { rows } = await sql<{ ms: number }>`
    SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms`.execute(db);
  const middleMs = (startMs + Date.now()) / 2;
  return Math.round((rows[0]?.ms ?? middleMs) - middleMs);
}

/** What the workers and the command line do to each table. */
const NEEDED = {
  installation: 'SELECT, INSERT',
  order_keys: 'SELECT, INSERT, UPDATE',
  orders: 'SELECT, INSERT, UPDATE',
  order_attempts: 'SELECT, INSERT, UPDATE',
  order_fills: 'SELECT, INSERT',
  unexplained_fills: 'SELECT, INSERT',
  intent_rejections: 'SELECT, INSERT',
  order_status_history: 'SELECT',
  reconcile_cursors: 'SELECT, INSERT, UPDATE',
  markets: 'SELECT, INSERT, UPDATE',
  maintenance_runs: 'SELECT, INSERT, UPDATE',
  timer_turns: 'SELECT, INSERT, UPDATE',
  queue_heartbeats: 'SELECT, INSERT, UPDATE',
} as const;

/** @returns `UPDATE on orders`, …; empty when nothing lacks. Tables that do not exist are the migration's business. */
export async function lackingRights(db: Database): Promise<readonly string[]> {
  const wanted = Object.entries(NEEDED).flatMap(([table, rights]) =>
    rights.split(', ').map((right) => ({ object: table, right })),
  );
  const { rows } = await sql<{ lacks: string }>`
    SELECT w.right || ' on ' || w.object AS lacks
    FROM jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) AS w (object text, "right" text)
    WHERE to_regclass(w.object) IS NOT NULL AND NOT has_table_privilege(w.object, w.right)
    UNION ALL
    SELECT 'USAGE on ' || s FROM unnest(ARRAY['dydx_client_id_blocks']) AS s
    WHERE to_regclass(s) IS NOT NULL AND NOT has_sequence_privilege(s, 'USAGE')`.execute(db);
  return rows.map(({ lacks }) => lacks);
}

/** VACUUM by others is skipped with a warning only. @returns the tables that the role may not maintain */
export async function unmaintainable(db: Database): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_class c
    WHERE c.oid = ANY (ARRAY(SELECT to_regclass(t)::oid FROM unnest(${Object.keys(NEEDED)}::text[]) AS t))
      AND NOT pg_has_role(c.relowner, 'USAGE')
      AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) a
        WHERE a.privilege_type = 'MAINTAIN' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
    ORDER BY 1`.execute(db);
  return rows.map(({ name }) => name);
}

/** undefined: no process has claimed the database for a chain yet */
export async function installedChain(db: Database): Promise<string | undefined> {
  const row = await db.selectFrom('installation').select('chain_id').executeTakeFirst();
  return row?.chain_id;
}
