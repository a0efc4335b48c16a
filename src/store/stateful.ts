// What was shown of stateful orders, and the nonces that they are signed with. Each statement names the state that its
// evidence was gathered in: whoever comes late changes nothing.
import { sql } from 'kysely';
import type { Death } from '../core/proof.ts';
import { repeatTransient } from './batcher.ts';
import type { Database } from './database.ts';
import { storableText } from './text.ts';

const ACTIVE = sql.raw("('PENDING', 'OPEN', 'PARTIALLY_FILLED')");

/** Some nonces in doubt are kept for cancels: no number of placements must hold them up. */
export type NonceUse = 'place' | 'cancel';

/** @returns a nonce (unix ms) that nobody else gets; undefined while too many are in doubt: wait a block */
export async function takeNonce(
  db: Database,
  owner: string,
  blockTime: Date,
  use: NonceUse,
): Promise<number | undefined> {
  const { rows } = await repeatTransient(() =>
    sql<{
      nonce: string;
    }>`SELECT take_nonces(${owner}, ${blockTime.getTime()}, 1, ${use === 'cancel'}) AS nonce`.execute(db),
  );
  const [row] = rows;
  return row === undefined ? undefined : Number(row.nonce);
}

/** It is on chain, or can never be: it no longer counts as one in doubt. */
export async function settleNonce(db: Database, owner: string, nonce: number): Promise<void> {
  await db
    .deleteFrom('nonces_in_doubt')
    .where('owner', '=', owner)
    .where('nonce', '=', String(nonce))
    .execute();
}

export type Inclusion = {
  readonly id: string;
  readonly hash: string;
  readonly height: number;
  readonly wakeAt: Date;
};

/** A transaction of the order was carried out. What was noted before, or has ended, stays as it is. */
export async function noteIncluded(db: Database, { id, hash, height, wakeAt }: Inclusion): Promise<void> {
  await sql`
    WITH l AS MATERIALIZED (
      SELECT id, owner FROM orders
      WHERE id = ${id} AND included_height IS NULL AND dead_height IS NULL AND status IN ${ACTIVE} FOR NO KEY UPDATE
    ),
    a AS (
      UPDATE order_attempts x SET included_height = ${height}, included_code = 0
      FROM l WHERE x.order_id = l.id AND x.tx_hash = ${hash}
      RETURNING x.order_id, l.owner, x.nonce
    ),
    n AS (DELETE FROM nonces_in_doubt d USING a WHERE d.owner = a.owner AND d.nonce = a.nonce)
    UPDATE orders o SET included_height = ${height},
      -- A cancel has said when: only sooner.
      next_wake_at = CASE WHEN o.cancel_requested_at IS NULL THEN ${wakeAt}::timestamptz
        ELSE least(o.next_wake_at, ${wakeAt}::timestamptz) END,
      status = CASE o.status WHEN 'PENDING' THEN 'OPEN' ELSE o.status END,
      status_reason = CASE o.status WHEN 'PENDING' THEN 'on chain' ELSE o.status_reason END,
      placed_at = coalesce(o.placed_at, clock_timestamp())
    FROM a WHERE o.id = a.order_id`.execute(db);
}

export type Absence = {
  readonly id: string;
  readonly nonce: number;
  /** as many attempts as were looked for */
  readonly attemptCount: number;
  readonly height: number;
  readonly time: Date;
};

/** Nothing that was signed with this nonce was carried out up to a block that is past its window. */
export async function noteAbsent(db: Database, absence: Absence): Promise<boolean> {
  const { id, nonce, attemptCount, height, time } = absence;
  const { rows } = await sql`
    WITH u AS (
      UPDATE orders SET dead_nonce = nonce
      WHERE id = ${id} AND nonce = ${nonce} AND attempt_count = ${attemptCount} AND included_height IS NULL
        AND status IN ${ACTIVE}
      RETURNING id
    ),
    a AS (
      UPDATE order_attempts x SET absent_height = ${height}, absent_time = ${time} FROM u
      WHERE x.order_id = u.id AND x.nonce = ${nonce} AND x.absent_height IS NULL AND x.included_height IS NULL
    )
    SELECT id FROM u`.execute(db);
  return rows.length > 0;
}

export type Failure = {
  readonly id: string;
  readonly hash: string;
  readonly height: number;
  readonly code: number;
};

/** An attempt is on chain with a code, refused before its nonce was taken: that one is settled, its siblings are not. */
export async function noteFailed(db: Database, { id, hash, height, code }: Failure): Promise<void> {
  await db
    .updateTable('order_attempts')
    .set({ included_height: String(height), included_code: String(code) })
    .where('order_id', '=', id)
    .where('tx_hash', '=', hash)
    .where('included_height', 'is', null)
    .execute();
}

/** From its height on nothing of the order can fill; the reconciler ends it when it has read so far. */
export async function noteDeath(
  db: Database,
  id: string,
  attemptCount: number,
  death: Death,
): Promise<boolean> {
  const stored = death.cause === 'failed' ? storable(death) : death;
  const [hash, code] = death.cause === 'failed' ? [death.tx_hash, death.code] : [null, null];
  // It deletes several nonces, as others do: after a deadlock nothing of it has happened.
  const { rows } = await repeatTransient(() =>
    sql`
      WITH u AS (
        UPDATE orders SET death = ${JSON.stringify(stored)}, dead_height = ${death.height}, next_wake_at = NULL
        WHERE id = ${id} AND death IS NULL AND attempt_count = ${attemptCount} AND status IN ${ACTIVE}
        RETURNING id, owner, nonce
      ),
      a AS (
        UPDATE order_attempts x SET included_height = ${death.height}, included_code = ${code} FROM u
        WHERE x.order_id = u.id AND x.tx_hash = ${hash}
      ),
      -- Its cancels have done their work, or find nothing more to do.
      n AS (
        DELETE FROM nonces_in_doubt d USING u WHERE d.owner = u.owner AND (d.nonce = u.nonce OR d.nonce IN (
          SELECT c.nonce FROM cancel_transactions c WHERE c.order_ids @> ARRAY[u.id]))
      )
      SELECT id FROM u`.execute(db),
  );
  return rows.length > 0;
}

/** What a node writes is anything: NUL bytes, half characters, megabytes. */
function storable(death: Extract<Death, { cause: 'failed' }>): Death {
  return { ...death, codespace: storableText(death.codespace, 100), log: storableText(death.log, 1000) };
}
