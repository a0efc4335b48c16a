// Books one report of the venue in one transaction: fills, the orders they change, settlements, the cursor. A run
// that read from an older cursor changes nothing.
import { sql, type Transaction } from 'kysely';
import { fromAtoms, toAtoms } from '../core/decimal.ts';
import type { Fill } from '../core/ports.ts';
import type { Death } from '../core/proof.ts';
import { type OrderChange, type OrderFacts, type Reconciled, reconcile } from '../core/reconcile.ts';
import { type Cursor, lockCursor, moveCursor } from './cursors.ts';
import type { Database } from './database.ts';
import { recordIncidents } from './incidents.ts';
import { rowsAs } from './rows.ts';
import type { DB } from './schema.ts';

/** Settled in one transaction; the rest follows in the next run. */
const MAX_SETTLED = 1000;

export type VenueReport = {
  /** the cursor that the report was read from */
  readonly cursor: Cursor;
  /** ascending; those that are booked already may be among them */
  readonly fills: readonly Fill[];
  /** offset behind the last of them */
  readonly fillsRead: number;
  readonly lastFillId: string | null;
  /** all fills up to this block have been read; undefined while more pages follow */
  readonly height: number | undefined;
  /** They follow on the cursor's last fill without it, on a page of their own: none of them can have been booked. */
  readonly isFollowing?: boolean;
};

export type Booked = Reconciled & {
  readonly cursor: Cursor;
  /** Some of what follows was booked before: others have been put in before it. Nothing but the new fills is booked. */
  readonly isShifted: boolean;
  /** more dead orders wait than one transaction settles */
  readonly hasMore: boolean;
};

/** @returns undefined when another run was faster: read again from the cursor */
export async function bookReport(
  db: Database,
  read: VenueReport,
  marginBlocks: number,
): Promise<Booked | undefined> {
  return db.transaction().execute(async (trx) => {
    if (!(await lockCursor(trx, read.cursor))) return undefined;
    const fills = await notYetBooked(trx, read.fills);
    const isShifted = read.isFollowing === true && fills.length < read.fills.length;
    const report = isShifted ? { ...read, ...placeOf(read.cursor), height: undefined } : read;
    const orders = await lockOrders(trx, report, fills, marginBlocks);
    const { startHeight } = report.cursor;
    const archived = await findArchived(trx, report, fills, orders);
    const result = reconcile({ fills, orders, archived, startHeight, height: report.height, marginBlocks });
    await insertFills(trx, result, report.cursor);
    await movePositions(trx, result, report.cursor);
    await applyBookings(trx, result);
    await applyChanges(trx, result.settled);
    await settleNonces(trx, result);
    const incidents = await recordIncidents(trx, result.incidents);
    const cursor = await moveCursor(trx, report.cursor, report, report.height);
    return { ...result, incidents, cursor, isShifted, hasMore: orders.length >= MAX_SETTLED };
  });
}

function placeOf({ fillsRead, lastFillId }: Cursor): Pick<VenueReport, 'fillsRead' | 'lastFillId'> {
  return { fillsRead, lastFillId };
}

async function notYetBooked(trx: Transaction<DB>, fills: readonly Fill[]): Promise<Fill[]> {
  if (fills.length === 0) return [];
  const ids = fills.map((fill) => fill.id);
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM order_fills WHERE id = ANY(${ids}::uuid[])
    UNION ALL SELECT id FROM order_fills_archive WHERE id = ANY(${ids}::uuid[])
    UNION ALL SELECT id FROM unexplained_fills WHERE id = ANY(${ids}::uuid[])`.execute(trx);
  const seen = new Set(rows.map((row) => row.id));
  return fills.filter((fill) => !seen.has(fill.id) && seen.add(fill.id));
}

/** The orders that the fills name and those that are dead at the report's height, locked in id order. */
async function lockOrders(
  trx: Transaction<DB>,
  report: VenueReport,
  fills: readonly Fill[],
  marginBlocks: number,
): Promise<OrderFacts[]> {
  const uuids = [...new Set(fills.flatMap((fill) => fill.orderUuid ?? []))];
  const { owner, subaccountNumber } = report.cursor;
  const deadAt = report.height === undefined ? -1 : report.height - marginBlocks;
  const { rows: ids } = await sql<{ id: string }>`
    SELECT id FROM orders WHERE order_id = ANY(${uuids}::varchar[]) AND owner = ${owner}
      AND subaccount_number = ${subaccountNumber}
    UNION
    (SELECT id FROM orders WHERE owner = ${owner} AND subaccount_number = ${subaccountNumber}
      AND status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') AND good_til_block <= ${deadAt}
      ORDER BY good_til_block LIMIT ${MAX_SETTLED})
    UNION
    (SELECT id FROM orders WHERE owner = ${owner} AND subaccount_number = ${subaccountNumber}
      AND status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') AND dead_height <= ${deadAt}
      ORDER BY dead_height LIMIT ${MAX_SETTLED})`.execute(trx);
  if (ids.length === 0) return [];
  const locked = ids.map((row) => row.id);
  // Locked in one statement, read in the next: what committed while this one waited for its locks is then seen.
  await sql`SELECT id FROM orders WHERE id = ANY(${locked}::uuid[]) ORDER BY id FOR NO KEY UPDATE`.execute(
    trx,
  );
  const { rows } = await sql<FactsRow>`
    SELECT o.id, o.order_id, o.market, o.side, o.type, o.time_in_force, o.status, o.size, o.filled_size,
      o.good_til_block, o.death, o.cancel_requested_at IS NOT NULL AS is_cancel_requested,
      (SELECT count(*)::int FROM order_fills f WHERE f.order_id = o.id) AS fill_count,
      (SELECT min(x.signed_height) FROM order_attempts x WHERE x.order_id = o.id) AS first_signed_height,
      r.codespace AS refused_codespace, r.code AS refused_code, r.log AS refused_log
    FROM orders o
    LEFT JOIN LATERAL (
      SELECT x.codespace, x.code, x.log FROM order_attempts x
      WHERE x.order_id = o.id AND x.outcome = 'refused'
        AND NOT EXISTS (
          SELECT FROM order_attempts y
          WHERE y.order_id = o.id AND (y.outcome IN ('accepted', 'known') OR y.included_code = 0)
        )
      ORDER BY x.attempt DESC LIMIT 1
    ) r ON true
    WHERE o.id = ANY(${locked}::uuid[]) ORDER BY o.id`.execute(trx);
  return rows.map(factsOf);
}

/** Those that the fills name and that are not among the live ones. */
async function findArchived(
  trx: Transaction<DB>,
  { cursor }: VenueReport,
  fills: readonly Fill[],
  orders: readonly OrderFacts[],
): Promise<ReadonlyMap<string, string>> {
  const live = new Set(orders.map(({ orderUuid }) => orderUuid));
  const uuids = fills.flatMap(({ orderUuid }) =>
    orderUuid === undefined || live.has(orderUuid) ? [] : [orderUuid],
  );
  if (uuids.length === 0) return new Map();
  const { rows } = await sql<{ id: string; order_id: string }>`
    SELECT id, order_id FROM orders_archive WHERE order_id = ANY(${uuids}::varchar[]) AND owner = ${cursor.owner}
      AND subaccount_number = ${cursor.subaccountNumber}`.execute(trx);
  return new Map(rows.map((row) => [row.order_id, row.id]));
}

type FactsRow = {
  id: string;
  order_id: string;
  market: string;
  side: OrderFacts['side'];
  type: OrderFacts['type'];
  time_in_force: OrderFacts['timeInForce'];
  status: OrderFacts['status'];
  size: string;
  filled_size: string;
  good_til_block: number | null;
  death: Death | null;
  is_cancel_requested: boolean;
  fill_count: number;
  first_signed_height: string;
  refused_codespace: string | null;
  refused_code: string | null;
  refused_log: string | null;
};

function factsOf(row: FactsRow): OrderFacts {
  const { refused_codespace: codespace, refused_code: code } = row;
  return {
    id: row.id,
    orderUuid: row.order_id,
    market: row.market,
    side: row.side,
    type: row.type,
    timeInForce: row.time_in_force,
    status: row.status,
    size: row.size,
    filledSize: row.filled_size,
    fillCount: row.fill_count,
    firstSignedHeight: Number(row.first_signed_height),
    goodTilBlock: row.good_til_block ?? undefined,
    death: row.death ?? undefined,
    isCancelRequested: row.is_cancel_requested,
    refusal:
      codespace === null || code === null
        ? undefined
        : { codespace, code: Number(code), log: row.refused_log ?? '' },
  };
}

async function insertFills(trx: Transaction<DB>, result: Reconciled, cursor: Cursor): Promise<void> {
  if (result.bookings.length > 0) {
    const columns = {
      id: 'uuid',
      order_id: 'uuid',
      market: 'text',
      side: 'order_side',
      size: 'numeric',
      price: 'numeric',
      fee: 'numeric',
      liquidity: 'text',
      height: 'int8',
      filled_at: 'timestamptz',
    } as const;
    const rows = result.bookings.map(({ fill, order }) => ({
      id: fill.id,
      order_id: order.id,
      market: fill.market,
      side: fill.side,
      size: fill.size,
      price: fill.price,
      fee: fill.fee,
      liquidity: fill.liquidity,
      height: fill.height,
      filled_at: fill.createdAt,
    }));
    await sql`/* prepared: insert_fills */
      INSERT INTO order_fills (id, order_id, market, side, size, price, fee, liquidity, height, filled_at)
      SELECT * FROM ${rowsAs('d', columns, rows)}`.execute(trx);
  }
  if (result.unexplained.length > 0) {
    await trx
      .insertInto('unexplained_fills')
      .values(
        result.unexplained.map(({ fill, reason }) => ({
          id: fill.id,
          owner: cursor.owner,
          subaccount_number: cursor.subaccountNumber,
          order_uuid: fill.orderUuid ?? null,
          reason,
          fill: JSON.stringify(fill),
        })),
      )
      .execute();
  }
}

/** What is held changes in the transaction of the fills that change it. */
async function movePositions(trx: Transaction<DB>, { bookings }: Reconciled, cursor: Cursor): Promise<void> {
  if (bookings.length === 0) return;
  const moved = new Map<string, bigint>();
  for (const { fill } of bookings) {
    const size = toAtoms(fill.size) * (fill.side === 'BUY' ? 1n : -1n);
    moved.set(fill.market, (moved.get(fill.market) ?? 0n) + size);
  }
  const rows = [...moved].map(([market, size]) => ({ market, size: fromAtoms(size) }));
  await sql`/* prepared: move_positions */
    INSERT INTO positions AS p (owner, subaccount_number, market, size)
    SELECT ${cursor.owner}, ${cursor.subaccountNumber}::int, d.market, d.size
    FROM ${rowsAs('d', { market: 'text', size: 'numeric' }, rows)} ORDER BY d.market
    ON CONFLICT (owner, subaccount_number, market)
    DO UPDATE SET size = p.size + excluded.size, updated_at = clock_timestamp()`.execute(trx);
}

/** One statement for the first fill of every order, one for the second, …: each fill is a history row of its own. */
async function applyBookings(trx: Transaction<DB>, { bookings }: Reconciled): Promise<void> {
  for (let step = 0; ; step++) {
    const wave = bookings.filter((booking) => booking.step === step);
    if (wave.length === 0) return;
    await applyChanges(trx, wave);
  }
}

type Change = OrderChange & { readonly fill?: Fill; readonly isLate?: boolean };

async function applyChanges(trx: Transaction<DB>, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return;
  const columns = {
    id: 'uuid',
    from_status: 'order_status',
    from_filled_size: 'numeric',
    status: 'order_status',
    reason: 'text',
    filled_size: 'numeric',
    height: 'int8',
    resolution: 'jsonb',
    fill_id: 'uuid',
    fill_price: 'numeric',
    filled_at: 'timestamptz',
    is_late: 'bool',
  } as const;
  const rows = changes.map((change) => ({
    id: change.order.id,
    from_status: change.order.status,
    from_filled_size: change.order.filledSize,
    status: change.status,
    reason: change.reason,
    filled_size: change.filledSize,
    height: change.height,
    resolution: change.resolution,
    fill_id: change.fill?.id,
    fill_price: change.fill?.price,
    filled_at: change.fill?.createdAt,
    is_late: change.isLate ?? false,
  }));
  const { numAffectedRows } = await sql`/* prepared: apply_changes */
    WITH d AS MATERIALIZED (SELECT * FROM ${rowsAs('d', columns, rows)})
    UPDATE orders o SET
      status = d.status, status_reason = d.reason, filled_size = d.filled_size, block_height = d.height,
      resolution = coalesce(d.resolution, o.resolution),
      last_fill_id = coalesce(d.fill_id, o.last_fill_id), last_fill_price = coalesce(d.fill_price, o.last_fill_price),
      filled_at = CASE WHEN d.status = 'FILLED' THEN d.filled_at ELSE o.filled_at END,
      cancelled_at = CASE WHEN d.status = 'CANCELLED' AND o.status <> 'CANCELLED' THEN clock_timestamp()
        ELSE o.cancelled_at END,
      late_fill_at = CASE WHEN d.is_late THEN clock_timestamp() ELSE o.late_fill_at END,
      next_wake_at = CASE WHEN d.resolution IS NULL THEN o.next_wake_at END
    FROM d
    WHERE o.id = d.id AND o.id = ANY(${rows.map(({ id }) => id)}::uuid[]) AND o.status = d.from_status AND o.filled_size = d.from_filled_size
      -- A settlement names a block: whatever was signed beyond it is not dead.
      AND (d.fill_id IS NOT NULL OR coalesce(o.good_til_block, o.dead_height) <= d.height)`.execute(trx);
  if (numAffectedRows !== BigInt(changes.length)) {
    throw new Error(`${numAffectedRows} of ${changes.length} orders were as expected: nothing is booked`);
  }
}

/**
 * What has a fill, or has ended, is on chain or can never be: its nonce is in doubt no longer, nor are those of its
 * cancels once it has ended, and another order may go. Passes over those that are being settled by somebody else: waiting
 * could be for each other.
 */
async function settleNonces(trx: Transaction<DB>, { bookings, settled }: Reconciled): Promise<void> {
  const stateful = [...bookings, ...settled].filter(({ order }) => order.goodTilBlock === undefined);
  if (stateful.length === 0) return;
  const ids = [...new Set(stateful.map(({ order }) => order.id))];
  await sql`
    WITH l AS MATERIALIZED (
      SELECT d.owner, d.nonce FROM nonces_in_doubt d JOIN orders o ON o.owner = d.owner
      WHERE o.id = ANY(${ids}::uuid[]) AND (o.nonce = d.nonce
        OR (o.resolution IS NOT NULL AND o.cancel_count > 0 AND EXISTS (
          SELECT FROM cancel_transactions c WHERE c.order_ids @> ARRAY[o.id] AND c.nonce = d.nonce)))
      FOR UPDATE OF d SKIP LOCKED
    )
    DELETE FROM nonces_in_doubt d USING l WHERE d.owner = l.owner AND d.nonce = l.nonce`.execute(trx);
}
