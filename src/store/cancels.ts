// Cancels: asking for one, and the transactions that carry it to the venue, stored before they leave. A cancel of an order
// that has not come yet spends its key, so that it wins whenever the order comes.
import { type ExpressionBuilder, sql } from 'kysely';
import type { Outcome } from '../core/answers.ts';
import type { SignedTx } from '../core/ports.ts';
import { isFinal, type OrderStatus } from '../core/status.ts';
import { repeatTransient } from './batcher.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';
import type { DB } from './schema.ts';
import { asTenant } from './tenant.ts';
import { storableText } from './text.ts';

export type CancelRequested =
  /** no such order yet: when it comes, it ends without being sent */
  | { readonly outcome: 'spent' }
  /** it ends as soon as that is proven */
  | { readonly outcome: 'requested'; readonly status: OrderStatus }
  /** it had ended before: nothing is cancelled */
  | { readonly outcome: 'final'; readonly status: OrderStatus };

/** Idempotent: the first request is the one that counts. */
export async function requestCancel(
  db: Database,
  tenantId: string,
  clientId: string,
): Promise<CancelRequested> {
  return inTransaction(db, (trx) => requestOne(trx, tenantId, clientId));
}

/** @param db a transaction is taken as it is: after a deadlock only who began it can begin again */
function inTransaction<Result>(db: Database, work: (trx: Database) => Promise<Result>): Promise<Result> {
  return db.isTransaction ? work(db) : repeatTransient(() => db.transaction().execute(work));
}

async function requestOne(trx: Database, tenantId: string, clientId: string): Promise<CancelRequested> {
  // Waits for whoever records the order at this moment.
  const key = await sql<{ order_id: string | null }>`
    INSERT INTO order_keys AS k (tenant_id, client_id, cancel_requested_at)
    VALUES (${tenantId}, ${clientId}, clock_timestamp())
    ON CONFLICT (tenant_id, client_id)
    DO UPDATE SET cancel_requested_at = coalesce(k.cancel_requested_at, excluded.cancel_requested_at)
    RETURNING order_id`.execute(trx);
  const [row] = key.rows;
  if (row?.order_id === null || row === undefined) return { outcome: 'spent' };
  // Whose key names an order may have been anybody: its own name is compared.
  const isIt = sql`id = ${row.order_id} AND tenant_id = ${tenantId} AND client_id = ${clientId}`;
  const asked = await sql<{ status: OrderStatus }>`
    UPDATE orders SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
    WHERE ${isIt} AND status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
    RETURNING status`.execute(trx);
  const [active] = asked.rows;
  if (active !== undefined) return { outcome: 'requested', status: active.status };
  const found = await sql<{ status: OrderStatus }>`
    SELECT status FROM orders WHERE ${isIt} UNION ALL SELECT status FROM orders_archive WHERE ${isIt} LIMIT 1`.execute(
    trx,
  );
  const status = found.rows[0]?.status;
  if (status === undefined || !isFinal(status)) throw new Error(`the order of client_id ${clientId} is gone`);
  return { outcome: 'final', status };
}

/** Which orders: those that match every name that is given. */
export type CancelScope = {
  readonly tenantId?: string | undefined;
  readonly account?: string | undefined;
  readonly market?: string | undefined;
};

/** Asked for in one transaction; more are asked for in the next. */
const CHUNK = 1_000;

/**
 * Of every order that is active now, a transaction for each chunk: what was asked for stays so if the rest fails.
 *
 * @returns how many were not asked for before
 */
export async function requestCancels(db: Database, scope: CancelScope): Promise<number> {
  const { tenantId } = scope;
  const request = (trx: Database) => requestChunk(trx, scope);
  let total = 0;
  for (;;) {
    const count =
      db.isTransaction || tenantId === undefined
        ? await inTransaction(db, request)
        : await repeatTransient(() => asTenant(db, tenantId, request));
    total += count;
    if (count < CHUNK) return total;
  }
}

function isActiveIn({ tenantId, account, market }: CancelScope) {
  return ({ eb, and }: ExpressionBuilder<DB, 'orders'>) =>
    and([
      eb('status', 'in', ['PENDING', 'OPEN', 'PARTIALLY_FILLED']),
      ...(tenantId === undefined ? [] : [eb('tenant_id', '=', tenantId)]),
      ...(account === undefined ? [] : [eb('account', '=', account)]),
      ...(market === undefined ? [] : [eb('market', '=', market)]),
    ]);
}

async function requestChunk(db: Database, scope: CancelScope): Promise<number> {
  const { numUpdatedRows } = await db
    .with('l', (cte) =>
      cte
        .selectFrom('orders')
        .select('id')
        .where('cancel_requested_at', 'is', null)
        .where(isActiveIn(scope))
        .orderBy('id')
        .limit(CHUNK)
        .forNoKeyUpdate(),
    )
    .updateTable('orders')
    .from('l')
    .whereRef('orders.id', '=', 'l.id')
    .set({ cancel_requested_at: sql`clock_timestamp()` })
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** Active orders of the scope, cancelled ones apart: what is left of a book that is being emptied. */
export async function countActive(db: Database, scope: CancelScope) {
  const row = await db
    .selectFrom('orders')
    .select((eb) => [
      eb.fn.countAll<string>().filterWhere('cancel_requested_at', 'is not', null).as('cancelling'),
      eb.fn.countAll<string>().filterWhere('cancel_requested_at', 'is', null).as('others'),
    ])
    .where(isActiveIn(scope))
    .executeTakeFirstOrThrow();
  return { cancelling: Number(row.cancelling), others: Number(row.others) };
}

/** A signed cancel, for one order or, in a batch, for up to 100. */
export type NewCancel = {
  readonly tenantId: string;
  readonly owner: string;
  readonly orderIds: readonly string[];
  readonly goodTilBlock: number | undefined;
  readonly nonce: number | undefined;
  readonly tx: SignedTx;
};

/** Before its bytes leave. @returns false: these bytes were stored before, by somebody who sends them */
export async function storeCancel(db: Database, cancel: NewCancel): Promise<boolean> {
  return repeatTransient(() =>
    db.transaction().execute(async (trx) => {
      const { numInsertedOrUpdatedRows } = await trx
        .insertInto('cancel_transactions')
        .values({
          tx_hash: cancel.tx.hash,
          tenant_id: cancel.tenantId,
          owner: cancel.owner,
          order_ids: [...cancel.orderIds],
          good_til_block: cancel.goodTilBlock ?? null,
          nonce: cancel.nonce ?? null,
          tx_bytes: Buffer.from(cancel.tx.bytes),
        })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows === 0n) return false;
      await sql`
        WITH l AS MATERIALIZED (
          SELECT id FROM orders WHERE id = ANY(${cancel.orderIds}::uuid[]) ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE orders o SET cancel_count = cancel_count + 1 FROM l WHERE o.id = l.id`.execute(trx);
      return true;
    }),
  );
}

export type CancelOutcome = {
  readonly txHash: string;
  readonly outcome: Outcome;
  readonly codespace: string | null;
  readonly code: number | null;
  readonly log: string;
  readonly answeredAt: Date;
};

export async function recordCancelOutcome(db: Database, answer: CancelOutcome): Promise<void> {
  await db
    .updateTable('cancel_transactions')
    .set({
      outcome: answer.outcome,
      codespace: answer.codespace === null ? null : storableText(answer.codespace, 100),
      code: answer.code === null ? null : String(answer.code),
      log: storableText(answer.log, 1000) || null,
      answered_at: answer.answeredAt,
    })
    .where('tx_hash', '=', answer.txHash)
    .execute();
}

/** The newest cancel of each of these stateful orders, and how long ago it was signed. */
export async function latestCancels(db: Database, orderIds: readonly string[]) {
  const { rows } = await sql<{ order_id: string; outcome: Outcome | null; age_ms: number }>`
    SELECT DISTINCT ON (d."orderId") d."orderId" AS order_id, c.outcome,
      (extract(epoch FROM clock_timestamp() - c.created_at) * 1000)::float8 AS age_ms
    FROM ${rowsAs(
      'd',
      { orderId: 'uuid' },
      orderIds.map((orderId) => ({ orderId })),
    )}
    JOIN cancel_transactions c ON c.order_ids @> ARRAY[d."orderId"]
    ORDER BY d."orderId", c.created_at DESC`.execute(db);
  return new Map(rows.map((row) => [row.order_id, { outcome: row.outcome, ageMs: row.age_ms }]));
}
