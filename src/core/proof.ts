// The evidence behind a final status, and its re-check from what is stored: the rows alone must show that nothing
// else can be true. Pure, so that anyone can run it years later.
import { createHash } from 'node:crypto';
import { canEndAsRejected, judge } from './answers.ts';
import { toAtoms } from './decimal.ts';
import { orderUuid } from './order-uuid.ts';
import type { OrderStatus, TimeInForce } from './status.ts';

/** Stored as orders.resolution. */
export type Resolution =
  | { readonly rule: 'filled'; readonly height: number; readonly fills: number }
  | {
      /** the indexer had every fill up to height, and height ≥ the highest signed good-til-block */
      readonly rule: 'dead';
      readonly height: number;
      readonly good_til_block: number;
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
  /** a fill came after the end: it is not in the evidence, and was alarmed when it came */
  readonly hasLateFill: boolean;
  readonly resolution: Resolution | null;
};

export type ProvenAttempt = {
  readonly goodTilBlock: number;
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
  const lastBlock = Math.max(...attempts.map((attempt) => attempt.goodTilBlock));
  if (attempts.length > 0 && lastBlock !== order.goodTilBlock) {
    return 'good_til_block is not the highest that was signed';
  }
  const firstSigned = Math.min(...attempts.map((attempt) => attempt.signedHeight));
  const stray = fills.find((fill) => fill.height < firstSigned || fill.height > lastBlock);
  return stray === undefined ? undefined : `a fill in block ${stray.height} lies outside the order's life`;
}

/** The evidence knew every fill up to its block. One that came late is known to be missing: it was alarmed. */
function whyMiscounted(
  order: ProvenOrder,
  fills: readonly ProvenFill[],
  evidence: Extract<Resolution, { readonly fills: number }>,
): string | undefined {
  const isBefore = (fill: ProvenFill) => evidence.rule === 'filled' || fill.height <= evidence.height;
  const counted = fills.filter(isBefore).length;
  if (counted === evidence.fills || (order.hasLateFill && counted > evidence.fills)) return undefined;
  return `the evidence counts ${evidence.fills} fills up to block ${evidence.height}, there are ${counted}`;
}

function whyNotDead(
  order: ProvenOrder,
  attempts: readonly ProvenAttempt[],
  evidence: Extract<Resolution, { rule: 'dead' }>,
): string | undefined {
  if (attempts.length === 0) return 'called dead, but it was never signed';
  if (order.goodTilBlock !== evidence.good_til_block) return 'signed again after it was called dead';
  if (evidence.height < evidence.good_til_block) {
    return `block ${evidence.height} does not show the end of good-til-block ${evidence.good_til_block}`;
  }
  const hasFill = toAtoms(order.filledSize) > 0n;
  if (toAtoms(order.filledSize) === toAtoms(order.size)) return 'the fills add up to the size: it is FILLED';
  if (evidence.code !== undefined || order.status === 'REJECTED') {
    if (order.status !== 'REJECTED') return endsAs(order, ['REJECTED']);
    const isAccepted = attempts.some(
      (attempt) => attempt.outcome === 'accepted' || attempt.outcome === 'known',
    );
    const { codespace, code } = evidence;
    const isRefused =
      codespace !== undefined &&
      code !== undefined &&
      canEndAsRejected(codespace, code) &&
      attempts.some((attempt) => attempt.codespace === codespace && attempt.code === code);
    return isRefused && !isAccepted && (!hasFill || order.hasLateFill)
      ? undefined
      : 'no refusal explains REJECTED';
  }
  if (order.cancelRequested) return endsAs(order, ['CANCELLED']);
  if (order.timeInForce === 'IOC') {
    if (!hasFill && order.statusReason === 'ioc_remainder') return 'an IOC remainder without a fill';
    return endsAs(order, ['CANCELLED']);
  }
  return endsAs(order, ['EXPIRED']);
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
