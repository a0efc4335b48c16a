// The rights of each role in this database, its queue and its policies: what src/store/roles.ts lists is given, everything
// else is taken away, whoever gave it.
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import {
  execute,
  INHERIT_BY_GRANT_SINCE,
  isMember,
  MAINTAIN_SINCE,
  QUEUE_SCHEMA,
  quote,
  type Trx,
  USERS,
} from './role-sql.ts';
import { EXECUTES, GRANTS, MAINTAINED, OURS, OWNER, QUEUE_USERS, SEE_ALL, TENANT_ROWS } from './roles.ts';

/** As the owner, or as who may act as one. */
export async function giveRights(trx: Trx): Promise<void> {
  await takeOwnership(trx);
  const tables = await relations(trx, `c.relkind IN ('r', 'p', 'v')`);
  const parents = await relations(trx, `c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition`);
  const sequences = await relations(trx, `c.relkind = 'S'`);
  await execute(trx, `REVOKE ALL ON ${tables} FROM PUBLIC, ${USERS}`);
  await execute(trx, `REVOKE ALL ON SEQUENCE ${sequences} FROM PUBLIC, ${USERS}`);
  for (const [role, grants] of Object.entries(GRANTS)) {
    for (const [object, rights] of Object.entries(grants)) {
      const kind = rights.includes('USAGE') ? 'SEQUENCE' : 'TABLE';
      await execute(trx, `GRANT ${rights.join(', ')} ON ${kind} public.${object} TO ${role}`);
    }
  }
  await execute(trx, `GRANT SELECT ON ${parents} TO cryptopulse_readonly`);
  await execute(trx, `GRANT SELECT ON ${tables} TO cryptopulse_backup`);
  await execute(trx, `GRANT SELECT ON SEQUENCE ${sequences} TO cryptopulse_backup`);
  // The archive's next month.
  await execute(
    trx,
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${OWNER} IN SCHEMA public GRANT SELECT ON TABLES TO cryptopulse_backup`,
  );
  // Also of functions to come: one that acts as the owner is nobody's to call, or to hang on a table of his own.
  await execute(trx, `ALTER DEFAULT PRIVILEGES FOR ROLE ${OWNER} REVOKE EXECUTE ON ROUTINES FROM PUBLIC`);
  await execute(trx, `REVOKE ALL ON ROUTINE ${await routines(trx)} FROM PUBLIC, ${USERS}`);
  for (const { role, signature } of EXECUTES) {
    await execute(trx, `GRANT EXECUTE ON FUNCTION public.${signature} TO ${role}`);
  }
  await giveMaintenance(trx);
  await giveQueue(trx);
  await makePolicies(trx);
}

/** The owner's: an extension's belong to whoever made it, and what else is somebody's is left to them. */
async function relations(trx: Trx, where: string): Promise<string> {
  const { rows } = await sql<{ names: string }>`
    SELECT string_agg(format('public.%I', c.relname), ', ' ORDER BY c.relname) AS names FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = to_regrole(${OWNER})
      AND ${sql.raw(where)} AND NOT EXISTS (
      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`.execute(
    trx,
  );
  if (rows[0] === undefined) throw new Error('schema public cannot be read');
  return rows[0].names;
}

async function routines(trx: Trx): Promise<string> {
  const { rows } = await sql<{ names: string }>`
    SELECT string_agg(oid::regprocedure::text, ', ' ORDER BY oid::regprocedure::text) AS names FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND proowner = to_regrole(${OWNER})`.execute(trx);
  return rows[0]?.names ?? '';
}

/** VACUUM by others is skipped. Before version 17 only an owner may run it: maintenance must be able to act as one. */
async function giveMaintenance(trx: Trx): Promise<void> {
  const { rows } = await sql<{ version: number }>`
    SELECT current_setting('server_version_num')::int AS version`.execute(trx);
  const version = rows[0]?.version ?? 0;
  if (version >= MAINTAIN_SINCE) {
    await execute(trx, `GRANT MAINTAIN ON ${MAINTAINED.join(', ')} TO cryptopulse_maintenance`);
    return;
  }
  if (await isMember(trx, 'cryptopulse_maintenance', OWNER)) return;
  // By SET ROLE only, for the one session that vacuums: it inherits nothing. Version 15 knows that of whole roles only.
  const isOfGrant = version >= INHERIT_BY_GRANT_SINCE;
  if (!isOfGrant) await execute(trx, 'ALTER ROLE cryptopulse_maintenance NOINHERIT');
  const how = isOfGrant ? ' WITH INHERIT FALSE, SET TRUE' : '';
  await execute(trx, `GRANT ${OWNER} TO cryptopulse_maintenance${how}`);
}

async function giveQueue(trx: Trx): Promise<void> {
  const { rows } = await sql<{ found: boolean }>`
    SELECT to_regnamespace(${QUEUE_SCHEMA}) IS NOT NULL AS found`.execute(trx);
  if (rows[0]?.found !== true) return;
  const users = QUEUE_USERS.join(', ');
  for (const objects of ['', 'ALL TABLES IN ', 'ALL SEQUENCES IN ', 'ALL ROUTINES IN ']) {
    await execute(trx, `REVOKE ALL ON ${objects}SCHEMA ${QUEUE_SCHEMA} FROM PUBLIC, ${USERS}`);
  }
  await execute(trx, `GRANT USAGE ON SCHEMA ${QUEUE_SCHEMA} TO ${users}, cryptopulse_backup`);
  await execute(
    trx,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${QUEUE_SCHEMA} TO ${users}`,
  );
  // Which version the queue's tables have is not theirs to say.
  await execute(trx, `REVOKE INSERT, UPDATE, DELETE ON ${QUEUE_SCHEMA}.migration FROM ${users}`);
  await execute(trx, `GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${QUEUE_SCHEMA} TO ${users}`);
  await execute(trx, `GRANT EXECUTE ON ALL ROUTINES IN SCHEMA ${QUEUE_SCHEMA} TO ${users}`);
  await execute(trx, `GRANT SELECT ON ALL TABLES IN SCHEMA ${QUEUE_SCHEMA} TO cryptopulse_backup`);
  await execute(trx, `GRANT SELECT ON ALL SEQUENCES IN SCHEMA ${QUEUE_SCHEMA} TO cryptopulse_backup`);
}

/**
 * What another owns of ours: in the queue's schema everything, in public what the migrations made. An ALTER needs the table
 * for itself, so only what must.
 */
async function takeOwnership(trx: Trx): Promise<void> {
  const { rows } = await sql<{ statement: string }>`
    WITH ours AS (SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('public', ${QUEUE_SCHEMA})),
    me AS (SELECT oid FROM pg_roles WHERE rolname = ${OWNER} AND rolname <> current_user), ours_by_name AS (
      SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relname = ANY(${[...OURS.relations]})
        OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent IN (SELECT oid FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relname = ANY(${[...OURS.relations]}))))
    )
    SELECT format('ALTER SCHEMA %I OWNER TO ' || ${OWNER}::text, n.nspname) AS statement
    FROM pg_namespace n, me WHERE n.nspname = ${QUEUE_SCHEMA} AND n.nspowner <> me.oid
    UNION ALL
    SELECT format('ALTER %s %s OWNER TO ' || ${OWNER}::text,
      CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass)
    FROM pg_class c JOIN ours ON ours.oid = c.relnamespace, me
    WHERE c.relkind IN ('r', 'p', 'v', 'S') AND c.relowner <> me.oid
      AND (ours.nspname <> 'public' OR c.oid IN (SELECT oid FROM ours_by_name)) AND NOT EXISTS (
      -- A sequence of a column goes with its table; what belongs to an extension stays with it.
      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND (d.deptype = 'e' OR (c.relkind = 'S' AND d.deptype IN ('a', 'i'))))
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO ' || ${OWNER}::text, p.oid::regprocedure)
    FROM pg_proc p JOIN ours ON ours.oid = p.pronamespace, me
    WHERE p.proowner <> me.oid AND (ours.nspname <> 'public' OR p.proname = ANY(${[...OURS.routines]}))
      AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('ALTER TYPE %s OWNER TO ' || ${OWNER}::text, t.oid::regtype)
    FROM pg_type t JOIN ours ON ours.oid = t.typnamespace, me
    WHERE t.typtype = 'e' AND t.typowner <> me.oid
      AND (ours.nspname <> 'public' OR t.typname = ANY(${[...OURS.enums]}))`.execute(trx);
  for (const { statement } of rows) await execute(trx, statement);
}

/**
 * A policy is made anew only when it is another one: that needs the table for itself. Its comment tells. One by another
 * name would let see more than these.
 */
async function makePolicies(trx: Trx): Promise<void> {
  const wanted = Object.entries(TENANT_ROWS).flatMap(([table, isVisible]) => [
    {
      table,
      name: 'one_tenant',
      rule: `FOR ALL TO cryptopulse_app USING (${isVisible}) WITH CHECK (${isVisible})`,
    },
    {
      table,
      name: 'every_tenant',
      rule: `FOR ALL TO ${SEE_ALL.join(', ')} USING (true) WITH CHECK (true)`,
    },
  ]);
  const { rows } = await sql<{ table: string; name: string; comment: string | null }>`
    SELECT p.polrelid::regclass::text AS table, p.polname AS name, obj_description(p.oid, 'pg_policy') AS comment
    FROM pg_policy p WHERE p.polrelid = ANY(${Object.keys(TENANT_ROWS)}::regclass[])`.execute(trx);
  for (const { table, name } of rows) {
    const isWanted = wanted.some((policy) => policy.table === table && policy.name === name);
    if (!isWanted) await execute(trx, `DROP POLICY ${quote(name)} ON public.${table}`);
  }
  const known = new Map(rows.map(({ table, name, comment }) => [`${table}.${name}`, comment]));
  for (const { table, name, rule } of wanted) {
    const mark = createHash('sha256').update(rule).digest('hex').slice(0, 16);
    const comment = known.get(`${table}.${name}`);
    if (comment === mark) continue;
    if (comment !== undefined) await execute(trx, `DROP POLICY ${name} ON public.${table}`);
    await execute(trx, `CREATE POLICY ${name} ON public.${table} ${rule}`);
    await execute(trx, `COMMENT ON POLICY ${name} ON public.${table} IS '${mark}'`);
  }
}
