// What `router doctor` asks a database: facts only, nothing is written, nothing is judged.
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { GRANTS, MAINTAINED, ROLES } from './roles.ts';

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
  /** those of `router roles` whose rights the login has; none for a superuser, who has all */
  readonly actsAs: readonly string[];
  /** ms; 0: none. What the session has without being told, which is what it has behind a pooler. */
  readonly statementTimeoutMs: number;
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
    acts_as: string[];
    statement_timeout_ms: number;
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
      has_database_privilege(current_database(), 'CREATE') AS can_create,
      ARRAY(SELECT rolname::text FROM pg_roles r WHERE rolname = ANY(${[...ROLES]}) AND pg_has_role(r.oid, 'USAGE')
        AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) ORDER BY 1) AS acts_as,
      (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout_ms`.execute(
    db,
  );
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
    actsAs: row.acts_as,
    statementTimeoutMs: row.statement_timeout_ms,
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

/**
 * What lacks of the rights that its roles have (src/store/roles.ts); of a worker's, when it acts as none.
 * @returns `UPDATE on orders`, …; empty when nothing lacks. Tables that do not exist are the migration's business.
 */
export async function lackingRights(
  db: Database,
  { actsAs }: Pick<DatabaseFacts, 'actsAs'>,
): Promise<readonly string[]> {
  const roles = Object.entries(GRANTS).filter(([role]) => actsAs.includes(role));
  const wanted = (roles.length === 0 ? [['worker', GRANTS.cryptopulse_worker] as const] : roles).flatMap(
    ([, grants]) =>
      Object.entries<readonly string[]>(grants).flatMap(([object, rights]) =>
        rights.flatMap((right) => rightsIn(object, right)),
      ),
  );
  const { rows } = await sql<{ lacks: string }>`
    SELECT DISTINCT w.right || ' on ' || w.object AS lacks
    FROM jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) AS w (object text, "right" text, "column" text)
    WHERE to_regclass(w.object) IS NOT NULL AND NOT CASE
      WHEN w.right = 'USAGE' THEN has_sequence_privilege(w.object, w.right)
      WHEN w.column IS NULL THEN has_table_privilege(w.object, w.right)
      ELSE has_column_privilege(w.object, w.column, w.right)
    END
    ORDER BY 1`.execute(db);
  return rows.map(({ lacks }) => lacks);
}

/** `UPDATE (a, b)` is a right on each of the columns. */
function rightsIn(object: string, text: string) {
  const [, right = text, columns] = /^(\w+) \((.+)\)$/.exec(text) ?? [];
  return columns === undefined
    ? [{ object, right }]
    : columns.split(', ').map((column) => ({ object, right, column }));
}

/** VACUUM by others is skipped with a warning only. @returns the tables that the role may not maintain */
export async function unmaintainable(db: Database): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_class c
    WHERE c.oid = ANY (ARRAY(SELECT to_regclass(t)::oid FROM unnest(${[...MAINTAINED]}::text[]) AS t))
      -- Before version 17 as the owner, by SET ROLE.
      AND NOT pg_has_role(c.relowner, 'MEMBER')
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
