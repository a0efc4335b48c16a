// Recording: one intent, one row, one venue OrderId; whoever comes second is told so; bad data fails alone.
import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { intentHash } from '../../src/core/intent.ts';
import { createBatcher } from '../../src/store/batcher.ts';
import { requestCancel } from '../../src/store/cancels.ts';
import { openDatabase } from '../../src/store/database.ts';
import { endNeverSent } from '../../src/store/outcomes.ts';
import { keyOf, type NewOrder, recordOrders, spentKeys } from '../../src/store/recording.ts';
import { createDatabase } from '../support/databases.ts';
import {
  attemptOf,
  attemptsOf,
  historyOf,
  insertRow,
  intentOf,
  longTerm,
  newOrder,
  nextName,
  nextNonce,
  orderRow,
  signed,
  unsigned,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

async function rowsOf(clientId: string) {
  return db.selectFrom('orders').selectAll().where('client_id', '=', clientId).orderBy('tenant_id').execute();
}

const batcherOf = (to = db) =>
  createBatcher({ flush: (orders: readonly NewOrder[]) => recordOrders(to, orders) });

test('a new intent is recorded with its key, its row, its first attempt and its history', async () => {
  const attempt = attemptOf({ goodTilBlock: 125, signedHeight: 105 });
  const order = newOrder({ metadata: { desk: 'a"b\\c{d}, e' } }, attempt);
  expect(await recordOrders(db, [order])).toEqual(['recorded']);
  expect(await orderRow(db, order)).toMatchObject({
    tenant_id: 'default',
    client_id: order.intent.client_id,
    status: 'PENDING',
    order_id: attempt.orderUuid,
    owner: 'dydx1owner',
    dydx_client_id: String(attempt.order.id.clientId),
    quantums: '10000000000',
    subticks: '6000000000',
    first_good_til_block: 125,
    good_til_block: 125,
    retry_count: 0,
    tx_hash: attempt.tx.hash,
    good_til_blocks: 20,
    metadata: { desk: 'a"b\\c{d}, e' },
    submit_by: order.submitBy,
    enqueued_at: order.enqueuedAt,
    next_wake_at: order.wakeAt,
  });
  expect(await attemptsOf(db, order)).toEqual([
    expect.objectContaining({
      attempt: 1,
      good_til_block: 125,
      signed_height: '105',
      tx_hash: attempt.tx.hash,
      tx_bytes: attempt.tx.bytes,
      transmissions: 1,
      outcome: null,
    }),
  ]);
  expect(await historyOf(db, order)).toHaveLength(1);
  expect(await spentKeys(db, [order.intent])).toEqual(new Map([[keyOf(order.intent), order.intentHash]]));
});

test('an intent without an attempt is recorded only, with nothing of its identity', async () => {
  const order = await unsigned(db);
  const unset = { order_id: null, owner: null, good_til_block: null, first_good_til_block: null };
  expect(await orderRow(db, order)).toMatchObject({ ...unset, tx_hash: null, next_wake_at: order.wakeAt });
  expect(await attemptsOf(db, order)).toEqual([]);
});

test('signed and unsigned intents share a batch', async () => {
  const batch = [newOrder(), newOrder({}, attemptOf()), newOrder()];
  expect(await recordOrders(db, batch)).toEqual(['recorded', 'recorded', 'recorded']);
  const counts = await Promise.all(batch.map(async (order) => (await attemptsOf(db, order)).length));
  expect(counts).toEqual([0, 1, 0]);
});

test('the same body again is a duplicate, another body a conflict, and neither leaves a trace', async () => {
  const first = await signed(db);
  const again = newOrder(first.intent, attemptOf());
  const other = newOrder({ ...first.intent, size: '11' }, attemptOf());
  expect(await recordOrders(db, [again])).toEqual(['duplicate']);
  expect(await recordOrders(db, [other])).toEqual(['conflict']);
  expect(await rowsOf(first.intent.client_id)).toEqual([expect.objectContaining({ id: first.id })]);
  expect(await attemptsOf(db, again)).toEqual([]);
  expect(await attemptsOf(db, other)).toEqual([]);
});

test('the answers come in the order of the questions', async () => {
  const known = await unsigned(db);
  const batch = [
    newOrder(),
    newOrder({ ...known.intent, size: '11' }),
    newOrder(),
    newOrder(known.intent),
    newOrder(),
  ];
  expect(await recordOrders(db, batch)).toEqual([
    'recorded',
    'conflict',
    'recorded',
    'duplicate',
    'recorded',
  ]);
});

test('one client_id twice in a batch is recorded once', async () => {
  const client_id = nextName('twice');
  const same = [newOrder({ client_id }), newOrder({ client_id })];
  expect((await recordOrders(db, same)).sort()).toEqual(['duplicate', 'recorded']);
  expect(await rowsOf(client_id)).toHaveLength(1);
});

test('one client_id with two bodies in a batch is recorded once, the other is a conflict', async () => {
  const client_id = nextName('bodies');
  const batch = [newOrder({ client_id }), newOrder({ client_id, size: '11' })];
  const answers = await recordOrders(db, batch);
  expect([...answers].sort()).toEqual(['conflict', 'recorded']);
  const winner = batch[answers.indexOf('recorded')];
  expect(await rowsOf(client_id)).toEqual([expect.objectContaining({ id: winner?.id })]);
});

test('a client_id belongs to its tenant', async () => {
  const client_id = nextName('shared');
  const batch = [newOrder({ client_id, tenant_id: 'a' }), newOrder({ client_id, tenant_id: 'b' })];
  expect(await recordOrders(db, batch)).toEqual(['recorded', 'recorded']);
  expect((await rowsOf(client_id)).map((row) => row.tenant_id)).toEqual(['a', 'b']);
});

test('a spent client_id stays spent after its order has ended', async () => {
  const order = await unsigned(db);
  const resolution = { rule: 'never_sent', cause: 'late', at: new Date().toISOString() } as const;
  await endNeverSent(db, [{ id: order.id, status: 'EXPIRED', reason: 'late', resolution }]);
  expect(await recordOrders(db, [newOrder(order.intent)])).toEqual(['duplicate']);
});

test('a stateful intent is recorded with its time, its nonce and its trigger', async () => {
  const attempt = attemptOf({ nonce: nextNonce() });
  const long = newOrder(longTerm(), attempt);
  const other = attemptOf({ nonce: nextNonce(), triggerSubticks: 5_900_000_000n });
  const stop = newOrder({ ...longTerm(), type: 'STOP_LIMIT', trigger_price: '59000' }, other);
  expect(await recordOrders(db, [long, stop])).toEqual(['recorded', 'recorded']);
  const none = { good_til_block: null, first_good_til_block: null, good_til_blocks: null, attempt_count: 1 };
  expect(await orderRow(db, long)).toMatchObject({
    ...{ ...none, order_flags: 64, nonce: String(attempt.nonce), trigger_subticks: null },
    good_til_time: new Date(long.intent.good_til_time ?? 0),
  });
  expect(await orderRow(db, stop)).toMatchObject({
    ...{ ...none, order_flags: 32, nonce: String(other.nonce), trigger_subticks: '5900000000' },
  });
  expect(await attemptsOf(db, stop)).toMatchObject([{ nonce: String(other.nonce), good_til_block: null }]);
});

test('what a cancel came before is recorded with it, and what the batch holds beside it as ever', async () => {
  const client_id = nextName('cancelled');
  expect(await requestCancel(db, 'default', client_id)).toEqual({ outcome: 'spent' });
  const batch = [newOrder({}, attemptOf()), newOrder({ client_id }, attemptOf()), newOrder()];
  expect(await recordOrders(db, batch)).toEqual(['recorded', 'cancelled', 'recorded']);
  expect(await rowsOf(client_id)).toMatchObject([
    { attempt_count: 0, cancel_requested_at: expect.any(Date) },
  ]);
});

test('batches with the same 100 keys in opposite order from several processes record each key once', async () => {
  const pools = Array.from({ length: 4 }, () => openDatabase({ url: database.url, maxConnections: 2 }));
  try {
    for (let round = 0; round < 5; round++) {
      const intents = Array.from({ length: 100 }, () => intentOf());
      const answers = await Promise.all(
        pools.flatMap((pool, index) => {
          const { push } = batcherOf(pool);
          const ordered = index % 2 === 0 ? intents : intents.toReversed();
          return ordered.map(async (intent) => ({
            clientId: intent.client_id,
            recorded: await push({ ...newOrder(), intent, intentHash: intentHash(intent) }),
          }));
        }),
      );
      for (const intent of intents) {
        const told = answers.filter((answer) => answer.clientId === intent.client_id);
        expect(told.map((answer) => answer.recorded).sort()).toEqual([
          'duplicate',
          'duplicate',
          'duplicate',
          'recorded',
        ]);
        expect(await rowsOf(intent.client_id)).toHaveLength(1);
      }
    }
  } finally {
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
});

test('batches with the same keys in opposite order do not even deadlock inside', async () => {
  const other = openDatabase({ url: database.url });
  try {
    for (let round = 0; round < 10; round++) {
      const intents = Array.from({ length: 200 }, () => intentOf());
      const batchOf = (list: typeof intents) =>
        list.map((intent) => ({ ...newOrder(), intent, intentHash: intentHash(intent) }));
      const [one, two] = await Promise.all([
        recordOrders(db, batchOf(intents)),
        recordOrders(other, batchOf(intents.toReversed())),
      ]);
      expect([...one, ...two].filter((answer) => answer === 'recorded')).toHaveLength(200);
    }
  } finally {
    await other.destroy();
  }
});

test('rows with bad data fail alone, whatever they share a batch with', async () => {
  const good = Array.from({ length: 20 }, () => newOrder({}, attemptOf()));
  const overflow = newOrder();
  const nul = newOrder();
  const taken = attemptOf();
  await recordOrders(db, [newOrder({}, taken)]);
  const bad = [
    { ...overflow, intent: { ...overflow.intent, size: `1${'0'.repeat(30)}` } },
    { ...nul, intent: { ...nul.intent, market: 'BTC\0USD' } },
    // The venue OrderId of another intent.
    newOrder({}, taken),
    { ...newOrder(), id: 'no uuid' },
  ];
  const { push } = batcherOf();
  const mixed = [...good.slice(0, 7), ...bad.slice(0, 2), ...good.slice(7), ...bad.slice(2)];
  const settled = await Promise.allSettled(mixed.map((order) => push(order)));
  const failed = mixed.filter((_, index) => settled[index]?.status === 'rejected');
  expect(failed).toEqual(bad);
  for (const order of good) expect(await attemptsOf(db, order)).toHaveLength(1);
  const codes = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
  expect(codes).toEqual(['22003', '22021', '23505', '22P02']);
  // Nothing of a bad row is left, not even its key: it may be offered again.
  expect(
    (
      await spentKeys(
        db,
        bad.map(({ intent }) => intent),
      )
    ).size,
  ).toBe(0);
});

test('the id of another order is no way around the key', async () => {
  const other = await insertRow(db);
  await expect(recordOrders(db, [{ ...newOrder(), id: other.id }])).rejects.toMatchObject({ code: '23505' });
});

test('nothing at all is recorded for an empty batch', async () => {
  expect(await recordOrders(db, [])).toEqual([]);
  expect(await spentKeys(db, [])).toEqual(new Map());
  expect(await spentKeys(db, [{ tenant_id: 'default', client_id: randomUUID() }])).toEqual(new Map());
});
