// The venue's list of a subaccount's orders against ours: orders that no intent explains are kept, and a final order whose
// quantity the venue counts otherwise is an incident. It changes no order: a list is no proof.
import { sql } from 'kysely';
import type { Incident } from '../core/incidents.ts';
import type { ListedOrder } from '../core/ports.ts';
import type { Cursor } from './cursors.ts';
import type { Database } from './database.ts';
import { recordIncidents } from './incidents.ts';
import { rowsAs } from './rows.ts';

export type Compared = {
  /** not known before */
  readonly unexplained: readonly ListedOrder[];
  /** not open before */
  readonly incidents: readonly Incident[];
};

/** Answers may be a second old, and read from a replica. */
const SETTLED_S = 5;

/**
 * @param open what may fill now: none of it can be older than this database without being explained
 * @param recent of any status; those that ended before the cursor's start are of an earlier database
 */
export async function compareOrders(
  db: Database,
  cursor: Cursor,
  open: readonly ListedOrder[],
  recent: readonly ListedOrder[],
): Promise<Compared> {
  const young = recent.filter(({ updatedAtHeight }) => (updatedAtHeight ?? 0) > cursor.startHeight);
  const listed = new Map([...young, ...open].map((order) => [order.id, order]));
  return db.transaction().execute(async (trx) => {
    const ids = [...listed.keys()];
    const { rows: unknown } = await sql<{ id: string }>`
      SELECT d.id FROM unnest(${ids}::text[]) AS d (id)
      WHERE NOT EXISTS (SELECT FROM orders o WHERE o.order_id = d.id)
        AND NOT EXISTS (SELECT FROM orders_archive a WHERE a.order_id = d.id)`.execute(trx);
    const strangers = unknown.flatMap(({ id }) => listed.get(id) ?? []);
    const columns = { id: 'uuid', listed: 'jsonb' } as const;
    const rows = strangers.map((order) => ({ id: order.id, listed: order }));
    const { rows: kept } = await sql<{ order_uuid: string; is_new: boolean }>`
      INSERT INTO unexplained_orders AS u (order_uuid, owner, subaccount_number, listed)
      SELECT d.id, ${cursor.owner}, ${cursor.subaccountNumber}::int, d.listed FROM ${rowsAs('d', columns, rows)}
      ON CONFLICT (order_uuid) DO UPDATE SET listed = excluded.listed, seen_at = clock_timestamp()
      RETURNING order_uuid, xmax = 0 AS is_new`.execute(trx);
    const isNew = new Set(kept.filter((row) => row.is_new).map((row) => row.order_uuid));
    const incidents = await recordIncidents(trx, await differing(trx, cursor, recent));
    await trx
      .updateTable('reconcile_cursors')
      .set({ compared_at: sql`clock_timestamp()` })
      .where('owner', '=', cursor.owner)
      .where('subaccount_number', '=', cursor.subaccountNumber)
      .execute();
    return { unexplained: strangers.filter(({ id }) => isNew.has(id)), incidents };
  });
}

/** A list that shows less than we have read may be old: it counts when it knows our last fill. */
async function differing(db: Database, cursor: Cursor, listed: readonly ListedOrder[]): Promise<Incident[]> {
  const columns = { order_id: 'text', total_filled: 'numeric', updated_at_height: 'int8' } as const;
  const rows = listed.map((order) => ({
    order_id: order.id,
    total_filled: order.totalFilled,
    updated_at_height: order.updatedAtHeight,
  }));
  const found = await sql<{ id: string; status: string; filled_size: string; total_filled: string }>`
    SELECT o.id, o.status, o.filled_size, d.total_filled FROM ${rowsAs('d', columns, rows)}
    JOIN orders o ON o.order_id = d.order_id
    WHERE o.owner = ${cursor.owner} AND o.subaccount_number = ${cursor.subaccountNumber}
      AND o.status IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
      AND o.updated_at < clock_timestamp() - ${SETTLED_S} * interval '1 second'
      AND (d.total_filled > o.filled_size OR (d.total_filled < o.filled_size
        AND d.updated_at_height >= (SELECT max(f.height) FROM order_fills f WHERE f.order_id = o.id)))`.execute(
    db,
  );
  return found.rows.map(({ id, ...details }) => ({
    kind: 'total_filled_differs',
    subject: id,
    orderId: id,
    details,
  }));
}

/** Newest first: fills and orders that no intent explains. */
export async function listUnexplained(db: Database, limit: number) {
  const fills = await db
    .selectFrom('unexplained_fills')
    .selectAll()
    .orderBy('created_at', 'desc')
    .limit(limit)
    .execute();
  const orders = await db
    .selectFrom('unexplained_orders')
    .selectAll()
    .orderBy('created_at', 'desc')
    .limit(limit)
    .execute();
  return { fills, orders };
}
