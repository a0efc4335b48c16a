// Writes of the submitter: record, sign, answer, give up. Each is one statement for a whole batch, names the
// state it expects, locks rows in id order (unsorted batches deadlock), and says which rows it changed.
import { sql } from 'kysely';
import type { Outcome } from '../core/answers.ts';
import type { Intent } from '../core/intent.ts';
import type { SignedTx, VenueOrder } from '../core/ports.ts';
import type { Resolution } from '../core/proof.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';
import { storableText } from './text.ts';

/** The first or a later signature of an order, as it is stored before the first byte leaves. */
export type NewAttempt = {
  readonly orderUuid: string;
  readonly order: VenueOrder;
  readonly signedHeight: number;
  readonly tx: SignedTx;
};

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

/** conflict: the client_id is spent for another body. */
export type Recorded = 'recorded' | 'duplicate' | 'conflict';

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
} as const;

const ATTEMPT_COLUMNS = {
  order_id: 'text',
  owner: 'text',
  dydx_client_id: 'int8',
  clob_pair_id: 'int4',
  order_flags: 'int2',
  quantums: 'int8',
  subticks: 'int8',
  good_til_block: 'int4',
  signed_height: 'int8',
  tx_hash: 'text',
  tx_bytes: 'bytea',
} as const;

function attemptRow(attempt: NewAttempt | undefined) {
  return {
    order_id: attempt?.orderUuid,
    owner: attempt?.order.id.owner,
    dydx_client_id: attempt?.order.id.clientId,
    clob_pair_id: attempt?.order.id.clobPairId,
    order_flags: attempt?.order.id.orderFlags,
    quantums: attempt?.order.quantums,
    subticks: attempt?.order.subticks,
    good_til_block: attempt?.order.goodTilBlock,
    signed_height: attempt?.signedHeight,
    tx_hash: attempt?.tx.hash,
    tx_bytes: attempt?.tx.bytes,
  };
}

function orderRow({ id, intent, intentHash, enqueuedAt, submitBy, wakeAt, attempt }: NewOrder) {
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
    ...attemptRow(attempt),
  };
}

/**
 * Records intents, with key, row and first attempt in one commit. Only what is 'recorded' here may be sent. A
 * producer whose clock is ahead cannot put its orders off by more than a minute.
 */
export async function recordOrders(db: Database, orders: readonly NewOrder[]): Promise<Recorded[]> {
  const rows = rowsAs('d', { ...ORDER_COLUMNS, ...ATTEMPT_COLUMNS }, orders.map(orderRow));
  const { rows: inserted } = await sql<{ order_id: string }>`/* prepared: record_orders */
    WITH d AS MATERIALIZED (SELECT * FROM ${rows}),
    k AS (
      INSERT INTO order_keys (tenant_id, client_id, order_id, intent_hash)
      SELECT tenant_id, client_id, id, intent_hash FROM d ORDER BY tenant_id, client_id
      ON CONFLICT DO NOTHING RETURNING order_id
    ),
    o AS (
      INSERT INTO orders (
        id, tenant_id, client_id, account, subaccount_number, market, side, type, size, price, trigger_price,
        time_in_force, good_til_blocks, good_til_time, reduce_only, post_only, submit_by, metadata, enqueued_at,
        next_wake_at, order_id, owner, dydx_client_id, clob_pair_id, order_flags, quantums, subticks,
        first_good_til_block, good_til_block, tx_hash, attempt_count
      )
      SELECT
        d.id, d.tenant_id, d.client_id, d.account, d.subaccount_number, d.market, d.side, d.type, d.size, d.price,
        d.trigger_price, d.time_in_force, d.good_til_blocks, d.good_til_time, d.reduce_only, d.post_only, d.submit_by,
        d.metadata, least(d.enqueued_at, statement_timestamp()),
        least(d.next_wake_at, statement_timestamp() + interval '1 minute'), d.order_id, d.owner, d.dydx_client_id, d.clob_pair_id, d.order_flags, d.quantums,
        d.subticks, d.good_til_block, d.good_til_block, d.tx_hash, (d.tx_hash IS NOT NULL)::int
      FROM d JOIN k ON k.order_id = d.id
      RETURNING id
    ),
    a AS (
      INSERT INTO order_attempts (order_id, attempt, good_til_block, signed_height, tx_hash, tx_bytes)
      SELECT d.id, 1, d.good_til_block, d.signed_height, d.tx_hash, d.tx_bytes
      FROM d JOIN o ON o.id = d.id WHERE d.tx_hash IS NOT NULL
    )
    SELECT order_id FROM k`.execute(db);
  const isNew = new Set(inserted.map((row) => row.order_id));
  const spent = await spentKeys(
    db,
    orders.filter((order) => !isNew.has(order.id)).map((order) => order.intent),
  );
  return orders.map((order) => {
    if (isNew.has(order.id)) return 'recorded';
    return spent.get(keyOf(order.intent)) === order.intentHash ? 'duplicate' : 'conflict';
  });
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

export type StartAttempt = NewAttempt & { readonly id: string; readonly wakeAt: Date };

/**
 * The attempt rule: an attempt exists only together with the row that allows it. No row, no attempt, no send. The
 * first attempt gives the order its venue identity; a later one must carry the same and only raises the block.
 * @param windowBlocks how far a re-signed good-til-block may lie above the first one, at most 40
 * @returns the numbers of the attempts that may be sent, by tx hash: of two for one order at most one is stored
 */
export async function startAttempts(
  db: Database,
  attempts: readonly StartAttempt[],
  windowBlocks: number,
): Promise<Map<string, number>> {
  const rows = rowsAs(
    'd',
    { id: 'uuid', next_wake_at: 'timestamptz', ...ATTEMPT_COLUMNS },
    attempts.map((attempt) => ({ id: attempt.id, next_wake_at: attempt.wakeAt, ...attemptRow(attempt) })),
  );
  const result = await sql<{ tx_hash: string; attempt: number }>`/* prepared: start_attempts */
    WITH d AS MATERIALIZED (SELECT DISTINCT ON (id) * FROM ${rows} ORDER BY id, good_til_block DESC),
    l AS MATERIALIZED (SELECT o.id FROM orders o JOIN d ON d.id = o.id ORDER BY o.id FOR NO KEY UPDATE OF o),
    u AS (
      UPDATE orders o SET
        good_til_block = d.good_til_block,
        first_good_til_block = coalesce(o.first_good_til_block, d.good_til_block),
        attempt_count = o.attempt_count + 1,
        retry_count = o.retry_count + (o.first_good_til_block IS NOT NULL)::int,
        order_id = d.order_id, owner = d.owner, dydx_client_id = d.dydx_client_id, clob_pair_id = d.clob_pair_id,
        order_flags = d.order_flags, quantums = d.quantums, subticks = d.subticks,
        tx_hash = d.tx_hash, next_wake_at = d.next_wake_at
      FROM l JOIN d ON d.id = l.id
      WHERE o.id = l.id AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') AND o.cancel_requested_at IS NULL
        AND (
          o.good_til_block IS NULL
          OR (
            d.good_til_block > o.good_til_block AND d.good_til_block <= o.first_good_til_block + ${windowBlocks}::int
            AND (d.order_id, d.owner, d.dydx_client_id, d.clob_pair_id, d.order_flags, d.quantums, d.subticks)
              = (o.order_id, o.owner, o.dydx_client_id, o.clob_pair_id, o.order_flags, o.quantums, o.subticks)
          )
        )
      RETURNING o.id, o.attempt_count
    )
    INSERT INTO order_attempts (order_id, attempt, good_til_block, signed_height, tx_hash, tx_bytes)
    SELECT d.id, u.attempt_count, d.good_til_block, d.signed_height, d.tx_hash, d.tx_bytes FROM d JOIN u ON u.id = d.id
    RETURNING tx_hash, attempt`.execute(db);
  return new Map(result.rows.map((row) => [row.tx_hash, row.attempt]));
}

export type Resend = { readonly id: string; readonly attempt: number; readonly retryCount: number };

/** Counts a repeat before its bytes leave. @returns the ids that may be sent: a second claimer gets none. */
export async function startResends(db: Database, resends: readonly Resend[]): Promise<Set<string>> {
  const rows = rowsAs('d', { id: 'uuid', attempt: 'int2', retryCount: 'int4' }, resends);
  const result = await sql<{ id: string }>`/* prepared: start_resends */
    WITH d AS MATERIALIZED (SELECT id, attempt, "retryCount" AS retry_count FROM ${rows}),
    l AS MATERIALIZED (SELECT o.id FROM orders o JOIN d ON d.id = o.id ORDER BY o.id FOR NO KEY UPDATE OF o),
    u AS (
      UPDATE orders o SET retry_count = o.retry_count + 1 FROM l JOIN d ON d.id = l.id
      WHERE o.id = l.id AND o.retry_count = d.retry_count AND o.cancel_requested_at IS NULL
        AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
      RETURNING o.id
    )
    UPDATE order_attempts a SET transmissions = a.transmissions + 1
    FROM d JOIN u ON u.id = d.id WHERE a.order_id = d.id AND a.attempt = d.attempt
    RETURNING a.order_id AS id`.execute(db);
  return new Set(result.rows.map((row) => row.id));
}

/** One answer of the venue, judged. */
export type AttemptOutcome = {
  readonly id: string;
  readonly attempt: number;
  readonly outcome: Outcome;
  readonly codespace: string | null;
  readonly code: number | null;
  readonly log: string;
  readonly answeredAt: Date;
  /** the next thing to do, or null when only proof is awaited */
  readonly wakeAt: Date | null;
  /** present when this answer may end the order at once */
  readonly rejection: Resolution | undefined;
};

/** A stronger answer is never replaced by a weaker one, in whatever order they come. */
const STRENGTH = sql.raw("ARRAY['doubt', 'deferred', 'refused', 'known', 'accepted']");
const MAX_LOG_CHARS = 1000;

/**
 * Stores answers. OPEN and REJECTED are only reached from PENDING, and REJECTED only while retry_count is 0: that
 * is the first and only transmission, whatever other workers did meanwhile. Only the answer to the newest attempt
 * says what to do next. "Already exists in cache" says that a node has seen the bytes, not that it took them.
 */
export async function recordOutcomes(
  db: Database,
  outcomes: readonly AttemptOutcome[],
): Promise<undefined[]> {
  const rows = rowsAs(
    'd',
    {
      id: 'uuid',
      attempt: 'int2',
      outcome: 'text',
      codespace: 'text',
      code: 'int8',
      log: 'text',
      answered_at: 'timestamptz',
      next_wake_at: 'timestamptz',
      rejection: 'jsonb',
    },
    outcomes.map(outcomeRow),
  );
  await sql`/* prepared: record_outcomes */
    WITH d AS MATERIALIZED (
      SELECT DISTINCT ON (id, attempt) *, array_position(${STRENGTH}, outcome) AS strength,
        outcome = 'accepted' OR (outcome = 'known' AND codespace IS DISTINCT FROM 'rpc') AS is_taken
      FROM ${rows} ORDER BY id, attempt, array_position(${STRENGTH}, outcome) DESC
    ),
    l AS MATERIALIZED (
      SELECT o.id, o.status FROM orders o WHERE o.id IN (SELECT id FROM d) ORDER BY o.id FOR NO KEY UPDATE
    ),
    a AS (
      UPDATE order_attempts x SET outcome = d.outcome, codespace = d.codespace, code = d.code,
        log = nullif(d.log, ''), answered_at = d.answered_at
      FROM d JOIN l ON l.id = d.id
      WHERE x.order_id = d.id AND x.attempt = d.attempt
        -- The attempts of a final order are evidence: a late answer does not rewrite them.
        AND l.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
        AND d.strength >= coalesce(array_position(${STRENGTH}, x.outcome), 0)
      RETURNING x.order_id, x.attempt
    ),
    n AS MATERIALIZED (
      SELECT DISTINCT ON (d.id) d.*, t.is_any_taken, a.order_id IS NOT NULL AS is_stored
      FROM d
      JOIN (SELECT id, bool_or(is_taken) AS is_any_taken FROM d GROUP BY id) t ON t.id = d.id
      LEFT JOIN a ON a.order_id = d.id AND a.attempt = d.attempt
      ORDER BY d.id, d.attempt DESC
    ),
    j AS MATERIALIZED (SELECT n.*, n.is_stored AND n.rejection IS NOT NULL AS is_refused FROM n)
    UPDATE orders o SET
      status = CASE
        WHEN o.status = 'PENDING' AND j.is_any_taken THEN 'OPEN'
        WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN 'REJECTED'
        ELSE o.status
      END,
      status_reason = CASE
        WHEN o.status = 'PENDING' AND j.is_any_taken
          THEN CASE j.outcome WHEN 'accepted' THEN 'accepted by a node' ELSE 'known to a node' END
        WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN j.codespace || '/' || j.code
        ELSE o.status_reason
      END,
      resolution = CASE
        WHEN o.status = 'PENDING' AND NOT j.is_any_taken AND j.is_refused AND o.retry_count = 0 THEN j.rejection
        ELSE o.resolution
      END,
      placed_at = CASE WHEN j.is_any_taken THEN coalesce(o.placed_at, j.answered_at) ELSE o.placed_at END,
      error_message = CASE
        WHEN j.is_any_taken OR NOT j.is_stored THEN o.error_message
        ELSE concat_ws(' ', j.codespace || '/' || j.code, nullif(j.log, ''))
      END,
      next_wake_at = CASE
        WHEN o.status IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED') THEN NULL
        WHEN j.attempt = o.attempt_count AND j.is_stored THEN j.next_wake_at
        ELSE o.next_wake_at
      END
    FROM j WHERE o.id = j.id`.execute(db);
  return outcomes.map(() => undefined);
}

/** What a node writes is anything: NUL bytes, half characters, megabytes. */
function outcomeRow(item: AttemptOutcome) {
  const log = storableText(item.log, MAX_LOG_CHARS);
  const codespace = item.codespace === null ? null : storableText(item.codespace, 100);
  const { rejection } = item;
  return {
    id: item.id,
    attempt: item.attempt,
    outcome: item.outcome,
    codespace,
    code: item.code,
    log,
    answered_at: item.answeredAt,
    next_wake_at: item.wakeAt,
    rejection: rejection?.rule === 'refused' ? { ...rejection, codespace: codespace ?? '', log } : rejection,
  };
}

export type NeverSent = {
  readonly id: string;
  readonly status: 'EXPIRED' | 'REJECTED' | 'CANCELLED';
  readonly reason: string;
  readonly resolution: Extract<Resolution, { rule: 'never_sent' }>;
};

/** Ends orders of which nothing was ever signed. @returns the ids that it ended */
export async function endNeverSent(db: Database, orders: readonly NeverSent[]): Promise<Set<string>> {
  const columns = { id: 'uuid', status: 'order_status', reason: 'text', resolution: 'jsonb' } as const;
  const result = await sql<{ id: string }>`
    WITH d AS MATERIALIZED (SELECT * FROM ${rowsAs('d', columns, orders)}),
    l AS MATERIALIZED (SELECT o.id FROM orders o JOIN d ON d.id = o.id ORDER BY o.id FOR NO KEY UPDATE OF o)
    UPDATE orders o SET status = d.status, status_reason = left('never sent: ' || d.reason, 255),
      error_message = d.reason, resolution = d.resolution, next_wake_at = NULL,
      cancelled_at = CASE WHEN d.status = 'CANCELLED' THEN clock_timestamp() END
    FROM l JOIN d ON d.id = l.id
    WHERE o.id = l.id AND o.status = 'PENDING' AND o.good_til_block IS NULL
    RETURNING o.id`.execute(db);
  return new Set(result.rows.map((row) => row.id));
}
