// Goes on with recorded orders that are due: those that a door only recorded, those whose answer was lost, those
// that were told "not now". What to do is decided in src/core/wake.ts.
import { parseIntent } from '../core/intent.ts';
import { type Plannable, planOrder, resignedOrder, venueOrder } from '../core/plan.ts';
import { type DueOrder, decideWake } from '../core/wake.ts';
import type { NewAttempt, Resend, StartAttempt } from '../store/attempts.ts';
import type { Batcher } from '../store/batcher.ts';
import type { ClaimedOrder } from '../store/due-orders.ts';
import type { NeverSent } from '../store/outcomes.ts';
import type { Rejection } from '../store/rejections.ts';
import {
  type PlaceJob,
  rejectionOf,
  type SubmitDeps,
  signAttempt,
  transmit,
  unsignedOrder,
} from './submit.ts';

export type WakeDeps = SubmitDeps & {
  readonly claim: (limit: number, leaseMs: number) => Promise<readonly ClaimedOrder[]>;
  /** the number of the attempt that may be sent; undefined: the attempt rule forbids it */
  readonly startAttempt: Batcher<StartAttempt, number | undefined>;
  /** false: another claimer has it */
  readonly startResend: Batcher<Resend, boolean>;
  readonly endNeverSent: Batcher<NeverSent, boolean>;
  readonly awaitProof: (ids: readonly string[]) => Promise<void>;
  readonly resignWindowBlocks: number;
  readonly iocGoodTilBlocks: number;
  /** true: what is not claimed yet is left to others */
  readonly isStopping: () => boolean;
};

const BATCH = 100;
/** How soon to look again when the venue's height or markets are unknown. */
const BLIND_RETRY_MS = 500;

/** Works until nothing is due. @returns how many orders it held */
export async function wake(deps: WakeDeps): Promise<number> {
  let total = 0;
  while (!deps.isStopping()) {
    const claimed = await deps.claim(BATCH, deps.resendAfterMs);
    total += claimed.length;
    if (claimed.length > 0) await goOn(deps, claimed);
    if (claimed.length < BATCH) break;
  }
  return total;
}

/** Each order by itself: what goes wrong with one is that one's, and it is due again. */
async function goOn(deps: WakeDeps, claimed: readonly ClaimedOrder[]): Promise<void> {
  const proofOnly: string[] = [];
  const failed: { order_id: string; error: string }[] = [];
  let blind = 0;
  const works = claimed.map(async (order) => {
    try {
      const decision = decideWake(dueOrder(deps, order), {
        now: deps.now(),
        // A deadline is kept whether or not the venue can be seen; everything else needs its height.
        height: deps.height() ?? 0,
        resignWindowBlocks: deps.resignWindowBlocks,
      });
      if (decision.action === 'expire_unsent') await end(deps, order, 'EXPIRED', 'submit_by has passed');
      else if (deps.height() === undefined) blind += 1;
      else if (decision.action === 'await_proof') proofOnly.push(order.id);
      else if (decision.action === 'wait') deps.wakeIn(deps.resendAfterMs);
      else if (decision.action === 'resend') await sendAgain(deps, order);
      else if (decision.action === 'resign') await signAgain(deps, order, decision.goodTilBlock);
      else if (!(await signFirst(deps, order))) blind += 1;
    } catch (error) {
      failed.push({ order_id: order.id, error: error instanceof Error ? error.message : String(error) });
    }
  });
  await Promise.all(works);
  // One line a batch: when the database goes away, all of them fail by the same cause.
  if (failed.length > 0) {
    deps.log.error({ ...failed[0], orders: failed.length }, 'orders not carried on, they are due again');
  }
  await deps.awaitProof(proofOnly);
  if (blind > 0) {
    deps.log.warn({ orders: blind }, 'orders wait for the venue to be visible');
    deps.wakeIn(deps.resendAfterMs + BLIND_RETRY_MS);
  }
}

function dueOrder(deps: WakeDeps, order: ClaimedOrder): DueOrder {
  const { latestAttempt } = order;
  return {
    submitBy: order.submitBy ?? undefined,
    firstGoodTilBlock: order.firstGoodTilBlock ?? undefined,
    goodTilBlocks: order.goodTilBlocks ?? deps.iocGoodTilBlocks,
    latestAttempt:
      latestAttempt === null ? undefined : { ...latestAttempt, outcome: latestAttempt.outcome ?? undefined },
  };
}

async function end(
  deps: WakeDeps,
  order: { readonly id: string },
  status: NeverSent['status'],
  cause: string,
): Promise<void> {
  const resolution = { rule: 'never_sent', cause, at: deps.now().toISOString() } as const;
  const isEnded = await deps.endNeverSent.push({ id: order.id, status, reason: cause, resolution });
  if (isEnded) deps.telemetry.ended(status);
}

/** @returns false while markets, oracle or height are not there (yet) */
async function signFirst(deps: WakeDeps, order: ClaimedOrder): Promise<boolean> {
  const signer = deps.signer(order.account);
  if (signer === undefined) {
    await end(deps, order, 'REJECTED', `account: ${order.account} is not configured`);
    return true;
  }
  const door = deps.door();
  const height = deps.height();
  if (door.findMarket === undefined || height === undefined) return false;
  if (order.type === 'MARKET' && !deps.isOracleFresh()) return false;
  const planned = planOrder(plannable(order), door.findMarket(order.market), door.planSettings);
  if (!planned.ok) {
    const { field, code, reason } = planned.refusal;
    await end(deps, order, 'REJECTED', `${field}: ${reason} (${code})`);
    return true;
  }
  await deps.ensureCursor(signer.owner, order.subaccountNumber, height);
  const clientId = await deps.nextClientId();
  const first = venueOrder(planned.plan, signer.owner, order.subaccountNumber, clientId, height);
  await startAndSend(deps, order, await signAttempt(signer, first, height), 'first');
  return true;
}

function plannable(order: ClaimedOrder): Plannable {
  return {
    ...order,
    time_in_force: order.timeInForce,
    good_til_blocks: order.goodTilBlocks,
    good_til_time: order.goodTilTime,
    reduce_only: order.reduceOnly,
    post_only: order.postOnly,
  };
}

async function signAgain(deps: WakeDeps, order: ClaimedOrder, goodTilBlock: number): Promise<void> {
  const signer = deps.signer(order.account);
  const height = deps.height();
  if (signer === undefined || height === undefined || order.content === null) return;
  const attempt = await signAttempt(signer, resignedOrder(order.content, goodTilBlock), height);
  await startAndSend(deps, order, attempt, 'resign');
}

async function startAndSend(
  deps: WakeDeps,
  order: ClaimedOrder,
  attempt: NewAttempt,
  kind: 'first' | 'resign',
): Promise<void> {
  const wakeAt = new Date(deps.now().getTime() + deps.resendAfterMs);
  const number = await deps.startAttempt.push({ ...attempt, id: order.id, wakeAt });
  if (number === undefined) return;
  await transmit(deps, {
    id: order.id,
    kind,
    enqueuedAt: order.enqueuedAt,
    submitBy: order.submitBy ?? undefined,
    retryCount: kind === 'first' ? 0 : order.retryCount + 1,
    attempt: number,
    tx: attempt.tx,
  });
}

async function sendAgain(deps: WakeDeps, order: ClaimedOrder): Promise<void> {
  const { id, retryCount, latestAttempt } = order;
  if (latestAttempt === null) return;
  const { attempt, txBytes, txHash } = latestAttempt;
  if (!(await deps.startResend.push({ id, attempt, retryCount }))) return;
  const tx = { bytes: txBytes, hash: txHash };
  await transmit(deps, {
    id,
    kind: 'resend',
    enqueuedAt: order.enqueuedAt,
    submitBy: order.submitBy ?? undefined,
    retryCount: retryCount + 1,
    attempt,
    tx,
  });
}

/**
 * Ends a job that must not be tried again. Its intents are recorded and end as never sent, so that a worker that was
 * only frozen finds their keys spent; what is no intent is refused.
 */
export async function refuseJob(deps: WakeDeps, job: PlaceJob, cause: string): Promise<void> {
  const refusals: Rejection['refusals'] = [{ field: '', code: 'internal', reason: cause }];
  const works = job.intents.map(async (raw, index) => {
    const parsed = parseIntent(raw);
    if (!parsed.ok) return [rejectionOf(raw, `${job.source}#${index}`, refusals)];
    const order = unsignedOrder(parsed.intent, job.offeredAt, deps.now().getTime() + deps.resendAfterMs);
    const recorded = await deps.record.push(order);
    deps.telemetry.offered(recorded);
    if (recorded === 'recorded') await end(deps, order, 'REJECTED', cause);
    return [];
  });
  const rejections = (await Promise.all(works)).flat();
  await deps.reject(rejections);
  for (const _ of rejections) deps.telemetry.offered('refused');
}
