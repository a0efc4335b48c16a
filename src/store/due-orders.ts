// Orders whose time has come. Claiming moves next_wake_at ahead by a lease, so that two workers never hold one
// order and a worker that dies lets go of it.
import { sql } from 'kysely';
import type { Outcome } from '../core/answers.ts';
import type { SignedContent } from '../core/plan.ts';
import type { OrderStatus, OrderType, Side, TimeInForce } from '../core/status.ts';
import { repeatTransient } from './batcher.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';

type OpenTransaction = {
  readonly hash: string;
  /** the newest block that was known when it was signed: it is in none below */
  readonly signedHeight: number;
};

export type ClaimedOrder = {
  readonly id: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly account: string;
  readonly subaccountNumber: number;
  readonly market: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly size: string;
  readonly price: string | null;
  readonly triggerPrice: string | null;
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
  /** the highest that was signed */
  readonly goodTilBlock: number | null;
  readonly isCancelRequested: boolean;
  /** cancels that were signed for it */
  readonly cancelCount: number;
  readonly attemptCount: number;
  /** of stateful orders, see src/core/stateful.ts */
  readonly nonce: number | null;
  readonly deadNonce: number | null;
  readonly includedHeight: number | null;
  readonly isDead: boolean;
  /** of stateful orders: the transactions whose fate was not shown */
  readonly openTransactions: readonly OpenTransaction[];
  /** what was signed; null until the first signature */
  readonly content: SignedContent | null;
  readonly latestAttempt: {
    readonly attempt: number;
    readonly goodTilBlock: number | null;
    readonly transmissions: number;
    readonly outcome: Outcome | null;
    readonly codespace: string | null;
    readonly code: number | null;
    /** on chain, and refused there */
    readonly isFailed: boolean;
    readonly txHash: string;
    readonly txBytes: Buffer;
  } | null;
};

export type Claim = {
  readonly limit: number;
  /** until then nobody else gets them */
  readonly leaseMs: number;
  /** only orders that are to be cancelled: no number of placements holds them up */
  readonly isOfCancels?: boolean;
};

/** statement_timestamp() is stable within the statement: with clock_timestamp() the index could not serve. */
export async function claimDue(
  db: Database,
  { limit, leaseMs, isOfCancels = false }: Claim,
): Promise<ClaimedOrder[]> {
  const claimed = await db
    .with('due', (cte) =>
      cte
        .selectFrom('orders')
        .select('id')
        .where('next_wake_at', '<=', sql<Date>`statement_timestamp()`)
        .$if(isOfCancels, (query) => query.where('cancel_requested_at', 'is not', null))
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
  const open = await openTransactions(db, claimed);
  return claimed.map((row) => {
    const attempt = latest.get(row.id);
    return {
      id: row.id,
      tenantId: row.tenant_id,
      clientId: row.client_id,
      account: row.account,
      subaccountNumber: row.subaccount_number,
      market: row.market,
      side: row.side,
      type: row.type,
      size: row.size,
      price: row.price,
      triggerPrice: row.trigger_price,
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
      goodTilBlock: row.good_til_block,
      isCancelRequested: row.cancel_requested_at !== null,
      cancelCount: row.cancel_count,
      attemptCount: row.attempt_count,
      nonce: numberOf(row.nonce),
      deadNonce: numberOf(row.dead_nonce),
      includedHeight: numberOf(row.included_height),
      isDead: row.dead_height !== null,
      openTransactions: open.get(row.id) ?? [],
      content: contentOf(row),
      latestAttempt:
        attempt === undefined
          ? null
          : {
              attempt: attempt.attempt,
              goodTilBlock: attempt.good_til_block,
              transmissions: attempt.transmissions,
              outcome: attempt.outcome as Outcome | null,
              codespace: attempt.codespace,
              code: numberOf(attempt.code),
              isFailed: attempt.included_code !== null && attempt.included_code !== '0',
              txHash: attempt.tx_hash,
              txBytes: attempt.tx_bytes,
            },
    };
  });
}

function numberOf(int8: string | null): number | null {
  return int8 === null ? null : Number(int8);
}

/** What was signed for stateful orders and may still be found on chain, by order. */
async function openTransactions(
  db: Database,
  claimed: readonly {
    readonly id: string;
    readonly nonce: string | null;
    readonly included_height: string | null;
  }[],
): Promise<ReadonlyMap<string, readonly OpenTransaction[]>> {
  const ids = claimed
    .filter((row) => row.nonce !== null && row.included_height === null)
    .map((row) => row.id);
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('order_attempts')
    .select(['order_id', 'tx_hash', 'signed_height'])
    .where('order_id', 'in', ids)
    .where('absent_height', 'is', null)
    .where('included_height', 'is', null)
    .orderBy('attempt', 'desc')
    .execute();
  const byOrder = Map.groupBy(rows, (row) => row.order_id);
  const openOf = (row: (typeof rows)[number]) => ({
    hash: row.tx_hash,
    signedHeight: Number(row.signed_height),
  });
  return new Map([...byOrder].map(([id, attempts]) => [id, attempts.map(openOf)]));
}

type ContentColumns = {
  owner: string | null;
  subaccount_number: number;
  dydx_client_id: string | null;
  clob_pair_id: number | null;
  order_flags: number | null;
  trigger_subticks: string | null;
  side: Side;
  type: OrderType;
  time_in_force: TimeInForce;
  quantums: string | null;
  subticks: string | null;
  reduce_only: boolean;
  post_only: boolean;
};

function contentOf(row: ContentColumns): SignedContent | null {
  const { owner, dydx_client_id, clob_pair_id, order_flags, quantums, subticks } = row;
  if (
    owner === null ||
    dydx_client_id === null ||
    clob_pair_id === null ||
    order_flags === null ||
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
    orderFlags: order_flags,
    triggerSubticks: row.trigger_subticks === null ? undefined : BigInt(row.trigger_subticks),
    side: row.side,
    type: row.type,
    timeInForce: row.time_in_force,
    quantums: BigInt(quantums),
    subticks: BigInt(subticks),
    reduceOnly: row.reduce_only,
    postOnly: row.post_only,
  };
}

/** As it was when it was claimed: a cancel that came since has made it due, and who did not know of it does not put it off. */
export type Claimed = Pick<ClaimedOrder, 'id' | 'isCancelRequested'>;

/** Nothing more to send: leave them to the reconciler. */
export async function awaitProof(db: Database, orders: readonly Claimed[]): Promise<void> {
  await putOff(
    db,
    orders.map((order) => ({ ...order, wakeAt: undefined })),
  );
}

/** When to look at each of them again, unless they are final by then. */
export async function wakeLater(
  db: Database,
  orders: readonly (Claimed & { readonly wakeAt: Date })[],
): Promise<void> {
  await putOff(db, orders);
}

async function putOff(
  db: Database,
  orders: readonly (Claimed & { readonly wakeAt: Date | undefined })[],
): Promise<void> {
  if (orders.length === 0) return;
  const rows = rowsAs(
    'd',
    { id: 'uuid', is_cancel_known: 'bool', wake_at: 'timestamptz' },
    orders.map(({ id, isCancelRequested, wakeAt }) => ({
      id,
      is_cancel_known: isCancelRequested,
      wake_at: wakeAt,
    })),
  );
  await repeatTransient(() =>
    sql`/* prepared: put_off */
      WITH d AS MATERIALIZED (SELECT * FROM ${rows}),
      l AS MATERIALIZED (SELECT o.id FROM orders o JOIN d ON d.id = o.id ORDER BY o.id FOR NO KEY UPDATE OF o)
      UPDATE orders o SET next_wake_at = d.wake_at FROM d JOIN l ON l.id = d.id
      WHERE o.id = d.id AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
        AND (o.cancel_requested_at IS NULL OR d.is_cancel_known)`.execute(db),
  );
}

export type Due = { readonly hasDue: boolean; readonly hasDueCancels: boolean };

/** Whether any order is due, of any tenant; the sweep's question. */
export async function whatIsDue(db: Database): Promise<Due> {
  const row = await db.selectFrom('due_orders').selectAll().executeTakeFirstOrThrow();
  return { hasDue: row.has_due === true, hasDueCancels: row.has_due_cancels === true };
}
