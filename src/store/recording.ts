// Recording: key, row and first attempt of a new order in one commit. What is not recorded here is never sent, and
// one client_id is one order for ever. One statement for a whole batch, in key order (unsorted batches deadlock).
import { type RawBuilder, sql } from 'kysely';
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

/**
 * In key order: unsorted batches of the same keys deadlock. A key that a cancel has spent takes the first order that
 * comes for it, with that cancel.
 */
const insertKeys = sql`
      INSERT INTO order_keys AS k (tenant_id, client_id, order_id, intent_hash)
      SELECT tenant_id, client_id, id, intent_hash FROM d ORDER BY tenant_id, client_id
      ON CONFLICT (tenant_id, client_id)
      DO UPDATE SET order_id = excluded.order_id, intent_hash = excluded.intent_hash WHERE k.order_id IS NULL
      RETURNING order_id, cancel_requested_at`;

/** Of two orders for one key the first: no key is written twice by a statement. */
const firstOfEachKey = (rows: RawBuilder<object>) => sql`
      SELECT DISTINCT ON (tenant_id, client_id) * FROM ${rows} ORDER BY tenant_id, client_id, id`;

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
  const isCancelled = new Map(inserted.map((row) => [row.order_id, row.is_cancelled]));
  const spent = await spentKeys(
    db,
    orders.filter((order) => !isCancelled.has(order.id)).map((order) => order.intent),
  );
  return orders.map((order) => {
    const cancelled = isCancelled.get(order.id);
    if (cancelled !== undefined) return cancelled ? 'cancelled' : 'recorded';
    return spent.get(keyOf(order.intent)) === order.intentHash ? 'duplicate' : 'conflict';
  });
}

const INTENT_NAMES = sql.raw(INTENT_COLUMNS.join(', '));
/** One that was cancelled before it came is due at once, to end without having been sent. */
const INTENT_VALUES = sql.raw(
  INTENT_COLUMNS.map((column) => {
    if (column === 'enqueued_at') return 'least(d.enqueued_at, statement_timestamp())';
    if (column !== 'next_wake_at') return `d.${column}`;
    return `CASE WHEN k.cancel_requested_at IS NULL
        THEN least(d.next_wake_at, statement_timestamp() + interval '1 minute') ELSE statement_timestamp() END`;
  }).join(', '),
);

type Inserted = readonly { readonly order_id: string; readonly is_cancelled: boolean }[];
const INSERTED = sql`SELECT order_id, cancel_requested_at IS NOT NULL AS is_cancelled FROM k`;

/** What a door does that may write nothing but intents. */
async function insertUnsigned(db: Database, orders: readonly NewOrder[]): Promise<Inserted> {
  const rows = rowsAs('d', ORDER_COLUMNS, orders.map(orderRow));
  const result = await sql<Inserted[number]>`/* prepared: record_unsigned_orders */
    WITH d AS MATERIALIZED (${firstOfEachKey(rows)}),
    k AS (${insertKeys}),
    o AS (
      INSERT INTO orders (${INTENT_NAMES}, cancel_requested_at)
      SELECT ${INTENT_VALUES}, k.cancel_requested_at FROM d JOIN k ON k.order_id = d.id
    )
    ${INSERTED}`.execute(db);
  return result.rows;
}

/** What a first signature gives an order; nothing of one that was cancelled before it came. */
const SIGNED = {
  order_id: 'order_id',
  owner: 'owner',
  dydx_client_id: 'dydx_client_id',
  clob_pair_id: 'clob_pair_id',
  order_flags: 'order_flags',
  quantums: 'quantums',
  subticks: 'subticks',
  trigger_subticks: 'trigger_subticks',
  nonce: 'nonce',
  first_good_til_block: 'good_til_block',
  good_til_block: 'good_til_block',
  tx_hash: 'tx_hash',
} as const satisfies Record<string, keyof typeof ATTEMPT_COLUMNS>;
const SIGNED_NAMES = sql.raw(Object.keys(SIGNED).join(', '));
const SIGNED_VALUES = sql.raw(
  Object.values(SIGNED)
    .map((column) => `CASE WHEN k.cancel_requested_at IS NULL THEN d.${column} END`)
    .join(', '),
);

async function insertSigned(db: Database, orders: readonly NewOrder[]): Promise<Inserted> {
  const rows = rowsAs(
    'd',
    { ...ORDER_COLUMNS, ...ATTEMPT_COLUMNS },
    orders.map((order) => ({ ...orderRow(order), ...attemptRow(order.attempt) })),
  );
  const result = await sql<Inserted[number]>`/* prepared: record_orders */
    WITH d AS MATERIALIZED (${firstOfEachKey(rows)}),
    k AS (${insertKeys}),
    o AS (
      INSERT INTO orders (${INTENT_NAMES}, cancel_requested_at, attempt_count, ${SIGNED_NAMES})
      SELECT ${INTENT_VALUES}, k.cancel_requested_at,
        (d.tx_hash IS NOT NULL AND k.cancel_requested_at IS NULL)::int, ${SIGNED_VALUES}
      FROM d JOIN k ON k.order_id = d.id
      RETURNING id, attempt_count
    ),
    a AS (
      INSERT INTO order_attempts (order_id, attempt, good_til_block, nonce, signed_height, tx_hash, tx_bytes)
      SELECT d.id, 1, d.good_til_block, d.nonce, d.signed_height, d.tx_hash, d.tx_bytes
      FROM d JOIN o ON o.id = d.id WHERE o.attempt_count > 0
    )
    ${INSERTED}`.execute(db);
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
