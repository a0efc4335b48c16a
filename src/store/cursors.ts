// How far the fills of each subaccount have been read, who reads it now, and when it is due again. A claim keeps several
// reconcilers from asking the venue the same; it is no lock: two readers of one page book it once, by the cursor.
import { type SqlBool, sql, type Transaction } from 'kysely';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';
import type { DB } from './schema.ts';

export type Subaccount = { readonly owner: string; readonly subaccountNumber: number };

export type Cursor = Subaccount & {
  readonly startHeight: number;
  readonly height: number;
  readonly fillsRead: number;
  readonly lastFillId: string | null;
};

/**
 * Before its first order is sent: fills up to this block are none of ours. After a recovery they may be those of orders that
 * are forgotten (src/store/recovery.ts).
 */
export async function ensureCursor(db: Database, subaccount: Subaccount, startHeight: number): Promise<void> {
  await db
    .insertInto('reconcile_cursors')
    .values({
      owner: subaccount.owner,
      subaccount_number: subaccount.subaccountNumber,
      start_height: sql<number>`(SELECT least(${startHeight}, min((counts ->> 'known_height')::bigint))
        FROM maintenance_runs WHERE task = 'recovery')`,
      height: 0,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export type Claimed = Cursor & {
  /** it has orders that are not final */
  readonly hasActive: boolean;
  readonly idlePasses: number;
  /** it has orders to settle, or news */
  readonly isUrgent: boolean;
  /** its orders were not compared with the venue's list of them for a minute */
  readonly isToCompare: boolean;
};

export type ClaimOptions = {
  readonly limit: number;
  /** Orders that are dead by this block are to be settled: their subaccount does not wait until it is due. */
  readonly deadAt: number;
  /** Not again before that, should it not be released: its reader has died. Every booked page renews it. */
  readonly leaseMs: number;
  /** Something was heard of them: they do not wait either. */
  readonly nudged?: readonly Subaccount[];
  /** no others */
  readonly owner?: string;
};

/** An idle subaccount that was not read for so long comes before active ones: late fills come there, too. */
const FORGOTTEN = sql<SqlBool>`due_at < clock_timestamp() - interval '10 minutes'`;

/**
 * Those that are due and that nobody reads: first those with orders to settle, then those with active orders. An idle one
 * that has an active order again is due at once.
 */
export async function claimCursors(db: Database, options: ClaimOptions): Promise<Claimed[]> {
  const { limit, deadAt, leaseMs, nudged = [], owner = null } = options;
  const heard = rowsAs(
    'h',
    { owner: 'text', subaccount_number: 'int4' },
    nudged.map((one) => ({ owner: one.owner, subaccount_number: one.subaccountNumber })),
  );
  const isActive = sql`o.owner = c.owner AND o.subaccount_number = c.subaccount_number
    AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')`;
  const isFree = sql`(c.claimed_until IS NULL OR c.claimed_until <= clock_timestamp())`;
  const { rows } = await sql<ClaimedRow>`/* prepared: claim_cursors */
    WITH c AS MATERIALIZED (
      SELECT c.owner, c.subaccount_number, c.due_at, c.idle_passes,
        EXISTS (SELECT FROM orders o WHERE ${isActive}) AS has_active,
        EXISTS (SELECT FROM orders o WHERE ${isActive} AND o.good_til_block <= ${deadAt}::int8)
          OR EXISTS (SELECT FROM orders o WHERE ${isActive} AND o.dead_height <= ${deadAt}::int8) AS has_dead,
        EXISTS (SELECT FROM ${heard} WHERE h.owner = c.owner AND h.subaccount_number = c.subaccount_number) AS is_nudged
      FROM reconcile_cursors c
      WHERE ${isFree} AND (${owner}::text IS NULL OR c.owner = ${owner}::text)
    ),
    d AS MATERIALIZED (
      SELECT * FROM c
      WHERE due_at <= clock_timestamp() OR has_dead OR is_nudged OR (has_active AND idle_passes > 0)
      ORDER BY has_dead OR is_nudged DESC, has_active OR ${FORGOTTEN} DESC, due_at LIMIT ${limit}::int
    ),
    -- Locked as they are now: whoever has claimed one meanwhile keeps it.
    l AS MATERIALIZED (
      SELECT c.owner, c.subaccount_number, d.has_active, d.has_dead OR d.is_nudged AS is_urgent FROM reconcile_cursors c
      JOIN d ON d.owner = c.owner AND d.subaccount_number = c.subaccount_number
      WHERE ${isFree} ORDER BY c.owner, c.subaccount_number FOR NO KEY UPDATE OF c SKIP LOCKED
    )
    UPDATE reconcile_cursors c SET claimed_until = clock_timestamp() + ${leaseMs}::int * interval '1 ms'
    FROM l WHERE c.owner = l.owner AND c.subaccount_number = l.subaccount_number
    RETURNING c.owner, c.subaccount_number, c.start_height, c.height, c.fills_read, c.last_fill_id, c.idle_passes,
      l.has_active, l.is_urgent,
      coalesce(c.compared_at < clock_timestamp() - interval '1 minute', TRUE) AS is_to_compare`.execute(db);
  // What an update returns is in no order.
  const urgencyOf = (row: ClaimedRow) => 2 * Number(row.is_urgent) + Number(row.has_active);
  const urgentFirst = rows.toSorted((left, right) => urgencyOf(right) - urgencyOf(left));
  return urgentFirst.map((row) => ({
    ...toCursor(row),
    hasActive: row.has_active,
    isUrgent: row.is_urgent,
    idlePasses: row.idle_passes,
    isToCompare: row.is_to_compare,
  }));
}

type CursorRow = {
  owner: string;
  subaccount_number: number;
  start_height: string;
  height: string;
  fills_read: string;
  last_fill_id: string | null;
};

export function toCursor(row: CursorRow): Cursor {
  return {
    owner: row.owner,
    subaccountNumber: row.subaccount_number,
    startHeight: Number(row.start_height),
    height: Number(row.height),
    fillsRead: Number(row.fills_read),
    lastFillId: row.last_fill_id,
  };
}

type ClaimedRow = CursorRow & {
  idle_passes: number;
  has_active: boolean;
  is_urgent: boolean;
  is_to_compare: boolean;
};

/** How many subaccounts with active orders were not read for that long. */
export async function countUnread(db: Database, sinceMs: number): Promise<number> {
  const { rows } = await sql<{ unread: number }>`
    SELECT count(*)::int AS unread FROM reconcile_cursors c
    WHERE c.updated_at < clock_timestamp() - ${sinceMs}::float8 * interval '1 ms' AND EXISTS (
      SELECT FROM orders o WHERE o.owner = c.owner AND o.subaccount_number = c.subaccount_number
        AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
    )`.execute(db);
  return rows[0]?.unread ?? 0;
}

export type Released = Subaccount & {
  readonly dueInMs: number;
  readonly idlePasses: number;
};

/** Ends claims: each is due again after its time. */
export async function releaseCursors(db: Database, released: readonly Released[]): Promise<void> {
  const columns = {
    owner: 'text',
    subaccount_number: 'int4',
    due_in_ms: 'int8',
    idle_passes: 'int4',
  } as const;
  const rows = released.map((one) => ({
    owner: one.owner,
    subaccount_number: one.subaccountNumber,
    due_in_ms: Math.round(one.dueInMs),
    idle_passes: one.idlePasses,
  }));
  await sql`/* prepared: release_cursors */
    WITH d AS MATERIALIZED (SELECT * FROM ${rowsAs('d', columns, rows)}),
    l AS MATERIALIZED (
      SELECT c.owner, c.subaccount_number FROM reconcile_cursors c
      JOIN d ON d.owner = c.owner AND d.subaccount_number = c.subaccount_number
      ORDER BY c.owner, c.subaccount_number FOR NO KEY UPDATE OF c
    )
    UPDATE reconcile_cursors c SET claimed_until = NULL, idle_passes = d.idle_passes,
      due_at = clock_timestamp() + d.due_in_ms * interval '1 ms'
    FROM l JOIN d ON d.owner = l.owner AND d.subaccount_number = l.subaccount_number
    WHERE c.owner = l.owner AND c.subaccount_number = l.subaccount_number`.execute(db);
}

/** @returns false: it is not where the report was read from any more */
export async function lockCursor(trx: Transaction<DB>, cursor: Cursor): Promise<boolean> {
  const row = await trx
    .selectFrom('reconcile_cursors')
    .select(['fills_read', 'last_fill_id'])
    .where('owner', '=', cursor.owner)
    .where('subaccount_number', '=', cursor.subaccountNumber)
    .forUpdate()
    .executeTakeFirst();
  return Number(row?.fills_read) === cursor.fillsRead && row?.last_fill_id === cursor.lastFillId;
}

/** What a claim lasts at least from a booked page on. */
const RENEWED_MS = 2_000;

/** @param height undefined: nothing new is known of it */
export async function moveCursor(
  trx: Transaction<DB>,
  cursor: Cursor,
  { fillsRead, lastFillId }: Pick<Cursor, 'fillsRead' | 'lastFillId'>,
  height: number | undefined,
): Promise<Cursor> {
  await trx
    .updateTable('reconcile_cursors')
    .set({
      fills_read: fillsRead,
      last_fill_id: lastFillId,
      // Another run over the same list may have seen a later block.
      height: sql<string>`greatest(height, ${height ?? 0})`,
      claimed_until: sql<Date | null>`CASE WHEN claimed_until IS NOT NULL
        THEN greatest(claimed_until, clock_timestamp() + ${RENEWED_MS} * interval '1 ms') END`,
      updated_at: sql`clock_timestamp()`,
    })
    .where('owner', '=', cursor.owner)
    .where('subaccount_number', '=', cursor.subaccountNumber)
    .execute();
  return { ...cursor, fillsRead, lastFillId, height: Math.max(cursor.height, height ?? 0) };
}
