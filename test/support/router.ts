// The real parts of the router, put together for a test: its own database, a paper exchange with fast blocks, and
// submitter and reconciler in this process or as processes that can be killed, on the queue whose turn it is.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { sql } from 'kysely';
import { inject } from 'vitest';
import { audit } from '../../src/app/audit.ts';
import { createRouterClient, type RouterClient } from '../../src/client.ts';
import { readConfig } from '../../src/config.ts';
import { isFinal } from '../../src/core/status.ts';
import { type Paper, type PaperOptions, startPaper } from '../../src/paper/paper.ts';
import { chooseBackend, type QueueBackend } from '../../src/queue/backend.ts';
import { openContext, type Service } from '../../src/runtime/context.ts';
import { type ReconcilerOptions, startReconciler } from '../../src/runtime/reconciler.ts';
import { type SubmitterOptions, startSubmitter } from '../../src/runtime/submitter.ts';
import type { Database } from '../../src/store/database.ts';
import { everyEvidence } from '../../src/store/order-story.ts';
import { keyOf } from '../../src/store/recording.ts';
import { type OrderKey, rejectedSince, standings } from '../../src/store/standings.ts';
import { createDatabase, type TestDatabase } from './databases.ts';
import { asLogin, type Login } from './logins.ts';

type Settings = Readonly<Record<string, string>>;

/**
 * Ten times as fast as in production, in about the same proportions. Faster polls and sweeps cost the CPU that the
 * two cores lack: at twice this rate, half of all statements were timers'.
 */
const FAST: Settings = {
  LOG_LEVEL: 'error',
  DYDX_NETWORK: 'paper',
  HEIGHT_POLL_MS: '25',
  RECONCILE_INTERVAL_MS: '100',
  INDEXER_REQUESTS_PER_10S: '1000',
  SWEEP_INTERVAL_MS: '500',
  VALIDATOR_TIMEOUT_MS: '400',
  RESEND_AFTER_MS: '600',
  // A lock that a loaded machine cannot renew gives the job to another worker, which is more load still.
  JOB_LOCK_MS: '5000',
  SUBMIT_CONCURRENCY: '64',
  STATEFUL_POLL_MS: '100',
  STATEFUL_WATCH_MS: '1000',
};

export type TestRouterOptions = {
  readonly paper?: PaperOptions;
  readonly settings?: Settings;
  /** instead of a clone on the run's server */
  readonly database?: TestDatabase;
  /** of the redis leg, instead of the run's server */
  readonly redisUrl?: string | undefined;
};

export type TestRouter = AsyncDisposable & {
  readonly database: TestDatabase;
  readonly db: Database;
  readonly paper: Paper;
  readonly client: RouterClient;
  /** The router's own queues, to look into; close what you open. */
  readonly queues: QueueBackend;
  readonly settings: Settings;
  readonly submitter: (options?: SubmitterOptions, settings?: Settings) => Promise<Service>;
  readonly reconciler: (options?: ReconcilerOptions, settings?: Settings) => Promise<Service>;
  /** A process of test/support or workers; killed at the end of the test if it still runs. */
  readonly spawn: (script: string, env?: Settings) => ChildProcess;
  /** Resolves when every one of these is final or refused. @param timeoutMs default 2 min */
  readonly settled: (keys: readonly OrderKey[], timeoutMs?: number) => Promise<void>;
  /** What is wrong with the books; empty when all is proven and agrees with the exchange. */
  readonly findings: () => Promise<string[]>;
};

const ROOT = join(import.meta.dirname, '..', '..');
const SETTLE_TIMEOUT_MS = 120_000;

export async function startTestRouter(options: TestRouterOptions = {}): Promise<TestRouter> {
  await using opening = new AsyncDisposableStack();
  const database = opening.use(options.database ?? (await createDatabase()));
  const { db } = database;
  const paper = opening.use(await startPaper({ blockMs: 50, seed: 1, ...options.paper }));
  const where = queueOf(database.url, options.redisUrl ?? inject('redisUrl'));
  const settings: Settings = {
    ...FAST,
    DATABASE_URL: asLogin(database.url, 'worker'),
    ...(where.redisUrl === undefined ? {} : { REDIS_URL: where.redisUrl, QUEUE_PREFIX: where.queuePrefix }),
    DYDX_VALIDATOR_URLS: paper.nodes.join(','),
    DYDX_INDEXER_URL: paper.url,
    ...options.settings,
  };
  const client = opening.use(createRouterClient({ ...where, databaseUrl: asLogin(database.url, 'worker') }));
  const queues = chooseBackend(where);
  opening.defer(queues.close);
  const stack = opening.move();

  const start = async (
    name: string,
    begin: (context: Awaited<ReturnType<typeof openContext>>) => Promise<Service>,
    extra: Settings = {},
  ): Promise<Service> => {
    const { config, secrets } = readConfig({ ...settings, ...extra });
    const context = await openContext(name, config, secrets);
    const service = await begin(context);
    let stopping: Promise<void> | undefined;
    const stop = () => {
      stopping ??= service.stop().then(() => context.close());
      return stopping;
    };
    stack.defer(stop);
    return { stop };
  };

  return {
    database,
    db,
    paper,
    client,
    queues,
    settings,
    submitter: (submitterOptions, extra) =>
      start('submitter', (context) => startSubmitter(context, submitterOptions), extra),
    reconciler: (reconcilerOptions, extra) =>
      start('reconciler', (context) => startReconciler(context, reconcilerOptions), extra),
    spawn: (script, env = {}) => {
      const child = spawn(process.execPath, [join(ROOT, script)], {
        env: { ...process.env, ...settings, DATABASE_URL: asLogin(database.url, loginOf(script)), ...env },
        // A channel, by which it says that it is ready.
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      stack.defer(() => {
        child.kill('SIGKILL');
      });
      return child;
    },
    settled: (keys, timeoutMs = SETTLE_TIMEOUT_MS) => untilSettled(db, keys, timeoutMs),
    findings: async () => {
      const { unproven, mismatched } = await audit(everyEvidence(db), paper.truth());
      return [
        ...unproven.map(({ order, why }) => `unproven ${order}: ${why}`),
        ...mismatched.map(({ order, what }) => `mismatched ${order}: ${what}`),
      ];
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function loginOf(script: string): Login {
  if (script.endsWith('/ops.ts')) return 'app';
  return script.endsWith('/maintenance.ts') ? 'maintenance' : 'worker';
}

/** The queue of this leg; in Redis under a prefix of its own, for the server is shared. */
function queueOf(databaseUrl: string, redisUrl: string | undefined) {
  const queuePrefix = `{${randomUUID()}}`;
  if (inject('queueKind') !== 'redis') return { databaseUrl, redisUrl: undefined, queuePrefix };
  if (redisUrl === undefined) throw new Error('the redis leg has no server: test/support/services.ts');
  return { databaseUrl, redisUrl, queuePrefix };
}

async function untilSettled(db: Database, keys: readonly OrderKey[], timeoutMs: number): Promise<void> {
  const start = new Date(0);
  const deadline = Date.now() + timeoutMs;
  let open = keys;
  while (open.length > 0) {
    const done = new Set<string>();
    for (const row of await standings(db, open)) if (isFinal(row.status)) done.add(keyOf(row));
    for (const row of await rejectedSince(db, open, start)) done.add(keyOf(row));
    open = open.filter((key) => !done.has(keyOf(key)));
    if (open.length > 0 && Date.now() > deadline) {
      throw new Error(`${open.length} of ${keys.length} are not final: ${await describe(db, open)}`);
    }
    if (open.length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a reader of a failed run needs to know of the orders that hang. */
async function describe(db: Database, keys: readonly OrderKey[]): Promise<string> {
  const ids = keys.map((key) => key.client_id);
  const { rows } = await sql<{ line: string }>`
    SELECT row_to_json(r)::text AS line FROM (
      SELECT o.client_id, o.type, o.time_in_force, o.status, o.status_reason, o.filled_size, o.size, o.good_til_block,
        o.retry_count, o.attempt_count, o.next_wake_at, o.submit_by, o.error_message, now() AS now,
        (SELECT json_agg(row_to_json(c)) FROM reconcile_cursors c WHERE c.owner = o.owner) AS cursors,
        (SELECT json_agg(row_to_json(j)) FROM (
          SELECT a.attempt, a.good_til_block, a.transmissions, a.outcome, a.codespace, a.code FROM order_attempts a
          WHERE a.order_id = o.id) j) AS attempts
      FROM orders o WHERE o.client_id = ANY(${ids}) LIMIT 5) r`.execute(db);
  return rows.length === 0
    ? `${ids.slice(0, 5)} have no row`
    : rows.map(({ line }) => `\n  ${line}`).join('');
}

/** Resolves when the worker process says that it is ready; rejects when it ends before. */
export async function readyOf(child: ChildProcess): Promise<void> {
  const ended = exitOf(child).then((how) => {
    throw new Error(`the worker ended before it was ready: ${how}`);
  });
  await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => {});
}

/** The process's exit signal or code. */
export function exitOf(child: ChildProcess): Promise<string | number | null> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve(child.signalCode ?? child.exitCode);
  }
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
}
