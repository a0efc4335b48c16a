// Goes on with signed stateful orders: asks the chain what became of them, and does what src/core/stateful.ts decides. What
// is found is stored as evidence; the order itself is ended by the reconciler.
import { goodTilSeconds, resignedOrder, signedId } from '../core/plan.ts';
import type { Block, Indexer, TxLookup } from '../core/ports.ts';
import type { Death } from '../core/proof.ts';
import {
  type ChainFinding,
  decideStateful,
  questionsOf,
  type SignedStateful,
  type StatefulDecision,
} from '../core/stateful.ts';
import type { ClaimedOrder } from '../store/due-orders.ts';
import type { Absence, Failure, Inclusion } from '../store/stateful.ts';
import { cancelStateful } from './cancel.ts';
import { laterForNonce, laterForRate, memoOf, signAttempt, takeStamp } from './first-attempt.ts';
import { sendAgain, startAndSend } from './send-again.ts';
import type { Next, WakeDeps } from './wake.ts';

export type StatefulDeps = {
  readonly indexer: Pick<Indexer, 'hasOrder'>;
  /** of the indexer, half a second old at most: many orders may wait for it */
  readonly indexerHeight: () => Promise<number>;
  /** What goes wrong with questions to the chain is told here, one line for all orders. */
  readonly questions: { readonly failed: (error: unknown) => void; readonly works: () => void };
  readonly noteFailed: (failure: Failure) => Promise<void>;
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
  if (block === undefined) return { kind: 'blind' };
  const signed = signedOf(deps, order);
  const finding = await ask(deps, order, signed, block);
  const decision = decideStateful(signed, finding, { now: deps.now(), block });
  const absentFrom = absenceOf(decision);
  if (absentFrom === undefined) return carryOut(deps, order, decision, block);
  const corroboration = await corroborate(deps, order, absentFrom);
  if (corroboration !== 'absent') {
    // The chain has it although no index finds it: it can be cancelled all the same.
    if (order.isCancelRequested) await cancelStateful(deps, order, block);
    const delayMs = corroboration === 'not_yet' ? deps.statefulPollMs : deps.statefulWatchMs;
    return { kind: 'later', delayMs };
  }
  if (decision.action !== 'note_absent') return carryOut(deps, order, decision, block);
  const { height, time } = decision.block;
  const { id, attemptCount } = order;
  if (!(await deps.noteAbsent({ id, nonce: signed.nonce, attemptCount, height, time }))) {
    return lookAgain(deps, order);
  }
  const after = decideStateful({ ...signed, deadNonce: signed.nonce }, finding, { now: deps.now(), block });
  return carryOut(deps, order, after, block);
}

/**
 * From which block on the order must be neither in the chain's state nor with the indexer. Also when its nonce was found dead
 * long ago: a recovered database may have forgotten another one that was signed since.
 */
function absenceOf(decision: StatefulDecision): number | undefined {
  if (decision.action === 'note_absent') return decision.block.height;
  const isNeverIncluded = decision.action === 'note_dead' && decision.death.cause === 'never_included';
  return isNeverIncluded ? decision.death.height : undefined;
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
      isFailed: latestAttempt.isFailed,
    },
  };
}

/** What cannot be asked is unknown: the order stays in doubt. */
async function ask(
  deps: WakeDeps,
  order: ClaimedOrder,
  signed: SignedStateful,
  block: Block,
): Promise<ChainFinding> {
  const { content } = order;
  const questions = questionsOf(signed, block);
  const transactions = questions.transactions
    ? await answered(deps, () => findAny(deps, order, block))
    : undefined;
  // Past its time the state is asked for that very block, or a later one.
  const minHeight = Math.max(order.includedHeight ?? 0, block.time >= signed.goodTilTime ? block.height : 0);
  const state =
    questions.order && content !== null
      ? await answered(deps, () => deps.validator.statefulOrder(signedId(content), minHeight))
      : undefined;
  return { transactions, order: state };
}

async function answered<Answer>(
  deps: WakeDeps,
  question: () => Promise<Answer>,
): Promise<Answer | undefined> {
  try {
    const answer = await question();
    deps.questions.works();
    return answer;
  } catch (error) {
    deps.questions.failed(error);
    return undefined;
  }
}

/** One nonce, one transaction carried out: that one before one that failed, else the lowest block up to which none was. */
async function findAny(deps: WakeDeps, { openTransactions }: ClaimedOrder, block: Block): Promise<TxLookup> {
  let found: TxLookup | undefined;
  for (const { hash, signedHeight } of openTransactions) {
    const lookup = await deps.validator.findTx(hash, signedHeight);
    if (lookup.kind === 'included' && lookup.code === 0) return lookup;
    if (found === undefined || lookup.kind === 'included') found = lookup;
    else if (found.kind === 'absent' && lookup.block.height < found.block.height) found = lookup;
  }
  // Nothing is open: all that was signed has failed on chain.
  return found ?? { kind: 'absent', block };
}

/** That neither the chain's state nor the indexer has it, both at that block or later. */
async function corroborate(
  deps: WakeDeps,
  order: ClaimedOrder,
  height: number,
): Promise<'absent' | 'not_yet' | 'contradicted'> {
  if (order.content === null || order.orderUuid === null) return 'not_yet';
  try {
    if ((await deps.indexerHeight()) < height) return 'not_yet';
    const state = await deps.validator.statefulOrder(signedId(order.content), height);
    if (state.kind === 'absent' && !(await deps.indexer.hasOrder(order.orderUuid))) return 'absent';
    deps.log.error(
      { order_id: order.id, order_uuid: order.orderUuid, height },
      'an order whose transactions are not on chain is known there: it stays in doubt',
    );
    return 'contradicted';
  } catch (error) {
    deps.questions.failed(error);
    return 'not_yet';
  }
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
    case 'note_failed':
      await deps.noteFailed({
        id: order.id,
        hash: decision.hash,
        height: decision.height,
        code: decision.code,
      });
      return lookAgain(deps, order);
    case 'note_dead':
      await deps.noteDeath(order.id, order.attemptCount, decision.death);
      return { kind: 'done' };
    case 'resend':
      return resend(deps, order);
    case 'sign':
    case 'resign':
      return signAgain(deps, order, decision.action, block);
    case 'note_absent':
    case 'look_again':
      if (order.isCancelRequested) await cancelStateful(deps, order, block);
      return lookAgain(deps, order);
    case 'await_proof':
      return { kind: 'await_proof' };
  }
}

/** Under a halt an order whose nonce is dead waits for somebody to lift it. */
const HALTED_LOOK_MS = 5_000;

function lookAgain(deps: WakeDeps, order: ClaimedOrder): Next {
  if (order.isCancelRequested) return { kind: 'later', delayMs: deps.statefulPollMs };
  if (order.includedHeight !== null) return { kind: 'later', delayMs: watchMs(deps, order) };
  const isWaiting = order.deadNonce !== null && order.deadNonce === order.nonce;
  return { kind: 'later', delayMs: isWaiting ? HALTED_LOOK_MS : deps.statefulPollMs };
}

/** Not later than its own end. */
function watchMs(deps: WakeDeps, order: ClaimedOrder): number {
  const leftMs = (order.goodTilTime?.getTime() ?? 0) - deps.now().getTime();
  return Math.max(deps.statefulPollMs, Math.min(deps.statefulWatchMs, leftMs));
}

async function resend(deps: WakeDeps, order: ClaimedOrder): Promise<Next> {
  if (order.content === null) return { kind: 'await_proof' };
  const { owner } = order.content;
  if (!(await deps.gate.takeRate(owner, 'stateful'))) return laterForRate(deps, owner, 'stateful');
  await sendAgain(deps, order);
  return { kind: 'done' };
}

async function signAgain(
  deps: WakeDeps,
  order: ClaimedOrder,
  action: 'sign' | 'resign',
  block: Block,
): Promise<Next> {
  const { content, nonce } = order;
  const signer = deps.signer(order.account, order.tenantId);
  const goodTilBlockTime = goodTilSeconds(order.goodTilTime);
  if (
    content === null ||
    nonce === null ||
    goodTilBlockTime === undefined ||
    signer?.owner !== content.owner
  ) {
    deps.log.error({ order_id: order.id, account: order.account }, 'no key to sign this order with');
    return { kind: 'later', delayMs: deps.statefulWatchMs };
  }
  const attempt = order.attemptCount + 1;
  const isNew = action === 'sign';
  const stamp = isNew
    ? await takeStamp(deps, signer.owner, block.time, 'place', attempt)
    : { nonce, memo: memoOf(attempt) };
  if (stamp === undefined) return laterForNonce(deps);
  if (!(await deps.gate.takeRate(signer.owner, 'stateful'))) {
    if (isNew) await deps.settleNonce(signer.owner, stamp.nonce);
    return laterForRate(deps, signer.owner, 'stateful');
  }
  const again = resignedOrder(content, { goodTilBlockTime });
  await startAndSend(deps, order, await signAttempt(signer, again, block.height, stamp), 'resign');
  return { kind: 'done' };
}
