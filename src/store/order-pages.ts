// The lists of the source schema: the active orders of a market, and the history of a tenant's orders. Newest first, by
// keyset (created_at, id): a page costs the same wherever it lies, and none is skipped or shown twice.
import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { OrderCursor } from '../core/order-cursor.ts';
import { isFinal, type OrderStatus, STATUSES } from '../core/status.ts';
import type { Database } from './database.ts';
import type { Orders } from './schema.ts';

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

const ACTIVE = STATUSES.filter((status) => !isFinal(status));
/** As the indexes are divided: the active ones together, the others each by itself. */
const INDEXED: readonly (readonly OrderStatus[])[] = [
  ACTIVE,
  ...STATUSES.filter(isFinal).map((status) => [status]),
];

const COLUMNS = [
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
] as const satisfies readonly (keyof Orders)[];

export type ListedOrder = Pick<Selectable<Orders>, (typeof COLUMNS)[number]>;

type OrderPage = {
  readonly orders: readonly ListedOrder[];
  /** undefined: this is the last page */
  readonly next: OrderCursor | undefined;
};

/** The source's "Get Order History with Pagination". */
export function listOrders(db: Database, { market, status, ...page }: OrderFilter): Promise<OrderPage> {
  // Without a status: the first rows of each index, merged.
  return readPage(db, page, market, status === undefined ? INDEXED : [[status]]);
}

/** The source's "Get Active Orders for a Market". */
export function listActiveOrders(
  db: Database,
  { market, ...page }: Page & { readonly market: string },
): Promise<OrderPage> {
  return readPage(db, page, market, [ACTIVE]);
}

const SELECTED = sql.raw(COLUMNS.map((column) => `"${column}"`).join(', '));
const NEWEST_FIRST = sql`ORDER BY created_at DESC, id DESC`;

/** As text: built by the query builder, a union of five leaves so much to collect that one call in a hundred waits. */
async function readPage(
  db: Database,
  page: Page,
  market: string | undefined,
  groups: readonly (readonly OrderStatus[])[],
): Promise<OrderPage> {
  const { limit } = page;
  const branches = sql.join(
    groups.map((statuses) => branch(page, market, statuses)),
    sql` UNION ALL `,
  );
  const merged = groups.length === 1 ? branches : sql`${branches} ${NEWEST_FIRST} LIMIT ${limit}`;
  const { rows } = await sql<ListedOrder & { created_at_micros: string }>`${merged}`.execute(db);
  const last = rows.length < limit ? undefined : rows.at(-1);
  return {
    orders: rows.map(({ created_at_micros: _, ...order }) => order),
    next: last === undefined ? undefined : { createdAtMicros: last.created_at_micros, id: last.id },
  };
}

function branch(
  { tenantId, limit, after }: Page,
  market: string | undefined,
  statuses: readonly OrderStatus[],
): RawBuilder<unknown> {
  const ofMarket = market === undefined ? sql`` : sql`AND market = ${market}`;
  const behind =
    after === undefined
      ? sql``
      : sql`AND (created_at, id) <
          ('epoch'::timestamptz + ${after.createdAtMicros}::bigint * interval '1 microsecond', ${after.id}::uuid)`;
  return sql`(SELECT ${SELECTED}, (extract(epoch FROM created_at) * 1000000)::bigint AS created_at_micros FROM orders
    WHERE tenant_id = ${tenantId} AND status IN (${sql.join(statuses)}) ${ofMarket} ${behind}
    ${NEWEST_FIRST} LIMIT ${limit})`;
}
