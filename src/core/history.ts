// The history of an order, replayed: it must lead, change by change, to what its row says. A row that was changed past
// the trigger, or a history with a gap, shows here. Pure.
import { toAtoms } from './decimal.ts';
import type { OrderStatus } from './status.ts';
import { isAllowed } from './transition.ts';

/** One row of order_status_history; sizes are decimal strings. */
export type HistoryChange = {
  readonly oldStatus: OrderStatus | null;
  readonly newStatus: OrderStatus;
  readonly filledSize: string | null;
  readonly remainingSize: string | null;
  readonly fillPrice: string | null;
  /** of a final status, when the row brought some; else null */
  readonly evidence: unknown;
};

/** Of the order's row, what its history must lead to. */
export type HistoryEnd = {
  readonly status: OrderStatus;
  readonly size: string;
  readonly filledSize: string;
  readonly lastFillPrice: string | null;
  readonly resolution: unknown;
};

/** @param changes in the order of seq @returns why they do not lead to the row; undefined when they do */
export function whyHistoryBroken(order: HistoryEnd, changes: readonly HistoryChange[]): string | undefined {
  const size = toAtoms(order.size);
  let status: OrderStatus | null = null;
  let filled = 0n;
  let lastFillPrice: string | null = null;
  let evidence: unknown = null;
  for (const [index, change] of changes.entries()) {
    const at = `history row ${index + 1}`;
    if (change.oldStatus !== status)
      return `${at} starts from ${change.oldStatus}, the one before ended in ${status}`;
    if (change.filledSize === null || change.remainingSize === null) return `${at} has no sizes`;
    const nextFilled = toAtoms(change.filledSize);
    if (nextFilled + toAtoms(change.remainingSize) !== size)
      return `${at} has sizes that are not the order's`;
    if (nextFilled < filled) return `${at} takes back a fill`;
    const isFill = nextFilled > filled;
    if (isFill !== (change.fillPrice !== null) && status !== null)
      return `${at} has a fill without its price, or a price without its fill`;
    if (status === change.newStatus && !isFill) return `${at} changes nothing`;
    if (status !== null && status !== change.newStatus && !isAllowed(status, change.newStatus)) {
      return `${at} goes from ${status} to ${change.newStatus}`;
    }
    status = change.newStatus;
    filled = nextFilled;
    lastFillPrice = change.fillPrice ?? lastFillPrice;
    evidence = change.evidence ?? evidence;
  }
  if (status !== order.status) return `the history ends in ${status}, the order is ${order.status}`;
  if (filled !== toAtoms(order.filledSize)) return 'the history ends with another filled size than the order';
  if (!isSamePrice(lastFillPrice, order.lastFillPrice))
    return 'the history ends with another fill price than the order';
  if (JSON.stringify(evidence) !== JSON.stringify(order.resolution))
    return 'the history ends with other evidence than the order';
  return undefined;
}

function isSamePrice(a: string | null, b: string | null): boolean {
  return a === null || b === null ? a === b : toAtoms(a) === toAtoms(b);
}
