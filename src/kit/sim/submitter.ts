// A submitter of the simulation: the use cases over the same functions of the store as src/runtime/submitter.ts, with a
// simulated clock and a validator of the simulation. No queue library: jobs are given to it.
import type { Door } from '../../app/accept.ts';
import { type PlaceJob, place } from '../../app/submit.ts';
import { type WakeDeps, wake } from '../../app/wake.ts';
import { type ControlIndex, controlsOver, indexControls, whyHeld } from '../../core/controls.ts';
import type { Gate } from '../../core/gate.ts';
import { intentHash } from '../../core/intent.ts';
import type { Signer } from '../../core/ports.ts';
import { noTelemetry } from '../../core/telemetry.ts';
import { submitBatchers, wakeBatchers } from '../../runtime/order-batchers.ts';
import { createBatcher } from '../../store/batcher.ts';
import { latestCancels, recordCancelOutcome, requestCancel, storeCancel } from '../../store/cancels.ts';
import { createClientIds } from '../../store/client-ids.ts';
import { listControls } from '../../store/controls.ts';
import { ensureCursor, type Subaccount } from '../../store/cursors.ts';
import { awaitProof, claimDue, wakeLater } from '../../store/due-orders.ts';
import { recordOutcomes } from '../../store/outcomes.ts';
import { keyOf, spentKeys } from '../../store/recording.ts';
import { recordRejections } from '../../store/rejections.ts';
import { isDataError } from '../../store/sqlstate.ts';
import {
  noteAbsent,
  noteDeath,
  noteFailed,
  noteIncluded,
  settleNonce,
  takeNonce,
} from '../../store/stateful.ts';
import type { Exchange } from './exchange.ts';
import type { Mortal } from './mortal.ts';
import { openVenue, poll } from './venue.ts';
import type { World } from './world.ts';

export type Submitter = {
  readonly mortal: Mortal;
  /** takes jobs */
  readonly isReady: () => boolean;
  readonly place: (job: PlaceJob) => Promise<unknown>;
  readonly wake: () => Promise<unknown>;
  readonly cancel: (clientId: string) => Promise<unknown>;
};

export type Trader = { readonly tenantId: string; readonly account: string; readonly signer: Signer };

/** As in src/config.ts. */
export const SETTINGS = {
  resendAfterMs: 6_000,
  statefulPollMs: 1_000,
  statefulWatchMs: 30_000,
  resignWindowBlocks: 20,
  iocGoodTilBlocks: 5,
  marketSlippagePpm: 50_000,
} as const;

const CONTROLS_POLL_MS = 750;
const CONTROLS_MAX_AGE_MS = 900;

export function startSubmitter(
  world: World,
  exchange: Exchange,
  mortal: Mortal,
  trader: Trader,
  wakeIn: (delayMs: number) => void,
): Submitter {
  const { db, call } = mortal;
  const venue = openVenue(world, mortal, exchange);
  const door: Door = {
    findMarket: venue.market,
    accounts: new Map([[trader.account, { tenantId: trader.tenantId }]]),
    planSettings: SETTINGS,
  };
  const batchers = {
    ...submitBatchers(db, noTelemetry),
    ...wakeBatchers(db, noTelemetry, SETTINGS.resignWindowBlocks),
    // Waits for no company: that would be time of this machine.
    recordOutcome: createBatcher({ flush: (outcomes) => recordOutcomes(db, outcomes) }),
  } satisfies Partial<WakeDeps>;
  const signer: Signer = {
    ...trader.signer,
    sign: call(trader.signer.sign),
    signCancel: call(trader.signer.signCancel),
    signBatchCancel: call(trader.signer.signBatchCancel),
  };
  // Of the one subaccount.
  let hasCursor = false;
  const ensureOnce = call((subaccount: Subaccount, height: number) => ensureCursor(db, subaccount, height));
  const log = (message: string) => (fields: object, text: string) =>
    world.note(mortal.name, `${message}: ${text}`, fields);
  const deps: WakeDeps = {
    door: () => door,
    signer: (account, tenantId) =>
      account === trader.account && tenantId === trader.tenantId ? signer : undefined,
    validator: venue.validator,
    indexer: venue.indexer,
    indexerHeight: () => venue.indexer.height(),
    questions: { failed: () => {}, works: () => {} },
    block: venue.block,
    gate: createGate(world, mortal),
    isOracleFresh: venue.isFresh,
    isStopping: () => mortal.isDead(),
    nextClientId: call(createClientIds(db).next),
    takeNonce: call((owner, blockTime, use) => takeNonce(db, owner, blockTime, use)),
    settleNonce: call((owner, nonce) => settleNonce(db, owner, nonce)),
    ensureCursor: async (owner, subaccountNumber, height) => {
      if (!hasCursor) await ensureOnce({ owner, subaccountNumber }, height);
      hasCursor = true;
    },
    findKey: call(async (intent) => {
      const hash = (await spentKeys(db, [intent])).get(keyOf(intent));
      if (hash === undefined) return undefined;
      return hash === intentHash(intent) ? 'duplicate' : 'conflict';
    }),
    isDataError,
    reject: call((rejections) => recordRejections(db, rejections)),
    wakeIn,
    ...SETTINGS,
    now: mortal.now,
    random: world.random.next,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    telemetry: noTelemetry,
    record: { push: call(batchers.record.push, batchers.record) },
    recordOutcome: { push: call(batchers.recordOutcome.push, batchers.recordOutcome) },
    endNeverSent: { push: call(batchers.endNeverSent.push, batchers.endNeverSent) },
    startAttempt: { push: call(batchers.startAttempt.push, batchers.startAttempt) },
    startResend: { push: call(batchers.startResend.push, batchers.startResend) },
    // Of rows that are due at the same moment the database may take any first.
    claim: call(async (claim) =>
      (await claimDue(db, claim)).toSorted((left, right) => (left.clientId < right.clientId ? -1 : 1)),
    ),
    awaitProof: call((orders) => awaitProof(db, orders)),
    wakeLater: call((orders) => wakeLater(db, orders)),
    noteFailed: call((failure) => noteFailed(db, failure)),
    noteIncluded: call((inclusion) => noteIncluded(db, inclusion)),
    noteAbsent: call((absence) => noteAbsent(db, absence)),
    noteDeath: call((id, attemptCount, death) => noteDeath(db, id, attemptCount, death)),
    storeCancel: call((cancel) => storeCancel(db, cancel)),
    recordCancelOutcome: call((answer) => recordCancelOutcome(db, answer)),
    latestCancels: call((orderIds) => latestCancels(db, orderIds)),
  };
  const requestOne = call((clientId: string) => requestCancel(db, trader.tenantId, clientId));
  return {
    mortal,
    isReady: () => !mortal.isDead() && venue.isReady(),
    place: (job) => place(deps, job),
    wake: () => wake(deps),
    cancel: async (clientId) => {
      await requestOne(clientId);
      await wake(deps, true);
    },
  };
}

/** Halts are real; the venue itself refuses what goes too fast. */
function createGate(world: World, mortal: Mortal): Gate {
  const { mishaps, random, scheduler } = world;
  let controls: ControlIndex | undefined = mishaps.hasHalt ? undefined : new Map();
  let readMs = Number.POSITIVE_INFINITY;
  if (mishaps.hasHalt) {
    const read = mortal.call(() => listControls(mortal.db));
    poll(world, mortal, CONTROLS_POLL_MS, async () => {
      const startedMs = scheduler.now();
      controls = indexControls(await read());
      readMs = startedMs;
    });
  }
  return {
    whyHeld: (placement) => {
      if (controls === undefined || scheduler.now() - readMs > CONTROLS_MAX_AGE_MS)
        return { mode: 'UNKNOWN', reason: 'controls are not known' };
      return whyHeld(controlsOver(controls, placement), placement);
    },
    whyBeyond: async () => undefined,
    takeRate: async () => random.chance(0.95),
    rateRetryMs: () => 1_000,
    takeIntents: async () => undefined,
  };
}
