// Old orders, what is in the tables of record and their archives together, and runs of the archive.
import { sql } from 'kysely';
import { type ArchiveOptions, archive } from '../../src/store/archive.ts';
import type { Database } from '../../src/store/database.ts';
import { type RunOptions, runTask } from '../../src/store/maintenance.ts';
import type { TestDatabase } from '../support/databases.ts';
import { insertRow } from './builders.ts';

/** Each with what makes one of its rows that row. */
const RECORDS = {
  orders: ['id'],
  order_status_history: ['order_id', 'seq'],
  order_fills: ['id'],
  order_attempts: ['order_id', 'attempt'],
  cancel_transactions: ['tx_hash'],
} as const;
export type RecordTable = keyof typeof RECORDS;
export const RECORD_TABLES = Object.keys(RECORDS) as RecordTable[];

/** As if they had been recorded and changed so long ago: nobody may do that, so the triggers are off. */
export async function age(
  db: Database,
  orders: readonly { readonly id: string }[],
  days = 100,
): Promise<void> {
  const ids = orders.map(({ id }) => id);
  await db.transaction().execute(async (trx) => {
    await sql`SET LOCAL session_replication_role = replica`.execute(trx);
    await sql`UPDATE orders SET created_at = created_at - make_interval(days => ${days}),
      updated_at = updated_at - make_interval(days => ${days}) WHERE id = ANY(${ids}::uuid[])`.execute(trx);
  });
}

/** A final one by itself, 100 days old. */
export async function oldOrder(db: Database, changes: NonNullable<Parameters<typeof insertRow>[1]> = {}) {
  const order = await insertRow(db, { status: 'FILLED', ...changes });
  await age(db, [order]);
  return order;
}

export async function columnsOf(db: Database, table: string): Promise<Readonly<Record<string, string>>> {
  const { rows } = await sql<{ name: string; type: string }>`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname`.execute(db);
  return Object.fromEntries(rows.map(({ name, type }) => [name, type]));
}

type Books = Readonly<Record<RecordTable, { rows: number; checksum: string | null; twice: number }>>;

/** Live rows and archived ones together, by the live columns: how many, what they say, and how many are on both sides. */
export async function booksOf(db: Database): Promise<Books> {
  const books: Partial<Record<RecordTable, { rows: number; checksum: string | null; twice: number }>> = {};
  for (const table of RECORD_TABLES) {
    const columns = sql.join(Object.keys(await columnsOf(db, table)).map((name) => sql.id(name)));
    const key = sql.join(RECORDS[table].map((name) => sql.id(name)));
    const archived = sql.table(`${table}_archive`);
    const { rows } = await sql<{ rows: number; checksum: string | null; twice: number }>`
      SELECT count(*)::int AS rows, md5(string_agg(line, E'\n' ORDER BY line)) AS checksum,
        (SELECT count(*)::int FROM ${sql.table(table)} JOIN ${archived} USING (${key})) AS twice
      FROM (SELECT x::text AS line FROM (
        SELECT ${columns} FROM ${sql.table(table)} UNION ALL SELECT ${columns} FROM ${archived}) AS x) AS y`.execute(
      db,
    );
    if (rows[0] !== undefined) books[table] = rows[0];
  }
  return books as Books;
}

export async function countOf(db: Database, table: string): Promise<number> {
  const { rows } = await sql<{
    count: number;
  }>`SELECT count(*)::int AS count FROM ${sql.table(table)}`.execute(db);
  return rows[0]?.count ?? Number.NaN;
}

/** Of all orders that are a day old, unless changed. */
export function runArchive(
  { db, url }: Pick<TestDatabase, 'db' | 'url'>,
  options: Partial<ArchiveOptions> = {},
  run: Partial<RunOptions> = {},
) {
  const { signal } = new AbortController();
  return runTask(
    { db, url, task: 'archive', startedBy: 'test', signal, ...run },
    archive({ olderThanDays: 1, isPaced: false, url, ...options }),
  );
}

export function runsOf(db: Database) {
  return db.selectFrom('maintenance_runs').select(['outcome', 'error', 'counts']).orderBy('id').execute();
}
