// One order and all that is known of it: attempts, fills, history, in one snapshot.
import { sql, type Transaction } from 'kysely';
import type { Database } from './database.ts';
import type { DB } from './schema.ts';

/** The source's "Get Order Status with History"; undefined when there is none. */
export async function orderWithHistory(db: Database, id: string) {
  return inSnapshot(db, async (trx) => {
    const order = await trx.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst();
    return order === undefined ? undefined : { order, history: await historyOf(trx, id) };
  });
}

/** The order with everything that is known of it; undefined when there is none. */
export async function findOrder(db: Database, tenantId: string, clientId: string) {
  return inSnapshot(db, async (trx) => {
    const order = await trx
      .selectFrom('order_keys as k')
      // A key may name any order: whose it is, the order says.
      .innerJoin('orders as o', (join) =>
        join
          .onRef('o.id', '=', 'k.order_id')
          .onRef('o.tenant_id', '=', 'k.tenant_id')
          .onRef('o.client_id', '=', 'k.client_id'),
      )
      .selectAll('o')
      .where('k.tenant_id', '=', tenantId)
      .where('k.client_id', '=', clientId)
      .executeTakeFirst();
    if (order === undefined) return undefined;
    const { id } = order;
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
      cancels: await cancelsOf(trx, id),
    };
  });
}

/** Without the signed bytes: they are as good as a cancel to whoever can read them. */
function cancelsOf(trx: Transaction<DB>, id: string) {
  return trx
    .selectFrom('cancel_transactions')
    .select([
      'tx_hash',
      'good_til_block',
      'nonce',
      'outcome',
      'codespace',
      'code',
      'log',
      'created_at',
      'answered_at',
    ])
    .select((eb) => eb.fn<number>('cardinality', ['order_ids']).as('orders'))
    .where('order_ids', '@>', sql<string[]>`ARRAY[${id}]::uuid[]`)
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

/** With the cancels that were sent for it. */
export type ToldOrder = NonNullable<Awaited<ReturnType<typeof findOrder>>>;
/** What its proof is made of. */
export type OrderStory = Omit<ToldOrder, 'cancels'>;

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
