// The source's three monitoring queries, by the names that PostgreSQL 15 to 18 have for what they ask.
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { sqlstateOf } from './sqlstate.ts';

/** A table per month and archive, and some indexes on each: decades of them. */
const MAX_ROWS = 1000;
/** What pg_stat_statements answers when the server was started without it. */
const NOT_IN_PREREQUISITE_STATE = '55000';

export type TableSize = {
  readonly table: string;
  /** with its indexes and its TOAST table */
  readonly bytes: number;
  /** the same to be read, e.g. `8192 bytes`, `17 MB` */
  readonly size: string;
};

/** The largest first. By oid: a name put together from its parts is not found when it needs quotes. */
export async function tableSizes(db: Database): Promise<TableSize[]> {
  const { rows } = await sql<TableSize>`
    SELECT relname AS table, bytes::float8 AS bytes, pg_size_pretty(bytes) AS size
    FROM (
      SELECT relname, pg_total_relation_size(oid) AS bytes FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm')
    ) x
    ORDER BY x.bytes DESC, relname LIMIT ${MAX_ROWS}`.execute(db);
  return rows;
}

export type IndexUsage = {
  readonly table: string;
  readonly index: string;
  readonly bytes: number;
  /** how often it was asked since the statistics were reset */
  readonly scans: number;
  readonly entries_read: number;
  readonly rows_fetched: number;
  /** it keeps a rule: 0 scans do not mean that it is in vain */
  readonly is_unique: boolean;
};

/** The most used first. */
export async function indexUsage(db: Database): Promise<IndexUsage[]> {
  const { rows } = await sql<IndexUsage>`
    SELECT relname AS table, indexrelname AS index, pg_relation_size(indexrelid)::float8 AS bytes,
      idx_scan::float8 AS scans, idx_tup_read::float8 AS entries_read, idx_tup_fetch::float8 AS rows_fetched,
      indisunique AS is_unique
    FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid) WHERE schemaname = 'public'
    ORDER BY idx_scan DESC, relname, indexrelname LIMIT ${MAX_ROWS}`.execute(db);
  return rows;
}

/** Since when the figures of this database are counted; undefined: since it was made. */
export async function statisticsSince(db: Database): Promise<Date | undefined> {
  const { rows } = await sql<{ since: Date | null }>`
    SELECT stats_reset AS since FROM pg_stat_database WHERE datname = current_database()`.execute(db);
  return rows[0]?.since ?? undefined;
}

export type SlowQuery = {
  readonly calls: number;
  readonly total_ms: number;
  readonly mean_ms: number;
  readonly rows: number;
  readonly query: string;
  /** names it in the metrics; the text may be long, and holds no values */
  readonly query_id: string;
};

/**
 * Statements of this database that mention orders, the slowest on average first. Those of others are seen by a
 * member of pg_read_all_stats only.
 * @param db no transaction: where the server lacks the statistics, this query fails, and the transaction with it
 * @returns undefined when nothing is measured: pg_stat_statements is not among the server's shared_preload_libraries,
 *   or its extension not in this database
 */
export async function slowQueries(db: Database, limit = 10): Promise<SlowQuery[] | undefined> {
  const found = await sql<{ schema: string }>`
    SELECT extnamespace::regnamespace::text AS schema FROM pg_extension
    WHERE extname = 'pg_stat_statements'`.execute(db);
  const schema = found.rows[0]?.schema;
  if (schema === undefined) return undefined;
  try {
    const { rows } = await sql<SlowQuery>`
      SELECT calls::float8 AS calls, total_exec_time AS total_ms, mean_exec_time AS mean_ms, rows::float8 AS rows, query, queryid::text AS query_id
      FROM ${sql.raw(schema)}.pg_stat_statements
      WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query LIKE '%orders%'
        AND queryid IS NOT NULL
      ORDER BY mean_exec_time DESC LIMIT ${limit}`.execute(db);
    return rows;
  } catch (error) {
    if (sqlstateOf(error) === NOT_IN_PREREQUISITE_STATE) return undefined;
    throw error;
  }
}
