// Transmissions of claimed orders: the first of a row that was only recorded, the same bytes again, another signature. Each
// is allowed by its row before it leaves.
import type { AttemptKind } from '../core/telemetry.ts';
import type { NewAttempt } from '../store/attempts.ts';
import type { ClaimedOrder } from '../store/due-orders.ts';
import { giveBack, type Transmission, transmit } from './submit.ts';
import type { WakeDeps } from './wake.ts';

/** Stores the attempt and sends it; nothing when the attempt rule forbids it. */
export async function startAndSend(
  deps: WakeDeps,
  order: ClaimedOrder,
  attempt: NewAttempt,
  kind: 'first' | 'resign',
): Promise<void> {
  const wakeAt = new Date(deps.now().getTime() + deps.resendAfterMs);
  const number = await deps.startAttempt.push({ ...attempt, id: order.id, wakeAt });
  if (number === undefined) {
    // One with the same nonce may be on its way; a new nonce is nobody's.
    if (attempt.nonce !== order.nonce) await giveBack(deps, attempt);
    return;
  }
  await transmit(deps, {
    ...common(order, kind),
    retryCount: kind === 'first' ? 0 : order.retryCount + 1,
    attempt: number,
    tx: attempt.tx,
    owner: attempt.order.id.owner,
    nonce: attempt.nonce,
  });
}

/** The same bytes once more, unless another claimer does it. */
export async function sendAgain(deps: WakeDeps, order: ClaimedOrder): Promise<void> {
  const { id, retryCount, latestAttempt, content } = order;
  if (latestAttempt === null || content === null) return;
  const { attempt, txBytes, txHash } = latestAttempt;
  if (!(await deps.startResend.push({ id, attempt, retryCount }))) return;
  await transmit(deps, {
    ...common(order, 'resend'),
    retryCount: retryCount + 1,
    attempt,
    tx: { bytes: txBytes, hash: txHash },
    owner: content.owner,
    nonce: order.nonce ?? undefined,
  });
}

function common(
  order: ClaimedOrder,
  kind: AttemptKind,
): Pick<Transmission, 'id' | 'kind' | 'enqueuedAt' | 'submitBy' | 'placement'> {
  const { id, enqueuedAt, submitBy } = order;
  return { id, kind, enqueuedAt, submitBy: submitBy ?? undefined, placement: order };
}
