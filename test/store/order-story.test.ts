// All that is known of one order: its own, all of it, of one moment.
import { afterAll, describe, expect, test } from 'vitest';
import { recordCancelOutcome, requestCancel, storeCancel } from '../../src/store/cancels.ts';
import { everyEvidence, findOrder, type OrderStory, orderWithHistory } from '../../src/store/order-story.ts';
import { createDatabase } from '../support/databases.ts';
import { cancelOrder, nextName, setStatus, signed, unsigned } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

describe('one order', () => {
  test('comes with its attempts and its history', async () => {
    const order = await signed(db);
    await setStatus(db, order, 'OPEN');
    const story = await findOrder(db, order.intent.tenant_id, order.intent.client_id);
    expect(story?.order.id).toBe(order.id);
    expect(story?.attempts.map(({ tx_hash }) => tx_hash)).toEqual([order.attempt.tx.hash]);
    expect(story?.history.map(({ new_status }) => new_status)).toEqual(['PENDING', 'OPEN']);
    expect(story?.fills).toEqual([]);
  });

  test('comes with its history by its id, too', async () => {
    const order = await signed(db);
    await setStatus(db, order, 'OPEN');
    const story = await orderWithHistory(db, order.id);
    expect(story?.order.client_id).toBe(order.intent.client_id);
    expect(story?.history.map(({ new_status }) => new_status)).toEqual(['PENDING', 'OPEN']);
    expect(await orderWithHistory(db, '00000000-0000-0000-0000-000000000000')).toBeUndefined();
  });

  test('is nobody else’s: another tenant finds nothing, not even by a key that names it', async () => {
    const order = await signed(db);
    const tenant_id = nextName('tenant');
    const { client_id } = order.intent;
    expect(await findOrder(db, tenant_id, client_id)).toBeUndefined();
    const forged = { tenant_id, client_id, order_id: order.id, intent_hash: 'a'.repeat(64) };
    await db.insertInto('order_keys').values(forged).execute();
    expect(await findOrder(db, tenant_id, client_id)).toBeUndefined();
  });

  test('is not there yet when only a cancel has come', async () => {
    const client_id = nextName('early');
    await requestCancel(db, 'default', client_id);
    expect(await findOrder(db, 'default', client_id)).toBeUndefined();
  });

  test('comes with the cancels that were sent for it, the oldest first, and without their bytes', async () => {
    const [order, neighbour] = [await signed(db), await signed(db)];
    await cancelOrder(db, order);
    const cancelOf = (hash: string, ...orders: { readonly id: string }[]) => ({
      ...{ tenantId: 'default', owner: 'dydx1owner', goodTilBlock: 130, nonce: undefined },
      orderIds: orders.map(({ id }) => id),
      tx: { hash: hash.repeat(64), bytes: Buffer.from(hash) },
    });
    for (const cancel of [cancelOf('1', neighbour), cancelOf('3', order), cancelOf('2', neighbour, order)]) {
      expect(await storeCancel(db, cancel)).toBe(true);
    }
    const answeredAt = new Date();
    const answer = { outcome: 'accepted', codespace: null, code: 0, log: '', answeredAt } as const;
    await recordCancelOutcome(db, { ...answer, txHash: '2'.repeat(64) });
    const story = await findOrder(db, 'default', order.intent.client_id);
    expect(story?.order).toMatchObject({ cancel_requested_at: expect.any(Date), cancel_count: 2 });
    const sent = {
      good_til_block: 130,
      nonce: null,
      codespace: null,
      log: null,
      created_at: expect.any(Date),
    };
    expect(story?.cancels).toEqual([
      { ...sent, tx_hash: '3'.repeat(64), orders: 1, outcome: null, code: null, answered_at: null },
      {
        ...sent,
        tx_hash: '2'.repeat(64),
        orders: 2,
        outcome: 'accepted',
        code: '0',
        answered_at: answeredAt,
      },
    ]);
  });
});

test('the evidence of every order comes once, in id order, each with its own attempts', async () => {
  await using own = await createDatabase();
  const orders = [await signed(own.db), await unsigned(own.db), await signed(own.db)];
  const read: OrderStory[] = [];
  for await (const page of everyEvidence(own.db)) read.push(...page);
  expect(read.map(({ order }) => order.id)).toEqual(orders.map(({ id }) => id).toSorted());
  for (const { order, attempts, fills } of read) {
    const hash = orders.find(({ id }) => id === order.id)?.attempt?.tx.hash;
    expect(attempts.map(({ tx_hash }) => tx_hash)).toEqual(hash === undefined ? [] : [hash]);
    expect(fills).toEqual([]);
  }
});
