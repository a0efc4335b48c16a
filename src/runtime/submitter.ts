// The submitter process: takes `place`, `wake` and `control` jobs and brings orders to the venue. As many replicas as wanted.
import type { Worker } from 'bullmq';
import type { Door } from '../app/accept.ts';
import { type WakeDeps, wake } from '../app/wake.ts';
import { type Intent, intentHash } from '../core/intent.ts';
import type { Signer, Validator } from '../core/ports.ts';
import { errorFields } from '../ops/logger.ts';
import { createOutage } from '../ops/outage.ts';
import { addWakeJob, CONTROL_QUEUE, type JobData, ORDERS_QUEUE, queueBackoff } from '../queue/jobs.ts';
import { latestCancels, recordCancelOutcome, storeCancel } from '../store/cancels.ts';
import { createClientIds } from '../store/client-ids.ts';
import { ensureCursor } from '../store/cursors.ts';
import type { Database } from '../store/database.ts';
import { awaitProof, claimDue, wakeLater } from '../store/due-orders.ts';
import { requireChain } from '../store/installation.ts';
import { recordHeartbeat } from '../store/queue-heartbeats.ts';
import { keyOf, spentKeys } from '../store/recording.ts';
import { recordRejections } from '../store/rejections.ts';
import { isDataError } from '../store/sqlstate.ts';
import {
  noteAbsent,
  noteDeath,
  noteFailed,
  noteIncluded,
  settleNonce,
  takeNonce,
} from '../store/stateful.ts';
import { type Context, refuseForgetfulQueue, type Service } from './context.ts';
import { putBackFailedControls, startControlWorker } from './control-jobs.ts';
import { startGate } from './gate.ts';
import { baseChecks, caughtUpCheck, venueChecks } from './health.ts';
import { rememberHeight } from './indexer-height.ts';
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
  await using opening = new AsyncDisposableStack();
  const venue = await openSubmitterVenue(context, options.wrapValidator);
  opening.defer(venue.close);
  const isOracleFresh = (ticker: string) => venue.markets.isFresh(ticker, config.ORACLE_MAX_AGE_MS);
  const gate = await startGate(context, { ...venue, isOracleFresh });
  opening.defer(gate.stop);
  let isStopping = false;
  const deps = submitterDeps(context, venue, { gate, isOracleFresh, isStopping: () => isStopping });
  for (const { signer } of venue.accounts.values()) await warmUp(signer);
  // The first order of all would wait for its ids.
  await deps.nextClientId();
  const orders = await startOrdersWorker(context, deps);
  opening.defer(() => orders.close());
  const control = await startControlWorker(context, deps);
  opening.defer(() => control.close());
  const queue = context.queue<JobData>(ORDERS_QUEUE);
  const controlQueue = context.queue<JobData>(CONTROL_QUEUE);
  const timers = startTimers(context, {
    own: [
      { name: 'put-back', run: () => told(outages.queue, putBackFailed(queue, deps)) },
      { name: 'put-back-control', run: () => told(outages.queue, putBackFailedControls(controlQueue, log)) },
    ],
    carryOn: () => wake(deps),
  });
  const { accounts, validator, heights } = venue;
  const owners = Object.fromEntries([...accounts].map(([name, { signer }]) => [name, signer.owner]));
  log.info({ owners, queue: queues.kind, height: heights.current()?.height }, 'submitter ready');
  const started = opening.move();
  return {
    stop: async () => {
      // First of all: what is not claimed yet is left to others.
      isStopping = true;
      await Promise.all([timers.stop(), orders.close(), control.close()]);
      await started.disposeAsync();
    },
    checks: [
      ...baseChecks(context, [ORDERS_QUEUE, CONTROL_QUEUE]),
      caughtUpCheck(context),
      ...venueChecks({ validator, chainId, heights, needsTxIndex: true }),
    ],
  };
}

/** Many orders may ask for it at once. */
const INDEXER_HEIGHT_AGE_MS = 500;

function submitterDeps(
  context: Context,
  venue: SubmitterVenue,
  own: Pick<WakeDeps, 'gate' | 'isOracleFresh' | 'isStopping'>,
): WakeDeps {
  const { config, log, db } = context;
  const { telemetry } = context.metrics;
  const { accounts, validator, indexer, heights, markets } = venue;
  const queue = context.queue<JobData>(ORDERS_QUEUE);
  const wakeUps = createWakeUps({ add: (delayMs) => addWakeJob(queue, delayMs), log });
  const indexerHeight = rememberHeight(indexer);
  const door: Door = {
    findMarket: markets.get,
    accounts,
    planSettings: {
      marketSlippagePpm: config.MARKET_SLIPPAGE_PPM,
      iocGoodTilBlocks: config.IOC_GOOD_TIL_BLOCKS,
    },
  };
  return {
    door: () => door,
    signer: (name, tenantId) => {
      const account = accounts.get(name);
      return account?.tenantId === tenantId ? account.signer : undefined;
    },
    validator,
    indexer,
    indexerHeight: () => indexerHeight.known(INDEXER_HEIGHT_AGE_MS),
    questions: createOutage(log, 'chain state of stateful orders'),
    block: heights.current,
    nextClientId: createClientIds(db).next,
    takeNonce: (owner, blockTime, use) => takeNonce(db, owner, blockTime, use),
    settleNonce: (owner, nonce) => settleNonce(db, owner, nonce),
    ensureCursor: createCursors(db).ensure,
    findKey: (intent) => findKey(db, intent),
    isDataError,
    reject: (rejections) => recordRejections(db, rejections),
    wakeIn: wakeUps.wakeIn,
    resendAfterMs: config.RESEND_AFTER_MS,
    statefulPollMs: config.STATEFUL_POLL_MS,
    statefulWatchMs: config.STATEFUL_WATCH_MS,
    now: () => new Date(),
    random: Math.random,
    log,
    telemetry,
    ...submitBatchers(db, telemetry),
    ...wakeBatchers(db, telemetry, config.RESIGN_WINDOW_BLOCKS),
    claim: async (claim) => {
      // Ends, fences and cancels of what may be forgotten are held up as well.
      await context.requireKnownServer();
      return claimDue(db, claim);
    },
    awaitProof: (orders) => awaitProof(db, orders),
    wakeLater: (orders) => wakeLater(db, orders),
    noteFailed: (failure) => noteFailed(db, failure),
    noteIncluded: (inclusion) => noteIncluded(db, inclusion),
    noteAbsent: (absence) => noteAbsent(db, absence),
    noteDeath: (id, attemptCount, death) => noteDeath(db, id, attemptCount, death),
    storeCancel: (cancel) => storeCancel(db, cancel),
    recordCancelOutcome: (answer) => recordCancelOutcome(db, answer),
    latestCancels: (orderIds) => latestCancels(db, orderIds),
    resignWindowBlocks: config.RESIGN_WINDOW_BLOCKS,
    iocGoodTilBlocks: config.IOC_GOOD_TIL_BLOCKS,
    ...own,
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

/** The first orders of a process would pay for its compilation. */
async function warmUp(signer: Signer): Promise<void> {
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
