// What to do with a signed stateful order: a pure decision from its row and from what the chain was asked; src/app/
// stateful.ts asks and carries it out. Invariants: no answer to a transmission is a death; another nonce is used only after
// the one before was shown dead with nothing of it on chain; what cannot be asked leaves the order as it is.
import type { Outcome } from './answers.ts';
import type { Held } from './gate.ts';
import type { Block, StatefulLookup, TxLookup } from './ports.ts';
import { type Death, MESSAGE_CODESPACES, NONCE_WINDOW_MS } from './proof.ts';
import { hasPassed, MAX_TRANSMISSIONS } from './wake.ts';

/** A node's index of transactions follows its blocks: it is believed of blocks that are older than this. */
const INDEX_MARGIN_MS = 5_000;
/**
 * So close to its time an order that is gone may have expired in a block that is not known here yet: the newest that is
 * known may be 15 s old, and the node that was asked ahead of it.
 */
const END_MARGIN_MS = 20_000;
/** A venue that has refused it so often, "for now", will not take it: hours of trying at least. */
const MAX_ATTEMPTS = 1_000;
/** With less of its window left, a nonce is not signed with again. */
const LAST_RESIGN_MS = 5_000;

export type SignedStateful = {
  readonly submitBy: Date | undefined;
  readonly goodTilTime: Date;
  readonly isCancelRequested: boolean;
  readonly held: Held | undefined;
  readonly nonce: number;
  /** the highest nonce that was shown dead, with nothing of it on chain */
  readonly deadNonce: number | undefined;
  /** the block in which it was carried out */
  readonly includedHeight: number | undefined;
  readonly isDead: boolean;
  readonly latestAttempt: {
    /** counts from 1, over all nonces */
    readonly attempt: number;
    readonly transmissions: number;
    /** undefined: nobody came back with an answer */
    readonly outcome: Outcome | undefined;
    /** sdk/32: the chain would not take this nonce now */
    readonly isNonceRefused: boolean;
    /** it is on chain, and was refused there */
    readonly isFailed: boolean;
  };
};

/** What the chain has to be asked before anything is decided. */
export type StatefulQuestions = { readonly transactions: boolean; readonly order: boolean };

export function questionsOf(order: SignedStateful, block: Block): StatefulQuestions {
  if (order.isDead) return { transactions: false, order: false };
  if (order.includedHeight !== undefined) return { transactions: false, order: true };
  const isOver = isExpired(order, block);
  return { transactions: isOver || order.deadNonce !== order.nonce, order: isOver };
}

/** What the chain says; undefined: it was not asked, or could not be. */
export type ChainFinding = {
  /** of the attempts that were not shown yet: one is on chain, or none up to a block */
  readonly transactions: TxLookup | undefined;
  readonly order: StatefulLookup | undefined;
};

export type StatefulDecision =
  /** an attempt was carried out: the order is in the chain's state from there */
  | { readonly action: 'note_included'; readonly height: number; readonly hash: string }
  /** an attempt is on chain, refused before its nonce was taken: a sibling may still be carried out */
  | {
      readonly action: 'note_failed';
      readonly height: number;
      readonly hash: string;
      readonly code: number;
    }
  /** nothing of this nonce was carried out, and the chain will not take it any more */
  | { readonly action: 'note_absent'; readonly block: Block }
  | { readonly action: 'note_dead'; readonly death: Death }
  /** with a nonce of its own */
  | { readonly action: 'sign' }
  /** with the same nonce and another memo */
  | { readonly action: 'resign' }
  | { readonly action: 'resend' }
  /** nothing to send: ask again later */
  | { readonly action: 'look_again' }
  /** nothing more to do or to ask: only the reconciler can end it */
  | { readonly action: 'await_proof' };

export function decideStateful(
  order: SignedStateful,
  finding: ChainFinding,
  context: { readonly now: Date; readonly block: Block },
): StatefulDecision {
  if (order.isDead) return { action: 'await_proof' };
  const { block } = context;
  const { transactions, order: state } = finding;
  if (transactions?.kind === 'included') return onChain(transactions);
  if (isExpired(order, block)) {
    // No node takes it any more, and one that had it has removed it by then. One clock alone is not believed: the state at
    // that block, or a later one, must be without it. What removed it shortly before nobody can tell.
    return state?.kind === 'absent' && state.height >= block.height
      ? {
          action: 'note_dead',
          death: { cause: 'expired', height: state.height, block_time_ms: block.time.getTime() },
        }
      : { action: 'look_again' };
  }
  if (order.includedHeight !== undefined) {
    const isNearItsEnd = order.goodTilTime.getTime() - block.time.getTime() < END_MARGIN_MS;
    return state?.kind === 'absent' && !isNearItsEnd
      ? { action: 'note_dead', death: { cause: 'removed', height: state.height } }
      : { action: 'look_again' };
  }
  if (order.deadNonce === order.nonce) return afterDeadNonce(order, context);
  if (transactions !== undefined) {
    const { block: searched } = transactions;
    if (searched.time.getTime() > order.nonce + NONCE_WINDOW_MS + INDEX_MARGIN_MS) {
      return { action: 'note_absent', block: searched };
    }
  }
  return whileNonceLives(order, context);
}

function onChain({
  hash,
  height,
  code,
  codespace,
  log,
}: Extract<TxLookup, { kind: 'included' }>): StatefulDecision {
  if (code === 0) return { action: 'note_included', hash, height };
  if (!MESSAGE_CODESPACES.includes(codespace)) return { action: 'note_failed', hash, height, code };
  return { action: 'note_dead', death: { cause: 'failed', height, tx_hash: hash, codespace, code, log } };
}

function isExpired(order: SignedStateful, block: Block): boolean {
  return block.time >= order.goodTilTime;
}

function mayLeave(order: SignedStateful, now: Date): boolean {
  return !order.isCancelRequested && order.held === undefined && !hasPassed(order.submitBy, now);
}

function whileNonceLives(
  order: SignedStateful,
  { now, block }: { readonly now: Date; readonly block: Block },
): StatefulDecision {
  const { outcome, transmissions, isFailed } = order.latestAttempt;
  const isUseless = isFailed || transmissions >= MAX_TRANSMISSIONS;
  if (isUseless || !mayLeave(order, now)) return { action: 'look_again' };
  const leftMs = order.nonce + NONCE_WINDOW_MS - block.time.getTime();
  switch (outcome) {
    case undefined:
    case 'doubt':
      return { action: leftMs > 0 ? 'resend' : 'look_again' };
    case 'deferred':
      return { action: leftMs > LAST_RESIGN_MS ? 'resign' : 'look_again' };
    case 'accepted':
    case 'known':
    case 'refused':
      return { action: 'look_again' };
  }
}

function afterDeadNonce(
  order: SignedStateful,
  { now, block }: { readonly now: Date; readonly block: Block },
): StatefulDecision {
  const { outcome, isNonceRefused } = order.latestAttempt;
  const isRefused = outcome === 'refused' && !isNonceRefused;
  const isTiredOf = order.latestAttempt.attempt >= MAX_ATTEMPTS;
  if (mayLeave(order, now) && !isRefused && !isTiredOf) return { action: 'sign' };
  // A halt may be lifted, and the order is still wanted then.
  const isGivenUp = order.isCancelRequested || isRefused || isTiredOf || hasPassed(order.submitBy, now);
  if (!isGivenUp) return { action: 'look_again' };
  const { height, time } = block;
  return {
    action: 'note_dead',
    death: { cause: 'never_included', height, block_time_ms: time.getTime() },
  };
}
