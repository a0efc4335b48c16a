// A server of the bench's own: the npm-installed PostgreSQL with the source schema's "Connection Settings", in a
// folder that may be thrown away at any time. A database under its final name is complete: it is filled under another.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type pg from 'pg';
import { bringUpToDate } from '../src/cli/bring-up-to-date.ts';
import { ask } from '../src/kit/lab/servers.ts';
import { chooseBackend } from '../src/queue/backend.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/store/embedded-postgres.ts';
import { readMigrationFiles } from '../src/store/migrations.ts';

/** The source's, as in docker-compose.yml. */
const CONNECTION_SETTINGS = [
  'shared_preload_libraries=pg_stat_statements',
  'max_connections=100',
  'shared_buffers=256MB',
  'effective_cache_size=1GB',
  'maintenance_work_mem=64MB',
  'checkpoint_completion_target=0.9',
  'wal_buffers=16MB',
  'default_statistics_target=100',
  'random_page_cost=1.1',
  'effective_io_concurrency=200',
];
/** While rows are loaded, nothing of them must outlive a crash of the machine. */
export const LOADING = ['fsync=off', 'full_page_writes=off', 'max_wal_size=8GB', 'autovacuum=off'];

export type BenchServer = Pick<EmbeddedPostgres, 'stop'> & {
  readonly urlOf: (database: string) => string;
  /** Runs a statement outside of the databases that are measured, e.g. CREATE DATABASE. */
  readonly administer: (statement: string) => Promise<pg.QueryResult>;
};

/** Ends with the signal, which also breaks off what it is doing. @param settings `name=value`, over the source's */
export async function startBenchServer(
  dataDir: string,
  settings: readonly string[],
  signal: AbortSignal,
): Promise<BenchServer> {
  const server = await startEmbeddedPostgres({
    folder: join(dataDir, 'postgres'),
    settings: [...CONNECTION_SETTINGS, ...settings],
    signal,
  });
  signal.addEventListener('abort', () => server.stop(), { once: true });
  const urlOf = (database: string) => {
    const url = new URL(server.url);
    url.pathname = `/${database}`;
    return url.href;
  };
  const administer = (statement: string) => ask(urlOf('postgres'), statement);
  return { urlOf, administer, stop: server.stop };
}

export async function hasDatabase({ administer }: BenchServer, name: string): Promise<boolean> {
  const { rowCount } = await administer(`SELECT FROM pg_database WHERE datname = '${name}'`);
  return rowCount === 1;
}

/** What `router migrate` makes, filled by `fill`, which keeps no connection. An older one of this name is dropped. */
export async function makeDatabase(
  server: BenchServer,
  name: string,
  fill: (url: string) => Promise<void>,
): Promise<void> {
  const unfinished = 'bench_unfinished';
  await dropDatabase(server, unfinished);
  await server.administer(`CREATE DATABASE ${unfinished}`);
  const url = server.urlOf(unfinished);
  await bringUpToDate(url, chooseBackend({ databaseUrl: url }));
  await fill(url);
  await dropDatabase(server, name);
  await server.administer(`ALTER DATABASE ${unfinished} RENAME TO ${name}`);
}

export async function dropDatabase({ administer }: BenchServer, name: string): Promise<void> {
  await administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

export async function dropDatabasesLike(server: BenchServer, stem: string): Promise<void> {
  const { rows } = await server.administer(
    `SELECT datname FROM pg_database WHERE starts_with(datname, '${stem}')`,
  );
  for (const { datname } of rows) await dropDatabase(server, datname);
}

/** Another one as soon as any of the texts, or a migration, is another. */
export function fingerprintOf(...texts: readonly string[]): string {
  const migrations = readMigrationFiles().flatMap(({ statements }) => statements);
  return createHash('sha256')
    .update(JSON.stringify([texts, migrations]))
    .digest('hex')
    .slice(0, 8);
}
