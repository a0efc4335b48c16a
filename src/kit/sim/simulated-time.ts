// A database that lives in simulated time. The statements of the router and the functions of its schema ask PostgreSQL for
// the time by names that are looked up along the search path: there a schema comes first whose functions tell the time
// that the simulation has set.
import { sql } from 'kysely';
import type { Database } from '../../store/database.ts';

/** Whoever has such a client_id cannot be stored: one bad row in a statement of many. */
export const POISON_PREFIX = 'poison';

/** Of a migrated database that nobody uses yet: connections that are opened later live in simulated time. */
export async function simulateTime(db: Database): Promise<void> {
  const statements = [
    'CREATE SCHEMA sim',
    // A sequence: it is changed without leaving dead rows behind, and by no transaction.
    'CREATE SEQUENCE sim.clock',
    ...['clock_timestamp', 'statement_timestamp', 'now'].map(
      (name) => `CREATE FUNCTION sim.${name}() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL UNSAFE
        AS 'SELECT pg_catalog.to_timestamp(last_value / 1000.0) FROM sim.clock'`,
    ),
    'GRANT USAGE ON SCHEMA sim TO PUBLIC',
    'GRANT SELECT ON SEQUENCE sim.clock TO PUBLIC',
    `ALTER TABLE orders ADD CONSTRAINT sim_poison CHECK (client_id NOT LIKE '${POISON_PREFIX}%')`,
    // Defaults and views were bound to the real clock when they were made, functions may have a search path of their own.
    `DO $$ DECLARE each RECORD; BEGIN
      FOR each IN SELECT d.adrelid::regclass AS place, a.attname AS name FROM pg_attrdef d
        JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE d.adrelid::regclass::text !~ '\\.' AND pg_get_expr(d.adbin, d.adrelid) ~ '^(now|clock_timestamp)\\(\\)$'
      LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I SET DEFAULT sim.clock_timestamp()', each.place, each.name);
      END LOOP;
      FOR each IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND array_to_string(proconfig, ',') ~ 'search_path'
      LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = sim, public, pg_catalog, pg_temp', each.name);
      END LOOP;
      EXECUTE format('ALTER DATABASE %I SET search_path = sim, public, pg_catalog', current_database());
    END $$`,
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function setTime(db: Database, nowMs: number): Promise<void> {
  await sql`/* prepared: sim_time */ SELECT setval('sim.clock', ${nowMs})`.execute(db);
}
