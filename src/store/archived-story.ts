// One order in the archive, with the rows that it had when it was archived, as the live tables would give them: its proof
// and its replay are then the same.
import { type Selectable, sql, type Transaction } from 'kysely';
import type { DB, OrderAttempts, OrderFills, OrderStatusHistory, Orders } from './schema.ts';

export async function findArchived(trx: Transaction<DB>, id: string) {
  // A time as text is exact; as a Date it would have lost its microseconds.
  const { rows } = await sql<Selectable<Orders> & { archived_at: Date; month_of: string }>`
    SELECT *, created_at::text AS month_of FROM orders_archive WHERE id = ${id}`.execute(trx);
  const [row] = rows;
  if (row === undefined) return undefined;
  const { archived_at: archivedAt, month_of: createdAt, ...order } = row;
  const parts = async <Part>(table: string, sorted: string): Promise<Part[]> => {
    const { rows: found } = await sql<Part & { order_created_at: Date }>`
      SELECT * FROM ${sql.table(table)} WHERE order_id = ${id} AND order_created_at = ${createdAt}::timestamptz
      ORDER BY ${sql.id(sorted)}`.execute(trx);
    return found.map(({ order_created_at: _, ...part }) => part as Part);
  };
  return {
    // Archived before there were such counts.
    order: { ...order, cancel_count: order.cancel_count ?? 0 },
    attempts: await parts<Selectable<OrderAttempts>>('order_attempts_archive', 'attempt'),
    fills: await parts<Selectable<OrderFills>>('order_fills_archive', 'height'),
    history: await parts<Selectable<OrderStatusHistory>>('order_status_history_archive', 'seq'),
    archivedAt,
  };
}
