// Goes on with recorded orders that are due: those that a door only recorded, those whose answer was lost, those
// that were told "not now", those that are to be cancelled. What to do is decided in src/core/wake.ts and stateful.ts.
import { parseIntent } from '../core/intent.ts';
import { planOrder, resignedOrder } from '../core/plan.ts';
import { type DueOrder, decideUnsigned, decideWake } from '../core/wake.ts';
import type { Resend, StartAttempt } from '../store/attempts.ts';
import type { Batcher } from '../store/batcher.ts';
import type { Claim, Claimed, ClaimedOrder } from '../store/due-orders.ts';
import type { Rejection } from '../store/rejections.ts';
import { type CancelDeps, type Fenceable, fence, groupFences, needsFence } from './cancel.ts';
import { blindRetryMs, type Candidate, firstAttempt, laterForRate, signAttempt } from './first-attempt.ts';
import { sendAgain, startAndSend } from './send-again.ts';
import { carryOnStateful, type StatefulDeps } from './stateful.ts';
import { endUnsent, type PlaceJob, rejectionOf, type SubmitDeps, unsignedOrder } from './submit.ts';

export type WakeDeps = SubmitDeps &
  StatefulDeps &
  CancelDeps & {
    readonly claim: (claim: Claim) => Promise<readonly ClaimedOrder[]>;
    /** the number of the attempt that may be sent; undefined: the attempt rule forbids it */
    readonly startAttempt: Batcher<StartAttempt, number | undefined>;
    /** false: another claimer has it */
    readonly startResend: Batcher<Resend, boolean>;
    readonly awaitProof: (orders: readonly Claimed[]) => Promise<void>;
    readonly wakeLater: (orders: readonly (Claimed & { readonly wakeAt: Date })[]) => Promise<void>;
    readonly resignWindowBlocks: number;
    readonly iocGoodTilBlocks: number;
    /** true: what is not claimed yet is left to others */
    readonly isStopping: () => boolean;
  };

const BATCH = 100;

/** What is left to do for an order after this turn. done: what was stored last has said whether and when it is due again. */
export type Next =
  | { readonly kind: 'done' }
  | { readonly kind: 'await_proof' }
  | { readonly kind: 'later'; readonly delayMs: number }
  /** what it depends on cannot be seen */
  | { readonly kind: 'blind' };

type Turn = { readonly order: ClaimedOrder; readonly next: Next };

const DONE: Next = { kind: 'done' };

/**
 * Works until nothing is due.
 * @param isOfCancels only orders that are to be cancelled
 * @returns how many orders it held
 */
export async function wake(deps: WakeDeps, isOfCancels = false): Promise<number> {
  let total = 0;
  while (!deps.isStopping()) {
    const claimed = await deps.claim({ limit: BATCH, leaseMs: deps.resendAfterMs, isOfCancels });
    total += claimed.length;
    const isSeeing = claimed.length === 0 || (await goOn(deps, claimed));
    // Of those that are due, a hundred are enough to find out.
    if (claimed.length < BATCH || !isSeeing) break;
  }
  return total;
}

/** Fences go out together and wait for nothing; every other order goes on by itself. @returns false: all of them are blind */
async function goOn(deps: WakeDeps, claimed: readonly ClaimedOrder[]): Promise<boolean> {
  const height = deps.block()?.height;
  const isFence = (order: ClaimedOrder): order is Fenceable =>
    height !== undefined && needsFence(order, height);
  const fences = claimed.filter(isFence);
  const turns = claimed
    .filter((order) => !isFence(order))
    .map((order) => turn([order], () => carryOn(deps, order)));
  const groups = groupFences(fences).map((orders) => turn(orders, () => fence(deps, orders)));
  const done = await Promise.all([...groups, ...turns]);
  // One line a batch: when the database goes away, all of them fail by the same cause.
  const failed = done.flatMap(({ error }) => error ?? []);
  if (failed[0] !== undefined) {
    deps.log.error({ ...failed[0], orders: failed.length }, 'orders not carried on, they are due again');
  }
  const all = done.flatMap(({ turns: each }) => each);
  await schedule(deps, all);
  // What failed is due again by itself, and holds up nobody behind it.
  return all.length < claimed.length || all.some(({ next }) => next.kind !== 'blind');
}

/** What goes wrong with one is that one's, and it is due again. */
async function turn(orders: readonly ClaimedOrder[], work: () => Promise<Next>) {
  try {
    const next = await work();
    return { turns: orders.map((order): Turn => ({ order, next })), error: undefined };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { turns: [], error: { order_id: orders[0]?.id, error: message } };
  }
}

async function schedule(deps: WakeDeps, turns: readonly Turn[]): Promise<void> {
  const proofOnly = turns.flatMap(({ order, next }) => (next.kind === 'await_proof' ? [order] : []));
  const blind = turns.filter(({ next }) => next.kind === 'blind').length;
  if (blind > 0)
    deps.log.warn({ orders: blind }, 'orders wait: the venue, its prices or the halts cannot be seen');
  const now = deps.now();
  const nowMs = now.getTime();
  const later = turns.flatMap(({ order, next }) => {
    const delayMs =
      next.kind === 'later' ? next.delayMs : next.kind === 'blind' ? blindRetryMs(now) : undefined;
    return delayMs === undefined ? [] : [{ ...order, wakeAt: new Date(nowMs + delayMs) }];
  });
  await deps.awaitProof(proofOnly);
  await deps.wakeLater(later);
  for (const { wakeAt } of later) deps.wakeIn(wakeAt.getTime() - nowMs);
}

async function carryOn(deps: WakeDeps, order: ClaimedOrder): Promise<Next> {
  if (order.attemptCount === 0) return carryOnUnsigned(deps, order);
  if (order.nonce !== null) return carryOnStateful(deps, order);
  return carryOnShortTerm(deps, order);
}

async function carryOnUnsigned(deps: WakeDeps, order: ClaimedOrder): Promise<Next> {
  const decision = decideUnsigned(
    {
      submitBy: order.submitBy ?? undefined,
      goodTilTime: order.goodTilTime ?? undefined,
      isCancelRequested: order.isCancelRequested,
      held: deps.gate.whyHeld(order),
    },
    deps.now(),
  );
  if (decision.action === 'end_unsent') {
    await endUnsent(deps, order.id, decision.status, decision.cause);
    return DONE;
  }
  if (decision.action === 'wait') return { kind: 'blind' };
  const { findMarket, planSettings } = deps.door();
  if (findMarket === undefined) return { kind: 'blind' };
  const candidate = candidateOf(order);
  const planned = planOrder(candidate, findMarket(order.market), planSettings);
  if (!planned.ok) {
    const { field, code, reason } = planned.refusal;
    await endUnsent(deps, order.id, 'REJECTED', `${field}: ${reason} (${code})`);
    return DONE;
  }
  const first = await firstAttempt(deps, candidate, planned.plan);
  if (first.kind === 'later' || first.kind === 'blind') return first;
  if (first.kind === 'refused') {
    await endUnsent(deps, order.id, 'REJECTED', first.cause);
    return DONE;
  }
  await startAndSend(deps, order, first.attempt, 'first');
  return DONE;
}

async function carryOnShortTerm(deps: WakeDeps, order: ClaimedOrder): Promise<Next> {
  const due = dueOrder(deps, order);
  const block = deps.block();
  if (due === undefined) throw new Error('a signed order without its attempt');
  if (block === undefined) return { kind: 'blind' };
  const decision = decideWake(due, {
    now: deps.now(),
    height: block.height,
    resignWindowBlocks: deps.resignWindowBlocks,
  });
  switch (decision.action) {
    case 'await_proof':
      return { kind: 'await_proof' };
    // The block was not known when fences were chosen: it goes with the next claim.
    case 'fence':
    case 'wait':
      return { kind: 'blind' };
    case 'resend':
    case 'resign': {
      const signer = deps.signer(order.account, order.tenantId);
      if (signer === undefined || order.content === null) return { kind: 'await_proof' };
      if (!(await deps.gate.takeRate(signer.owner, 'short_term'))) {
        return laterForRate(deps, signer.owner, 'short_term');
      }
      if (decision.action === 'resend') await sendAgain(deps, order);
      else {
        const again = resignedOrder(order.content, { goodTilBlock: decision.goodTilBlock });
        await startAndSend(deps, order, await signAttempt(signer, again, block.height), 'resign');
      }
      return DONE;
    }
  }
}

function dueOrder(deps: WakeDeps, order: ClaimedOrder): DueOrder | undefined {
  const { latestAttempt, firstGoodTilBlock } = order;
  if (latestAttempt === null || latestAttempt.goodTilBlock === null || firstGoodTilBlock === null)
    return undefined;
  const { goodTilBlock, transmissions, outcome } = latestAttempt;
  return {
    submitBy: order.submitBy ?? undefined,
    isCancelRequested: order.isCancelRequested,
    held: deps.gate.whyHeld(order),
    firstGoodTilBlock,
    goodTilBlocks: order.goodTilBlocks ?? deps.iocGoodTilBlocks,
    latestAttempt: { goodTilBlock, transmissions, outcome: outcome ?? undefined },
  };
}

function candidateOf(order: ClaimedOrder): Candidate {
  return {
    ...order,
    tenant_id: order.tenantId,
    client_id: order.clientId,
    subaccount_number: order.subaccountNumber,
    time_in_force: order.timeInForce,
    trigger_price: order.triggerPrice,
    good_til_blocks: order.goodTilBlocks,
    good_til_time: order.goodTilTime,
    reduce_only: order.reduceOnly,
    post_only: order.postOnly,
  };
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
    if (recorded === 'recorded') await endUnsent(deps, order.id, 'REJECTED', cause);
    return [];
  });
  const rejections = (await Promise.all(works)).flat();
  await deps.reject(rejections);
  for (const _ of rejections) deps.telemetry.offered('refused');
}
