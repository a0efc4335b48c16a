// Goes on with signed stateful orders: asks the chain what became of them, and does what src/core/stateful.ts decides. What
// is found is stored as evidence; the order itself is ended by the reconciler.
import { goodTilSeconds, resignedOrder, signedId } from '../core/plan.ts';
import type { Block, Indexer, TxLookup, TxStamp } from '../core/ports.ts';
import type { Death } from '../core/proof.ts';
import {
  type ChainFinding,
  decideStateful,
  questionOf,
  type SignedStateful,
  type StatefulDecision,
} from '../core/stateful.ts';
import type { ClaimedOrder } from '../store/due-orders.ts';
import type { Absence, Inclusion } from '../store/stateful.ts';
import { cancelStateful } from './cancel.ts';
import { BLIND_RETRY_MS, laterForRate, memoOf, signAttempt, takeStamp } from './first-attempt.ts';
import { sendAgain, startAndSend } from './send-again.ts';
import type { Next, WakeDeps } from './wake.ts';

export type StatefulDeps = {
  readonly indexer: Pick<Indexer, 'height' | 'hasOrder'>;
  readonly noteIncluded: (inclusion: Inclusion) => Promise<void>;
  /** false: the order is not as it was when this was found */
  readonly noteAbsent: (absence: Absence) => Promise<boolean>;
  readonly noteDeath: (id: string, attemptCount: number, death: Death) => Promise<boolean>;
  /**
   * How often an order that the chain has is looked at: nobody tells when the venue removes one. Too low: queries for
   * nothing; too high: such an order is thought alive.
   */
  readonly statefulWatchMs: number;
};

export async function carryOnStateful(deps: WakeDeps, order: ClaimedOrder): Promise<Next> {
  const block = deps.block();
  if (block === undefined) return { kind: 'later', delayMs: BLIND_RETRY_MS };
  const signed = signedOf(deps, order);
  const finding = await ask(deps, order, signed);
  const decision = decideStateful(signed, finding, { now: deps.now(), block });
  if (decision.action !== 'note_absent') return carryOut(deps, order, decision, block);
  const { height, time } = decision.block;
  const corroboration = await corroborate(deps, order, height);
  // Looked at less often: nothing that this router does will change it.
  if (corroboration === 'contradicted') return { kind: 'later', delayMs: deps.statefulWatchMs };
  if (corroboration === 'not_yet') return lookAgain(deps, order);
  const { id, attemptCount } = order;
  if (!(await deps.noteAbsent({ id, nonce: signed.nonce, attemptCount, height, time })))
    return lookAgain(deps, order);
  const after = decideStateful({ ...signed, deadNonce: signed.nonce }, finding, { now: deps.now(), block });
  return carryOut(deps, order, after, block);
}

function signedOf(deps: WakeDeps, order: ClaimedOrder): SignedStateful {
  const { nonce, goodTilTime, latestAttempt } = order;
  if (nonce === null || goodTilTime === null || latestAttempt === null) {
    throw new Error('a stateful order without nonce, good_til_time or attempt');
  }
  const { attempt, transmissions, outcome, codespace, code } = latestAttempt;
  return {
    submitBy: order.submitBy ?? undefined,
    goodTilTime,
    isCancelRequested: order.isCancelRequested,
    held: deps.gate.whyHeld(order),
    nonce,
    deadNonce: order.deadNonce ?? undefined,
    includedHeight: order.includedHeight ?? undefined,
    isDead: order.isDead,
    latestAttempt: {
      attempt,
      transmissions,
      outcome: outcome ?? undefined,
      isNonceRefused: codespace === 'sdk' && code === 32,
    },
  };
}

/** What cannot be asked is unknown: the order stays in doubt. */
async function ask(deps: WakeDeps, order: ClaimedOrder, signed: SignedStateful): Promise<ChainFinding> {
  try {
    switch (questionOf(signed)) {
      case 'nothing':
        return { kind: 'unknown' };
      case 'transactions': {
        const lookup = await findAny(deps, order.openHashes);
        return lookup === undefined ? { kind: 'unknown' } : { kind: 'transactions', lookup };
      }
      case 'order': {
        if (order.content === null || order.includedHeight === null) return { kind: 'unknown' };
        const lookup = await deps.validator.statefulOrder(signedId(order.content), order.includedHeight);
        return { kind: 'order', lookup };
      }
    }
  } catch (error) {
    deps.log.warn(
      { order_id: order.id, error: String(error) },
      'the chain cannot be asked for a stateful order',
    );
    return { kind: 'unknown' };
  }
}

/** One nonce, one transaction on chain: the first that is found, or the lowest block up to which none was. */
async function findAny(deps: WakeDeps, hashes: readonly string[]): Promise<TxLookup | undefined> {
  let absent: TxLookup | undefined;
  for (const hash of hashes) {
    const lookup = await deps.validator.findTx(hash);
    if (lookup.kind === 'included') return lookup;
    if (absent?.kind !== 'absent' || lookup.block.height < absent.block.height) absent = lookup;
  }
  return absent;
}

/** That neither the chain's state nor the indexer has it, both at that block or later. */
async function corroborate(
  deps: WakeDeps,
  order: ClaimedOrder,
  height: number,
): Promise<'absent' | 'not_yet' | 'contradicted'> {
  if (order.content === null || order.orderUuid === null) return 'not_yet';
  try {
    if ((await deps.indexer.height()) < height) return 'not_yet';
    const state = await deps.validator.statefulOrder(signedId(order.content), height);
    if (state.kind === 'absent' && !(await deps.indexer.hasOrder(order.orderUuid))) return 'absent';
    deps.log.error(
      { order_id: order.id, order_uuid: order.orderUuid, height },
      'an order whose transactions are not on chain is known there: it stays in doubt',
    );
    return 'contradicted';
  } catch (error) {
    deps.log.warn(
      { order_id: order.id, error: String(error) },
      'the absence of a stateful order is not confirmed',
    );
  }
  return 'not_yet';
}

async function carryOut(
  deps: WakeDeps,
  order: ClaimedOrder,
  decision: StatefulDecision,
  block: Block,
): Promise<Next> {
  switch (decision.action) {
    case 'note_included': {
      const delayMs = order.isCancelRequested ? deps.statefulPollMs : watchMs(deps, order);
      const wakeAt = new Date(deps.now().getTime() + delayMs);
      await deps.noteIncluded({ id: order.id, hash: decision.hash, height: decision.height, wakeAt });
      return { kind: 'later', delayMs };
    }
    case 'note_dead':
      await deps.noteDeath(order.id, order.attemptCount, decision.death);
      return { kind: 'sent' };
    case 'resend':
      return (await mayTakeRate(deps, order)) ?? (await resend(deps, order));
    case 'sign':
    case 'resign':
      return (await mayTakeRate(deps, order)) ?? (await signAgain(deps, order, decision.action, block));
    case 'note_absent':
    case 'look_again':
      if (order.isCancelRequested) await cancelStateful(deps, order, block);
      return lookAgain(deps, order);
    case 'await_proof':
      return { kind: 'await_proof' };
  }
}

function lookAgain(deps: WakeDeps, order: ClaimedOrder): Next {
  const isResting = order.includedHeight !== null && !order.isCancelRequested;
  return { kind: 'later', delayMs: isResting ? watchMs(deps, order) : deps.statefulPollMs };
}

/** Not later than its own end. */
function watchMs(deps: WakeDeps, order: ClaimedOrder): number {
  const leftMs = (order.goodTilTime?.getTime() ?? 0) - deps.now().getTime();
  return Math.max(deps.statefulPollMs, Math.min(deps.statefulWatchMs, leftMs));
}

/** Undefined: it may go. */
async function mayTakeRate(deps: WakeDeps, order: ClaimedOrder): Promise<Next | undefined> {
  if (order.content === null) return { kind: 'await_proof' };
  return (await deps.gate.takeRate(order.content.owner, 'stateful')) ? undefined : laterForRate(deps);
}

async function resend(deps: WakeDeps, order: ClaimedOrder): Promise<Next> {
  await sendAgain(deps, order);
  return { kind: 'sent' };
}

async function signAgain(
  deps: WakeDeps,
  order: ClaimedOrder,
  action: 'sign' | 'resign',
  block: Block,
): Promise<Next> {
  const signer = deps.signer(order.account, order.tenantId);
  const goodTilBlockTime = goodTilSeconds(order.goodTilTime);
  if (
    signer === undefined ||
    order.content === null ||
    order.nonce === null ||
    goodTilBlockTime === undefined
  ) {
    deps.log.error({ order_id: order.id, account: order.account }, 'no key to sign this order with');
    return lookAgain(deps, order);
  }
  const attempt = order.attemptCount + 1;
  const stamp: TxStamp | undefined =
    action === 'sign'
      ? await takeStamp(deps, signer.owner, block.time, attempt)
      : { nonce: order.nonce, memo: memoOf(attempt) };
  if (stamp === undefined) return laterForRate(deps);
  const again = resignedOrder(order.content, { goodTilBlockTime });
  await startAndSend(deps, order, await signAttempt(signer, again, block.height, stamp), 'resign');
  return { kind: 'sent' };
}
