// What to do with a signed stateful order: a pure decision from its row and from what the chain was asked; src/app/
// stateful.ts asks and carries it out. Invariants: no answer to a transmission is a death; another nonce is used only after
// the one before was shown dead with nothing of it on chain; what cannot be asked leaves the order as it is.
import type { Outcome } from './answers.ts';
import type { Held } from './gate.ts';
import type { Block, StatefulLookup, TxLookup } from './ports.ts';
import { type Death, NONCE_WINDOW_MS } from './proof.ts';
import { hasPassed, MAX_TRANSMISSIONS } from './wake.ts';

/** A node's index of transactions follows its blocks: it is believed of blocks that are older than this. */
const INDEX_MARGIN_MS = 5_000;
/** So close to its time an order that is gone may have expired in a block that is not known here yet. */
const END_MARGIN_MS = 10_000;
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
  };
};

/** What the chain has to be asked before anything is decided. */
export type StatefulQuestion = 'nothing' | 'transactions' | 'order';

export function questionOf(order: SignedStateful): StatefulQuestion {
  if (order.isDead) return 'nothing';
  if (order.includedHeight !== undefined) return 'order';
  return order.deadNonce === order.nonce ? 'nothing' : 'transactions';
}

/** What the chain says; unknown: it could not be asked. */
export type ChainFinding =
  | { readonly kind: 'unknown' }
  /** of all attempts: one is on chain, or none up to that block */
  | { readonly kind: 'transactions'; readonly lookup: TxLookup }
  | { readonly kind: 'order'; readonly lookup: StatefulLookup };

export type StatefulDecision =
  /** an attempt was carried out: the order is in the chain's state from there */
  | { readonly action: 'note_included'; readonly height: number; readonly hash: string }
  /** nothing of this nonce is on chain, and the chain will not take it any more */
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
  if (finding.kind === 'transactions' && finding.lookup.kind === 'included') {
    const { hash, height, code, codespace, log } = finding.lookup;
    if (code === 0) return { action: 'note_included', hash, height };
    const death = { cause: 'failed', height, tx_hash: hash, codespace, code, log } as const;
    return { action: 'note_dead', death };
  }
  // No node takes it any more, and one that has it removes it. What removed it shortly before nobody can tell.
  if (isExpired(order, block)) return { action: 'note_dead', death: expired(block) };
  if (finding.kind === 'order' && finding.lookup.kind === 'absent') {
    // The node that was asked may be at a later block than the newest that is known here.
    const isNearItsEnd = order.goodTilTime.getTime() - block.time.getTime() < END_MARGIN_MS;
    if (isNearItsEnd) return { action: 'look_again' };
    return { action: 'note_dead', death: { cause: 'removed', height: finding.lookup.height } };
  }
  if (order.includedHeight !== undefined) return { action: 'look_again' };
  if (order.deadNonce === order.nonce) return afterDeadNonce(order, context);
  if (finding.kind === 'transactions' && finding.lookup.kind === 'absent') {
    const { block: searched } = finding.lookup;
    if (searched.time.getTime() > order.nonce + NONCE_WINDOW_MS + INDEX_MARGIN_MS) {
      return { action: 'note_absent', block: searched };
    }
  }
  return whileNonceLives(order, context);
}

function isExpired(order: SignedStateful, block: Block): boolean {
  return block.time >= order.goodTilTime;
}

function expired({ height, time }: Block): Death {
  return { cause: 'expired', height, block_time_ms: time.getTime() };
}

function mayLeave(order: SignedStateful, now: Date): boolean {
  return !order.isCancelRequested && order.held === undefined && !hasPassed(order.submitBy, now);
}

function whileNonceLives(
  order: SignedStateful,
  { now, block }: { readonly now: Date; readonly block: Block },
): StatefulDecision {
  const { outcome, transmissions } = order.latestAttempt;
  if (!mayLeave(order, now) || transmissions >= MAX_TRANSMISSIONS) return { action: 'look_again' };
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
