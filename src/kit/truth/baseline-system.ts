// A baseline as a system under test: bench/baselines/worker.mjs as processes, its jobs added as its producer adds them,
// its books its own tables. It has no door that records and no cancel: an order of it is cancelled as its owner would by
// hand, from outside.
import { sql } from 'kysely';
import type { Paper } from '../../paper/paper.ts';
import { chooseBackend } from '../../queue/backend.ts';
import { BASELINES_FOLDER, baselineProgram } from '../lab/baselines.ts';
import type { Servers } from '../lab/servers.ts';
import { openSite, type Site } from '../lab/site.ts';
import { cancelByHand } from './cancel-by-hand.ts';
import { compileCache } from './compile-cache.ts';
import { type Crew, startCrew } from './crew.ts';
import type { Settings } from './scenario.ts';
import type { AdapterName, Belief, System } from './system.ts';
import { wipeQueue } from './wipe-queue.ts';

export type BaselineSystemOptions = {
  readonly name: Exclude<AdapterName, 'router'>;
  readonly servers: Servers;
  readonly paper: Paper;
  readonly workers: number;
  readonly settingsOf?: ((index: number) => Settings) | undefined;
};

const QUEUE = 'baseline';
/** As bench/baselines/queue.mjs. */
const JOB_OPTIONS = { attempts: 3, backoff: { type: 'exponential', delay: 1000 } } as const;
/** BullMQ's default of 30 s would make a killed worker's jobs come back too late for the score. */
const LOCK_MS = 3_000;
const FINAL = ['FILLED', 'CANCELLED', 'EXPIRED', 'REJECTED'];

export async function openBaselineSystem(options: BaselineSystemOptions): Promise<System> {
  const { name, servers, paper } = options;
  let site = await openSite(servers, { exchange: paper });
  let crew: Crew | undefined;
  const start = async () => {
    const env: Settings = {
      ...compileCache(servers),
      DATABASE_URL: site.urls.admin,
      VALIDATOR_URL: paper.url,
      INDEXER_URL: paper.url,
      CHAIN_ID: paper.chainId,
      LOCK_MS: String(LOCK_MS),
      // The indexer's most, as a careful team would: with 100 it loses fills without any fault.
      POLL_LIMIT: '1000',
    };
    crew = await startCrew(
      Array.from(
        { length: options.workers },
        (_, index) => () =>
          site.startProgram(
            [baselineProgram('worker'), name],
            { ...env, ...options.settingsOf?.(index) },
            BASELINES_FOLDER,
          ),
      ),
    );
  };
  const stop = async () => {
    await crew?.stop();
    crew = undefined;
  };
  const running = () => {
    if (crew === undefined) throw new Error(`${name} was not started`);
    return crew;
  };
  return {
    name,
    start,
    senders: running,
    readers: running,
    enqueue: async (intents, { addedAt, company = [] }) => {
      const named = intents.map((data) => ({ data, jobId: `order-${encodeURIComponent(data.client_id)}` }));
      await addJobs(site, [...named, ...company.map((data) => ({ data }))], addedAt);
      return intents.map(({ client_id }) => client_id);
    },
    enqueueAgain: (intents) =>
      addJobs(
        site,
        intents.map((data) => ({ data })),
      ),
    cancel: (intent) => cancelByHand(paper, intent),
    wipeQueue: () => wipeQueue(servers, site),
    startAnew: async () => {
      await stop();
      await site[Symbol.asyncDispose]();
      site = await openSite(servers, { exchange: paper });
      await start();
    },
    beliefs: () => readBeliefs(site),
    // It stores no evidence: what it says of an end without a full fill, nobody can check.
    unproven: async () =>
      (await readBeliefs(site)).flatMap(({ clientId, status, isFinal }) =>
        isFinal && status !== 'FILLED' ? [`${clientId}: ${status}, and nothing stored that proves it`] : [],
      ),
    said: (lines) => site.said(lines),
    [Symbol.asyncDispose]: async () => {
      await stop();
      await site[Symbol.asyncDispose]();
    },
  };
}

async function addJobs(
  site: Site,
  jobs: readonly { readonly data: unknown; readonly jobId?: string }[],
  timestamp?: number,
): Promise<void> {
  const { REDIS_URL, QUEUE_PREFIX: queuePrefix } = site.settings;
  const backend = chooseBackend({
    databaseUrl: site.urls.admin,
    redisUrl: REDIS_URL || undefined,
    queuePrefix,
  });
  const queue = backend.queue<unknown>(QUEUE);
  queue.on('error', () => {});
  try {
    await queue.addBulk(
      jobs.map(({ data, jobId }) => ({
        name: 'place',
        data,
        opts: {
          ...JOB_OPTIONS,
          ...(jobId === undefined ? {} : { jobId }),
          ...(timestamp === undefined ? {} : { timestamp }),
        },
      })),
    );
  } finally {
    await queue.close();
    await backend.close();
  }
}

async function readBeliefs({ db }: Site): Promise<Belief[]> {
  const { rows } = await sql<{ client_id: string; status: string; filled: string; fills: string[] }>`
    SELECT o.client_id, o.status, o.filled::text AS filled,
      array(SELECT f.id FROM baseline.fills f WHERE f.client_id = o.client_id) AS fills
    FROM baseline.orders o`.execute(db);
  return rows.map(({ client_id, status, filled, fills }) => ({
    clientId: client_id,
    status,
    isFinal: FINAL.includes(status),
    filled,
    fillIds: fills,
  }));
}
