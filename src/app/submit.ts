// From an intent to the venue: plan, sign, commit, and only then send; then commit the answer. Two shared commits
// and one round trip an order. Whatever dies in between leaves a row that is due again (src/app/wake.ts).
import { v7 as uuidv7 } from 'uuid';
import { judge } from '../core/answers.ts';
import { type Intent, intentHash, type Refusal, submitDeadline } from '../core/intent.ts';
import { orderUuid } from '../core/order-uuid.ts';
import { type Plan, venueOrder } from '../core/plan.ts';
import type { SignedTx, Signer, Validator, VenueOrder } from '../core/ports.ts';
import { backoff } from '../core/retry.ts';
import type { AttemptKind, Telemetry } from '../core/telemetry.ts';
import type { NewAttempt } from '../store/attempts.ts';
import type { Batcher } from '../store/batcher.ts';
import type { AttemptOutcome } from '../store/outcomes.ts';
import type { NewOrder, Recorded } from '../store/recording.ts';
import type { Rejection } from '../store/rejections.ts';
import { acceptIntent, type Door } from './accept.ts';

export type Logs = {
  readonly debug: (fields: object, message: string) => void;
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
};

export type SubmitDeps = {
  readonly door: () => Door;
  readonly signer: (account: string) => Signer | undefined;
  readonly validator: Validator;
  /** newest committed block that is known; undefined when that knowledge is too old to sign with */
  readonly height: () => number | undefined;
  readonly nextClientId: () => Promise<number>;
  /** before the first order of a subaccount: from which block on its fills are ours */
  readonly ensureCursor: (owner: string, subaccountNumber: number, height: number) => Promise<void>;
  readonly record: Batcher<NewOrder, Recorded>;
  /** the row itself is at fault, not the database */
  readonly isDataError: (error: unknown) => boolean;
  readonly recordOutcome: Batcher<AttemptOutcome, undefined>;
  /** undefined: the client_id is free */
  readonly findKey: (intent: Intent) => Promise<'duplicate' | 'conflict' | undefined>;
  /** false: the oracle price is too old to bound a MARKET order with */
  readonly isOracleFresh: () => boolean;
  readonly reject: (rejections: readonly Rejection[]) => Promise<void>;
  /** Asks for a wake-up after that time. */
  readonly wakeIn: (delayMs: number) => void;
  /**
   * What nobody finished is due again after this, in ms. Longer than a transmission may take, or the same bytes go
   * out twice for nothing; shorter than an order lives.
   */
  readonly resendAfterMs: number;
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
    if (result.ok) return placeOne(deps, result.intent, result.plan, job.offeredAt, source);
    // What was recorded when it was still welcome is a duplicate now, not refused: it may be filling.
    const known = result.intent === undefined ? undefined : await deps.findKey(result.intent);
    if (known === 'duplicate') {
      deps.telemetry.offered('duplicate');
      return undefined;
    }
    return rejectionOf(raw, source, known === 'conflict' ? [spentClientId] : result.refusals);
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
  const attempt = plan === undefined || isLate ? undefined : await signFirst(deps, intent, plan);
  const wakeAfterMs = attempt === undefined ? 0 : deps.resendAfterMs;
  const order = { ...unsignedOrder(intent, offeredAt, deps.now().getTime() + wakeAfterMs), attempt };
  let recorded: Recorded;
  try {
    // With new ids at the second try: another order may hold this venue identity (a restored database, a full cycle).
    recorded = await deps.record.push(order).catch((error: unknown) => {
      if (attempt === undefined || !deps.isDataError(error)) throw error;
      return deps.record.push({ ...order, attempt: undefined });
    });
  } catch (error) {
    if (!deps.isDataError(error)) throw error;
    // Trying again would fail again: it is refused, in words that can be stored.
    deps.log.error({ client_id: intent.client_id, error: String(error) }, 'intent cannot be stored');
    return rejectionOf(intent, source, [{ field: '', code: 'internal', reason: 'cannot be stored' }]);
  }
  if (recorded === 'conflict') return rejectionOf(intent, source, [spentClientId]);
  deps.telemetry.offered(recorded);
  // A duplicate's row is its own work: whoever recorded it, or the sweep, goes on with it.
  if (recorded === 'duplicate') return undefined;
  if (attempt === undefined) deps.wakeIn(0);
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
    });
  }
  return undefined;
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

async function signFirst(deps: SubmitDeps, intent: Intent, plan: Plan): Promise<NewAttempt | undefined> {
  const signer = deps.signer(intent.account);
  const height = deps.height();
  if (signer === undefined || height === undefined) return undefined;
  if (intent.type === 'MARKET' && !deps.isOracleFresh()) return undefined;
  await deps.ensureCursor(signer.owner, intent.subaccount_number, height);
  const clientId = await deps.nextClientId();
  const order = venueOrder(plan, signer.owner, intent.subaccount_number, clientId, height);
  return signAttempt(signer, order, height);
}

export async function signAttempt(
  signer: Signer,
  order: VenueOrder,
  signedHeight: number,
): Promise<NewAttempt> {
  return { order, orderUuid: orderUuid(order.id), signedHeight, tx: await signer.sign(order) };
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
};

/** The bytes are stored already. Sends them once and stores the judged answer. */
export async function transmit(deps: SubmitDeps, transmission: Transmission): Promise<void> {
  const { id, kind, enqueuedAt, submitBy, attempt, retryCount, tx } = transmission;
  let leftAtMs: number | undefined;
  // Stale orders are not sent: asked at the last moment, when the socket is free. The row stays due.
  const mayLeave = () => {
    if (submitBy !== undefined && deps.now() >= submitBy) return false;
    if (leftAtMs === undefined) deps.telemetry.sent(kind, enqueuedAt);
    leftAtMs = performance.now();
    return true;
  };
  const answer = await deps.validator.broadcast(tx.bytes, mayLeave);
  const verdict = judge(answer, retryCount + 1);
  deps.telemetry.answered(verdict.outcome, leftAtMs === undefined ? undefined : performance.now() - leftAtMs);
  const needsRetry = verdict.outcome === 'doubt' || verdict.outcome === 'deferred';
  const delayMs = needsRetry ? backoff(retryCount, deps.random()) : undefined;
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
  if (verdict.isRejection) deps.telemetry.ended('REJECTED');
  if (delayMs !== undefined) {
    deps.wakeIn(delayMs);
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
