// What operators and tools ask about orders. Every list has a limit and an index.
import { sql } from 'kysely';
import type { Refusal } from '../core/intent.ts';
import { type OrderStatus, STATUSES } from '../core/status.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';

export type OrderFilter = {
  readonly market?: string | undefined;
  readonly status?: OrderStatus | undefined;
  readonly limit: number;
  /** id of the last order of the page before */
  readonly after?: string | undefined;
};

/** Newest first, by keyset (created_at, id): a page costs the same wherever it lies. */
export async function listOrders(db: Database, filter: OrderFilter) {
  const { market, status, after } = filter;
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
    ])
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit);
  if (market !== undefined) query = query.where('market', '=', market);
  if (status !== undefined) query = query.where('status', '=', status);
  if (after !== undefined) {
    const anchor = db.selectFrom('orders').select(['created_at', 'id']).where('id', '=', after);
    query = query.where(({ eb, refTuple }) =>
      eb(refTuple('created_at', 'id'), '<', anchor.$asTuple('created_at', 'id')),
    );
  }
  return query.execute();
}

/** The order with everything that is known of it; undefined when there is none. */
export async function findOrder(db: Database, tenantId: string, clientId: string) {
  const order = await db
    .selectFrom('orders')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('client_id', '=', clientId)
    .executeTakeFirst();
  if (order === undefined) return undefined;
  const [attempts, fills, history] = await Promise.all([
    db.selectFrom('order_attempts').selectAll().where('order_id', '=', order.id).orderBy('attempt').execute(),
    db.selectFrom('order_fills').selectAll().where('order_id', '=', order.id).orderBy('height').execute(),
    db
      .selectFrom('order_status_history')
      .selectAll()
      .where('order_id', '=', order.id)
      .orderBy('seq')
      .execute(),
  ]);
  return { order, attempts, fills, history };
}

export type OrderStory = NonNullable<Awaited<ReturnType<typeof findOrder>>>;

/** What a proof is checked with. */
export type OrderEvidence = Omit<OrderStory, 'history'>;

const EVIDENCE_PAGE = 500;

/** All orders with their attempts and fills, in id order. */
export async function* everyEvidence(db: Database): AsyncGenerator<OrderEvidence[]> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const orders = await db
      .selectFrom('orders')
      .selectAll()
      .where('id', '>', after)
      .orderBy('id')
      .limit(EVIDENCE_PAGE)
      .execute();
    const last = orders.at(-1);
    if (last === undefined) return;
    const ids = orders.map((order) => order.id);
    const [attempts, fills] = await Promise.all([
      db.selectFrom('order_attempts').selectAll().where('order_id', 'in', ids).orderBy('attempt').execute(),
      db.selectFrom('order_fills').selectAll().where('order_id', 'in', ids).orderBy('height').execute(),
    ]);
    const attemptsOf = Map.groupBy(attempts, (attempt) => attempt.order_id);
    const fillsOf = Map.groupBy(fills, (fill) => fill.order_id);
    yield orders.map((order) => ({
      order,
      attempts: attemptsOf.get(order.id) ?? [],
      fills: fillsOf.get(order.id) ?? [],
    }));
    after = last.id;
  }
}

export type OrderKey = { readonly tenant_id: string; readonly client_id: string };
const KEY_COLUMNS = { tenant_id: 'text', client_id: 'text' } as const;

/** Where the orders of these keys stand; keys without a row are left out. */
export async function standings(db: Database, keys: readonly OrderKey[]) {
  const { rows } = await sql<OrderKey & { status: OrderStatus }>`
    SELECT o.tenant_id, o.client_id, o.status FROM ${rowsAs('d', KEY_COLUMNS, keys)}
    JOIN orders o ON o.tenant_id = d.tenant_id AND o.client_id = d.client_id`.execute(db);
  return rows;
}

/** Those of the keys whose `place` job was refused by a submitter since then, with the reasons. */
export async function rejectedSince(db: Database, keys: readonly OrderKey[], since: Date) {
  const { rows } = await sql<OrderKey & { refusals: Refusal[] }>`
    SELECT DISTINCT ON (r.tenant_id, r.client_id) r.client_id, d.tenant_id, r.refusals
    FROM ${rowsAs('d', KEY_COLUMNS, keys)}
    JOIN intent_rejections r ON coalesce(r.tenant_id, 'default') = d.tenant_id AND r.client_id = d.client_id
    WHERE r.created_at >= ${since} AND r.source LIKE 'p-%'`.execute(db);
  return rows;
}

/** Newest first. */
export async function latestRejections(db: Database, tenantId: string, clientId: string, limit: number) {
  const { rows } = await sql<{ refusals: Refusal[]; created_at: Date }>`
    SELECT refusals, created_at FROM intent_rejections
    WHERE coalesce(tenant_id, 'default') = ${tenantId} AND client_id = ${clientId}
    ORDER BY id DESC LIMIT ${limit}`.execute(db);
  return rows;
}

export async function countByStatus(db: Database): Promise<Record<OrderStatus, number>> {
  const rows = await db
    .selectFrom('orders')
    .select(['status', sql<number>`count(*)::int`.as('count')])
    .groupBy('status')
    .execute();
  const counts = new Map(rows.map((row) => [row.status, row.count]));
  return Object.fromEntries(STATUSES.map((status) => [status, counts.get(status) ?? 0])) as Record<
    OrderStatus,
    number
  >;
}

/** Figures of the whole database, for the summary of `router up`. */
export async function totals(db: Database) {
  const { rows } = await sql<{
    fills: number;
    history_rows: number;
    p50_ms: number | null;
    p99_ms: number | null;
  }>`
    SELECT (SELECT count(*)::int FROM order_fills) AS fills,
      (SELECT count(*)::int FROM order_status_history) AS history_rows,
      l.p50_ms, l.p99_ms
    FROM (
      SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50_ms,
        percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99_ms
      FROM (
        SELECT 1000 * extract(epoch FROM a.created_at - o.enqueued_at)::float8 AS ms
        FROM orders o JOIN order_attempts a ON a.order_id = o.id AND a.attempt = 1
      ) x
    ) l`.execute(db);
  return rows[0] ?? { fills: 0, history_rows: 0, p50_ms: null, p99_ms: null };
}
