// How the tables fare: sizes, dead rows, the age of what is not frozen yet, and the upkeep that is to care for them. The months of
// an archive count as one table, so that the number of names stays.
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { type IndexUsage, indexUsage, type SlowQuery, slowQueries } from './monitoring.ts';

type TableFigures = {
  readonly table: string;
  /** with indexes and TOAST */
  readonly bytes: number;
  /** estimates of the statistics collector */
  readonly liveRows: number;
  readonly deadRows: number;
  /** transactions since the oldest row that is not frozen; the server stops at 2^31 */
  readonly freezeAge: number;
};

type UpkeepFigures = {
  readonly task: string;
  readonly lastDoneAt: Date | null;
  /** the newest run that has ended */
  readonly hasFailed: boolean;
  readonly isRunning: boolean;
};

export type DatabaseFigures = {
  readonly tables: readonly TableFigures[];
  readonly indexes: readonly IndexUsage[];
  /** none where the server does not measure */
  readonly slowQueries: readonly SlowQuery[];
  readonly upkeep: readonly UpkeepFigures[];
};

export async function readDatabaseFigures(db: Database): Promise<DatabaseFigures> {
  return {
    tables: await readTables(db),
    indexes: (await indexUsage(db)).filter(({ table }) => !MONTH.test(table)),
    slowQueries: (await slowQueries(db)) ?? [],
    upkeep: await readUpkeep(db),
  };
}

const MONTH = /_archive_\d{4}_\d\d$/;

async function readTables(db: Database): Promise<readonly TableFigures[]> {
  const { rows } = await sql<TableFigures>`
    SELECT coalesce(parent.relname, c.relname) AS table, sum(pg_total_relation_size(c.oid))::float8 AS bytes,
      coalesce(sum(s.n_live_tup), 0)::float8 AS "liveRows", coalesce(sum(s.n_dead_tup), 0)::float8 AS "deadRows",
      max(age(c.relfrozenxid))::float8 AS "freezeAge"
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    GROUP BY 1 ORDER BY 1`.execute(db);
  return rows;
}

export async function readUpkeep(db: Database): Promise<readonly UpkeepFigures[]> {
  const rows = await db.selectFrom('maintenance_figures').selectAll().execute();
  return rows.map((row) => ({
    task: row.task ?? '',
    lastDoneAt: row.last_done_at,
    hasFailed: row.has_failed === true,
    isRunning: row.is_running === true,
  }));
}
