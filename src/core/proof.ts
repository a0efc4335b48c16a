// The evidence behind a final status, and its re-check from what is stored: the rows alone must show that nothing
// else can be true. Pure, so that anyone can run it years later.
import { createHash } from 'node:crypto';
import { canEndAsRejected, judge } from './answers.ts';
import { toAtoms } from './decimal.ts';
import { orderUuid } from './order-uuid.ts';
import type { OrderStatus, TimeInForce } from './status.ts';
import { VENUE_WINDOW_BLOCKS } from './wake.ts';

/** A timestamp nonce is taken in blocks whose time is at most this far from it. Source: accountplus timestampnonce.go. */
export const NONCE_WINDOW_MS = 30_000;

/** Modules that judge an order. What any other one refuses in a block was refused before the nonce was taken. */
export const MESSAGE_CODESPACES: readonly string[] = ['clob', 'subaccounts'];

/**
 * Why a stateful order cannot fill after a block; stored as orders.death, checked by a constraint. expired: a block's time
 * is past its good-til-time, and the state of that block or a later one is without it. removed: the chain's state had it
 * and has it no more. failed: its transaction is on chain, refused by its message. never_included: its nonces are past
 * their windows, and none of their transactions is on chain.
 */
export type Death =
  | { readonly cause: 'expired' | 'never_included'; readonly height: number; readonly block_time_ms: number }
  | { readonly cause: 'removed'; readonly height: number }
  | {
      readonly cause: 'failed';
      readonly height: number;
      readonly tx_hash: string;
      readonly codespace: string;
      readonly code: number;
      readonly log: string;
    };

/** Stored as orders.resolution. */
export type Resolution =
  | { readonly rule: 'filled'; readonly height: number; readonly fills: number }
  | {
      /** the indexer had every fill up to height, and height ≥ the block from which on nothing can fill */
      readonly rule: 'dead';
      readonly height: number;
      /** of a short-term order: the highest that was signed */
      readonly good_til_block?: number;
      /** of a stateful order */
      readonly death?: Death;
      readonly fills: number;
      /** the refusal that the order ended with, if no answer ever accepted it */
      readonly codespace?: string;
      readonly code?: number;
      readonly log?: string;
    }
  | { readonly rule: 'never_sent'; readonly cause: string; readonly at: string }
  | {
      /** refused for good in answer to the first and only transmission */
      readonly rule: 'refused';
      readonly codespace: string;
      readonly code: number;
      readonly log: string;
      readonly tx_hash: string;
    };

export type ProvenOrder = {
  readonly status: OrderStatus;
  readonly statusReason: string | null;
  readonly timeInForce: TimeInForce;
  readonly size: string;
  readonly filledSize: string;
  readonly cancelRequested: boolean;
  readonly orderUuid: string | null;
  readonly identity: Parameters<typeof orderUuid>[0] | undefined;
  readonly goodTilBlock: number | null;
  readonly goodTilTime: Date | null;
  /** a fill came after the end: it is not in the evidence, and was alarmed when it came */
  readonly hasLateFill: boolean;
  readonly resolution: Resolution | null;
};

export type ProvenAttempt = {
  /** of short-term orders */
  readonly goodTilBlock: number | null;
  /** of stateful orders */
  readonly nonce: number | null;
  readonly included: { readonly height: number; readonly code: number } | undefined;
  readonly absent: { readonly height: number; readonly time: Date } | undefined;
  readonly signedHeight: number;
  readonly txHash: string;
  readonly txBytes: Uint8Array;
  readonly transmissions: number;
  readonly outcome: string | null;
  readonly codespace: string | null;
  readonly code: number | null;
};

export type ProvenFill = { readonly size: string; readonly height: number };

/** @returns why the status is not proven; undefined when it is. */
export function whyUnproven(
  order: ProvenOrder,
  attempts: readonly ProvenAttempt[],
  fills: readonly ProvenFill[],
): string | undefined {
  const broken = whyRecordsBroken(order, attempts, fills);
  if (broken !== undefined) return broken;
  const { resolution } = order;
  if (resolution === null) return `${order.status} has no evidence`;
  const miscounted = 'fills' in resolution ? whyMiscounted(order, fills, resolution) : undefined;
  if (miscounted !== undefined) return miscounted;
  switch (resolution.rule) {
    case 'filled':
      if (order.status !== 'FILLED') return `evidence of a fill, but ${order.status}`;
      return toAtoms(order.filledSize) === toAtoms(order.size)
        ? undefined
        : 'fills do not add up to the size';
    case 'dead':
      return whyNotDead(order, attempts, resolution);
    case 'never_sent':
      if (attempts.length > 0 || fills.length > 0) return 'called never sent, but it was signed';
      return endsAs(order, ['CANCELLED', 'EXPIRED', 'REJECTED']);
    case 'refused':
      return whyNotRefused(order, attempts, fills, resolution);
  }
}

function whyRecordsBroken(
  order: ProvenOrder,
  attempts: readonly ProvenAttempt[],
  fills: readonly ProvenFill[],
): string | undefined {
  const sum = fills.reduce((total, fill) => total + toAtoms(fill.size), 0n);
  if (sum !== toAtoms(order.filledSize)) return `fills add up to another size than ${order.filledSize}`;
  if (order.identity !== undefined && order.orderUuid !== orderUuid(order.identity)) {
    return 'the order UUID is not that of its identity';
  }
  for (const attempt of attempts) {
    const hash = createHash('sha256').update(attempt.txBytes).digest('hex').toUpperCase();
    if (hash !== attempt.txHash) return `the signed bytes are not those of ${attempt.txHash}`;
  }
  const lastBlock = order.goodTilBlock;
  if (!isHighest(lastBlock, attempts)) return 'good_til_block is not the highest that was signed';
  const firstSigned = Math.min(...attempts.map((attempt) => attempt.signedHeight));
  const end = lastBlock ?? Number.POSITIVE_INFINITY;
  const stray = fills.find((fill) => fill.height < firstSigned || fill.height > end);
  if (stray !== undefined) return `a fill in block ${stray.height} lies outside the order's life`;
  return whyNoncesBroken(attempts);
}

/** After a recovery, which may have forgotten a signature, it is the highest that can have been signed (src/store/recovery.ts). */
function isHighest(block: number | null, attempts: readonly ProvenAttempt[]): boolean {
  const signed = attempts.flatMap((attempt) => attempt.goodTilBlock ?? []);
  if (block === null || signed.length === 0) return block === null && signed.length === 0;
  return block === Math.max(...signed) || block === Math.min(...signed) + VENUE_WINDOW_BLOCKS;
}

/** A chain takes a nonce once: a second one may only follow when nothing of the first can be carried out any more. */
function whyNoncesBroken(attempts: readonly ProvenAttempt[]): string | undefined {
  const last = Math.max(...attempts.map((attempt) => attempt.nonce ?? 0));
  const open = attempts.find(
    (attempt) => attempt.nonce !== null && attempt.nonce < last && !isShownDead(attempt),
  );
  return open === undefined ? undefined : `another nonce was used before ${open.txHash} was shown dead`;
}

/** On no block up to one that is past its window, or on one where it was refused. */
function isShownDead({ nonce, absent, included }: ProvenAttempt): boolean {
  if (nonce === null) return false;
  if (included !== undefined) return included.code !== 0;
  return absent !== undefined && absent.time.getTime() > nonce + NONCE_WINDOW_MS;
}

/** The evidence knew every fill up to its block. One that came late is known to be missing: it was alarmed. */
function whyMiscounted(
  order: ProvenOrder,
  fills: readonly ProvenFill[],
  evidence: Extract<Resolution, { readonly fills: number }>,
): string | undefined {
  const isBefore = (fill: ProvenFill) => evidence.rule === 'filled' || fill.height <= evidence.height;
  const counted = fills.filter(isBefore).length;
  const after = fills.find((fill) => !isBefore(fill));
  if (after !== undefined && !order.hasLateFill) return `a fill in block ${after.height} came after the end`;
  if (counted === evidence.fills || (order.hasLateFill && counted > evidence.fills)) return undefined;
  return `the evidence counts ${evidence.fills} fills up to block ${evidence.height}, there are ${counted}`;
}

function whyNotDead(
  order: ProvenOrder,
  attempts: readonly ProvenAttempt[],
  evidence: Extract<Resolution, { rule: 'dead' }>,
): string | undefined {
  if (attempts.length === 0) return 'called dead, but it was never signed';
  const alive =
    order.goodTilBlock === null
      ? whyDeathUnproven(order, attempts, evidence)
      : whyBlockUnproven(order.goodTilBlock, evidence);
  if (alive !== undefined) return alive;
  const hasFill = toAtoms(order.filledSize) > 0n;
  if (toAtoms(order.filledSize) === toAtoms(order.size)) return 'the fills add up to the size: it is FILLED';
  const cause = evidence.death?.cause;
  const wasNever = cause === 'failed' || cause === 'never_included';
  if (wasNever && hasFill && !order.hasLateFill) return `called ${cause}, but it has a fill`;
  if (cause === 'failed') return endsAs(order, [order.cancelRequested ? 'CANCELLED' : 'REJECTED']);
  if (evidence.code !== undefined || order.status === 'REJECTED') {
    return whyNotRejected(order, attempts, evidence, hasFill);
  }
  if (order.cancelRequested) return endsAs(order, ['CANCELLED']);
  if (cause === 'expired' || cause === 'never_included') return endsAs(order, ['EXPIRED']);
  if (cause === 'removed' && order.timeInForce !== 'IOC') return endsAs(order, ['CANCELLED']);
  if (order.timeInForce === 'IOC') {
    if (!hasFill && order.statusReason === 'ioc_remainder') return 'an IOC remainder without a fill';
    return endsAs(order, ['CANCELLED']);
  }
  return endsAs(order, ['EXPIRED']);
}

/** Refused, never taken, and without a fill: a refusal that an earlier delivery of ours may have caused. */
function whyNotRejected(
  order: ProvenOrder,
  attempts: readonly ProvenAttempt[],
  { codespace, code }: Extract<Resolution, { rule: 'dead' }>,
  hasFill: boolean,
): string | undefined {
  if (order.status !== 'REJECTED') return endsAs(order, ['REJECTED']);
  const isAccepted = attempts.some(
    ({ outcome, included }) => outcome === 'accepted' || outcome === 'known' || included?.code === 0,
  );
  const isRefused =
    codespace !== undefined &&
    code !== undefined &&
    canEndAsRejected(codespace, code) &&
    attempts.some((attempt) => attempt.codespace === codespace && attempt.code === code);
  return isRefused && !isAccepted && (!hasFill || order.hasLateFill)
    ? undefined
    : 'no refusal explains REJECTED';
}

function whyBlockUnproven(
  goodTilBlock: number,
  evidence: Extract<Resolution, { rule: 'dead' }>,
): string | undefined {
  if (goodTilBlock !== evidence.good_til_block) return 'signed again after it was called dead';
  if (evidence.height >= goodTilBlock) return undefined;
  return `block ${evidence.height} does not show the end of good-til-block ${goodTilBlock}`;
}

function whyDeathUnproven(
  order: ProvenOrder,
  attempts: readonly ProvenAttempt[],
  { height, death }: Extract<Resolution, { rule: 'dead' }>,
): string | undefined {
  if (death === undefined) return 'a stateful order without the cause of its death';
  if (height < death.height) return `block ${height} does not show what happened in block ${death.height}`;
  switch (death.cause) {
    case 'expired':
      return order.goodTilTime !== null && death.block_time_ms >= order.goodTilTime.getTime()
        ? undefined
        : 'called expired before its good_til_time';
    case 'removed':
      return attempts.some(({ included }) => included?.code === 0 && included.height <= death.height)
        ? undefined
        : 'called removed, but nothing shows that the chain had it';
    case 'failed': {
      const isOnChain = ({ included, txHash }: ProvenAttempt) =>
        txHash === death.tx_hash && included?.code === death.code && included.height === death.height;
      if (!attempts.some(isOnChain)) return 'called failed, but no attempt is on chain with that code';
      // Siblings share a nonce, which the chain takes once: the other one failed because this one was carried out.
      if (attempts.some(({ included }) => included?.code === 0))
        return 'called failed, but an attempt was carried out';
      // What is refused before its message leaves the nonce to a sibling.
      const isOpen = !MESSAGE_CODESPACES.includes(death.codespace) && !attempts.every(isShownDead);
      return isOpen ? 'called failed, but a sibling was not shown dead' : undefined;
    }
    case 'never_included':
      return attempts.every(isShownDead)
        ? undefined
        : 'called never included, but an attempt was not shown dead';
  }
}

function whyNotRefused(
  order: ProvenOrder,
  attempts: readonly ProvenAttempt[],
  fills: readonly ProvenFill[],
  evidence: Extract<Resolution, { rule: 'refused' }>,
): string | undefined {
  const [attempt] = attempts;
  if (attempts.length !== 1 || attempt === undefined)
    return `refused at once, but signed ${attempts.length} times`;
  if (attempt.transmissions !== 1) return `refused at once, but sent ${attempt.transmissions} times`;
  if (attempt.txHash !== evidence.tx_hash) return 'the refusal is of other bytes';
  if (attempt.codespace !== evidence.codespace || attempt.code !== evidence.code)
    return 'the refusal has another code';
  const { codespace, code, log } = evidence;
  if (!judge({ kind: 'check_tx', codespace, code, log }, 1).isRejection)
    return `${codespace}/${code} ends no order`;
  if (fills.length > 0) return 'refused, but it has a fill';
  return endsAs(order, ['REJECTED']);
}

function endsAs(order: ProvenOrder, allowed: readonly OrderStatus[]): string | undefined {
  return allowed.includes(order.status)
    ? undefined
    : `the evidence says ${allowed.join(' or ')}, not ${order.status}`;
}
