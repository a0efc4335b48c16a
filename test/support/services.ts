// The servers of the whole run: PostgreSQL from TEST_DATABASE_URL (a superuser), a container
// (TEST_CONTAINERS=1) or the embedded one, with a migrated template of which every test file clones a database of its
// own; Redis from TEST_REDIS_URL, a container or redis-server on the path.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { bringUpToDate } from '../../src/cli/bring-up-to-date.ts';
import { startRedisServer } from '../../src/kit/lab/redis-server.ts';
import { chooseBackend } from '../../src/queue/backend.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { startCompileCache } from './compile-cache.ts';
import { administer, urlOf } from './databases.ts';
import { chooseLegs, type QueueKind } from './legs.ts';
import { dropLogins, makeLogins } from './logins.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly serverUrl: string;
    readonly templateName: string;
    /** test/support/logins.ts */
    readonly loginRun: string;
    readonly redisUrl: string | undefined;
    readonly compileCache: string;
    readonly queues: readonly QueueKind[];
    readonly queueKind: QueueKind;
  }
}

type Server = { readonly from: string; readonly url: string; readonly stop: () => Promise<void> };

/** The cluster is thrown away: nothing of it must outlive a crash of the machine. */
const FAST_POSTGRES = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'autovacuum=off',
  'max_connections=300',
];
/** Like a Redis of production to look at, without waiting for the disk. */
const FAST_REDIS = ['--appendonly', 'yes', '--appendfsync', 'no', '--maxmemory-policy', 'noeviction'];

const isInContainers = process.env['TEST_CONTAINERS'] === '1';
/** Loading it takes a second, which other runs need not pay. */
const containers = () => import('./containers.ts');

async function startPostgres(): Promise<Server> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return { from: 'TEST_DATABASE_URL', url: given, stop: async () => {} };
  if (isInContainers)
    return { from: 'a container', ...(await (await containers()).startPostgresContainer()) };
  const folder = mkdtempSync(join(tmpdir(), 'router-test-'));
  const server = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), settings: FAST_POSTGRES });
  await cheapenLogin(server.url);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { from: 'an embedded PostgreSQL', url: server.url, stop };
}

/** The same password by the same method, without its 4096 rounds: tests connect thousands of times. */
async function cheapenLogin(url: string): Promise<void> {
  const { username, password } = new URL(url);
  await administer(url, `SET scram_iterations = 1; ALTER ROLE ${username} PASSWORD '${password}'`);
}

async function startRedis(): Promise<Server> {
  const given = process.env['TEST_REDIS_URL'];
  if (given) return { from: 'TEST_REDIS_URL', url: given, stop: async () => {} };
  if (isInContainers) return { from: 'a container', ...(await (await containers()).startRedisContainer()) };
  const { url, stop } = await startRedisServer({ args: FAST_REDIS });
  return { from: 'a redis-server of its own', url, stop };
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, compileCache] = await Promise.all([startPostgres(), startCompileCache()]);
  const redis = chooseLegs(process.env).queues.includes('redis') ? await startRedis() : undefined;
  console.log(`tests run on ${[postgres, redis].flatMap((server) => server?.from ?? []).join(' and ')}`);

  const templateName = `router_template_${process.pid}`;
  await administer(postgres.url, `CREATE DATABASE ${templateName}`);
  const url = urlOf(postgres.url, templateName);
  await bringUpToDate(url, chooseBackend({ databaseUrl: url }));
  const loginRun = String(process.pid);
  await makeLogins(url, loginRun);
  project.provide('serverUrl', postgres.url);
  project.provide('templateName', templateName);
  project.provide('loginRun', loginRun);
  project.provide('redisUrl', redis?.url);
  project.provide('compileCache', compileCache.folder);

  return async () => {
    await administer(postgres.url, `DROP DATABASE IF EXISTS ${templateName} WITH (FORCE)`);
    await dropLogins(postgres.url, loginRun);
    await postgres.stop();
    await redis?.stop();
    compileCache.remove();
  };
}
