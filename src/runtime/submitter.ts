// The submitter process: takes `place` and `wake` jobs and brings orders to the venue. As many replicas as wanted.
import { type Job, UnrecoverableError } from 'bullmq';
import { type Logs, place, type SubmitDeps } from '../app/submit.ts';
import { type WakeDeps, wake } from '../app/wake.ts';
import { createPollLoop } from '../core/poll-loop.ts';
import type { Validator } from '../core/ports.ts';
import { errorFields } from '../ops/logger.ts';
import { addWakeJob, intentsOf, ORDERS_QUEUE, type OrdersJob, queueBackoff } from '../queue/jobs.ts';
import { createBatcher } from '../store/batcher.ts';
import { createClientIds } from '../store/client-ids.ts';
import { awaitProof, claimDue, hasDue } from '../store/due-orders.ts';
import { requireChain } from '../store/installation.ts';
import { saveMarkets } from '../store/markets.ts';
import { endNeverSent, recordOrders, recordOutcomes, startAttempts, startResends } from '../store/orders.ts';
import { ensureCursor } from '../store/reconciling.ts';
import { recordRejections } from '../store/rejections.ts';
import { createHeightFeed } from '../venue/height-feed.ts';
import { createMarketTable } from '../venue/market-table.ts';
import type { Context, Service } from './context.ts';
import { networkOf, openIndexer, openSigner, openValidator } from './venue.ts';
import { createWakeUps } from './wake-ups.ts';

/** A height older than this is not signed with. */
const HEIGHT_MAX_AGE_MS = 15_000;
const VENUE_READY_MS = 15_000;
/** The answer is not on the way to the venue: wait a little for company. */
const OUTCOME_LINGER_MS = 5;

export type SubmitterOptions = {
  /** Wraps the validator; the fault tests end the process inside it. */
  readonly wrapValidator?: (validator: Validator) => Validator;
};

export async function startSubmitter(context: Context, options: SubmitterOptions = {}): Promise<Service> {
  const { config, secrets, log, db, queues } = context;
  const closers: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    await requireChain(db, networkOf(config).chainId);
    const opened = openValidator(config);
    closers.push(opened.close);
    const validator = options.wrapValidator?.(opened) ?? opened;
    const indexer = openIndexer(config, log);
    closers.push(indexer.close);
    const signer = await openSigner(config, secrets, validator);
    const onError = (error: unknown) => log.warn(errorFields(error), 'venue not visible');
    const heights = createHeightFeed({
      validator,
      intervalMs: config.HEIGHT_POLL_MS,
      maxAgeMs: HEIGHT_MAX_AGE_MS,
      onError,
    });
    const markets = createMarketTable({
      indexer,
      intervalMs: config.MARKETS_POLL_MS,
      onError,
      onRefresh: (table) => {
        saveMarkets(db, table).catch((error: unknown) =>
          log.warn(errorFields(error), 'market table not saved'),
        );
      },
    });
    closers.push(heights.stop, markets.stop);
    heights.start();
    markets.start();
    await Promise.all([heights.ready(VENUE_READY_MS), markets.ready(VENUE_READY_MS)]);

    const queue = queues.queue<OrdersJob>(ORDERS_QUEUE);
    queue.on('error', (error) => log.warn(errorFields(error), 'queue not reachable'));
    closers.push(() => queue.close());
    const wakeUps = createWakeUps({ add: (delayMs) => addWakeJob(queue, delayMs), log });

    const record = createBatcher({
      flush: (orders: Parameters<typeof recordOrders>[1]) => recordOrders(db, orders),
    });
    const recordOutcome = createBatcher({
      flush: (outcomes: Parameters<typeof recordOutcomes>[1]) => recordOutcomes(db, outcomes),
      lingerMs: OUTCOME_LINGER_MS,
    });
    const planSettings = {
      marketSlippagePpm: config.MARKET_SLIPPAGE_PPM,
      iocGoodTilBlocks: config.IOC_GOOD_TIL_BLOCKS,
    };
    const accounts = new Set(['default']);
    const cursors = new Set<string>();
    const submit: SubmitDeps = {
      door: () => ({ findMarket: markets.get, accounts, planSettings }),
      signer: (account) => (accounts.has(account) ? signer : undefined),
      validator,
      height: () => heights.current()?.height,
      nextClientId: createClientIds(db).next,
      ensureCursor: async (owner, subaccountNumber, height) => {
        const key = `${owner}/${subaccountNumber}`;
        if (cursors.has(key)) return;
        await ensureCursor(db, { owner, subaccountNumber }, height);
        cursors.add(key);
      },
      record,
      recordOutcome,
      reject: (rejections) => recordRejections(db, rejections),
      wakeIn: wakeUps.wakeIn,
      resendAfterMs: config.RESEND_AFTER_MS,
      now: () => new Date(),
      random: Math.random,
      log,
    };
    const wakeDeps: WakeDeps = {
      ...submit,
      claim: (limit, leaseMs) => claimDue(db, limit, leaseMs),
      startAttempts: (attempts) => startAttempts(db, attempts, config.RESIGN_WINDOW_BLOCKS),
      startResends: (resends) => startResends(db, resends),
      endNeverSent: (orders) => endNeverSent(db, orders),
      awaitProof: (ids) => awaitProof(db, ids),
      resignWindowBlocks: config.RESIGN_WINDOW_BLOCKS,
      iocGoodTilBlocks: config.IOC_GOOD_TIL_BLOCKS,
    };

    const worker = queues.worker<OrdersJob>(ORDERS_QUEUE, (job) => work(job, submit, wakeDeps), {
      concurrency: config.SUBMIT_CONCURRENCY,
      lockDuration: config.JOB_LOCK_MS,
      stalledInterval: config.JOB_LOCK_MS,
      backoff: queueBackoff,
    });
    worker.on('error', (error) => log.warn(errorFields(error), 'queue not reachable'));
    worker.on('failed', (job, error) => log.warn({ job_id: job?.id, ...errorFields(error) }, 'job failed'));
    await worker.waitUntilReady();
    void worker.run();
    closers.push(() => worker.close());

    const sweep = createPollLoop(async () => {
      try {
        if (await hasDue(db)) await addWakeJob(queue, 0);
        await putBackFailed(queue, log);
      } catch (error) {
        log.warn(errorFields(error), 'sweep failed, will repeat');
      }
      return config.SWEEP_INTERVAL_MS;
    });
    sweep.start();
    closers.push(sweep.stop);
    log.info(
      { owner: signer.owner, queue: queues.kind, height: heights.current()?.height },
      'submitter ready',
    );
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function work(job: Job<OrdersJob>, submit: SubmitDeps, wakeDeps: WakeDeps): Promise<void> {
  if (job.name === 'wake') {
    await wake(wakeDeps);
    return;
  }
  // Kept as failed, for someone to look at: it is no work of ours.
  if (job.name !== 'place') throw new UnrecoverableError(`unknown job name ${job.name}`);
  const source = job.id ?? 'job';
  const intents = intentsOf(job.data) ?? [job.data];
  await place(submit, { intents, offeredAt: new Date(job.timestamp), source });
}

/** A producer may have given its job one attempt only: an outage must not end it. */
async function putBackFailed(queue: ReturnType<Context['queues']['queue']>, log: Logs): Promise<void> {
  for (const job of await queue.getFailed(0, 99)) {
    if (job.name !== 'place') continue;
    log.warn({ job_id: job.id, reason: job.failedReason }, 'failed job put back');
    await job.retry('failed');
  }
}
