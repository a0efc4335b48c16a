// One PostgreSQL for the whole run: TEST_DATABASE_URL (a role that may create databases), else an embedded one. It
// holds a migrated template, of which every test file clones a database of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { chooseBackend } from '../../src/queue/backend.ts';
import { openDatabase } from '../../src/store/database.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { migrate } from '../../src/store/migrator.ts';
import { administer, urlOf } from './databases.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly serverUrl: string;
    readonly templateName: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['TEST_DATABASE_URL'];
  const folder = mkdtempSync(join(tmpdir(), 'router-test-'));
  // The cluster is thrown away: nothing of it must outlive a crash of the machine.
  const settings = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=200'];
  const server = given
    ? undefined
    : await startEmbeddedPostgres({ folder: join(folder, 'postgres'), settings });
  const serverUrl = server?.url ?? given ?? '';
  console.log(`tests run on ${given ? 'TEST_DATABASE_URL' : 'an embedded PostgreSQL'}`);

  const templateName = `router_template_${process.pid}`;
  await administer(serverUrl, `CREATE DATABASE ${templateName}`);
  const url = urlOf(serverUrl, templateName);
  const db = openDatabase({ url });
  await migrate(db);
  await db.destroy();
  await chooseBackend({ databaseUrl: url }).migrate();
  project.provide('serverUrl', serverUrl);
  project.provide('templateName', templateName);

  return async () => {
    if (server) await server.stop();
    else await administer(serverUrl, `DROP DATABASE IF EXISTS ${templateName} WITH (FORCE)`);
    rmSync(folder, { recursive: true, force: true });
  };
}
