// The submitter process: takes `place` and `wake` jobs and brings orders to the venue. As many replicas as wanted.
import type { Worker } from 'bullmq';
import type { SubmitDeps } from '../app/submit.ts';
import { type WakeDeps, wake } from '../app/wake.ts';
import { type Intent, intentHash } from '../core/intent.ts';
import type { Signer, Validator } from '../core/ports.ts';
import { errorFields } from '../ops/logger.ts';
import { addWakeJob, type JobData, ORDERS_QUEUE, queueBackoff } from '../queue/jobs.ts';
import { createClientIds } from '../store/client-ids.ts';
import type { Database } from '../store/database.ts';
import { awaitProof, claimDue } from '../store/due-orders.ts';
import { requireChain } from '../store/installation.ts';
import { recordHeartbeat } from '../store/queue-heartbeats.ts';
import { ensureCursor } from '../store/reconciling.ts';
import { keyOf, spentKeys } from '../store/recording.ts';
import { recordRejections } from '../store/rejections.ts';
import { isDataError } from '../store/sqlstate.ts';
import { type Context, refuseForgetfulQueue, type Service } from './context.ts';
import { baseChecks, venueChecks } from './health.ts';
import { submitBatchers, wakeBatchers } from './order-batchers.ts';
import { type OrdersJobDeps, putBackFailed, runJob } from './orders-jobs.ts';
import { openSubmitterVenue, type SubmitterVenue } from './submitter-venue.ts';
import { startTimers, told } from './timers.ts';
import { networkOf } from './venue.ts';
import { createWakeUps } from './wake-ups.ts';

export type SubmitterOptions = {
  /** Wraps the validator; the fault tests end the process inside it. */
  readonly wrapValidator?: (validator: Validator) => Validator;
};

export async function startSubmitter(context: Context, options: SubmitterOptions = {}): Promise<Service> {
  const { config, log, db, queues, outages } = context;
  const { chainId } = networkOf(config);
  await requireChain(db, chainId);
  await refuseForgetfulQueue(context);
  const venue = await openSubmitterVenue(context, options.wrapValidator);
  try {
    let isStopping = false;
    const deps = submitterDeps(context, venue, () => isStopping);
    await warmUp(deps, venue.signer);
    const worker = await startOrdersWorker(context, deps);
    const queue = context.queue<JobData>(ORDERS_QUEUE);
    const timers = startTimers(context, {
      own: [{ name: 'put-back', run: () => told(outages.queue, putBackFailed(queue, deps)) }],
      carryOn: () => wake(deps),
    });
    const { signer, validator, heights } = venue;
    log.info(
      { owner: signer.owner, queue: queues.kind, height: heights.current()?.height },
      'submitter ready',
    );
    const stop = async () => {
      // First of all: what is not claimed yet is left to others.
      isStopping = true;
      await Promise.all([timers.stop(), worker.close()]);
      await venue.close();
    };
    return {
      stop,
      checks: [...baseChecks(context, [ORDERS_QUEUE]), ...venueChecks({ validator, chainId, heights })],
    };
  } catch (error) {
    await venue.close();
    throw error;
  }
}

function submitterDeps(context: Context, venue: SubmitterVenue, isStopping: () => boolean): WakeDeps {
  const { config, log, db } = context;
  const { telemetry } = context.metrics;
  const { signer, validator, heights, markets } = venue;
  const queue = context.queue<JobData>(ORDERS_QUEUE);
  const wakeUps = createWakeUps({ add: (delayMs) => addWakeJob(queue, delayMs), log });
  const accounts = new Set(['default']);
  const planSettings = {
    marketSlippagePpm: config.MARKET_SLIPPAGE_PPM,
    iocGoodTilBlocks: config.IOC_GOOD_TIL_BLOCKS,
  };
  return {
    door: () => ({ findMarket: markets.get, accounts, planSettings }),
    signer: (account) => (accounts.has(account) ? signer : undefined),
    validator,
    height: () => heights.current()?.height,
    isOracleFresh: () => Date.now() - (markets.loadedAtMs() ?? 0) <= config.ORACLE_MAX_AGE_MS,
    nextClientId: createClientIds(db).next,
    ensureCursor: createCursors(db).ensure,
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
    ...wakeBatchers(db, telemetry, config.RESIGN_WINDOW_BLOCKS),
    claim: (limit, leaseMs) => claimDue(db, limit, leaseMs),
    awaitProof: (ids) => awaitProof(db, ids),
    resignWindowBlocks: config.RESIGN_WINDOW_BLOCKS,
    iocGoodTilBlocks: config.IOC_GOOD_TIL_BLOCKS,
    isStopping,
  };
}

async function startOrdersWorker(context: Context, deps: WakeDeps): Promise<Worker<JobData>> {
  const { config, log, db, queues, outages } = context;
  const jobDeps: OrdersJobDeps = {
    ...deps,
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
    context.metrics.telemetry.jobFailed(ORDERS_QUEUE);
    log.warn({ job_id: job?.id, ...errorFields(error) }, 'job failed');
  });
  await worker.waitUntilReady();
  void worker.run();
  return worker;
}

async function findKey(db: Database, intent: Intent): Promise<'duplicate' | 'conflict' | undefined> {
  const hash = (await spentKeys(db, [intent])).get(keyOf(intent));
  if (hash === undefined) return undefined;
  return hash === intentHash(intent) ? 'duplicate' : 'conflict';
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
