// One installation of the router in a lab: its own database and queue, and its workers as real processes against an
// exchange. Whatever it started has ended when it is disposed of.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRouterClient, type RouterClient } from '../../client.ts';
import { type Database, openDatabase } from '../../store/database.ts';
import type { DatabaseUrls, Servers } from './servers.ts';
import { startWorkerProcess, type WorkerProcess } from './worker-process.ts';

type Settings = Readonly<Record<string, string>>;

export type SiteOptions = {
  /** of validators, one or more, and of the indexer */
  readonly exchange: { readonly nodes: readonly string[]; readonly url: string };
  /** as in .env.example */
  readonly settings?: Settings;
};

export type Site = AsyncDisposable & {
  readonly name: string;
  readonly urls: DatabaseUrls;
  /** as a superuser */
  readonly db: Database;
  readonly client: RouterClient;
  /** what every worker of it is started with */
  readonly settings: Settings;
  /** workers/<name>.ts; not ready yet @param env over the settings of the site */
  readonly start: (name: 'submitter' | 'reconciler' | 'maintenance' | 'ops', env?: Settings) => WorkerProcess;
  /** Any other program, with the same settings. @param args the script and its arguments */
  readonly startProgram: (args: readonly string[], env?: Settings, cwd?: string) => WorkerProcess;
  /** The last lines of what its processes said. */
  readonly said: (lines?: number) => string;
};

const ROOT = join(import.meta.dirname, '..', '..', '..');

let sites = 0;

/** The database is a clone of the migrated one, so it takes a moment only. */
export async function openSite(servers: Servers, options: SiteOptions): Promise<Site> {
  await using opening = new AsyncDisposableStack();
  sites += 1;
  const name = `site_${process.pid}_${sites}`;
  const urls = await servers.makeDatabase(name);
  opening.defer(() => servers.dropDatabase(name).catch(() => {}));
  const db = opening.adopt(openDatabase({ url: urls.admin, maxConnections: 4 }), (pool) => pool.destroy());
  const queuePrefix = `{${name}}`;
  const redisUrl = servers.redis?.url;
  const queue: Settings =
    redisUrl === undefined ? { REDIS_URL: '' } : { REDIS_URL: redisUrl, QUEUE_PREFIX: queuePrefix };
  const settings: Settings = {
    LOG_LEVEL: 'warn',
    NODE_ENV: 'development',
    DYDX_NETWORK: 'paper',
    DATABASE_URL: urls.worker,
    DATABASE_DIRECT_URL: '',
    DYDX_VALIDATOR_URLS: options.exchange.nodes.join(','),
    DYDX_INDEXER_URL: options.exchange.url,
    PORT: '',
    ...queue,
    ...options.settings,
  };
  const client = opening.use(createRouterClient({ databaseUrl: urls.worker, redisUrl, queuePrefix }));
  const logFile = join(servers.folder, `${name}.log`);
  const processes: WorkerProcess[] = [];
  opening.defer(async () => {
    await Promise.all(processes.map((each) => each.stop()));
  });
  const startProgram = (args: readonly string[], env: Settings = {}, cwd?: string): WorkerProcess => {
    const started = startWorkerProcess({
      args,
      env: { ...settings, ...env },
      logFile,
      // No .env of a developer there.
      cwd: cwd ?? servers.folder,
    });
    processes.push(started);
    return started;
  };
  const stack = opening.move();
  return {
    name,
    urls,
    db,
    client,
    settings,
    start: (worker, env) => startProgram([join(ROOT, 'workers', `${worker}.ts`)], env),
    startProgram,
    said: (lines = 20) =>
      existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n').slice(-lines).join('\n') : '',
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
