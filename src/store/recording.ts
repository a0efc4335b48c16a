// Recording: key, row and first attempt of a new order in one commit. What is not recorded here is never sent, and
// one client_id is one order for ever. One statement for a whole batch, in key order (unsorted batches deadlock).
import { sql } from 'kysely';
import type { Intent } from '../core/intent.ts';
import { ATTEMPT_COLUMNS, attemptRow, type NewAttempt } from './attempts.ts';
import type { Database } from './database.ts';
import { INTENT_COLUMNS } from './roles.ts';
import { rowsAs } from './rows.ts';

export type NewOrder = {
  /** uuid v7 */
  readonly id: string;
  readonly intent: Intent;
  readonly intentHash: string;
  /** when the producer let go of it */
  readonly enqueuedAt: Date;
  readonly submitBy: Date | undefined;
  /** Due for the sweep from then on, should nobody finish what was begun. */
  readonly wakeAt: Date;
  /** Absent: recorded only, to be signed when it is due. */
  readonly attempt: NewAttempt | undefined;
};

/**
 * conflict: the client_id is spent for another body. cancelled: recorded, but a cancel came before it: nothing of it is
 * signed, and it is due to end.
 */
export type Recorded = 'recorded' | 'duplicate' | 'conflict' | 'cancelled';

const ORDER_COLUMNS = {
  id: 'uuid',
  tenant_id: 'text',
  client_id: 'text',
  intent_hash: 'text',
  account: 'text',
  subaccount_number: 'int4',
  market: 'text',
  side: 'order_side',
  type: 'order_type',
  size: 'numeric',
  price: 'numeric',
  trigger_price: 'numeric',
  time_in_force: 'time_in_force',
  good_til_blocks: 'int2',
  good_til_time: 'timestamptz',
  reduce_only: 'bool',
  post_only: 'bool',
  submit_by: 'timestamptz',
  metadata: 'jsonb',
  enqueued_at: 'timestamptz',
  next_wake_at: 'timestamptz',
} as const satisfies Record<(typeof INTENT_COLUMNS)[number] | 'intent_hash', string>;

/** In key order: unsorted batches of the same keys deadlock. */
const insertKeys = sql`
      INSERT INTO order_keys (tenant_id, client_id, order_id, intent_hash)
      SELECT tenant_id, client_id, id, intent_hash FROM d ORDER BY tenant_id, client_id
      ON CONFLICT DO NOTHING RETURNING order_id`;

function orderRow({ id, intent, intentHash, enqueuedAt, submitBy, wakeAt }: NewOrder) {
  return {
    id,
    tenant_id: intent.tenant_id,
    client_id: intent.client_id,
    intent_hash: intentHash,
    account: intent.account,
    subaccount_number: intent.subaccount_number,
    market: intent.market,
    side: intent.side,
    type: intent.type,
    size: intent.size,
    price: intent.price,
    trigger_price: intent.trigger_price,
    time_in_force: intent.time_in_force,
    good_til_blocks: intent.good_til_blocks,
    good_til_time: intent.good_til_time,
    reduce_only: intent.reduce_only,
    post_only: intent.post_only,
    submit_by: submitBy,
    metadata: intent.metadata === undefined ? undefined : JSON.stringify(intent.metadata),
    enqueued_at: enqueuedAt,
    next_wake_at: wakeAt,
  };
}

/**
 * Records intents, with key, row and first attempt in one commit. Only what is 'recorded' here may be sent. A
 * producer whose clock is ahead cannot put its orders off by more than a minute.
 */
export async function recordOrders(db: Database, orders: readonly NewOrder[]): Promise<Recorded[]> {
  const inserted = orders.some((order) => order.attempt !== undefined)
    ? await insertSigned(db, orders)
    : await insertUnsigned(db, orders);
  const isNew = new Set(inserted.map((row) => row.order_id));
  const spent = await spentKeys(
    db,
    orders.filter((order) => !isNew.has(order.id)).map((order) => order.intent),
  );
  const cancelled = await insertCancelled(
    db,
    orders.filter((order) => !isNew.has(order.id) && spent.get(keyOf(order.intent)) === null),
  );
  return orders.map((order) => {
    if (isNew.has(order.id)) return 'recorded';
    if (cancelled.ids.has(order.id)) return 'cancelled';
    const hash = cancelled.hashes.get(keyOf(order.intent)) ?? spent.get(keyOf(order.intent));
    return hash === order.intentHash ? 'duplicate' : 'conflict';
  });
}

/**
 * Orders whose keys a cancel has spent before they came. The first one takes its key and is recorded with that cancel; it
 * is due at once, to end without having been sent.
 */
async function insertCancelled(db: Database, orders: readonly NewOrder[]) {
  if (orders.length === 0) return { ids: new Set<string>(), hashes: new Map<string, string | null>() };
  const rows = rowsAs('d', ORDER_COLUMNS, orders.map(orderRow));
  const inserted = await sql<{ id: string }>`/* prepared: record_cancelled_orders */
    WITH d AS MATERIALIZED (
      SELECT DISTINCT ON (tenant_id, client_id) * FROM ${rows} ORDER BY tenant_id, client_id, id
    ),
    k AS (
      UPDATE order_keys k SET order_id = d.id, intent_hash = d.intent_hash FROM d
      WHERE k.tenant_id = d.tenant_id AND k.client_id = d.client_id AND k.order_id IS NULL
      RETURNING k.order_id, k.cancel_requested_at
    )
    INSERT INTO orders (${INTENT_NAMES}, cancel_requested_at)
    SELECT ${CANCELLED_VALUES}, k.cancel_requested_at FROM d JOIN k ON k.order_id = d.id
    RETURNING id`.execute(db);
  // Whoever was slower finds whose the key is now.
  const hashes = await spentKeys(
    db,
    orders.map((order) => order.intent),
  );
  return { ids: new Set(inserted.rows.map((row) => row.id)), hashes };
}

const INTENT_NAMES = sql.raw(INTENT_COLUMNS.join(', '));
const INTENT_VALUES = sql.raw(
  INTENT_COLUMNS.map((column) => {
    if (column === 'enqueued_at') return 'least(d.enqueued_at, statement_timestamp())';
    if (column === 'next_wake_at')
      return "least(d.next_wake_at, statement_timestamp() + interval '1 minute')";
    return `d.${column}`;
  }).join(', '),
);

/** Due at once. */
const CANCELLED_VALUES = sql.raw(
  INTENT_COLUMNS.map((column) => {
    if (column === 'enqueued_at') return 'least(d.enqueued_at, statement_timestamp())';
    return column === 'next_wake_at' ? 'statement_timestamp()' : `d.${column}`;
  }).join(', '),
);

type Inserted = readonly { readonly order_id: string }[];

/** What a door does that may write nothing but intents. */
async function insertUnsigned(db: Database, orders: readonly NewOrder[]): Promise<Inserted> {
  const rows = rowsAs('d', ORDER_COLUMNS, orders.map(orderRow));
  const result = await sql<{ order_id: string }>`/* prepared: record_unsigned_orders */
    WITH d AS MATERIALIZED (SELECT * FROM ${rows}),
    k AS (${insertKeys}),
    o AS (
      INSERT INTO orders (${INTENT_NAMES}) SELECT ${INTENT_VALUES} FROM d JOIN k ON k.order_id = d.id
    )
    SELECT order_id FROM k`.execute(db);
  return result.rows;
}

async function insertSigned(db: Database, orders: readonly NewOrder[]): Promise<Inserted> {
  const rows = rowsAs(
    'd',
    { ...ORDER_COLUMNS, ...ATTEMPT_COLUMNS },
    orders.map((order) => ({ ...orderRow(order), ...attemptRow(order.attempt) })),
  );
  const result = await sql<{ order_id: string }>`/* prepared: record_orders */
    WITH d AS MATERIALIZED (SELECT * FROM ${rows}),
    k AS (${insertKeys}),
    o AS (
      INSERT INTO orders (
        ${INTENT_NAMES}, order_id, owner, dydx_client_id, clob_pair_id, order_flags, quantums, subticks,
        trigger_subticks, nonce, first_good_til_block, good_til_block, tx_hash, attempt_count
      )
      SELECT ${INTENT_VALUES}, d.order_id, d.owner, d.dydx_client_id, d.clob_pair_id, d.order_flags, d.quantums,
        d.subticks, d.trigger_subticks, d.nonce, d.good_til_block, d.good_til_block, d.tx_hash,
        (d.tx_hash IS NOT NULL)::int
      FROM d JOIN k ON k.order_id = d.id
      RETURNING id
    ),
    a AS (
      INSERT INTO order_attempts (order_id, attempt, good_til_block, nonce, signed_height, tx_hash, tx_bytes)
      SELECT d.id, 1, d.good_til_block, d.nonce, d.signed_height, d.tx_hash, d.tx_bytes
      FROM d JOIN o ON o.id = d.id WHERE d.tx_hash IS NOT NULL
    )
    SELECT order_id FROM k`.execute(db);
  return result.rows;
}

type Key = { readonly tenant_id: string; readonly client_id: string };

export function keyOf(key: Key): string {
  return JSON.stringify([key.tenant_id, key.client_id]);
}

/** intent_hash by keyOf, for the keys that are spent. */
export async function spentKeys(db: Database, keys: readonly Key[]): Promise<Map<string, string | null>> {
  if (keys.length === 0) return new Map();
  const wanted = rowsAs(
    'd',
    { tenant_id: 'text', client_id: 'text' },
    keys.map(({ tenant_id, client_id }) => ({ tenant_id, client_id })),
  );
  const { rows } = await sql<Key & { intent_hash: string | null }>`
    SELECT k.tenant_id, k.client_id, k.intent_hash FROM ${wanted}
    JOIN order_keys k ON k.tenant_id = d.tenant_id AND k.client_id = d.client_id`.execute(db);
  return new Map(rows.map((row) => [keyOf(row), row.intent_hash]));
}
