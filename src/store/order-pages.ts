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

export type ListedOrder = Pick<Selectable<Orders>, (typeof COLUMNS)[number]> & {
  /** null: it is not in the archive */
  readonly archived_at: Date | null;
};
type Row = ListedOrder & { readonly created_at_micros: string };

type OrderPage = {
  readonly orders: readonly ListedOrder[];
  /** undefined: this is the last page */
  readonly next: OrderCursor | undefined;
};

/** The archive holds nothing younger than a day; the rest is for clocks that differ. */
const NEVER_ARCHIVED_MS = 12 * 3_600_000;

/** The source's "Get Order History with Pagination"; archived ones in their place among the others. */
export async function listOrders(db: Database, { market, status, ...page }: OrderFilter): Promise<OrderPage> {
  // Without a status: the first rows of each index, merged.
  const live = await readPage(db, page, market, status === undefined ? INDEXED : [[status]]);
  const last = live.at(-1);
  const isFull = live.length === page.limit && last !== undefined;
  if (isFull && Date.now() - last.created_at.getTime() < NEVER_ARCHIVED_MS) return pageOf(live, page.limit);
  // After the live ones: what moves in between is seen twice, and never missed.
  const archived = await readArchive(db, page, market, status, isFull ? last : undefined);
  if (archived.length === 0) return pageOf(live, page.limit);
  const all = new Map([...live, ...archived].map((order) => [order.id, order]));
  return pageOf([...all.values()].toSorted(newestFirst).slice(0, page.limit), page.limit);
}

function newestFirst(one: Row, other: Row): number {
  const byTime = BigInt(other.created_at_micros) - BigInt(one.created_at_micros);
  if (byTime !== 0n) return byTime < 0n ? -1 : 1;
  return one.id < other.id ? 1 : -1;
}

function pageOf(rows: readonly Row[], limit: number): OrderPage {
  const last = rows.length < limit ? undefined : rows.at(-1);
  return {
    orders: rows.map(({ created_at_micros: _, ...order }) => order),
    next: last === undefined ? undefined : { createdAtMicros: last.created_at_micros, id: last.id },
  };
}

/** The source's "Get Active Orders for a Market". */
export async function listActiveOrders(
  db: Database,
  { market, ...page }: Page & { readonly market: string },
): Promise<OrderPage> {
  return pageOf(await readPage(db, page, market, [ACTIVE]), page.limit);
}

const SELECTED = sql.raw(COLUMNS.map((column) => `"${column}"`).join(', '));
const NEWEST_FIRST = sql`ORDER BY created_at DESC, id DESC`;

/** As text: built by the query builder, a union of five leaves so much to collect that one call in a hundred waits. */
async function readPage(
  db: Database,
  page: Page,
  market: string | undefined,
  groups: readonly (readonly OrderStatus[])[],
): Promise<Row[]> {
  const { limit } = page;
  const branches = sql.join(
    groups.map((statuses) => branch(page, market, statuses)),
    sql` UNION ALL `,
  );
  const merged = groups.length === 1 ? branches : sql`${branches} ${NEWEST_FIRST} LIMIT ${limit}`;
  const { rows } = await sql<Row>`${merged}`.execute(db);
  return rows;
}

function branch(
  { tenantId, limit, after }: Page,
  market: string | undefined,
  statuses: readonly OrderStatus[],
): RawBuilder<unknown> {
  return sql`(SELECT ${SELECTED}, NULL::timestamptz AS archived_at, ${MICROS} FROM orders
    WHERE tenant_id = ${tenantId} AND status IN (${sql.join(statuses)}) ${ofMarket(market)} ${behind(after)}
    ${NEWEST_FIRST} LIMIT ${limit})`;
}

const MICROS = sql`(extract(epoch FROM created_at) * 1000000)::bigint AS created_at_micros`;

function ofMarket(market: string | undefined): RawBuilder<unknown> {
  return market === undefined ? sql`` : sql`AND market = ${market}`;
}

function behind(after: OrderCursor | undefined): RawBuilder<unknown> {
  return after === undefined
    ? sql``
    : sql`AND created_at <= ${timeOf(after)} AND (created_at, id) < (${timeOf(after)}, ${after.id}::uuid)`;
}

function timeOf({ createdAtMicros }: Pick<OrderCursor, 'createdAtMicros'>): RawBuilder<unknown> {
  return sql`'epoch'::timestamptz + ${createdAtMicros}::bigint * interval '1 microsecond'`;
}

/**
 * By the months that the page reaches into; within them by time alone, so that a rare status of a rare market reads what lies
 * between.
 * @param last of a full page of live orders: only what belongs before it
 */
async function readArchive(
  db: Database,
  { tenantId, limit, after }: Page,
  market: string | undefined,
  status: OrderStatus | undefined,
  last: Row | undefined,
): Promise<Row[]> {
  const upToLast =
    last === undefined
      ? sql``
      : sql`AND created_at >= ${timeOf({ createdAtMicros: last.created_at_micros })}`;
  const { rows } = await sql<Row>`
    SELECT ${SELECTED}, archived_at, ${MICROS} FROM orders_archive
    WHERE tenant_id = ${tenantId} ${status === undefined ? sql`` : sql`AND status = ${status}`}
      ${ofMarket(market)} ${behind(after)} ${upToLast}
    ${NEWEST_FIRST} LIMIT ${limit}`.execute(db);
  return rows;
}
