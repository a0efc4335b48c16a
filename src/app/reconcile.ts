// Makes statuses true: reads height and fills of every subaccount that has orders of ours, in this order, and books
// what they prove. The cursor in the database keeps runs of several replicas from booking one page twice.
import type { Indexer } from '../core/ports.ts';
import type { Booked, Cursor, CursorState, VenueReport } from '../store/reconciling.ts';
import type { Logs } from './submit.ts';

export type ReconcileDeps = {
  readonly indexer: Indexer;
  readonly listCursors: () => Promise<readonly CursorState[]>;
  readonly book: (report: VenueReport) => Promise<Booked | undefined>;
  readonly resetCursor: (cursor: Cursor) => Promise<void>;
  /** fills a page; 200 keeps a page's transaction short, 1000 is the venue's limit */
  readonly pageSize: number;
  readonly log: Logs;
};

export type ReconcileRun = { readonly fills: number; readonly settled: number };

/** Idle subaccounts are read in every n-th run: late fills come there, too. */
const IDLE_EVERY = 10;

/** One pass over the subaccounts. @param run counts the passes */
export async function reconcileAll(deps: ReconcileDeps, run: number): Promise<ReconcileRun> {
  const cursors = await deps.listCursors();
  let fills = 0;
  let settled = 0;
  for (const cursor of cursors) {
    if (!cursor.hasActive && run % IDLE_EVERY !== 0) continue;
    try {
      const result = await reconcileSubaccount(deps, cursor);
      fills += result.fills;
      settled += result.settled;
    } catch (error) {
      const { owner, subaccountNumber } = cursor;
      const message = error instanceof Error ? error.message : String(error);
      deps.log.warn(
        { owner, subaccount_number: subaccountNumber, error: message },
        'reconciliation failed, will repeat',
      );
    }
  }
  return { fills, settled };
}

/** Height first, then fills up to the end of the list: so every fill up to that height has been read. */
export async function reconcileSubaccount(deps: ReconcileDeps, start: Cursor): Promise<ReconcileRun> {
  const { owner, subaccountNumber } = start;
  const height = await deps.indexer.height();
  const isBackwards = height < start.height;
  if (isBackwards) {
    deps.log.error({ owner, height, was: start.height }, 'indexer height went backwards, nothing is settled');
  }
  let cursor = start;
  let fills = 0;
  let settled = 0;
  // The page that holds the last fill that was read: it must still be there, or the offset means nothing.
  let page = Math.floor(Math.max(0, cursor.fillsRead - 1) / deps.pageSize) + 1;
  for (;;) {
    const offset = (page - 1) * deps.pageSize;
    const read = await deps.indexer.fills(owner, subaccountNumber, page, deps.pageSize);
    const known = Math.max(0, cursor.fillsRead - offset);
    if (known > 0 && read.fills[known - 1]?.id !== cursor.lastFillId) {
      deps.log.error(
        { owner, fills_read: cursor.fillsRead },
        'the list of fills has changed, it will be read again',
      );
      await deps.resetCursor(cursor);
      return { fills, settled };
    }
    const isLastPage = read.fills.length < deps.pageSize;
    const booked = await deps.book({
      cursor,
      fills: read.fills.slice(known),
      fillsRead: offset + read.fills.length,
      lastFillId: read.fills.at(-1)?.id ?? cursor.lastFillId,
      height: isLastPage && !isBackwards ? height : undefined,
    });
    // Another replica was faster: its booking is as good as ours.
    if (booked === undefined) return { fills, settled };
    fills += booked.bookings.length;
    settled += booked.settled.length;
    report(deps.log, booked);
    cursor = booked.cursor;
    if (!isLastPage) page += 1;
    else if (!booked.hasMore) return { fills, settled };
  }
}

function report(log: Logs, booked: Booked): void {
  for (const { order, fill, status, isLate } of booked.bookings) {
    const fields = {
      order_id: order.id,
      fill_id: fill.id,
      size: fill.size,
      price: fill.price,
      height: fill.height,
    };
    if (isLate) log.error({ ...fields, status }, 'late fill after a final status');
    else log.debug({ ...fields, status }, 'fill booked');
  }
  for (const { fill, reason } of booked.unexplained) {
    log.error({ fill_id: fill.id, order_uuid: fill.orderUuid, reason }, 'unexplained fill');
  }
  for (const { order, status, reason, height } of booked.settled) {
    log.debug({ order_id: order.id, status, reason, height }, 'order settled');
  }
}
