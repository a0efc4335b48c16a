// From an intent to the venue: plan, sign, commit, and only then send; then commit the answer. Two shared commits
// and one round trip an order. Whatever dies in between leaves a row that is due again (src/app/wake.ts).
import { v7 as uuidv7 } from 'uuid';
import { judge } from '../core/answers.ts';
import type { Gate, Placement } from '../core/gate.ts';
import { type Intent, intentHash, type Refusal, submitDeadline } from '../core/intent.ts';
import type { Plan } from '../core/plan.ts';
import type { Block, SignedTx, Signer, Validator } from '../core/ports.ts';
import { backoff } from '../core/retry.ts';
import type { AttemptKind, Telemetry } from '../core/telemetry.ts';
import type { NewAttempt } from '../store/attempts.ts';
import type { Batcher } from '../store/batcher.ts';
import type { AttemptOutcome, NeverSent } from '../store/outcomes.ts';
import type { NewOrder, Recorded } from '../store/recording.ts';
import type { Rejection } from '../store/rejections.ts';
import type { NonceUse } from '../store/stateful.ts';
import { acceptIntent, type Door } from './accept.ts';
import { blindRetryMs, type FirstAttempt, firstAttempt } from './first-attempt.ts';

export type Logs = {
  readonly debug: (fields: object, message: string) => void;
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
};

export type SubmitDeps = {
  readonly door: () => Door;
  /** of a configured account, for the tenant whose it is */
  readonly signer: (account: string, tenantId: string) => Signer | undefined;
  readonly validator: Validator;
  /** newest committed block that is known; undefined when that knowledge is too old to sign with */
  readonly block: () => Block | undefined;
  readonly gate: Gate;
  readonly nextClientId: () => Promise<number>;
  /** a timestamp nonce of its own; undefined while too many of that owner are in doubt */
  readonly takeNonce: (owner: string, blockTime: Date, use: NonceUse) => Promise<number | undefined>;
  /** it cannot be carried out any more */
  readonly settleNonce: (owner: string, nonce: number) => Promise<void>;
  /** before the first order of a subaccount: from which block on its fills are ours */
  readonly ensureCursor: (owner: string, subaccountNumber: number, height: number) => Promise<void>;
  readonly record: Batcher<NewOrder, Recorded>;
  /** the row itself is at fault, not the database */
  readonly isDataError: (error: unknown) => boolean;
  readonly recordOutcome: Batcher<AttemptOutcome, undefined>;
  readonly endNeverSent: Batcher<NeverSent, boolean>;
  /** undefined: the client_id is free */
  readonly findKey: (intent: Intent) => Promise<'duplicate' | 'conflict' | undefined>;
  /** false: the oracle price is too old to bound a MARKET order with */
  readonly isOracleFresh: (ticker: string) => boolean;
  readonly reject: (rejections: readonly Rejection[]) => Promise<void>;
  /** Asks for a wake-up after that time. */
  readonly wakeIn: (delayMs: number) => void;
  /**
   * What nobody finished is due again after this, in ms. Longer than a transmission may take, or the same bytes go
   * out twice for nothing; shorter than an order lives.
   */
  readonly resendAfterMs: number;
  /** How soon after its transmission the chain is asked for a stateful order. Below a block it is asked for nothing. */
  readonly statefulPollMs: number;
  readonly now: () => Date;
  readonly random: () => number;
  readonly log: Logs;
  readonly telemetry: Telemetry;
};

export type PlaceJob = {
  readonly intents: readonly unknown[];
  readonly offeredAt: Date;
  /** the job's id */
  readonly source: string;
};

/** Resolves when every intent is recorded and, as far as possible now, sent; throws on broken infrastructure. */
export async function place(deps: SubmitDeps, job: PlaceJob): Promise<void> {
  const door = deps.door();
  const works = job.intents.map(async (raw, index): Promise<Rejection | undefined> => {
    const source = `${job.source}#${index}`;
    const result = acceptIntent(raw, job.offeredAt, door);
    const tooMany = result.ok ? await deps.gate.takeIntents(result.intent.tenant_id, 1) : undefined;
    if (result.ok && tooMany === undefined) {
      return placeOne(deps, result.intent, result.plan, job.offeredAt, source);
    }
    // What was recorded when it was still welcome is a duplicate now, not refused: it may be filling.
    const known = result.intent === undefined ? undefined : await deps.findKey(result.intent);
    if (known === 'duplicate') {
      deps.telemetry.offered('duplicate');
      return undefined;
    }
    const refusals = result.ok ? [tooMany ?? spentClientId] : result.refusals;
    return rejectionOf(raw, source, known === 'conflict' ? [spentClientId] : refusals);
  });
  const settled = await Promise.allSettled(works);
  const rejections = settled.flatMap((result) =>
    result.status === 'fulfilled' && result.value ? [result.value] : [],
  );
  await deps.reject(rejections);
  for (const { clientId, refusals } of rejections) {
    deps.telemetry.offered(refusals.includes(spentClientId) ? 'conflict' : 'refused');
    deps.log.info({ client_id: clientId, refusals }, 'intent refused');
  }
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function placeOne(
  deps: SubmitDeps,
  intent: Intent,
  plan: Plan | undefined,
  offeredAt: Date,
  source: string,
): Promise<Rejection | undefined> {
  const submitBy = submitDeadline(intent, offeredAt);
  const isLate = submitBy !== undefined && submitBy <= deps.now();
  const first = plan === undefined || isLate ? LATER : await firstAttempt(deps, intent, plan);
  let attempt = first.kind === 'signed' ? first.attempt : undefined;
  const wakeAfterMs = attempt === undefined ? 0 : deps.resendAfterMs;
  const order = { ...unsignedOrder(intent, offeredAt, deps.now().getTime() + wakeAfterMs), attempt };
  let recorded: Recorded;
  try {
    // With new ids at the second try: another order may hold this venue identity (a restored database, a full cycle).
    recorded = await deps.record.push(order).catch(async (error: unknown) => {
      if (attempt === undefined || !deps.isDataError(error)) throw error;
      // What is not stored is not sent.
      await giveBack(deps, attempt);
      attempt = undefined;
      return deps.record.push({ ...order, attempt });
    });
  } catch (error) {
    if (!deps.isDataError(error)) throw error;
    // Trying again would fail again: it is refused, in words that can be stored.
    deps.log.error({ client_id: intent.client_id, error: String(error) }, 'intent cannot be stored');
    return rejectionOf(intent, source, [{ field: '', code: 'internal', reason: 'cannot be stored' }]);
  }
  if (recorded !== 'recorded' && attempt !== undefined) await giveBack(deps, attempt);
  if (recorded === 'conflict') return rejectionOf(intent, source, [spentClientId]);
  deps.telemetry.offered(recorded);
  // A duplicate's row is its own work: whoever recorded it, or the sweep, goes on with it.
  if (recorded === 'duplicate') return undefined;
  if (recorded === 'cancelled') await endUnsent(deps, order.id, 'CANCELLED', 'cancelled before it came');
  else if (first.kind === 'refused') await endUnsent(deps, order.id, 'REJECTED', first.cause);
  else if (attempt === undefined) deps.wakeIn(delayOf(first, deps.now()));
  else {
    const { tx } = attempt;
    const { enqueuedAt } = order;
    await transmit(deps, {
      id: order.id,
      kind: 'first',
      enqueuedAt,
      submitBy,
      retryCount: 0,
      attempt: 1,
      tx,
      owner: attempt.order.id.owner,
      nonce: attempt.nonce,
      placement: placementKey(intent),
    });
  }
  return undefined;
}

/** It was not stored, so it never leaves: its nonce is in doubt no more. */
export async function giveBack(
  deps: Pick<SubmitDeps, 'settleNonce'>,
  { nonce, order }: NewAttempt,
): Promise<void> {
  if (nonce !== undefined) await deps.settleNonce(order.id.owner, nonce);
}

/** Not signed now: markets are unknown, or its deadline has passed. */
const LATER = { kind: 'later', delayMs: 0 } as const;

function delayOf(first: FirstAttempt, now: Date): number {
  if (first.kind === 'blind') return blindRetryMs(now);
  return first.kind === 'later' ? first.delayMs : 0;
}

/** What halts look at. */
type PlacementKey = Pick<Placement, 'tenantId' | 'account' | 'market' | 'reduceOnly'>;

function placementKey({ tenant_id, account, market, reduce_only }: Intent): PlacementKey {
  return { tenantId: tenant_id, account, market, reduceOnly: reduce_only };
}

/** Ends an order of which nothing was ever signed. */
export async function endUnsent(
  deps: Pick<SubmitDeps, 'endNeverSent' | 'now' | 'telemetry'>,
  id: string,
  status: NeverSent['status'],
  cause: string,
): Promise<void> {
  const resolution = { rule: 'never_sent', cause, at: deps.now().toISOString() } as const;
  const isEnded = await deps.endNeverSent.push({ id, status, reason: cause, resolution });
  if (isEnded) deps.telemetry.ended(status);
}

/** Recorded only, to be signed when it is due. */
export function unsignedOrder(intent: Intent, enqueuedAt: Date, wakeAtMs: number): NewOrder {
  return {
    id: uuidv7(),
    intent,
    intentHash: intentHash(intent),
    enqueuedAt,
    submitBy: submitDeadline(intent, enqueuedAt),
    wakeAt: new Date(wakeAtMs),
    attempt: undefined,
  };
}

export type Transmission = {
  readonly id: string;
  readonly kind: AttemptKind;
  readonly enqueuedAt: Date;
  readonly submitBy: Date | undefined;
  /** transmissions of the whole order before this one */
  readonly retryCount: number;
  readonly attempt: number;
  readonly tx: SignedTx;
  readonly owner: string;
  /** of a stateful order */
  readonly nonce: number | undefined;
  readonly placement: PlacementKey;
};

/** The bytes are stored already. Sends them once and stores the judged answer. */
export async function transmit(deps: SubmitDeps, transmission: Transmission): Promise<void> {
  const { id, kind, enqueuedAt, submitBy, attempt, retryCount, tx, owner, nonce, placement } = transmission;
  let leftAtMs: number | undefined;
  // Stale and halted orders are not sent: asked at the last moment, when the socket is free. The row stays due.
  const mayLeave = () => {
    if (submitBy !== undefined && deps.now() >= submitBy) return false;
    if (deps.gate.whyHeld(placement) !== undefined) return false;
    if (leftAtMs === undefined) deps.telemetry.sent(kind, enqueuedAt);
    leftAtMs = performance.now();
    return true;
  };
  const answer = await deps.validator.broadcast(tx.bytes, mayLeave, retryCount);
  const verdict = judge(answer, retryCount + 1);
  deps.telemetry.answered(verdict.outcome, leftAtMs === undefined ? undefined : performance.now() - leftAtMs);
  const needsRetry = verdict.outcome === 'doubt' || verdict.outcome === 'deferred';
  // Of a stateful order the chain itself tells what became of it.
  const askAfterMs = nonce === undefined ? undefined : deps.statefulPollMs;
  const delayMs = needsRetry ? backoff(retryCount, deps.random()) : askAfterMs;
  const { isRejection, codespace, code, log } = verdict;
  const tx_hash = tx.hash;
  await deps.recordOutcome.push({
    id,
    attempt,
    outcome: verdict.outcome,
    codespace,
    code,
    log,
    answeredAt: deps.now(),
    wakeAt: delayMs === undefined ? null : new Date(deps.now().getTime() + delayMs),
    rejection:
      isRejection && codespace !== null && code !== null
        ? { rule: 'refused', codespace, code, log, tx_hash }
        : undefined,
  });
  if (verdict.isRejection) {
    deps.telemetry.ended('REJECTED');
    if (nonce !== undefined) await deps.settleNonce(owner, nonce);
  }
  if (delayMs !== undefined) deps.wakeIn(delayMs);
  if (needsRetry) {
    deps.log.warn(
      { order_id: id, tx_hash, outcome: verdict.outcome, codespace, code, log },
      'transmission unsettled',
    );
  } else {
    deps.log.debug(
      { order_id: id, tx_hash, outcome: verdict.outcome, codespace, code },
      'transmission answered',
    );
  }
}

/** The client_id was seen before, with another body. */
export const spentClientId: Refusal = {
  field: 'client_id',
  code: 'conflict',
  reason: 'is spent for another order: use a new one',
};

export function rejectionOf(raw: unknown, source: string, refusals: Rejection['refusals']): Rejection {
  return {
    tenantId: textField(raw, 'tenant_id'),
    clientId: textField(raw, 'client_id'),
    source,
    refusals,
    payload: textOf(raw),
  };
}

function textField(raw: unknown, name: string): string | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const value: unknown = Reflect.get(raw, name);
  return typeof value === 'string' ? value : undefined;
}

function textOf(raw: unknown): string {
  try {
    return JSON.stringify(raw) ?? String(raw);
  } catch {
    return '(not JSON)';
  }
}
