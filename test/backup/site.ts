// What a backup is taken of: a cluster of Debian's PostgreSQL, whose tools are there, with a migrated database under roles,
// and a folder for backups.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { bringUpToDate } from '../../src/cli/bring-up-to-date.ts';
import { chooseBackend } from '../../src/queue/backend.ts';
import type { Database } from '../../src/store/database.ts';
import { type TableSums, withSnapshot } from '../../src/store/snapshot.ts';
import { administer, type TestDatabase } from '../support/databases.ts';
import { findDebianPostgres } from '../support/debian-postgres.ts';
import { makeLogins } from '../support/logins.ts';
import { type Ended, runProcess } from '../support/run-router.ts';
import { type ScratchCluster, startScratchCluster } from '../support/scratch-postgres.ts';

export const { binaries } = findDebianPostgres(process.env);

export type Site = AsyncDisposable & {
  readonly cluster: ScratchCluster;
  readonly database: TestDatabase;
  readonly db: Database;
  /** of the superuser */
  readonly url: string;
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  /** `router …` as the superuser, unless settings say otherwise */
  readonly router: (words: readonly string[], settings?: Readonly<Record<string, string>>) => Promise<Ended>;
  /** names in the folder for backups */
  readonly files: () => string[];
};

export async function startSite(serverSettings: readonly string[] = []): Promise<Site> {
  await using opening = new AsyncDisposableStack();
  const cluster = opening.use(await startScratchCluster(binaries, serverSettings));
  const database = opening.use(await cluster.createDatabase());
  const { url, db } = database;
  await migrateUnderRoles(url);
  const folder = mkdtempSync(join(tmpdir(), 'router-backup-'));
  opening.defer(() => rmSync(folder, { recursive: true, force: true }));
  const settings = { DATABASE_URL: url, BACKUP_DIR: folder };
  const stack = opening.move();
  return {
    cluster,
    database,
    db,
    url,
    folder,
    settings,
    router: (words, more = {}) => runProcess(['src/cli.ts', ...words], { ...settings, ...more }),
    files: () => readdirSync(folder).sort(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function migrateUnderRoles(url: string): Promise<void> {
  const queue = chooseBackend({ databaseUrl: url });
  await bringUpToDate(url, queue);
  await queue.close();
  await makeLogins(url, inject('loginRun'));
}

/** Of every table, as a superuser. @param without tables that change by being looked at */
export async function sumsOf(url: string, without: readonly string[] = []): Promise<TableSums> {
  const sums = await withSnapshot(url, new AbortController().signal, (snapshot) => snapshot.sums());
  return Object.fromEntries(Object.entries(sums).filter(([table]) => !without.includes(table)));
}

/** The same server's database of that name. */
export function named(url: string, name: string): string {
  const of = new URL(url);
  of.pathname = `/${name}`;
  return of.href;
}

/** A login with these rights and nothing else. @returns the URL by which it connects */
export async function makeLogin(url: string, login: string, rights: string): Promise<string> {
  await administer(url, `CREATE ROLE ${login} LOGIN PASSWORD '${login}' ${rights}`);
  const as = new URL(url);
  as.username = login;
  as.password = login;
  return as.href;
}
