// From a recorded order to its first signature, for a new intent and for one that waited alike: halts, limits, nonce, the
// venue's rate, ids, signing. Nothing of the order itself is stored, and nothing is sent here.
import type { Placement, RateLane } from '../core/gate.ts';
import type { Market } from '../core/market.ts';
import { orderUuid, SHORT_TERM } from '../core/order-uuid.ts';
import { type Plan, type Plannable, venueOrder } from '../core/plan.ts';
import type { Signer, TxStamp, VenueOrder } from '../core/ports.ts';
import { subticksToPrice } from '../core/quantize.ts';
import type { NewAttempt } from '../store/attempts.ts';
import type { NonceUse } from '../store/stateful.ts';
import type { SubmitDeps } from './submit.ts';

export type Candidate = Plannable & {
  readonly tenant_id: string;
  readonly client_id: string;
  readonly account: string;
  readonly subaccount_number: number;
};

export type FirstAttempt =
  | { readonly kind: 'signed'; readonly attempt: NewAttempt }
  /** it ends as never sent */
  | { readonly kind: 'refused'; readonly cause: string }
  /** a limiter does not let it go now */
  | { readonly kind: 'later'; readonly delayMs: number }
  /** what it depends on, the venue, its prices or the halts, cannot be seen now */
  | { readonly kind: 'blind' };

type FirstAttemptDeps = Pick<
  SubmitDeps,
  | 'door'
  | 'signer'
  | 'block'
  | 'gate'
  | 'isOracleFresh'
  | 'ensureCursor'
  | 'nextClientId'
  | 'takeNonce'
  | 'settleNonce'
  | 'random'
  | 'statefulPollMs'
>;

const BLIND_RETRY_MS = 500;

/**
 * How soon to look again when something cannot be seen. All of a process look at the same moments, so that however many wait
 * cost two wake-ups a second: looking at all of them again and again is what would keep an overloaded process blind.
 */
export function blindRetryMs(now: Date): number {
  return 2 * BLIND_RETRY_MS - (now.getTime() % BLIND_RETRY_MS);
}

export async function firstAttempt(
  deps: FirstAttemptDeps,
  order: Candidate,
  plan: Plan,
): Promise<FirstAttempt> {
  const signer = deps.signer(order.account, order.tenant_id);
  if (signer === undefined) {
    // A door may not know whose the accounts are.
    return {
      kind: 'refused',
      cause: `account: ${order.account} is not configured for tenant ${order.tenant_id}`,
    };
  }
  const market = deps.door().findMarket?.(order.market);
  const block = deps.block();
  const isBlind = order.type === 'MARKET' && !deps.isOracleFresh(order.market);
  if (block === undefined || market === undefined || isBlind) {
    return { kind: 'blind' };
  }
  const placement = placementOf(order, plan, market, signer.owner);
  const held = deps.gate.whyHeld(placement);
  if (held?.mode === 'UNKNOWN') return { kind: 'blind' };
  if (held !== undefined) return { kind: 'refused', cause: held.reason };
  const beyond = await deps.gate.whyBeyond(placement, market);
  if (beyond !== undefined) {
    if ('mode' in beyond) return { kind: 'blind' };
    return { kind: 'refused', cause: `${beyond.field}: ${beyond.reason} (${beyond.code})` };
  }
  const { owner } = signer;
  // The nonce first: it can be given back, points of the rate cannot.
  const stamp = placement.isStateful ? await takeStamp(deps, owner, block.time, 'place', 1) : undefined;
  if (placement.isStateful && stamp === undefined) return laterForNonce(deps);
  const lane = placement.isStateful ? 'stateful' : 'short_term';
  if (!(await deps.gate.takeRate(owner, lane))) {
    if (stamp !== undefined) await deps.settleNonce(owner, stamp.nonce);
    return laterForRate(deps, owner, lane);
  }
  await deps.ensureCursor(owner, order.subaccount_number, block.height);
  const clientId = await deps.nextClientId();
  const venue = venueOrder(plan, owner, order.subaccount_number, clientId, block.height);
  return { kind: 'signed', attempt: await signAttempt(signer, venue, block.height, stamp) };
}

type Later = Extract<FirstAttempt, { readonly kind: 'later' }>;

/** When the next points come, and not all at once. */
export function laterForRate(
  { gate, random }: Pick<SubmitDeps, 'gate' | 'random'>,
  owner: string,
  lane: RateLane,
): Later {
  return { kind: 'later', delayMs: Math.round(gate.rateRetryMs(owner, lane) * (1 + random())) };
}

/** When nonces in doubt have been looked at once more. */
export function laterForNonce({
  statefulPollMs,
  random,
}: Pick<SubmitDeps, 'statefulPollMs' | 'random'>): Later {
  return { kind: 'later', delayMs: Math.round(statefulPollMs * (1 + random())) };
}

/** @param attempt its number makes the memo: siblings with one nonce must differ */
export async function takeStamp(
  deps: Pick<SubmitDeps, 'takeNonce'>,
  owner: string,
  blockTime: Date,
  use: NonceUse,
  attempt: number,
): Promise<TxStamp | undefined> {
  const nonce = await deps.takeNonce(owner, blockTime, use);
  return nonce === undefined ? undefined : { nonce, memo: memoOf(attempt) };
}

export function memoOf(attempt: number): string {
  return attempt === 1 ? '' : String(attempt);
}

export async function signAttempt(
  signer: Signer,
  order: VenueOrder,
  signedHeight: number,
  stamp?: TxStamp,
): Promise<NewAttempt> {
  const tx = await signer.sign(order, stamp);
  return { order, orderUuid: orderUuid(order.id), nonce: stamp?.nonce, signedHeight, tx };
}

function placementOf(order: Candidate, plan: Plan, market: Market, owner: string): Placement {
  return {
    tenantId: order.tenant_id,
    clientId: order.client_id,
    account: order.account,
    subaccountNumber: order.subaccount_number,
    owner,
    market: order.market,
    side: order.side,
    type: order.type,
    size: order.size,
    price: subticksToPrice(plan.subticks, market),
    triggerPrice: order.trigger_price ?? undefined,
    reduceOnly: order.reduce_only,
    isStateful: plan.orderFlags !== SHORT_TERM,
  };
}
