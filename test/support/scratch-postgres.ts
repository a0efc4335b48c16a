// A PostgreSQL cluster that a test has for itself, with roles of its own: of the binaries that npm installed, or of
// Debian's server. As root it runs as another user, in a folder that only root may enter.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { administer, type TestDatabase, urlOf } from './databases.ts';

/** The cluster is thrown away: nothing of it must outlive a crash of the machine. */
const FAST = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'autovacuum=off',
  'max_connections=300',
];

export type ScratchCluster = AsyncDisposable & {
  /** of its superuser */
  readonly url: string;
  /** Empty; gone with the cluster. @param owner default: the superuser */
  readonly createDatabase: (owner?: string) => Promise<TestDatabase>;
};

/** @param binaries default: those that npm installed @param settings `name=value` of the server */
export async function startScratchCluster(
  binaries?: string,
  settings: readonly string[] = [],
): Promise<ScratchCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'router-scratch-'));
  const server = await startEmbeddedPostgres({
    folder: join(folder, 'postgres'),
    settings: [...FAST, ...settings],
    ...(binaries === undefined ? {} : { binaries }),
  });
  const opened = new Set<Database>();
  return {
    url: server.url,
    createDatabase: async (owner) => {
      const name = `router_${randomUUID().replaceAll('-', '')}`;
      const owned = owner === undefined ? '' : `OWNER ${owner}`;
      await administer(server.url, `CREATE DATABASE ${name} TEMPLATE template0 ${owned}`);
      const url = urlOf(server.url, name);
      const db = openDatabase({ url });
      opened.add(db);
      return {
        url,
        db,
        [Symbol.asyncDispose]: async () => {
          if (opened.delete(db)) await db.destroy();
        },
      };
    },
    [Symbol.asyncDispose]: async () => {
      for (const db of opened) await db.destroy();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
