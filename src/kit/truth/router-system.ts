// This router as a system under test: its own workers as processes, its own SDK in front, its own books and proofs.
import { sql } from 'kysely';
import { audit } from '../../app/audit.ts';
import { isFinal, type OrderStatus } from '../../core/status.ts';
import type { Paper } from '../../paper/paper.ts';
import { chooseBackend } from '../../queue/backend.ts';
import { type JobData, ORDERS_QUEUE } from '../../queue/jobs.ts';
import { everyEvidence } from '../../store/order-story.ts';
import type { Servers } from '../lab/servers.ts';
import { openSite, type Site } from '../lab/site.ts';
import { compileCache } from './compile-cache.ts';
import { type Crew, startCrew } from './crew.ts';
import type { Settings } from './scenario.ts';
import type { Belief, System } from './system.ts';
import { wipeQueue } from './wipe-queue.ts';

export type RouterSystemOptions = {
  readonly servers: Servers;
  readonly paper: Paper;
  readonly submitters: number;
  readonly reconcilers: number;
  readonly settings: Settings;
  /** Of each submitter, over the others, by its number: clocks that are wrong differ. */
  readonly settingsOf?: ((index: number) => Settings) | undefined;
  /** Run on its database before anything starts. */
  readonly sql?: readonly string[] | undefined;
};

/** About five times as fast as in production; only the fault, not a loaded machine, makes answers late. */
const SETTINGS: Settings = {
  LOG_LEVEL: 'error',
  HEIGHT_POLL_MS: '50',
  RECONCILE_INTERVAL_MS: '200',
  INDEXER_REQUESTS_PER_10S: '500',
  SWEEP_INTERVAL_MS: '1000',
  HEARTBEAT_MAX_AGE_MS: '60000',
  VALIDATOR_TIMEOUT_MS: '1500',
  RESEND_AFTER_MS: '2000',
  JOB_LOCK_MS: '3000',
  STATEFUL_POLL_MS: '200',
  STATEFUL_WATCH_MS: '1000',
  IOC_GOOD_TIL_BLOCKS: '20',
  RATE_LIMIT_SHARE: '100',
  DATABASE_MAX_CONNECTIONS: '4',
};

/** As its migration does: a clone of the template would begin with the ids of every other clone. */
const START_IDS = "SELECT setval('dydx_client_id_blocks', floor(random() * 4294967)::bigint * 1000)";

export async function openRouterSystem(options: RouterSystemOptions): Promise<System> {
  const { servers, paper } = options;
  let site = await openRouterSite(options);
  let crews: { readonly submitters: Crew; readonly reconcilers: Crew } | undefined;
  const stop = async () => {
    await Promise.all([crews?.submitters.stop(), crews?.reconcilers.stop()]);
    crews = undefined;
  };
  const start = async () => {
    const { submitters: submitterCount, reconcilers: reconcilerCount, settingsOf } = options;
    const [submitters, reconcilers] = await Promise.all([
      startCrew(
        Array.from(
          { length: submitterCount },
          (_, index) => () => site.start('submitter', settingsOf?.(index)),
        ),
      ),
      startCrew(Array.from({ length: reconcilerCount }, () => () => site.start('reconciler'))),
    ]);
    crews = { submitters, reconcilers };
  };
  const running = () => {
    if (crews === undefined) throw new Error('the router was not started');
    return crews;
  };
  return {
    name: 'router',
    start,
    senders: () => running().submitters,
    readers: () => running().reconcilers,
    enqueue: async (intents, { isRecorded = false, addedAt, company }) => {
      if (addedAt !== undefined || company !== undefined) {
        const jobs = company === undefined ? intents : [{ intents: [...intents, ...company] }];
        await addJobs(site, jobs, addedAt);
        return intents.map(({ client_id }) => client_id);
      }
      const results = await site.client.enqueue(intents, { until: isRecorded ? 'recorded' : 'queued' });
      return results.flatMap(({ client_id, outcome }) =>
        client_id !== undefined && ['queued', 'recorded', 'duplicate'].includes(outcome) ? [client_id] : [],
      );
    },
    enqueueAgain: (intents) => addJobs(site, intents),
    cancel: async ({ client_id }) => {
      await site.client.cancel(client_id);
    },
    wipeQueue: () => wipeQueue(servers, site),
    startAnew: async () => {
      await stop();
      await site[Symbol.asyncDispose]();
      site = await openRouterSite(options);
      await start();
    },
    beliefs: () => readBeliefs(site),
    unproven: async (truth) => {
      const { unproven, mismatched } = await audit(everyEvidence(site.db), truth);
      return [
        ...unproven.map(({ order, why }) => `${order}: ${why}`),
        ...mismatched.map(({ order, what }) => `${order}: ${what}`),
      ];
    },
    said: (lines) => site.said(lines),
    [Symbol.asyncDispose]: async () => {
      await stop();
      await site[Symbol.asyncDispose]();
    },
  };

  async function openRouterSite({ settings, sql: statements = [] }: RouterSystemOptions): Promise<Site> {
    const opened = await openSite(servers, {
      exchange: paper,
      settings: { ...SETTINGS, ...compileCache(servers), ...settings },
    });
    for (const statement of [START_IDS, ...statements]) await sql.raw(statement).execute(opened.db);
    return opened;
  }
}

/** Under ids of the queue's own, so that it takes what it has had before. */
async function addJobs(site: Site, intents: readonly unknown[], timestamp?: number): Promise<void> {
  const { REDIS_URL, QUEUE_PREFIX: queuePrefix } = site.settings;
  const backend = chooseBackend({
    databaseUrl: site.urls.worker,
    redisUrl: REDIS_URL || undefined,
    queuePrefix,
  });
  const queue = backend.queue<JobData>(ORDERS_QUEUE);
  queue.on('error', () => {});
  try {
    await queue.addBulk(
      intents.map((data) => ({
        name: 'place',
        data: data as JobData,
        ...(timestamp === undefined ? {} : { opts: { timestamp } }),
      })),
    );
  } finally {
    await queue.close();
    await backend.close();
  }
}

async function readBeliefs({ db }: Site): Promise<Belief[]> {
  const { rows } = await sql<{ client_id: string; status: OrderStatus; filled: string; fills: string[] }>`
    SELECT o.client_id, o.status, o.filled_size::text AS filled,
      array(SELECT f.id::text FROM order_fills f WHERE f.order_id = o.id) AS fills
    FROM orders o`.execute(db);
  const refused = await sql<{ client_id: string }>`
    SELECT DISTINCT client_id FROM intent_rejections WHERE client_id IS NOT NULL`.execute(db);
  const known = new Set(rows.map(({ client_id }) => client_id));
  return [
    ...rows.map(({ client_id, status, filled, fills }) => ({
      clientId: client_id,
      status,
      isFinal: isFinal(status),
      filled,
      fillIds: fills,
    })),
    ...refused.rows
      .filter(({ client_id }) => !known.has(client_id))
      .map(({ client_id }) => ({
        clientId: client_id,
        status: 'refused',
        isFinal: true,
        filled: '0',
        fillIds: [],
      })),
  ];
}
