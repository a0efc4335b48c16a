// The lists of the source schema: the active orders of a market, and the history of a tenant's orders. Newest first, by
// keyset (created_at, id): a page costs the same wherever it lies, and none is skipped or shown twice.
import { sql } from 'kysely';
import type { OrderCursor } from '../core/order-cursor.ts';
import { isFinal, type OrderStatus, STATUSES } from '../core/status.ts';
import type { Database } from './database.ts';

type Page = {
  readonly tenantId: string;
  /** at most 1,000 */
  readonly limit: number;
  /** the cursor of the page before */
  readonly after?: OrderCursor | undefined;
};

export type OrderFilter = Page & {
  readonly market?: string | undefined;
  readonly status?: OrderStatus | undefined;
};

export type OrderPage = Awaited<ReturnType<typeof listOrders>>;

const ACTIVE = STATUSES.filter((status) => !isFinal(status));
/** As the indexes are divided: the active ones together, the others each by itself. */
const INDEXED: readonly (readonly OrderStatus[])[] = [
  ACTIVE,
  ...STATUSES.filter(isFinal).map((status) => [status]),
];

/** The source's "Get Order History with Pagination". */
export async function listOrders(db: Database, { market, status, ...page }: OrderFilter) {
  // Without a status: the first rows of each index, merged.
  const groups = status === undefined ? INDEXED : [[status]];
  const [first, ...others] = groups.map((statuses) => branch(db, page, market, statuses));
  if (first === undefined) throw new Error('there are no statuses');
  const query = others
    .reduce((union, other) => union.unionAll(other), first)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit);
  return paged(await query.execute(), page.limit);
}

/** The source's "Get Active Orders for a Market". */
export async function listActiveOrders(
  db: Database,
  { market, ...page }: Page & { readonly market: string },
) {
  return paged(await branch(db, page, market, ACTIVE).execute(), page.limit);
}

/** Those in one of these statuses, as a subquery that may be a part of a union. */
function branch(
  db: Database,
  { tenantId, limit, after }: Page,
  market: string | undefined,
  statuses: readonly OrderStatus[],
) {
  let query = db
    .selectFrom('orders')
    .select([
      'id',
      'client_id',
      'market',
      'side',
      'type',
      'size',
      'price',
      'status',
      'status_reason',
      'filled_size',
      'remaining_size',
      'created_at',
      'updated_at',
      sql<string>`(extract(epoch FROM created_at) * 1000000)::bigint`.as('created_at_micros'),
    ])
    .where('tenant_id', '=', tenantId)
    .where('status', 'in', statuses)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit);
  if (market !== undefined) query = query.where('market', '=', market);
  if (after !== undefined) {
    query = query.where(
      sql<boolean>`(created_at, id) <
        ('epoch'::timestamptz + ${after.createdAtMicros}::bigint * interval '1 microsecond', ${after.id}::uuid)`,
    );
  }
  return db.selectFrom(query.as('page')).selectAll();
}

type Row = { readonly id: string; readonly created_at_micros: string };

function paged<Order extends Row>(rows: readonly Order[], limit: number) {
  const orders = rows.map(({ created_at_micros: _, ...order }) => order);
  const last = rows.length < limit ? undefined : rows.at(-1);
  const next: OrderCursor | undefined =
    last === undefined ? undefined : { createdAtMicros: last.created_at_micros, id: last.id };
  return { orders, next };
}
