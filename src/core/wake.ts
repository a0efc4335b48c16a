// What to do with a recorded order whose time has come: a pure decision; src/app/wake.ts carries it out. Of what was never
// signed, and of short-term orders; src/core/stateful.ts decides on the others once they are signed.
// Invariants: after its deadline, under a halt and after a cancel nothing leaves any more; doubt is answered with the same
// bytes; a new signature never lives longer than the first one's good-til-block + the window.
import type { Outcome } from './answers.ts';
import type { Held } from './gate.ts';

/** What is known of every recorded order, whatever its flags. */
export type Unsigned = {
  readonly submitBy: Date | undefined;
  /** of stateful orders: not sent after it either */
  readonly goodTilTime: Date | undefined;
  readonly isCancelRequested: boolean;
  readonly held: Held | undefined;
};

export type UnsignedDecision =
  /** it ends without ever having been sent */
  | {
      readonly action: 'end_unsent';
      readonly status: 'CANCELLED' | 'EXPIRED' | 'REJECTED';
      readonly cause: string;
    }
  | { readonly action: 'sign' }
  /** whether it may be sent is not known now */
  | { readonly action: 'wait' };

export function decideUnsigned(order: Unsigned, now: Date): UnsignedDecision {
  const end = (status: 'CANCELLED' | 'EXPIRED' | 'REJECTED', cause: string) =>
    ({ action: 'end_unsent', status, cause }) as const;
  if (order.isCancelRequested) return end('CANCELLED', 'cancelled before it was sent');
  if (hasPassed(order.submitBy, now)) return end('EXPIRED', 'submit_by has passed');
  if (hasPassed(order.goodTilTime, now)) return end('EXPIRED', 'good_til_time has passed');
  if (order.held === undefined) return { action: 'sign' };
  return order.held.mode === 'UNKNOWN' ? { action: 'wait' } : end('REJECTED', order.held.reason);
}

export function hasPassed(time: Date | undefined, now: Date): boolean {
  return time !== undefined && time <= now;
}

/** A short-term order that was signed. */
export type DueOrder = {
  readonly submitBy: Date | undefined;
  readonly isCancelRequested: boolean;
  readonly held: Held | undefined;
  readonly firstGoodTilBlock: number;
  /** blocks that a new signature lives */
  readonly goodTilBlocks: number;
  readonly latestAttempt: {
    readonly goodTilBlock: number;
    readonly transmissions: number;
    /** undefined: nobody came back with an answer */
    readonly outcome: Outcome | undefined;
  };
};

export type WakeContext = {
  readonly now: Date;
  /** newest committed block that is known */
  readonly height: number;
  /** how far above its first good-til-block an order may be re-signed; at most the venue's 40 */
  readonly resignWindowBlocks: number;
};

export type WakeDecision =
  | { readonly action: 'resend' }
  | { readonly action: 'resign'; readonly goodTilBlock: number }
  /** a cancel that keeps nodes from taking what may still be on its way */
  | { readonly action: 'fence' }
  /** the venue would not take a later good-til-block yet, or nothing may leave now */
  | { readonly action: 'wait' }
  /** nothing more to send: only the reconciler can end it */
  | { readonly action: 'await_proof' };

/** The venue takes good-til-blocks up to this many blocks ahead (41 by a node that is not behind). */
export const VENUE_WINDOW_BLOCKS = 40;

/** The same bytes are not sent more often than this: a life of 40 blocks has room for no more. */
export const MAX_TRANSMISSIONS = 20;

export function decideWake(order: DueOrder, context: WakeContext): WakeDecision {
  const { latestAttempt: attempt, firstGoodTilBlock } = order;
  const isOver = context.height >= attempt.goodTilBlock;
  if (isOver && (order.isCancelRequested || attempt.outcome !== 'deferred')) return { action: 'await_proof' };
  if (order.isCancelRequested) return { action: 'fence' };
  if (hasPassed(order.submitBy, context.now)) return { action: 'await_proof' };
  switch (attempt.outcome) {
    case undefined:
    case 'doubt':
      if (attempt.transmissions >= MAX_TRANSMISSIONS) return { action: 'await_proof' };
      return { action: order.held === undefined ? 'resend' : 'wait' };
    case 'deferred': {
      const last = firstGoodTilBlock + context.resignWindowBlocks;
      // At least one block more: that node has seen these bytes and would swallow them.
      const wanted = Math.max(context.height + order.goodTilBlocks, attempt.goodTilBlock + 1);
      const goodTilBlock = Math.min(wanted, last);
      if (goodTilBlock <= attempt.goodTilBlock || goodTilBlock <= context.height)
        return { action: 'await_proof' };
      return order.held !== undefined || goodTilBlock > context.height + VENUE_WINDOW_BLOCKS
        ? { action: 'wait' }
        : { action: 'resign', goodTilBlock };
    }
    case 'accepted':
    case 'known':
    case 'refused':
      return { action: 'await_proof' };
  }
}
