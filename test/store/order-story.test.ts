// All that is known of one order: its own, all of it, of one moment.
import { afterAll, describe, expect, test } from 'vitest';
import { everyEvidence, findOrder, type OrderStory, orderWithHistory } from '../../src/store/order-story.ts';
import { createDatabase } from '../support/databases.ts';
import { nextName, setStatus, signed, unsigned } from './builders.ts';

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

  test('is nobody else’s: another tenant finds nothing', async () => {
    const order = await signed(db);
    expect(await findOrder(db, nextName('tenant'), order.intent.client_id)).toBeUndefined();
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
