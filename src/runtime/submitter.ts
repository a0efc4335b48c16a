// The submitter process: takes `place` and `wake` jobs and brings orders to the venue. As many replicas as wanted.
import type { SubmitDeps } from '../app/submit.ts';
import { type WakeDeps, wake } from '../app/wake.ts';
import { type Intent, intentHash } from '../core/intent.ts';
import type { Signer, Validator } from '../core/ports.ts';
import type { Batch, Telemetry } from '../core/telemetry.ts';
import { watchHeights } from '../ops/height-metrics.ts';
import { errorFields } from '../ops/logger.ts';
import type { QueueBackend } from '../queue/backend.ts';
import { addWakeJob, type JobData, ORDERS_QUEUE, queueBackoff } from '../queue/jobs.ts';
import { startAttempts, startResends } from '../store/attempts.ts';
import { createBatcher } from '../store/batcher.ts';
import { createClientIds } from '../store/client-ids.ts';
import type { Database } from '../store/database.ts';
import { awaitProof, claimDue } from '../store/due-orders.ts';
import { requireChain } from '../store/installation.ts';
import { loadMarkets, saveMarkets } from '../store/markets.ts';
import { endNeverSent, recordOutcomes } from '../store/outcomes.ts';
import { recordHeartbeat } from '../store/queue-heartbeats.ts';
import { ensureCursor } from '../store/reconciling.ts';
import { keyOf, recordOrders, spentKeys } from '../store/recording.ts';
import { recordRejections } from '../store/rejections.ts';
import { isDataError } from '../store/sqlstate.ts';
import { createHeightFeed } from '../venue/height-feed.ts';
import { createMarketTable } from '../venue/market-table.ts';
import type { Context, Service } from './context.ts';
import { baseChecks, venueChecks } from './health.ts';
import { type OrdersJobDeps, putBackFailed, runJob } from './orders-jobs.ts';
import { startTimers } from './timers.ts';
import { HEIGHT_MAX_AGE_MS, networkOf, openIndexer, openSigner, openValidator } from './venue.ts';
import { createWakeUps } from './wake-ups.ts';

const VENUE_READY_MS = 15_000;
/** The answer is not on the way to the venue: wait a little for company. */
const OUTCOME_LINGER_MS = 5;

export type SubmitterOptions = {
  /** Wraps the validator; the fault tests end the process inside it. */
  readonly wrapValidator?: (validator: Validator) => Validator;
};

export async function startSubmitter(context: Context, options: SubmitterOptions = {}): Promise<Service> {
  const { config, secrets, log, db, queues, outages } = context;
  const { registry, telemetry } = context.metrics;
  const closers: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const { chainId } = networkOf(config);
    await requireChain(db, chainId);
    const opened = openValidator(config);
    closers.push(opened.close);
    const validator = options.wrapValidator?.(opened) ?? opened;
    const indexer = openIndexer(config, log, telemetry);
    closers.push(indexer.close);
    const signer = await openSigner(config, secrets, validator, VENUE_READY_MS);
    const heights = createHeightFeed({
      validator,
      intervalMs: config.HEIGHT_POLL_MS,
      maxAgeMs: HEIGHT_MAX_AGE_MS,
      onError: outages.venue.failed,
      onSeen: outages.venue.works,
    });
    const markets = createMarketTable({
      indexer,
      intervalMs: config.MARKETS_POLL_MS,
      onError: (error) => log.warn(errorFields(error), 'market table not refreshed'),
      onRefresh: (table) => {
        saveMarkets(db, table).catch((error: unknown) =>
          log.warn(errorFields(error), 'market table not saved'),
        );
      },
    });
    closers.push(heights.stop, markets.stop);
    heights.start();
    watchHeights(registry, { validator: heights.newest });
    markets.seed(await loadMarkets(db));
    markets.start();
    await Promise.all([heights.ready(VENUE_READY_MS), markets.ready(VENUE_READY_MS)]);

    const queue = context.queue<JobData>(ORDERS_QUEUE);
    const wakeUps = createWakeUps({ add: (delayMs) => addWakeJob(queue, delayMs), log });

    const accounts = new Set(['default']);
    const planSettings = {
      marketSlippagePpm: config.MARKET_SLIPPAGE_PPM,
      iocGoodTilBlocks: config.IOC_GOOD_TIL_BLOCKS,
    };
    const clientIds = createClientIds(db);
    const cursors = createCursors(db);
    const submit: SubmitDeps = {
      door: () => ({ findMarket: markets.get, accounts, planSettings }),
      signer: (account) => (accounts.has(account) ? signer : undefined),
      validator,
      height: () => heights.current()?.height,
      isOracleFresh: () => Date.now() - (markets.loadedAtMs() ?? 0) <= config.ORACLE_MAX_AGE_MS,
      nextClientId: clientIds.next,
      ensureCursor: cursors.ensure,
      findKey: (intent) => findKey(db, intent),
      isDataError,
      reject: (rejections) => recordRejections(db, rejections),
      wakeIn: wakeUps.wakeIn,
      resendAfterMs: config.RESEND_AFTER_MS,
      now: () => new Date(),
      random: Math.random,
      log,
      telemetry,
      ...submitBatchers(db, telemetry),
    };
    let isStopping = false;
    const wakeDeps: WakeDeps = {
      ...submit,
      ...wakeBatchers(db, telemetry, config.RESIGN_WINDOW_BLOCKS),
      claim: (limit, leaseMs) => claimDue(db, limit, leaseMs),
      awaitProof: (ids) => awaitProof(db, ids),
      resignWindowBlocks: config.RESIGN_WINDOW_BLOCKS,
      iocGoodTilBlocks: config.IOC_GOOD_TIL_BLOCKS,
      isStopping: () => isStopping,
    };
    await warmUp(submit, signer);

    const jobDeps: OrdersJobDeps = {
      ...wakeDeps,
      recordHeartbeat: (sentAt) => recordHeartbeat(db, ORDERS_QUEUE, sentAt),
    };
    const worker = queues.worker<JobData>(ORDERS_QUEUE, (job) => runJob(job, jobDeps), {
      concurrency: config.SUBMIT_CONCURRENCY,
      lockDuration: config.JOB_LOCK_MS,
      stalledInterval: config.JOB_LOCK_MS,
      backoff: queueBackoff,
    });
    worker.on('error', outages.queue.failed);
    worker.on('failed', (job, error) => {
      telemetry.jobFailed(ORDERS_QUEUE);
      log.warn({ job_id: job?.id, ...errorFields(error) }, 'job failed');
    });
    await worker.waitUntilReady();
    void worker.run();
    closers.push(() => {
      isStopping = true;
      return worker.close();
    });

    const timers = startTimers(context, [
      { name: 'put-back', run: () => putBackFailed(queue, wakeDeps) },
      // The rows are the work: while the queue is away they are carried on without it.
      { name: 'sweep without queue', run: () => unlessReachable(queues, () => wake(wakeDeps)) },
    ]);
    closers.push(timers.stop);
    log.info(
      { owner: signer.owner, queue: queues.kind, height: heights.current()?.height },
      'submitter ready',
    );
    const checks = [...baseChecks(context, [ORDERS_QUEUE]), ...venueChecks({ validator, chainId, heights })];
    return { stop, checks };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function findKey(db: Database, intent: Intent): Promise<'duplicate' | 'conflict' | undefined> {
  const hash = (await spentKeys(db, [intent])).get(keyOf(intent));
  if (hash === undefined) return undefined;
  return hash === intentHash(intent) ? 'duplicate' : 'conflict';
}

async function unlessReachable(queues: QueueBackend, work: () => Promise<unknown>): Promise<void> {
  try {
    await queues.ping();
  } catch (error) {
    await work();
    throw error;
  }
}

/** Where the fills of a subaccount begin to be ours: stored before its first order is sent, asked once a process. */
function createCursors(db: Database) {
  const known = new Set<string>();
  return {
    ensure: async (owner: string, subaccountNumber: number, height: number): Promise<void> => {
      const key = `${owner}/${subaccountNumber}`;
      if (known.has(key)) return;
      await ensureCursor(db, { owner, subaccountNumber }, height);
      known.add(key);
    },
  };
}

/** Tells what a batcher does under the batch's name. */
function toldAs({ flushed }: Telemetry, batch: Batch) {
  return (items: number, ms: number, isCommitted: boolean) => flushed(batch, items, ms, isCommitted);
}

function submitBatchers(db: Database, telemetry: Telemetry): Pick<SubmitDeps, 'record' | 'recordOutcome'> {
  return {
    record: createBatcher({
      flush: (orders) => recordOrders(db, orders),
      onFlush: toldAs(telemetry, 'record'),
    }),
    recordOutcome: createBatcher({
      flush: (outcomes) => recordOutcomes(db, outcomes),
      lingerMs: OUTCOME_LINGER_MS,
      onFlush: toldAs(telemetry, 'outcome'),
    }),
  };
}

function wakeBatchers(
  db: Database,
  telemetry: Telemetry,
  windowBlocks: number,
): Pick<WakeDeps, 'startAttempt' | 'startResend' | 'endNeverSent'> {
  return {
    startAttempt: createBatcher({
      flush: async (attempts) => {
        const numbers = await startAttempts(db, attempts, windowBlocks);
        return attempts.map(({ tx }) => numbers.get(tx.hash));
      },
      onFlush: toldAs(telemetry, 'start_attempt'),
    }),
    startResend: createBatcher({
      flush: async (resends) => {
        const allowed = await startResends(db, resends);
        // Of two claims of one order in this batch the first one is counted, and only that one may send.
        return resends.map(({ id }) => allowed.delete(id));
      },
      onFlush: toldAs(telemetry, 'start_resend'),
    }),
    endNeverSent: createBatcher({
      flush: async (orders) => {
        const ended = await endNeverSent(db, orders);
        return orders.map(({ id }) => ended.has(id));
      },
      onFlush: toldAs(telemetry, 'end_never_sent'),
    }),
  };
}

const WARM_UP_SIGNATURES = 50;

/** The first orders of a process would pay for its compilation, and the first one of all for its ids. */
async function warmUp(submit: SubmitDeps, signer: Signer): Promise<void> {
  await submit.nextClientId();
  for (let clientId = 0; clientId < WARM_UP_SIGNATURES; clientId++) {
    const id = { owner: signer.owner, subaccountNumber: 0, clientId, clobPairId: 0, orderFlags: 0 };
    await signer.sign({
      id,
      side: 'BUY',
      quantums: 1n,
      subticks: 1n,
      timeInForce: 'IOC',
      reduceOnly: false,
      goodTilBlock: 1,
      clientMetadata: 0,
    });
  }
}
