// Moves old final orders with all that belongs to them into the archive, batch by batch: each is one transaction of a fraction
// of a second, so whatever breaks it off leaves whole orders on either side, and the next run goes on. SQL chooses,
// compares and moves (migrations/000009_archive.sql); here is only how much at a time.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import type { Database } from './database.ts';
import type { Run, Work } from './maintenance.ts';
import { sqlstateOf } from './sqlstate.ts';

export type ArchiveOptions = {
  /** only orders that were created longer ago */
  readonly olderThanDays: number;
  /** at most so many orders; default: all */
  readonly limit?: number | undefined;
  /** Leaves most of the time to traffic. */
  readonly isPaced: boolean;
  /** Past a pooler: a run that is not paced then works on a second session as well, for a session has one processor. */
  readonly url?: string | undefined;
  /** Told of every transaction, with its round trip. */
  readonly onBatch?: (ms: number) => void;
};

/** Rows are looked at by ids, which ascend with time; both ends are told for each of the ranges that can hold old orders. */
type Range = { readonly after: string; readonly upTo: string };

type Batch = {
  readonly last_id: string | null;
  readonly orders_moved: number;
  readonly history_moved: number;
  readonly fills_moved: number;
  readonly attempts_moved: number;
  readonly cancels_moved: number;
  readonly active: number;
  readonly in_doubt: number;
  readonly changed_lately: number;
  readonly locked: number;
};

const FIRST_SIZE = 100;
/** Below it a batch costs what it costs to begin one. */
const MIN_SIZE = 20;
/** Above it there is nothing to gain, and arrays of ids grow long. */
const MAX_SIZE = 5_000;
/** No transaction shall take more than 250 ms: the rest is room for a disk that is slow for once. */
const AIM_MS = 100;
/** While it runs others wait for the processor and the log. Shorter: 10 ms of it go to planning, whatever it moves. */
const PACED_AIM_MS = 40;
/** Of the time that a batch took: a fifth of one processor's time is taken. */
const PACED_REST = 4;
/** Its own statements pass over rows that are locked; what it may wait for is somebody who changes the schema. */
const LOCK_TIMEOUT = '1s';
/** Far from any intent: the batch is then tried again smaller. */
const BATCH_TIMEOUT = '10s';
const MOVED = ['orders', 'order_status_history', 'order_fills', 'order_attempts', 'cancel_transactions'];
const SETTINGS = `SET lock_timeout = '${LOCK_TIMEOUT}'; SET statement_timeout = '${BATCH_TIMEOUT}'`;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_FAILURES = 5;
/** serialization_failure, deadlock_detected, lock_not_available, query_canceled: by its timeout */
const PASSING = new Set(['40001', '40P01', '55P03', '57014']);

const NOTHING = {
  orders: 0,
  history: 0,
  fills: 0,
  attempts: 0,
  cancels: 0,
  batches: 0,
  left_active: 0,
  left_in_doubt: 0,
  left_changed_lately: 0,
  left_locked: 0,
};
const COUNTED = Object.keys(NOTHING) as (keyof typeof NOTHING)[];

export function archive(options: ArchiveOptions): Work {
  return async (run: Run) => {
    await run.session.query(SETTINGS);
    await requireColumns(run);
    const { olderThan, firstMs, ranges } = await whereToLook(run, options.olderThanDays);
    const counts = { ...NOTHING };
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    let share = 0;
    const told = (batch: Batch, last: string) => {
      addTo(counts, batch);
      share = Math.max(share, shareOf(counts.orders / limit, last, firstMs, olderThan));
      run.progress({ ...counts }, share);
    };
    const windows = createWindows(ranges);
    const failing = new AbortController();
    const signal = AbortSignal.any([run.signal, failing.signal]);
    const lane = async (session: pg.Client) => {
      let size = FIRST_SIZE;
      while (counts.orders < limit) {
        const window = await windows.take(session, Math.min(size, limit - counts.orders));
        if (window === undefined) return;
        for (let after: string | null = window.after; after !== null; ) {
          signal.throwIfAborted();
          const asked = { olderThan, after, upTo: window.upTo, size };
          const { batch, ms, size: tried } = await moveBatch(session, signal, asked);
          options.onBatch?.(ms);
          after = batch.last_id === window.upTo ? null : batch.last_id;
          size = sizeAfter(tried, batch.orders_moved, ms, options.isPaced ? PACED_AIM_MS : AIM_MS);
          told(batch, after ?? window.upTo);
          if (options.isPaced) await delay(ms * PACED_REST, undefined, { signal });
        }
      }
    };
    await using second = await openSecond(options);
    const sessions = second === undefined ? [run.session] : [run.session, second];
    // The other one ends after its batch.
    await Promise.all(sessions.map((session) => lane(session).catch((error) => failing.abort(error))));
    signal.throwIfAborted();
    run.progress({ ...counts }, 1);
    return counts;
  };
}

type Windows = {
  /** The next so many orders, for one lane; undefined: there are no more. */
  readonly take: (session: pg.Client, size: number) => Promise<Range | undefined>;
};

/** One after the other, so that no two are the same. */
function createWindows(ranges: readonly Range[]): Windows {
  const left = [...ranges];
  let turn: Promise<unknown> = Promise.resolve();
  const next = async (session: pg.Client, size: number): Promise<Range | undefined> => {
    const [range] = left;
    if (range === undefined) return undefined;
    const { rows } = await session.query<{ id: string }>(
      'SELECT id FROM orders WHERE id > $1 AND id <= $2 ORDER BY id LIMIT 1 OFFSET $3',
      [range.after, range.upTo, size - 1],
    );
    const [last] = rows;
    if (last === undefined) left.shift();
    else left[0] = { after: last.id, upTo: range.upTo };
    return { after: range.after, upTo: last?.id ?? range.upTo };
  };
  return {
    take: (session, size) => {
      const taken = turn.then(() => next(session, size));
      turn = taken.catch(() => {});
      return taken;
    },
  };
}

/** Undefined where one is enough: paced, or with a limit, which two could pass by a batch. */
async function openSecond({ url, isPaced, limit }: ArchiveOptions) {
  if (url === undefined || isPaced || limit !== undefined) return undefined;
  const session = new pg.Client({
    connectionString: url,
    application_name: 'dydx-order-router archive',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // A statement on it tells.
  session.on('error', () => {});
  await session.connect();
  await session.query(SETTINGS);
  return Object.assign(session, { [Symbol.asyncDispose]: () => session.end() });
}

/** Before anything moves: else batches without a row of that table would go through, and the run would end half way. */
async function requireColumns({ session }: Run): Promise<void> {
  const { rows } = await session.query<{ live: string; name: string }>(
    `SELECT live, attname AS name FROM unnest($1::text[]) AS live JOIN pg_attribute a ON a.attrelid = live::regclass
    WHERE attnum > 0 AND NOT attisdropped AND NOT EXISTS (SELECT FROM pg_attribute b
      WHERE b.attrelid = (live || '_archive')::regclass AND b.attname = a.attname AND b.atttypid = a.atttypid
        AND NOT b.attisdropped)`,
    [MOVED],
  );
  const [lacking] = rows;
  if (lacking === undefined) return;
  const { live, name } = lacking;
  throw new Error(
    `${live} has the column ${name}, and ${live}_archive has none of that name and type: nothing is moved before a migration adds it`,
  );
}

/**
 * Ids of version 7 begin with their time: the old ones lie before the bound, give or take a clock that was a day wrong.
 * What lies beyond tomorrow's is none of version 7. Another one between the two is found when the bound has come to it.
 */
async function whereToLook({ session }: Run, olderThanDays: number) {
  const { rows } = await session.query<{
    older_than: Date;
    first_id: string | null;
    bound: string;
    tomorrow: string;
  }>(
    `WITH t AS (SELECT clock_timestamp() AS now, clock_timestamp() - make_interval(days => $1) AS older_than)
    SELECT older_than, (SELECT id FROM orders ORDER BY id LIMIT 1) AS first_id,
      ${firstIdOf("older_than + interval '1 day'")} AS bound, ${firstIdOf("now + interval '1 day'")} AS tomorrow FROM t`,
    [olderThanDays],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the database tells no time');
  const ranges: readonly Range[] = [
    { after: '00000000-0000-0000-0000-000000000000', upTo: row.bound },
    { after: row.tomorrow, upTo: 'ffffffff-ffff-ffff-ffff-ffffffffffff' },
  ];
  return { olderThan: row.older_than, firstMs: msOf(row.first_id ?? row.bound), ranges };
}

/** @param time an expression */
function firstIdOf(time: string): string {
  return `(lpad(to_hex((extract(epoch FROM ${time}) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid`;
}

function msOf(id: string): number {
  return Number.parseInt(id.replace('-', '').slice(0, 12), 16);
}

/** By how far the ids are from the oldest to the bound, or by the limit, whichever is reached first. */
function shareOf(ofLimit: number, last: string, firstMs: number, olderThan: Date): number {
  const ofTime = (msOf(last) - firstMs) / Math.max(1, olderThan.getTime() - firstMs);
  return Math.min(1, Math.max(ofLimit, ofTime, 0));
}

type Asked = Range & { readonly olderThan: Date; readonly size: number };

/** One that fails by what passes is tried again smaller, a few times. @returns with the size that it had in the end */
async function moveBatch(
  session: pg.Client,
  signal: AbortSignal,
  { olderThan, after, upTo, ...asked }: Asked,
) {
  let { size } = asked;
  for (let failures = 0; ; ) {
    const startedMs = performance.now();
    try {
      const { rows } = await session.query<Batch>('SELECT * FROM archive_batch($1, $2, $3, $4)', [
        olderThan,
        after,
        upTo,
        size,
      ]);
      const [batch] = rows;
      if (batch === undefined) throw new Error('archive_batch tells nothing');
      return { batch, size, ms: performance.now() - startedMs };
    } catch (error) {
      failures += 1;
      if (signal.aborted || failures > MAX_FAILURES || !PASSING.has(sqlstateOf(error) ?? '')) throw error;
      size = Math.max(1, Math.floor(size / 4));
      await delay(100 * 2 ** failures, undefined, { signal });
    }
  }
}

/**
 * How many to look at next: as many as take `aimMs`, by what each cost. One that moved little says little, and what it
 * looked at may be followed by many that move.
 */
export function sizeAfter(size: number, moved: number, ms: number, aimMs: number): number {
  const isTelling = moved >= size / 2;
  const fitting = (aimMs * moved) / Math.max(ms, 1);
  const next = isTelling ? Math.min(fitting, size * 2) : Math.min(size, moved > 0 ? fitting : size);
  return Math.round(Math.min(MAX_SIZE, Math.max(MIN_SIZE, next)));
}

function addTo(counts: typeof NOTHING, batch: Batch): void {
  const added: typeof NOTHING = {
    orders: batch.orders_moved,
    history: batch.history_moved,
    fills: batch.fills_moved,
    attempts: batch.attempts_moved,
    cancels: batch.cancels_moved,
    batches: 1,
    left_active: batch.active,
    left_in_doubt: batch.in_doubt,
    left_changed_lately: batch.changed_lately,
    left_locked: batch.locked,
  };
  for (const name of COUNTED) counts[name] += added[name];
}

export type ArchivePreview = {
  /** how many orders would move, by the month of their creation, e.g. 2026-05 */
  readonly months: Readonly<Record<string, number>>;
  /** how many of that age stay, by why */
  readonly left: Readonly<Record<string, number>>;
};

/** Reads only. */
export async function previewArchive(db: Database, olderThanDays: number): Promise<ArchivePreview> {
  const { rows } = await sql<{ month: string; kept_for: string | null; orders: number }>`
    SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, kept_for, count(*)::int AS orders
    FROM archive_candidates WHERE created_at < clock_timestamp() - make_interval(days => ${olderThanDays})
    GROUP BY 1, 2 ORDER BY 1, 2`.execute(db);
  const months: Record<string, number> = {};
  const left: Record<string, number> = {};
  for (const { month, kept_for, orders } of rows) {
    if (kept_for === null) months[month] = orders;
    else left[kept_for] = (left[kept_for] ?? 0) + orders;
  }
  return { months, left };
}
