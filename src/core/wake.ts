// What to do with a recorded order whose time has come: a pure decision; src/app/wake.ts carries it out.
// Invariants: after its deadline nothing leaves any more; doubt is answered with the same bytes; a new signature
// never lives longer than the first one's good-til-block + the window.
import type { Outcome } from './answers.ts';

export type DueOrder = {
  readonly submitBy: Date | undefined;
  /** undefined until it was signed for the first time */
  readonly firstGoodTilBlock: number | undefined;
  /** blocks that a new signature lives */
  readonly goodTilBlocks: number;
  readonly latestAttempt:
    | {
        readonly goodTilBlock: number;
        readonly transmissions: number;
        /** undefined: nobody came back with an answer */
        readonly outcome: Outcome | undefined;
      }
    | undefined;
};

export type WakeContext = {
  readonly now: Date;
  /** newest committed block that is known */
  readonly height: number;
  /** how far above its first good-til-block an order may be re-signed; at most the venue's 40 */
  readonly resignWindowBlocks: number;
};

export type WakeDecision =
  | { readonly action: 'expire_unsent' }
  | { readonly action: 'sign' }
  | { readonly action: 'resend' }
  | { readonly action: 'resign'; readonly goodTilBlock: number }
  /** the venue would not take a later good-til-block yet */
  | { readonly action: 'wait' }
  /** nothing more to send: only the reconciler can end it */
  | { readonly action: 'await_proof' };

/** The venue takes good-til-blocks up to this many blocks ahead (41 by a node that is not behind). */
const VENUE_WINDOW_BLOCKS = 40;

/** The same bytes are not sent more often than this: a life of 40 blocks has room for no more. */
export const MAX_TRANSMISSIONS = 20;

export function decideWake(order: DueOrder, context: WakeContext): WakeDecision {
  const isLate = order.submitBy !== undefined && order.submitBy <= context.now;
  const { latestAttempt: attempt, firstGoodTilBlock } = order;
  if (attempt === undefined || firstGoodTilBlock === undefined) {
    return isLate ? { action: 'expire_unsent' } : { action: 'sign' };
  }
  if (isLate) return { action: 'await_proof' };
  switch (attempt.outcome) {
    case undefined:
    case 'doubt': {
      const isUseful = context.height < attempt.goodTilBlock && attempt.transmissions < MAX_TRANSMISSIONS;
      return isUseful ? { action: 'resend' } : { action: 'await_proof' };
    }
    case 'deferred': {
      const last = firstGoodTilBlock + context.resignWindowBlocks;
      // At least one block more: that node has seen these bytes and would swallow them.
      const wanted = Math.max(context.height + order.goodTilBlocks, attempt.goodTilBlock + 1);
      const goodTilBlock = Math.min(wanted, last);
      if (goodTilBlock <= attempt.goodTilBlock || goodTilBlock <= context.height)
        return { action: 'await_proof' };
      return goodTilBlock > context.height + VENUE_WINDOW_BLOCKS
        ? { action: 'wait' }
        : { action: 'resign', goodTilBlock };
    }
    case 'accepted':
    case 'known':
    case 'refused':
      return { action: 'await_proof' };
  }
}
