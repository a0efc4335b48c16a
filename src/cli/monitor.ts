// `router monitor`: the source schema's three monitoring queries, as a table or as JSON lines.
import type { Database } from '../store/database.ts';
import { indexUsage, slowQueries, tableSizes } from '../store/monitoring.ts';
import { table } from './output.ts';

export type Monitored = 'tables' | 'indexes' | 'slow-queries';

const MAX_QUERY_CHARS = 100;

/** @returns what is printed */
export async function monitor(db: Database, what: Monitored, json: boolean): Promise<string> {
  const rows = await ask(db, what);
  if (json) return rows.map((row) => JSON.stringify(row)).join('\n');
  const [first] = rows;
  if (first === undefined) return 'nothing';
  return table([Object.keys(first), ...rows.map((row) => Object.values(row).map(cell))]);
}

async function ask(db: Database, what: Monitored): Promise<readonly object[]> {
  if (what === 'tables') return tableSizes(db);
  if (what === 'indexes') return indexUsage(db);
  const slow = await slowQueries(db);
  if (slow !== undefined) return slow;
  throw new Error(
    'the server keeps no statistics of statements: set shared_preload_libraries = pg_stat_statements, restart it, and run `router migrate`, which makes the extension',
  );
}

function cell(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 100) / 100);
  return String(value).replace(/\s+/g, ' ').slice(0, MAX_QUERY_CHARS);
}
