// Makes statuses true: reads height and fills of every subaccount that has orders of ours, in this order, and books
// what they prove. A claim gives a subaccount to one reader at a time; the cursor keeps readers whose claims overlapped
// from booking one page twice.
import type { Incident } from '../core/incidents.ts';
import type { Fill, Indexer, ListedOrder } from '../core/ports.ts';
import type { Telemetry } from '../core/telemetry.ts';
import type { Compared } from '../store/comparing.ts';
import type { Claimed, Cursor, Released } from '../store/cursors.ts';
import type { Booked, VenueReport } from '../store/reconciling.ts';
import type { Logs } from './submit.ts';

export type ReconcileDeps = {
  readonly indexer: Pick<Indexer, 'height' | 'fills' | 'orders'>;
  /** Those that are due, the most urgent first: nobody else reads them until they are released. @param deadAt store/cursors.ts */
  readonly claim: (deadAt: number) => Promise<readonly Claimed[]>;
  readonly release: (released: Released) => Promise<void>;
  /** Takes a request of the indexer's budget. false: none is left for now, do not ask */
  readonly mayAsk: (request: IndexerRequest) => Promise<boolean>;
  readonly book: (report: VenueReport) => Promise<Booked | undefined>;
  /** The venue's lists of orders against ours (store/comparing.ts). */
  readonly compare: (
    cursor: Cursor,
    open: readonly ListedOrder[],
    recent: readonly ListedOrder[],
  ) => Promise<Compared>;
  /** @returns those that are new */
  readonly recordIncidents: (incidents: readonly Incident[]) => Promise<readonly Incident[]>;
  /** The chain's newest block by a validator; undefined when it cannot be asked: nothing is settled then. */
  readonly chainHeight: () => number | undefined;
  /** fills a page; 200 keeps a page's transaction short */
  readonly pageSize: number;
  /** fills a page while there are more than one: fewer requests and commits; 1000 is the venue's limit */
  readonly catchUpSize: number;
  /** an order is settled so many blocks after its last */
  readonly marginBlocks: number;
  /** ms from one reading of a subaccount with active orders to the next */
  readonly intervalMs: number;
  /** ms, at most, from one reading of an idle subaccount to the next */
  readonly maxIdleMs: number;
  readonly log: Logs;
  readonly telemetry: Telemetry;
};

/** Fills that were heard of, or whose orders are to be settled; fills in their turn; a list of orders. */
export type IndexerRequest = 'urgent' | 'routine' | 'list';

export type ReconcileRun = { readonly fills: number; readonly settled: number };

/** Of subaccounts that are read at the same time: more wait for the database, fewer for the indexer. */
const PARALLEL = 4;
/** A subaccount that has more lets others have their turn. */
const MAX_PAGES = 20;
/** Idle subaccounts are read ever more seldom: late fills come there, too. */
const IDLE_FACTOR = 10;
const MAX_RETRY_AFTER_MS = 60_000;

/** One pass over the subaccounts that are due. Throws when the indexer's height or the database is not to be had. */
export async function reconcileAll(deps: ReconcileDeps): Promise<ReconcileRun> {
  const height = await deps.indexer.height();
  // Without a validator's word nothing is settled: then nothing is due for that.
  const waiting = [...(await deps.claim(deps.chainHeight() === undefined ? -1 : height - deps.marginBlocks))];
  const total = { fills: 0, settled: 0 };
  const work = async (): Promise<void> => {
    for (let cursor = waiting.shift(); cursor !== undefined; cursor = waiting.shift()) {
      const result = await reconcileClaimed(deps, cursor, height);
      total.fills += result.fills;
      total.settled += result.settled;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return total;
}

async function reconcileClaimed(deps: ReconcileDeps, cursor: Claimed, height: number): Promise<ReconcileRun> {
  const { owner, subaccountNumber, hasActive } = cursor;
  const idlePasses = hasActive ? 0 : cursor.idlePasses + 1;
  const later = (dueInMs: number) => deps.release({ owner, subaccountNumber, dueInMs, idlePasses });
  try {
    const result = await reconcileSubaccount(deps, cursor, height, cursor.isUrgent ? 'urgent' : 'routine');
    if (result.next === 'due' && cursor.isToCompare) await compareClaimed(deps, cursor);
    const waits = { now: 0, soon: deps.intervalMs, due: waitOf(deps, idlePasses) };
    await later(waits[result.next]);
    return result;
  } catch (error) {
    deps.telemetry.reconcileFailed();
    const message = error instanceof Error ? error.message : String(error);
    deps.log.warn(
      { owner, subaccount_number: subaccountNumber, error: message },
      'reconciliation failed, will repeat',
    );
    // What cannot be released becomes free by itself.
    await later(Math.max(deps.intervalMs, retryAfterOf(error))).catch(() => {});
    return { fills: 0, settled: 0 };
  }
}

/** What is found is told, and changes nothing; what cannot be compared now is compared in the next pass. */
async function compareClaimed(deps: ReconcileDeps, cursor: Claimed): Promise<void> {
  const { owner, subaccountNumber } = cursor;
  try {
    if (!(await deps.mayAsk('list')) || !(await deps.mayAsk('list'))) return;
    const open = await deps.indexer.orders(owner, subaccountNumber, true);
    const recent = await deps.indexer.orders(owner, subaccountNumber, false);
    const { unexplained, incidents } = await deps.compare(cursor, open, recent);
    for (const { id, market, side, size, status } of unexplained) {
      deps.telemetry.orderUnexplained();
      deps.log.error({ order_uuid: id, owner, market, side, size, status }, 'unexplained order');
    }
    tellIncidents(deps, incidents);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    deps.log.warn({ owner, subaccount_number: subaccountNumber, error: message }, 'orders were not compared');
  }
}

/** @param idlePasses in a row; 0: it has active orders */
function waitOf({ intervalMs, maxIdleMs }: ReconcileDeps, idlePasses: number): number {
  if (idlePasses === 0) return intervalMs;
  const idleMs = intervalMs * IDLE_FACTOR * 2 ** Math.min(idlePasses - 1, 20);
  return Math.max(intervalMs, Math.min(maxIdleMs, idleMs));
}

/** An indexer that is asked too often says for how long it will not answer. */
function retryAfterOf(error: unknown): number {
  return error instanceof Error && 'retryAfterMs' in error
    ? Math.min(Number(error.retryAfterMs) || 0, MAX_RETRY_AFTER_MS)
    : 0;
}

/** Blocks that an indexer may be ahead of our validator; more is another chain, or nonsense. */
const MAX_AHEAD_BLOCKS = 20;

/** due: the list was read to its end. now: it goes on where it stopped. soon: what was shown may not be all. */
type SubaccountRun = ReconcileRun & { readonly next: 'due' | 'now' | 'soon' };

/** Fills up to the end of the list, asked for after the height: so every fill up to that height has been read. */
export async function reconcileSubaccount(
  deps: ReconcileDeps,
  start: Cursor,
  indexerHeight: number,
  request: IndexerRequest = 'routine',
): Promise<SubaccountRun> {
  const height = await believedHeight(deps, start, indexerHeight);
  const run = { fills: 0, settled: 0, next: 'now' as const };
  let cursor = start;
  // The page that holds the last fill that was read: it must still be there, or the offset means nothing.
  let place = placeOf(cursor.fillsRead - 1, deps.pageSize);
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    if (!(await deps.mayAsk(request))) return run;
    const read = await readPage(deps, cursor, place);
    const known = Math.max(0, cursor.fillsRead - read.offset);
    if (known > 0 && read.fills[known - 1]?.id !== cursor.lastFillId) {
      run.fills += await readAgain(deps, cursor);
      return { ...run, next: 'soon' };
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
      run.fills += await readUpTo(deps, cursor, read.offset);
      booked = await deps.book(pageReport);
    }
    // Another replica was faster: its booking is as good as ours.
    if (booked === undefined) return run;
    run.fills += booked.bookings.length;
    run.settled += booked.settled.length;
    report(deps, booked);
    cursor = booked.cursor;
    if (read.isFull) place = placeOf(cursor.fillsRead, deps.catchUpSize);
    else if (!read.isWhole) return { ...run, next: 'soon' };
    else if (!booked.hasMore) return { ...run, next: 'due' };
  }
  return run;
}

/** Undefined: not to be believed, nothing is settled with it. */
async function believedHeight(
  deps: ReconcileDeps,
  cursor: Cursor,
  height: number,
): Promise<number | undefined> {
  const fields = { owner: cursor.owner, height };
  const chainHeight = deps.chainHeight();
  if (height < cursor.height) {
    deps.log.warn({ ...fields, was: cursor.height }, 'indexer height went backwards, nothing is settled');
    const subject = `${cursor.owner}/${cursor.subaccountNumber}`;
    const details = { height, was: cursor.height, chain_height: chainHeight ?? null };
    tellIncidents(deps, await deps.recordIncidents([{ kind: 'height_backwards', subject, details }]));
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

type Place = { readonly page: number; readonly size: number };

/** The page that holds the fill with that index, from 0. */
function placeOf(index: number, size: number): Place {
  return { page: Math.floor(Math.max(0, index) / size) + 1, size };
}

async function readPage(deps: ReconcileDeps, cursor: Cursor, { page, size }: Place): Promise<Page> {
  const { owner, subaccountNumber } = cursor;
  const { fills, totalResults } = await deps.indexer.fills(owner, subaccountNumber, page, size);
  const offset = (page - 1) * size;
  const end = offset + fills.length;
  const isFull = fills.length === size;
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
    const read = await readPage(deps, cursor, { page, size: deps.catchUpSize });
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
async function readUpTo(deps: ReconcileDeps, cursor: Cursor, offset: number): Promise<number> {
  const { owner, fillsRead, lastFillId } = cursor;
  deps.log.error({ owner, fills_read: fillsRead }, 'the list of fills has changed while it was read');
  let fills = 0;
  const size = deps.catchUpSize;
  for (let page = 1; (page - 1) * size < offset; page++) {
    const read = await readPage(deps, cursor, { page, size });
    const booked = await deps.book({ cursor, fills: read.fills, fillsRead, lastFillId, height: undefined });
    fills += booked?.bookings.length ?? 0;
    if (booked === undefined) return fills;
    report(deps, booked);
  }
  return fills;
}

function tellIncidents({ log, telemetry }: ReconcileDeps, incidents: readonly Incident[]): void {
  for (const { kind, subject, orderId, details } of incidents) {
    telemetry.incident(kind);
    log.error({ kind, subject, order_id: orderId, details }, 'incident');
  }
}

function report(deps: ReconcileDeps, booked: Booked): void {
  const { log, telemetry } = deps;
  tellIncidents(deps, booked.incidents);
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
