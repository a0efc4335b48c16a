// Makes statuses true: reads height and fills of every subaccount that has orders of ours, in this order, and books
// what they prove. The cursor in the database keeps runs of several replicas from booking one page twice.
import type { Fill, Indexer } from '../core/ports.ts';
import type { Telemetry } from '../core/telemetry.ts';
import type { Booked, Cursor, CursorState, VenueReport } from '../store/reconciling.ts';
import type { Logs } from './submit.ts';

export type ReconcileDeps = {
  readonly indexer: Indexer;
  readonly listCursors: () => Promise<readonly CursorState[]>;
  readonly book: (report: VenueReport) => Promise<Booked | undefined>;
  /** The chain's newest block by a validator; undefined when it cannot be asked: nothing is settled then. */
  readonly chainHeight: () => number | undefined;
  /** fills a page; 200 keeps a page's transaction short, 1000 is the venue's limit */
  readonly pageSize: number;
  readonly log: Logs;
  readonly telemetry: Telemetry;
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
      deps.telemetry.reconcileFailed();
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

/** Blocks that an indexer may be ahead of our validator; more is another chain, or nonsense. */
const MAX_AHEAD_BLOCKS = 20;

/** Height first, then fills up to the end of the list: so every fill up to that height has been read. */
export async function reconcileSubaccount(deps: ReconcileDeps, start: Cursor): Promise<ReconcileRun> {
  const height = believedHeight(deps, start, await deps.indexer.height());
  const run = { fills: 0, settled: 0 };
  let cursor = start;
  // The page that holds the last fill that was read: it must still be there, or the offset means nothing.
  let page = pageOf(deps, cursor.fillsRead - 1);
  for (;;) {
    const read = await readPage(deps, cursor, page);
    const known = Math.max(0, cursor.fillsRead - read.offset);
    if (known > 0 && read.fills[known - 1]?.id !== cursor.lastFillId) {
      run.fills += await readAgain(deps, cursor);
      return run;
    }
    const pageReport: VenueReport = {
      cursor,
      fills: read.fills.slice(known),
      fillsRead: read.end,
      lastFillId: read.fills.at(-1)?.id ?? cursor.lastFillId,
      height: read.isWhole ? height : undefined,
    };
    const isFollowing = known === 0 && cursor.fillsRead > 0;
    let booked = await deps.book({ ...pageReport, isFollowing });
    if (booked?.isShifted) {
      run.fills += booked.bookings.length;
      report(deps, booked);
      run.fills += await readUpTo(deps, cursor, page);
      booked = await deps.book(pageReport);
    }
    // Another replica was faster: its booking is as good as ours.
    if (booked === undefined) return run;
    run.fills += booked.bookings.length;
    run.settled += booked.settled.length;
    report(deps, booked);
    cursor = booked.cursor;
    if (read.isFull) page += 1;
    else if (!booked.hasMore || !read.isWhole) return run;
  }
}

/** Undefined: not to be believed, nothing is settled with it. */
function believedHeight(deps: ReconcileDeps, cursor: Cursor, height: number): number | undefined {
  const fields = { owner: cursor.owner, height };
  const chainHeight = deps.chainHeight();
  if (height < cursor.height) {
    deps.log.error({ ...fields, was: cursor.height }, 'indexer height went backwards, nothing is settled');
    return undefined;
  }
  if (chainHeight === undefined) {
    deps.log.warn(fields, 'no validator confirms the indexer height, nothing is settled');
    return undefined;
  }
  if (height > chainHeight + MAX_AHEAD_BLOCKS) {
    deps.log.error(
      { ...fields, chain_height: chainHeight },
      'indexer height is ahead of the chain, nothing is settled',
    );
    return undefined;
  }
  return height;
}

type Page = {
  readonly fills: readonly Fill[];
  readonly offset: number;
  /** offset behind the last of them */
  readonly end: number;
  readonly isFull: boolean;
  /** the list ends here, and is as long as the venue says */
  readonly isWhole: boolean;
};

function pageOf(deps: ReconcileDeps, index: number): number {
  return Math.floor(Math.max(0, index) / deps.pageSize) + 1;
}

async function readPage(deps: ReconcileDeps, cursor: Cursor, page: number): Promise<Page> {
  const { fills, totalResults } = await deps.indexer.fills(
    cursor.owner,
    cursor.subaccountNumber,
    page,
    deps.pageSize,
  );
  const offset = (page - 1) * deps.pageSize;
  const end = offset + fills.length;
  const isFull = fills.length === deps.pageSize;
  // Shorter than its own count is a stale or broken answer: good for booking, not for proof.
  return { fills, offset, end, isFull, isWhole: !isFull && end === totalResults };
}

/**
 * The last fill is not where it was. The list is read from its start; what it holds is booked, and only when the
 * last fill is found again is its new place believed. Until then nothing is settled: a list that lacks what was
 * booked before proves nothing.
 */
async function readAgain(deps: ReconcileDeps, cursor: Cursor): Promise<number> {
  const { owner, fillsRead, lastFillId } = cursor;
  deps.log.error({ owner, fills_read: fillsRead, last_fill_id: lastFillId }, 'the list of fills has changed');
  let fills = 0;
  const seen = new Set<string>();
  let isSteady = true;
  for (let page = 1; ; page++) {
    const read = await readPage(deps, cursor, page);
    // Once more on a later page: the list has changed again, before a page that was read already.
    isSteady &&= read.fills.every(({ id }) => !seen.has(id));
    for (const { id } of read.fills) seen.add(id);
    const place = read.fills.findIndex(({ id }) => id === lastFillId);
    const isFound = place !== -1 && isSteady;
    const booked = await deps.book({
      cursor,
      fills: read.fills,
      fillsRead: isFound ? read.offset + place + 1 : fillsRead,
      lastFillId,
      height: undefined,
    });
    fills += booked?.bookings.length ?? 0;
    if (booked !== undefined) report(deps, booked);
    if (place !== -1 || booked === undefined || !read.isFull) return fills;
  }
}

/** Between two pages others were put in before the second one: what lies before it is read once more, and booked. */
async function readUpTo(deps: ReconcileDeps, cursor: Cursor, end: number): Promise<number> {
  const { owner, fillsRead, lastFillId } = cursor;
  deps.log.error({ owner, fills_read: fillsRead }, 'the list of fills has changed while it was read');
  let fills = 0;
  for (let page = 1; page < end; page++) {
    const read = await readPage(deps, cursor, page);
    const booked = await deps.book({ cursor, fills: read.fills, fillsRead, lastFillId, height: undefined });
    fills += booked?.bookings.length ?? 0;
    if (booked === undefined) return fills;
    report(deps, booked);
  }
  return fills;
}

function report({ log, telemetry }: ReconcileDeps, booked: Booked): void {
  for (const { order, fill, status, isLate, resolution } of booked.bookings) {
    telemetry.fillBooked(fill.createdAt, isLate);
    if (resolution !== undefined) telemetry.ended(status);
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
    telemetry.fillUnexplained();
    log.error({ fill_id: fill.id, order_uuid: fill.orderUuid, reason }, 'unexplained fill');
  }
  for (const { order, status, reason, height } of booked.settled) {
    telemetry.ended(status);
    log.debug({ order_id: order.id, status, reason, height }, 'order settled');
  }
}
