// Attempts after an order is recorded: signing it, signing it again, sending the same bytes again. Each is written
// before the bytes leave, in one statement for a whole batch that names the state it expects, locks rows in id order
// (unsorted batches deadlock), and says which may be sent.
import { sql } from 'kysely';
import type { SignedTx, VenueOrder } from '../core/ports.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';

/** The first or a later signature of an order, as it is stored before the first byte leaves. */
export type NewAttempt = {
  readonly orderUuid: string;
  readonly order: VenueOrder;
  /** of a stateful order: what it was signed with */
  readonly nonce: number | undefined;
  readonly signedHeight: number;
  readonly tx: SignedTx;
};

export const ATTEMPT_COLUMNS = {
  order_id: 'text',
  owner: 'text',
  dydx_client_id: 'int8',
  clob_pair_id: 'int4',
  order_flags: 'int2',
  quantums: 'int8',
  subticks: 'int8',
  trigger_subticks: 'int8',
  good_til_block: 'int4',
  nonce: 'int8',
  signed_height: 'int8',
  tx_hash: 'text',
  tx_bytes: 'bytea',
} as const;

export function attemptRow(attempt: NewAttempt | undefined) {
  return {
    order_id: attempt?.orderUuid,
    owner: attempt?.order.id.owner,
    dydx_client_id: attempt?.order.id.clientId,
    clob_pair_id: attempt?.order.id.clobPairId,
    order_flags: attempt?.order.id.orderFlags,
    quantums: attempt?.order.quantums,
    subticks: attempt?.order.subticks,
    trigger_subticks: attempt?.order.condition?.triggerSubticks,
    good_til_block: attempt?.order.goodTilBlock,
    nonce: attempt?.nonce,
    signed_height: attempt?.signedHeight,
    tx_hash: attempt?.tx.hash,
    tx_bytes: attempt?.tx.bytes,
  };
}

export type StartAttempt = NewAttempt & { readonly id: string; readonly wakeAt: Date };

/**
 * The attempt rule: an attempt exists only together with the row that allows it. No row, no attempt, no send. The
 * first attempt gives the order its venue identity; a later one must carry the same. Of a short-term order it only
 * raises the block; of a stateful one it has the same nonce, or a later one once the nonce before was shown dead.
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
  const ids = attempts.map(({ id }) => id);
  const result = await sql<{ tx_hash: string; attempt: number }>`/* prepared: start_attempts */
    WITH d AS MATERIALIZED (SELECT DISTINCT ON (id) * FROM ${rows} ORDER BY id, good_til_block DESC, nonce DESC),
    l AS MATERIALIZED (SELECT id FROM orders WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR NO KEY UPDATE),
    u AS (
      UPDATE orders o SET
        good_til_block = d.good_til_block,
        first_good_til_block = coalesce(o.first_good_til_block, d.good_til_block),
        attempt_count = o.attempt_count + 1,
        retry_count = o.retry_count + (o.attempt_count > 0)::int,
        order_id = d.order_id, owner = d.owner, dydx_client_id = d.dydx_client_id, clob_pair_id = d.clob_pair_id,
        order_flags = d.order_flags, quantums = d.quantums, subticks = d.subticks,
        trigger_subticks = d.trigger_subticks, nonce = d.nonce,
        tx_hash = d.tx_hash, next_wake_at = d.next_wake_at
      FROM l JOIN d ON d.id = l.id
      WHERE o.id = l.id AND o.id = ANY(${ids}::uuid[])
        AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') AND o.cancel_requested_at IS NULL
        AND (
          o.attempt_count = 0
          OR (
            (
              (d.good_til_block > o.good_til_block AND d.good_til_block <= o.first_good_til_block + ${windowBlocks}::int)
              OR (
                o.included_height IS NULL AND o.dead_height IS NULL
                AND CASE WHEN o.dead_nonce = o.nonce THEN d.nonce > o.nonce ELSE d.nonce = o.nonce END
              )
            )
            AND (d.order_id, d.owner, d.dydx_client_id, d.clob_pair_id, d.order_flags, d.quantums, d.subticks,
              d.trigger_subticks) IS NOT DISTINCT FROM (o.order_id, o.owner, o.dydx_client_id, o.clob_pair_id,
              o.order_flags, o.quantums, o.subticks, o.trigger_subticks)
          )
        )
      RETURNING o.id, o.attempt_count
    )
    INSERT INTO order_attempts (order_id, attempt, good_til_block, nonce, signed_height, tx_hash, tx_bytes)
    SELECT d.id, u.attempt_count, d.good_til_block, d.nonce, d.signed_height, d.tx_hash, d.tx_bytes
    FROM d JOIN u ON u.id = d.id
    RETURNING tx_hash, attempt`.execute(db);
  return new Map(result.rows.map((row) => [row.tx_hash, row.attempt]));
}

export type Resend = { readonly id: string; readonly attempt: number; readonly retryCount: number };

/** Counts a repeat before its bytes leave. @returns the ids that may be sent: a second claimer gets none. */
export async function startResends(db: Database, resends: readonly Resend[]): Promise<Set<string>> {
  const rows = rowsAs('d', { id: 'uuid', attempt: 'int2', retryCount: 'int4' }, resends);
  const ids = resends.map(({ id }) => id);
  const result = await sql<{ id: string }>`/* prepared: start_resends */
    WITH d AS MATERIALIZED (SELECT id, attempt, "retryCount" AS retry_count FROM ${rows}),
    l AS MATERIALIZED (SELECT id FROM orders WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR NO KEY UPDATE),
    u AS (
      UPDATE orders o SET retry_count = o.retry_count + 1 FROM l JOIN d ON d.id = l.id
      WHERE o.id = l.id AND o.id = ANY(${ids}::uuid[]) AND o.retry_count = d.retry_count AND o.cancel_requested_at IS NULL
        AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') AND o.included_height IS NULL AND o.dead_height IS NULL
      RETURNING o.id
    )
    UPDATE order_attempts a SET transmissions = a.transmissions + 1
    FROM d JOIN u ON u.id = d.id
    WHERE a.order_id = d.id AND a.order_id = ANY(${ids}::uuid[]) AND a.attempt = d.attempt AND a.included_height IS NULL
    RETURNING a.order_id AS id`.execute(db);
  return new Set(result.rows.map((row) => row.id));
}
