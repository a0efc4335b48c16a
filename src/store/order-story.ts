// One order and all that is known of it: attempts, fills, history, in one snapshot.
import { type Selectable, sql, type Transaction } from 'kysely';
import { findArchived } from './archived-story.ts';
import type { Database } from './database.ts';
import type { DB, OrderAttempts, OrderFills, OrderStatusHistory, Orders } from './schema.ts';

/** The source's "Get Order Status with History"; undefined when there is none. */
export async function orderWithHistory(db: Database, id: string) {
  return inSnapshot(db, async (trx) => {
    const order = await trx.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst();
    if (order !== undefined) return { order, history: await historyOf(trx, id) };
    const archived = await findArchived(trx, id);
    return archived === undefined ? undefined : { order: archived.order, history: archived.history };
  });
}

/** The order with everything that is known of it, from the archive if it is there; undefined when there is none. */
export async function findOrder(
  db: Database,
  tenantId: string,
  clientId: string,
): Promise<ToldOrder | undefined> {
  return inSnapshot(db, async (trx) => {
    const key = await trx
      .selectFrom('order_keys')
      .select('order_id')
      .where('tenant_id', '=', tenantId)
      .where('client_id', '=', clientId)
      .executeTakeFirst();
    const id = key?.order_id;
    if (id == null) return undefined;
    const story = (await findLive(trx, id)) ?? (await findArchived(trx, id));
    // A key may name any order: whose it is, the order says.
    if (story?.order.tenant_id !== tenantId || story.order.client_id !== clientId) return undefined;
    return { ...story, cancels: await cancelsOf(trx, id) };
  });
}

async function findLive(trx: Transaction<DB>, id: string): Promise<OrderStory | undefined> {
  const order = await trx.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst();
  if (order === undefined) return undefined;
  return {
    order,
    attempts: await trx
      .selectFrom('order_attempts')
      .selectAll()
      .where('order_id', '=', id)
      .orderBy('attempt')
      .execute(),
    fills: await trx
      .selectFrom('order_fills')
      .selectAll()
      .where('order_id', '=', id)
      .orderBy('height')
      .execute(),
    history: await historyOf(trx, id),
  };
}

const CANCEL_COLUMNS = [
  'tx_hash',
  'good_til_block',
  'nonce',
  'outcome',
  'codespace',
  'code',
  'log',
  'created_at',
  'answered_at',
] as const;

/** Without the signed bytes: they are as good as a cancel to whoever can read them. Archived with the last of its orders. */
function cancelsOf(trx: Transaction<DB>, id: string) {
  const from = (table: 'cancel_transactions' | 'cancel_transactions_archive') =>
    trx
      .selectFrom(table)
      .select(CANCEL_COLUMNS)
      .select((eb) => eb.fn<number>('cardinality', ['order_ids']).as('orders'))
      .where('order_ids', '@>', sql<string[]>`ARRAY[${id}]::uuid[]`);
  return from('cancel_transactions')
    .unionAll(from('cancel_transactions_archive'))
    .orderBy('created_at')
    .execute();
}

function historyOf(trx: Transaction<DB>, id: string) {
  return trx
    .selectFrom('order_status_history')
    .selectAll()
    .where('order_id', '=', id)
    .orderBy('seq')
    .execute();
}

/**
 * A row and its history that were read a moment apart would contradict each other.
 * @param db a transaction is taken as it is: who begins one chooses its isolation
 */
function inSnapshot<Result>(db: Database, work: (trx: Transaction<DB>) => Promise<Result>): Promise<Result> {
  if (db.isTransaction) return work(db as Transaction<DB>);
  return db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work);
}

/** What its proof is made of. */
export type OrderStory = {
  readonly order: Selectable<Orders>;
  readonly attempts: readonly Selectable<OrderAttempts>[];
  readonly fills: readonly Selectable<OrderFills>[];
  readonly history: readonly Selectable<OrderStatusHistory>[];
  /** absent: it is not in the archive */
  readonly archivedAt?: Date;
};
/** With the cancels that were sent for it. */
export type ToldOrder = OrderStory & { readonly cancels: Awaited<ReturnType<typeof cancelsOf>> };

const EVIDENCE_PAGE = 500;

const LOWEST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * All orders, or all of one tenant, with all that is known of them, in id order; each page in one snapshot.
 * @param afterId only orders with a higher id: ids ascend with time
 */
export async function* everyEvidence(
  db: Database,
  tenantId?: string,
  afterId = LOWEST_ID,
): AsyncGenerator<OrderStory[]> {
  let after = afterId;
  for (;;) {
    const page = await inSnapshot(db, (trx) => evidencePage(trx, after, tenantId));
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = last.order.id;
  }
}

async function evidencePage(
  trx: Transaction<DB>,
  after: string,
  tenantId: string | undefined,
): Promise<OrderStory[]> {
  const orders = await trx
    .selectFrom('orders')
    .selectAll()
    .where('id', '>', after)
    .$if(tenantId !== undefined, (query) => query.where('tenant_id', '=', tenantId ?? ''))
    .orderBy('id')
    .limit(EVIDENCE_PAGE)
    .execute();
  if (orders.length === 0) return [];
  const ids = orders.map((order) => order.id);
  const attempts = await trx
    .selectFrom('order_attempts')
    .selectAll()
    .where('order_id', 'in', ids)
    .orderBy('attempt')
    .execute();
  const fills = await trx
    .selectFrom('order_fills')
    .selectAll()
    .where('order_id', 'in', ids)
    .orderBy('height')
    .execute();
  const history = await trx
    .selectFrom('order_status_history')
    .selectAll()
    .where('order_id', 'in', ids)
    .orderBy('seq')
    .execute();
  const attemptsOf = Map.groupBy(attempts, (attempt) => attempt.order_id);
  const fillsOf = Map.groupBy(fills, (fill) => fill.order_id);
  const changesOf = Map.groupBy(history, (change) => change.order_id);
  return orders.map((order) => ({
    order,
    attempts: attemptsOf.get(order.id) ?? [],
    fills: fillsOf.get(order.id) ?? [],
    history: changesOf.get(order.id) ?? [],
  }));
}
