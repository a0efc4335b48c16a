// What is in a database, as sorted lines to compare: two databases with the same lines behave the same. Our own query
// instead of pg_dump's text, because that differs by the server's version, and because roles belong to it.
import { sql } from 'kysely';
import type { Database } from '../../src/store/database.ts';

/**
 * Of schemas public and bullmq and of the roles cryptopulse_*. Whoever asks is called `login`; what belongs to an
 * extension is its affair; the right to VACUUM is left out, for MAINTAIN exists from version 17 on, and before it a
 * membership stands in for it (test/store/roles.test.ts).
 */
export async function catalogueOf(db: Database): Promise<readonly string[]> {
  const { rows } = await CATALOGUE.execute(db);
  return rows.map(({ line }) => line.replace(/\s+/g, ' ').trim()).sort();
}

const NAME = sql.raw(`CASE r.rolname WHEN current_user THEN 'login' ELSE r.rolname::text END`);
const OURS = sql.raw(`rolname LIKE 'cryptopulse\\_%'`);

const CATALOGUE = sql<{ line: string }>`
WITH
schemas AS (SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('public', 'bullmq')),
people AS (SELECT r.oid, ${NAME} AS name FROM pg_roles r UNION ALL SELECT 0, 'PUBLIC'),
of_extensions AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
-- What rights are given on: its line's beginning, its owner, its rights or what stands for none.
relations AS (
  SELECT c.*, s.nspname || '.' || c.relname AS name,
    CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
      WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE c.relkind::text END AS kind
  FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    AND NOT EXISTS (SELECT FROM of_extensions e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
),
functions AS (
  SELECT p.*, s.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name
  FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM of_extensions e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
),
types AS (
  SELECT t.*, s.nspname || '.' || t.typname AS name FROM pg_type t JOIN schemas s ON s.oid = t.typnamespace
  WHERE t.typtype IN ('e', 'd', 'r')
),
owned AS (
  SELECT kind || ' ' || name AS what, relowner AS owner,
    coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl FROM relations
  UNION ALL
  SELECT 'function ' || name, proowner, coalesce(proacl, acldefault('f', proowner)) FROM functions
  UNION ALL
  SELECT 'type ' || name, typowner, coalesce(typacl, acldefault('T', typowner)) FROM types
  UNION ALL
  SELECT 'schema ' || n.nspname, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
    FROM pg_namespace n JOIN schemas s ON s.oid = n.oid
  UNION ALL
  SELECT 'database', d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
    FROM pg_database d WHERE d.datname = current_database()
)
SELECT format('%s: options %s, row security %s%s%s, partition of %s %s', kind || ' ' || name, reloptions,
    relrowsecurity, CASE WHEN relforcerowsecurity THEN ' forced' END, CASE relpersistence WHEN 'p' THEN '' ELSE ' not durable' END,
    (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = relations.oid), pg_get_expr(relpartbound, oid)) AS line
  FROM relations
UNION ALL
SELECT format('%s by: %s', name, pg_get_partkeydef(oid)) FROM relations WHERE relkind = 'p'
UNION ALL
SELECT format('view %s as: %s', name, pg_get_viewdef(oid)) FROM relations WHERE relkind IN ('v', 'm')
UNION ALL
SELECT format('%s column %s %s: %s%s%s%s%s%s', r.name,
    lpad(row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum)::text, 2, '0'), a.attname,
    format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' NOT NULL' END,
    CASE WHEN a.attgenerated <> '' THEN ' GENERATED' WHEN d.adbin IS NOT NULL THEN ' DEFAULT' END,
    ' ' || pg_get_expr(d.adbin, d.adrelid), CASE a.attidentity WHEN 'a' THEN ' IDENTITY ALWAYS' WHEN 'd' THEN ' IDENTITY' END,
    CASE WHEN a.attcollation NOT IN (0, (SELECT typcollation FROM pg_type t WHERE t.oid = a.atttypid))
      THEN ' COLLATE ' || a.attcollation::regcollation END)
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
  WHERE r.relkind <> 'S'
UNION ALL
-- Those of NOT NULL are listed from version 18 on; a column's line says it.
SELECT format('%s constraint %s: %s%s', r.name, c.conname, pg_get_constraintdef(c.oid), CASE WHEN NOT c.convalidated THEN ' NOT VALID' END)
  FROM pg_constraint c JOIN relations r ON r.oid = c.conrelid WHERE c.contype IN ('c', 'p', 'u', 'f', 'x')
UNION ALL
SELECT format('%s index: %s%s', r.name, pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN ' INVALID' END)
  FROM pg_index i JOIN relations r ON r.oid = i.indrelid
UNION ALL
SELECT format('%s trigger: %s%s', r.name, pg_get_triggerdef(t.oid), CASE t.tgenabled WHEN 'O' THEN '' ELSE ' enabled ' || t.tgenabled::text END)
  FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT format('function %s: %s', name, CASE prokind WHEN 'a' THEN 'aggregate' ELSE pg_get_functiondef(oid) END) FROM functions
UNION ALL
SELECT format('enum %s: %s', t.name, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder))
  FROM types t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.name
UNION ALL
SELECT format('sequence %s: %s, %s to %s by %s from %s, cycle %s, cache %s, of %s', r.name, s.seqtypid::regtype, s.seqmin,
    s.seqmax, s.seqincrement, s.seqstart, s.seqcycle, s.seqcache,
    (SELECT format('%s.%s', d.refobjid::regclass, a.attname) FROM pg_depend d
      JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')))
  FROM pg_sequence s JOIN relations r ON r.oid = s.seqrelid
UNION ALL
SELECT format('%s policy %s: %s for %s to %s using %s check %s (%s)', r.name, p.polname,
    CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, p.polcmd,
    (SELECT string_agg(w.name, ', ' ORDER BY w.name) FROM people w WHERE w.oid = ANY (p.polroles)),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy'))
  FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
UNION ALL
SELECT format('%s owner: %s', o.what, w.name) FROM owned o JOIN people w ON w.oid = o.owner
UNION ALL
SELECT format('%s grants %s: %s', what, name, string_agg(privilege, ', ' ORDER BY privilege)) FROM (
    SELECT o.what, w.name, a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS privilege
    FROM owned o CROSS JOIN aclexplode(o.acl) a JOIN people w ON w.oid = a.grantee WHERE a.privilege_type <> 'MAINTAIN'
  ) AS given GROUP BY what, name
UNION ALL
SELECT format('%s column grants %s: %s', r.name, w.name,
    string_agg(format('%s (%s)', a.privilege_type, c.attname), ', ' ORDER BY a.privilege_type, c.attnum))
  FROM relations r JOIN pg_attribute c ON c.attrelid = r.oid AND NOT c.attisdropped
    CROSS JOIN aclexplode(c.attacl) a JOIN people w ON w.oid = a.grantee
  GROUP BY r.name, w.name
UNION ALL
SELECT format('default of %s in %s for %s: %s %s', w.name, n.nspname, d.defaclobjtype, g.name, a.privilege_type)
  FROM pg_default_acl d JOIN people w ON w.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
    CROSS JOIN aclexplode(d.defaclacl) a JOIN people g ON g.oid = a.grantee WHERE a.privilege_type <> 'MAINTAIN'
UNION ALL
SELECT format('extension %s in %s of %s', e.extname, e.extnamespace::regnamespace, w.name)
  FROM pg_extension e JOIN people w ON w.oid = e.extowner WHERE e.extname <> 'plpgsql'
UNION ALL
-- Before version 17 the one for maintenance does not inherit, because it may act as the owner.
SELECT format('role %s:%s%s%s%s%s%s%s limit %s, until %s', rolname, CASE WHEN rolsuper THEN ' superuser' END,
    CASE WHEN rolinherit OR rolname = 'cryptopulse_maintenance' THEN ' inherit' END, CASE WHEN rolcreaterole THEN ' createrole' END,
    CASE WHEN rolcreatedb THEN ' createdb' END, CASE WHEN rolcanlogin THEN ' login' END,
    CASE WHEN rolreplication THEN ' replication' END, CASE WHEN rolbypassrls THEN ' bypassrls' END, rolconnlimit, rolvaliduntil)
  FROM pg_roles WHERE ${OURS}
UNION ALL
SELECT format('role %s is a member of %s%s', m.name, r.name, CASE WHEN g.admin_option THEN ' with admin option' END)
  FROM pg_auth_members g JOIN people m ON m.oid = g.member JOIN people r ON r.oid = g.roleid
  WHERE m.oid IN (SELECT oid FROM pg_roles WHERE ${OURS}) AND (m.name, r.name) <> ('cryptopulse_maintenance', 'cryptopulse_owner')
UNION ALL
SELECT format('settings of %s: %s', w.name, s.setconfig) FROM pg_db_role_setting s JOIN people w ON w.oid = s.setrole
  WHERE w.oid IN (SELECT oid FROM pg_roles WHERE ${OURS}) OR (s.setrole = 0
    AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))`;
