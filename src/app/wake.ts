// Goes on with recorded orders that are due: those that a door only recorded, those whose answer was lost, those
// that were told "not now". What to do is decided in src/core/wake.ts.
import { planOrder, resignedOrder, venueOrder } from '../core/plan.ts';
import { decideWake } from '../core/wake.ts';
import type { ClaimedOrder } from '../store/due-orders.ts';
import type { NeverSent, NewAttempt, Resend } from '../store/orders.ts';
import { type SubmitDeps, signAttempt, transmit } from './submit.ts';

export type WakeDeps = SubmitDeps & {
  readonly claim: (limit: number, leaseMs: number) => Promise<readonly ClaimedOrder[]>;
  readonly startAttempts: (
    attempts: readonly (NewAttempt & { id: string; wakeAt: Date })[],
  ) => Promise<ReadonlySet<string>>;
  readonly startResends: (resends: readonly Resend[]) => Promise<ReadonlySet<string>>;
  readonly endNeverSent: (orders: readonly NeverSent[]) => Promise<ReadonlySet<string>>;
  readonly awaitProof: (ids: readonly string[]) => Promise<void>;
  readonly resignWindowBlocks: number;
  readonly iocGoodTilBlocks: number;
};

const BATCH = 100;
/** How soon to look again when the venue's height or markets are unknown. */
const BLIND_RETRY_MS = 500;

/** Works until nothing is due. @returns how many orders it held */
export async function wake(deps: WakeDeps): Promise<number> {
  let total = 0;
  for (;;) {
    const claimed = await deps.claim(BATCH, deps.resendAfterMs);
    total += claimed.length;
    if (claimed.length > 0) await goOn(deps, claimed);
    if (claimed.length < BATCH) return total;
  }
}

type Signed = { readonly order: ClaimedOrder; readonly attempt: NewAttempt };

async function goOn(deps: WakeDeps, claimed: readonly ClaimedOrder[]): Promise<void> {
  const height = deps.height();
  const neverSent: NeverSent[] = [];
  const resends: ClaimedOrder[] = [];
  const signed: Signed[] = [];
  const proofOnly: string[] = [];
  let isBlind = false;
  for (const order of claimed) {
    const { latestAttempt } = order;
    const due = {
      submitBy: order.submitBy ?? undefined,
      firstGoodTilBlock: order.firstGoodTilBlock ?? undefined,
      goodTilBlocks: order.goodTilBlocks ?? deps.iocGoodTilBlocks,
      latestAttempt:
        latestAttempt === null
          ? undefined
          : { ...latestAttempt, outcome: latestAttempt.outcome ?? undefined },
    };
    // A deadline is kept whether or not the venue can be seen; everything else needs its height.
    const context = { now: deps.now(), height: height ?? 0, resignWindowBlocks: deps.resignWindowBlocks };
    const decision = decideWake(due, context);
    if (decision.action === 'expire_unsent') {
      neverSent.push(unsent(order, 'EXPIRED', 'submit_by has passed', deps.now()));
    } else if (height === undefined) {
      isBlind = true;
    } else if (decision.action === 'await_proof') {
      proofOnly.push(order.id);
    } else if (decision.action === 'wait') {
      deps.wakeIn(deps.resendAfterMs);
    } else if (decision.action === 'resend') {
      resends.push(order);
    } else {
      const goodTilBlock = decision.action === 'resign' ? decision.goodTilBlock : undefined;
      const result = await sign(deps, order, height, goodTilBlock);
      if (result === 'blind') isBlind = true;
      else if ('attempt' in result) signed.push(result);
      else neverSent.push(result);
    }
  }
  await deps.awaitProof(proofOnly);
  if (neverSent.length > 0) await deps.endNeverSent(neverSent);
  await Promise.all([sendSigned(deps, signed), sendAgain(deps, resends)]);
  if (isBlind) {
    deps.log.warn({ orders: claimed.length }, 'orders wait for the venue to be visible');
    deps.wakeIn(deps.resendAfterMs + BLIND_RETRY_MS);
  }
}

function unsent(order: ClaimedOrder, status: NeverSent['status'], reason: string, now: Date): NeverSent {
  return {
    id: order.id,
    status,
    reason,
    resolution: { rule: 'never_sent', cause: reason, at: now.toISOString() },
  };
}

/** blind: the market table is not there (yet) */
async function sign(
  deps: WakeDeps,
  order: ClaimedOrder,
  height: number,
  goodTilBlock: number | undefined,
): Promise<Signed | NeverSent | 'blind'> {
  const signer = deps.signer(order.account);
  if (signer === undefined) {
    return unsent(order, 'REJECTED', `account: ${order.account} is not configured`, deps.now());
  }
  if (goodTilBlock !== undefined && order.content !== null && order.latestAttempt !== null) {
    const again = resignedOrder(order.content, goodTilBlock);
    return { order, attempt: await signAttempt(signer, again, order.latestAttempt.attempt + 1, height) };
  }
  const door = deps.door();
  if (door.findMarket === undefined) return 'blind';
  const plannable = {
    ...order,
    time_in_force: order.timeInForce,
    good_til_blocks: order.goodTilBlocks,
    good_til_time: order.goodTilTime,
    reduce_only: order.reduceOnly,
    post_only: order.postOnly,
  };
  const planned = planOrder(plannable, door.findMarket(order.market), door.planSettings);
  if (!planned.ok) {
    const { field, code, reason } = planned.refusal;
    return unsent(order, 'REJECTED', `${field}: ${reason} (${code})`, deps.now());
  }
  await deps.ensureCursor(signer.owner, order.subaccountNumber, height);
  const clientId = await deps.nextClientId();
  const first = venueOrder(planned.plan, signer.owner, order.subaccountNumber, clientId, height);
  return { order, attempt: await signAttempt(signer, first, 1, height) };
}

async function sendSigned(deps: WakeDeps, signed: readonly Signed[]): Promise<void> {
  if (signed.length === 0) return;
  const wakeAt = new Date(deps.now().getTime() + deps.resendAfterMs);
  const allowed = await deps.startAttempts(
    signed.map(({ order, attempt }) => ({ ...attempt, id: order.id, wakeAt })),
  );
  await Promise.all(
    signed
      .filter(({ order }) => allowed.has(order.id))
      .map(({ order, attempt }) => {
        const isFirst = attempt.attempt === 1;
        const retryCount = isFirst ? 0 : order.retryCount + 1;
        return transmit(deps, {
          id: order.id,
          submitBy: order.submitBy ?? undefined,
          retryCount,
          transmissions: retryCount + 1,
          attempt,
        });
      }),
  );
}

async function sendAgain(deps: WakeDeps, orders: readonly ClaimedOrder[]): Promise<void> {
  const resends = orders.flatMap((order) =>
    order.latestAttempt === null
      ? []
      : [{ id: order.id, attempt: order.latestAttempt.attempt, retryCount: order.retryCount }],
  );
  if (resends.length === 0) return;
  const allowed = await deps.startResends(resends);
  await Promise.all(
    orders.map((order) => {
      const { latestAttempt } = order;
      if (latestAttempt === null || !allowed.has(order.id)) return undefined;
      const tx = { bytes: latestAttempt.txBytes, hash: latestAttempt.txHash };
      return transmit(deps, {
        id: order.id,
        submitBy: order.submitBy ?? undefined,
        retryCount: order.retryCount + 1,
        transmissions: order.retryCount + 2,
        attempt: { attempt: latestAttempt.attempt, tx },
      });
    }),
  );
}
