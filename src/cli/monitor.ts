// `router monitor`: the source schema's three monitoring queries, as a table or as JSON lines.
import type { Database } from '../store/database.ts';
import {
  type IndexUsage,
  indexUsage,
  slowQueries,
  statisticsSince,
  tableSizes,
} from '../store/monitoring.ts';
import { table, time } from './output.ts';

export type Monitored = 'tables' | 'indexes' | 'slow-queries';

const MAX_QUERY_CHARS = 100;

/** @returns what is printed */
export async function monitor(db: Database, what: Monitored, json: boolean): Promise<string> {
  if (what === 'tables') return show(await tableSizes(db), json);
  if (what === 'slow-queries') return show(await slow(db), json);
  const indexes = await indexUsage(db);
  const listed = show(indexes, json);
  if (json || indexes.length === 0) return listed;
  return `${listed}\n\n${unused(indexes, await statisticsSince(db))}`;
}

function show(rows: readonly object[], json: boolean): string {
  if (json) return rows.map((row) => JSON.stringify(row)).join('\n');
  const [first] = rows;
  if (first === undefined) return 'nothing';
  return table([Object.keys(first), ...rows.map((row) => Object.values(row).map(cell))]);
}

/** Which indexes cost writes and are of no use, in words. A unique one keeps a rule, whether or not it is asked. */
function unused(indexes: readonly IndexUsage[], since: Date | undefined): string {
  const idle = indexes.filter(({ scans, is_unique }) => scans === 0 && !is_unique);
  const when = since === undefined ? 'since the database was made' : `since ${time(since)}`;
  if (idle.length === 0) return `Every index that is not unique was used ${when}.`;
  const lines = idle.map(
    ({ table: of, index, bytes }) => `  ${index} of ${of}, ${Math.ceil(bytes / 1024)} kB`,
  );
  return [
    `Never used ${when}, and each costs every insert:`,
    ...lines,
    'Before one is dropped: have all queries run in that time, those of a month’s end too, and on every replica?',
  ].join('\n');
}

async function slow(db: Database): Promise<readonly object[]> {
  const found = await slowQueries(db);
  if (found !== undefined) return found;
  throw new Error(
    'the server keeps no statistics of statements: set shared_preload_libraries = pg_stat_statements, restart it, and run `router migrate`, which makes the extension',
  );
}

function cell(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 100) / 100);
  return String(value).replace(/\s+/g, ' ').slice(0, MAX_QUERY_CHARS);
}
