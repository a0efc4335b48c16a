// Orders whose time has come. Claiming moves next_wake_at ahead by a lease, so that two workers never hold one
// order and a worker that dies lets go of it.
import { sql } from 'kysely';
import type { Outcome } from '../core/answers.ts';
import type { SignedContent } from '../core/plan.ts';
import type { OrderStatus, OrderType, Side, TimeInForce } from '../core/status.ts';
import { repeatTransient } from './batcher.ts';
import type { Database } from './database.ts';

export type ClaimedOrder = {
  readonly id: string;
  readonly clientId: string;
  readonly account: string;
  readonly subaccountNumber: number;
  readonly market: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly size: string;
  readonly price: string | null;
  readonly timeInForce: TimeInForce;
  readonly goodTilBlocks: number | null;
  readonly goodTilTime: Date | null;
  readonly reduceOnly: boolean;
  readonly postOnly: boolean;
  readonly submitBy: Date | null;
  readonly enqueuedAt: Date;
  readonly status: OrderStatus;
  readonly retryCount: number;
  readonly orderUuid: string | null;
  readonly firstGoodTilBlock: number | null;
  /** what was signed; null until the first signature */
  readonly content: SignedContent | null;
  readonly latestAttempt: {
    readonly attempt: number;
    readonly goodTilBlock: number;
    readonly transmissions: number;
    readonly outcome: Outcome | null;
    readonly txHash: string;
    readonly txBytes: Buffer;
  } | null;
};

/**
 * statement_timestamp() is stable within the statement: with clock_timestamp() the index could not serve.
 * @param leaseMs until then nobody else gets them
 */
export async function claimDue(db: Database, limit: number, leaseMs: number): Promise<ClaimedOrder[]> {
  const claimed = await db
    .with('due', (cte) =>
      cte
        .selectFrom('orders')
        .select('id')
        .where('next_wake_at', '<=', sql<Date>`statement_timestamp()`)
        .orderBy('next_wake_at')
        .limit(limit)
        .forNoKeyUpdate()
        .skipLocked(),
    )
    .updateTable('orders')
    .from('due')
    .whereRef('orders.id', '=', 'due.id')
    .set({ next_wake_at: sql`statement_timestamp() + make_interval(secs => ${leaseMs / 1000})` })
    .returningAll('orders')
    .execute();
  if (claimed.length === 0) return [];
  const attempts = await db
    .selectFrom('order_attempts')
    .distinctOn('order_id')
    .selectAll()
    .where(
      'order_id',
      'in',
      claimed.map((row) => row.id),
    )
    .orderBy('order_id')
    .orderBy('attempt', 'desc')
    .execute();
  const latest = new Map(attempts.map((attempt) => [attempt.order_id, attempt]));
  return claimed.map((row) => {
    const attempt = latest.get(row.id);
    return {
      id: row.id,
      clientId: row.client_id,
      account: row.account,
      subaccountNumber: row.subaccount_number,
      market: row.market,
      side: row.side,
      type: row.type,
      size: row.size,
      price: row.price,
      timeInForce: row.time_in_force,
      goodTilBlocks: row.good_til_blocks,
      goodTilTime: row.good_til_time,
      reduceOnly: row.reduce_only,
      postOnly: row.post_only,
      submitBy: row.submit_by,
      enqueuedAt: row.enqueued_at,
      status: row.status,
      retryCount: row.retry_count,
      orderUuid: row.order_id,
      firstGoodTilBlock: row.first_good_til_block,
      content: contentOf(row),
      latestAttempt:
        attempt === undefined
          ? null
          : {
              attempt: attempt.attempt,
              goodTilBlock: attempt.good_til_block,
              transmissions: attempt.transmissions,
              outcome: attempt.outcome as Outcome | null,
              txHash: attempt.tx_hash,
              txBytes: attempt.tx_bytes,
            },
    };
  });
}

type ContentColumns = {
  owner: string | null;
  subaccount_number: number;
  dydx_client_id: string | null;
  clob_pair_id: number | null;
  side: Side;
  type: OrderType;
  time_in_force: TimeInForce;
  quantums: string | null;
  subticks: string | null;
  reduce_only: boolean;
  post_only: boolean;
};

function contentOf(row: ContentColumns): SignedContent | null {
  const { owner, dydx_client_id, clob_pair_id, quantums, subticks } = row;
  if (
    owner === null ||
    dydx_client_id === null ||
    clob_pair_id === null ||
    quantums === null ||
    subticks === null
  ) {
    return null;
  }
  return {
    owner,
    subaccountNumber: row.subaccount_number,
    clientId: Number(dydx_client_id),
    clobPairId: clob_pair_id,
    side: row.side,
    type: row.type,
    timeInForce: row.time_in_force,
    quantums: BigInt(quantums),
    subticks: BigInt(subticks),
    reduceOnly: row.reduce_only,
    postOnly: row.post_only,
  };
}

/** Nothing more to send: leave them to the reconciler. */
export async function awaitProof(db: Database, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await repeatTransient(() =>
    sql`
      WITH l AS MATERIALIZED (
        SELECT id FROM orders WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR NO KEY UPDATE
      )
      UPDATE orders o SET next_wake_at = NULL FROM l WHERE o.id = l.id`.execute(db),
  );
}

/** Whether any order is due, of any tenant; the sweep's question. */
export async function hasDue(db: Database): Promise<boolean> {
  const { has_due } = await db.selectFrom('due_orders').select('has_due').executeTakeFirstOrThrow();
  return has_due === true;
}
