// Asking for cancels, and the transactions that carry them: no request is lost, whenever it comes; none is taken back; and
// what was signed is stored once, before it leaves.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { isFinal, STATUSES } from '../../src/core/status.ts';
import {
  countActive,
  latestCancels,
  type NewCancel,
  recordCancelOutcome,
  requestCancel,
  requestCancels,
  storeCancel,
} from '../../src/store/cancels.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { claimDue, whatIsDue } from '../../src/store/due-orders.ts';
import { endNeverSent } from '../../src/store/outcomes.ts';
import { recordOrders } from '../../src/store/recording.ts';
import { asTenant } from '../../src/store/tenant.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import {
  attemptOf,
  attemptsOf,
  cancelOrder,
  historyOf,
  inMs,
  insertRow,
  intentOf,
  longTerm,
  newOrder,
  nextName,
  nextNonce,
  openSession,
  orderRow,
  setStatus,
  signed,
  unsigned,
  untilBlocked,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
const [other, app] = [
  openDatabase({ url: database.url }),
  openDatabase({ url: asLogin(database.url, 'app') }),
];
afterAll(async () => {
  await Promise.all([other.destroy(), app.destroy()]);
  await database[Symbol.asyncDispose]();
});

const keyOf = (clientId: string, tenantId = 'default') =>
  db
    .selectFrom('order_keys')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('client_id', '=', clientId)
    .executeTakeFirst();
const isDue = async (order: { readonly id: string }) =>
  ((await orderRow(db, order)).next_wake_at?.getTime() ?? Number.POSITIVE_INFINITY) <= Date.now();

describe('the cancel of an order', () => {
  test('that has not come yet spends its key, and is remembered there', async () => {
    const clientId = nextName('early');
    expect(await requestCancel(db, 'default', clientId)).toEqual({ outcome: 'spent' });
    expect(await keyOf(clientId)).toMatchObject({
      ...{ order_id: null, intent_hash: null, cancel_requested_at: expect.any(Date) },
    });
  });

  test('that is active is requested, on its key as well, and makes it due', async () => {
    for (const status of STATUSES.filter((word) => !isFinal(word))) {
      const order = await signed(db);
      if (status !== 'PENDING') await setStatus(db, order, status, { next_wake_at: null });
      expect(await cancelOrder(db, order)).toEqual({ outcome: 'requested', status });
      expect((await orderRow(db, order)).cancel_requested_at).toBeInstanceOf(Date);
      expect((await keyOf(order.intent.client_id))?.cancel_requested_at).toBeInstanceOf(Date);
      expect(await isDue(order)).toBe(true);
    }
  });

  test.each(STATUSES.filter(isFinal))('that is %s says so, and changes nothing of it', async (status) => {
    const order = await signed(db);
    await setStatus(db, order, status);
    const before = await orderRow(db, order);
    expect(await cancelOrder(db, order)).toEqual({ outcome: 'final', status });
    expect(await orderRow(db, order)).toEqual(before);
  });

  test('that is archived says how it ended', async () => {
    const order = await signed(db);
    await setStatus(db, order, 'EXPIRED');
    await sql`SELECT archive_orders(${[order.id]}::uuid[])`.execute(db);
    for (let turn = 0; turn < 2; turn++) {
      expect(await cancelOrder(db, order)).toEqual({ outcome: 'final', status: 'EXPIRED' });
    }
    expect((await keyOf(order.intent.client_id))?.order_id).toBe(order.id);
  });

  test('is idempotent: the first request counts, and wakes nobody again', async () => {
    const order = await signed(db);
    await cancelOrder(db, order);
    const [first, key] = [await orderRow(db, order), await keyOf(order.intent.client_id)];
    await claimDue(db, { limit: 1_000, leaseMs: 60_000, isOfCancels: true });
    expect(await cancelOrder(other, order)).toEqual({ outcome: 'requested', status: 'PENDING' });
    expect((await orderRow(db, order)).cancel_requested_at).toEqual(first.cancel_requested_at);
    expect(await keyOf(order.intent.client_id)).toEqual(key);
    expect(await isDue(order)).toBe(false);

    const early = nextName('early');
    await requestCancel(db, 'default', early);
    const spent = await keyOf(early);
    expect(await requestCancel(db, 'default', early)).toEqual({ outcome: 'spent' });
    expect(await keyOf(early)).toEqual(spent);
  });

  test('is one tenant’s: the same client_id of another is spent by it, and goes on', async () => {
    const order = await signed(db);
    const { client_id } = order.intent;
    expect(await requestCancel(db, 'somebody', client_id)).toEqual({ outcome: 'spent' });
    expect(await orderRow(db, order)).toMatchObject({ cancel_requested_at: null });
  });

  test('by a key that names the order of somebody else cancels nothing', async () => {
    const order = await signed(db);
    const forged = nextName('forged');
    await asTenant(app, 'mallory', (trx) =>
      trx
        .insertInto('order_keys')
        .values({ tenant_id: 'mallory', client_id: forged, order_id: order.id, intent_hash: 'a'.repeat(64) })
        .execute(),
    );
    await expect(requestCancel(db, 'mallory', forged)).rejects.toThrow(
      `the order of client_id ${forged} is gone`,
    );
    expect(await orderRow(db, order)).toMatchObject({ cancel_requested_at: null });
  });

  test('that ends while the cancel waits for its row is final', async () => {
    const order = await unsigned(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query(
      `UPDATE orders SET status = 'EXPIRED', status_reason = 'late', next_wake_at = NULL,
        resolution = '{"rule":"never_sent"}' WHERE id = $1`,
      [order.id],
    );
    const told = cancelOrder(db, order);
    await untilBlocked(db);
    await session.query('COMMIT');
    expect(await told).toEqual({ outcome: 'final', status: 'EXPIRED' });
    expect(await orderRow(db, order)).toMatchObject({ cancel_requested_at: null });
  });
});

describe('a deadlock', () => {
  /** Somebody who holds the row of the order, and wants its key. */
  async function holder(order: Awaited<ReturnType<typeof signed>>) {
    const session = await openSession(database.url);
    await session.query(`BEGIN; SET LOCAL deadlock_timeout = '60s'`);
    await session.query('SELECT 1 FROM orders WHERE id = $1 FOR UPDATE', [order.id]);
    const takeKey = async () => {
      await session.query('SELECT 1 FROM order_keys WHERE order_id = $1 FOR UPDATE', [order.id]);
      await session.query('COMMIT');
      await session.end();
    };
    return { takeKey };
  }

  test('is repeated by who began the transaction', async () => {
    const order = await signed(db);
    const { takeKey } = await holder(order);
    const told = cancelOrder(other, order);
    await untilBlocked(db);
    await takeKey();
    expect(await told).toEqual({ outcome: 'requested', status: 'PENDING' });
  });

  test('is told to a caller whose transaction it ends: repeated inside, it would fail for another reason', async () => {
    const order = await signed(db);
    const { takeKey } = await holder(order);
    const told = other.transaction().execute(async (trx) => cancelOrder(trx, order));
    const taken = untilBlocked(db).then(takeKey);
    await expect(told).rejects.toMatchObject({ code: '40P01' });
    await taken;
    expect(await orderRow(db, order)).toMatchObject({ cancel_requested_at: null });
  });
});

describe('a request', () => {
  const ask = async (on: Database, order: { readonly id: string }) =>
    Number(
      (
        await on
          .updateTable('orders')
          .set({ cancel_requested_at: new Date() })
          .where('id', '=', order.id)
          .executeTakeFirst()
      ).numUpdatedRows,
    );

  test('makes due what a worker holds, what waits for its time and what only waits for proof', async () => {
    for (const next_wake_at of [inMs(60_000), inMs(3_600_000), null]) {
      const order = await signed(db);
      await db.updateTable('orders').set({ next_wake_at }).where('id', '=', order.id).execute();
      await ask(db, order);
      expect(await isDue(order)).toBe(true);
    }
  });

  test('by a login that may write nothing else makes its order due, too', async () => {
    const order = await unsigned(db, { tenant_id: 'alice' });
    expect(await asTenant(app, 'alice', (trx) => ask(trx, order))).toBe(1);
    expect(await isDue(order)).toBe(true);
    expect(await whatIsDue(app)).toMatchObject({ hasDueCancels: true });
    const later = asTenant(app, 'alice', (trx) =>
      trx
        .updateTable('orders')
        .set({ next_wake_at: inMs(60_000) })
        .where('id', '=', order.id)
        .execute(),
    );
    await expect(later).rejects.toMatchObject({ code: '42501' });
    expect(await asTenant(app, 'bob', (trx) => ask(trx, order))).toBe(0);
  });

  test('is never taken back, neither of an order nor of its key', async () => {
    const order = await signed(db);
    await cancelOrder(db, order);
    for (const cancel_requested_at of [null, inMs(1_000)]) {
      for (const change of [
        db.updateTable('orders').set({ cancel_requested_at }).where('id', '=', order.id),
        db.updateTable('order_keys').set({ cancel_requested_at }).where('order_id', '=', order.id),
      ]) {
        await expect(change.execute()).rejects.toMatchObject({ code: '42501' });
      }
    }
    const early = nextName('early');
    await requestCancel(db, 'default', early);
    const free = sql`UPDATE order_keys SET cancel_requested_at = NULL WHERE client_id = ${early}`.execute(db);
    await expect(free).rejects.toMatchObject({ code: expect.stringMatching(/^(42501|23514)$/) });
  });

  test.each(STATUSES.filter(isFinal))(
    'after %s is refused: the end would have another meaning',
    async (status) => {
      const order = await signed(db);
      await setStatus(db, order, status);
      await expect(ask(db, order)).rejects.toMatchObject({ code: '42501' });
    },
  );
});

describe('a cancel that comes before its order', () => {
  async function cancelled() {
    const clientId = nextName('first');
    await requestCancel(db, 'default', clientId);
    const key = await keyOf(clientId);
    return { clientId, at: key?.cancel_requested_at };
  }

  test('wins: the order is recorded with it, without its signature, and is due', async () => {
    for (const attempt of [undefined, attemptOf(), attemptOf({ nonce: nextNonce() })]) {
      const { clientId, at } = await cancelled();
      const life = attempt?.nonce === undefined ? {} : longTerm();
      const order = newOrder({ client_id: clientId, ...life }, attempt);
      expect(await recordOrders(db, [order])).toEqual(['cancelled']);
      expect(await orderRow(db, order)).toMatchObject({
        ...{ cancel_requested_at: at, status: 'PENDING', attempt_count: 0, order_id: null, owner: null },
        ...{ good_til_block: null, first_good_til_block: null, nonce: null, tx_hash: null, quantums: null },
      });
      expect(await isDue(order)).toBe(true);
      expect(await attemptsOf(db, order)).toEqual([]);
      expect(await historyOf(db, order)).toHaveLength(1);
      expect(await keyOf(clientId)).toMatchObject({ order_id: order.id, intent_hash: order.intentHash });
      expect(await cancelOrder(db, order)).toEqual({ outcome: 'requested', status: 'PENDING' });
    }
  });

  test('wins once: the same body again is a duplicate, another one a conflict', async () => {
    const { clientId } = await cancelled();
    const orders = ['10', '10', '11'].map((size) => newOrder({ client_id: clientId, size }, attemptOf()));
    const answers: string[] = [];
    for (const order of orders) answers.push(...(await recordOrders(db, [order])));
    expect(answers).toEqual(['cancelled', 'duplicate', 'conflict']);
  });

  test('wins in a batch, for one of those that want its key, and the others of the batch are as ever', async () => {
    const [{ clientId }, known] = [await cancelled(), await signed(db)];
    const wanting = ['10', '11', '10'].map((size) => newOrder({ client_id: clientId, size }, attemptOf()));
    const [first, second, third] = wanting;
    if (!first || !second || !third) throw new Error('three orders');
    const batch = [
      first,
      newOrder({}, attemptOf()),
      second,
      newOrder(known.intent, attemptOf()),
      newOrder(),
      third,
    ];
    const answers = await recordOrders(db, batch);
    expect([answers[1], answers[3], answers[4]]).toEqual(['recorded', 'duplicate', 'recorded']);
    const winner = [0, 2, 5].find((index) => answers[index] === 'cancelled');
    const hash = batch[winner ?? 0]?.intentHash;
    for (const index of [0, 2, 5].filter((each) => each !== winner)) {
      expect(answers[index]).toBe(batch[index]?.intentHash === hash ? 'duplicate' : 'conflict');
    }
    expect(await keyOf(clientId)).toMatchObject({ order_id: batch[winner ?? 0]?.id, intent_hash: hash });
  });

  test('and whose order cannot be stored costs nobody else of the batch his answer', async () => {
    const { clientId } = await cancelled();
    const good = newOrder({}, attemptOf());
    const bad = newOrder({ client_id: clientId });
    const broken = { ...bad, intent: { ...bad.intent, size: `1${'0'.repeat(30)}` } };
    await expect(recordOrders(db, [good, broken])).rejects.toMatchObject({ code: '22003' });
    // Nothing of it is stored: when the bad one is left out, the other is new.
    expect(await recordOrders(db, [good])).toEqual(['recorded']);
    expect(await keyOf(clientId)).toMatchObject({ order_id: null });
  });

  test('wins through a login of its tenant, which may name no state', async () => {
    const order = newOrder({ tenant_id: 'alice' });
    const { client_id } = order.intent;
    expect(await asTenant(app, 'alice', (trx) => requestCancel(trx, 'alice', client_id))).toEqual({
      outcome: 'spent',
    });
    expect(await asTenant(app, 'alice', (trx) => recordOrders(trx, [order]))).toEqual(['cancelled']);
    expect(await isDue(order)).toBe(true);
    const foreign = newOrder({ client_id, tenant_id: 'bob' });
    expect(await asTenant(app, 'bob', (trx) => recordOrders(trx, [foreign]))).toEqual(['recorded']);
  });
});

test('cancels race the recording of their orders, 200 times: none is lost, nobody deadlocks, one order a key', async () => {
  const seen = new Set<string>();
  const inOne = (on: Database, clientId: string) =>
    // In a transaction of its own, where a deadlock would be told and not repeated.
    on.transaction().execute((trx) => requestCancel(trx, 'default', clientId));
  for (let round = 0; round < 200; round++) {
    const intents = Array.from({ length: 3 }, () => intentOf(round % 2 === 0 ? {} : longTerm()));
    const batchOf = () =>
      intents.map((intent) => {
        const nonce = round % 2 === 0 ? {} : { nonce: nextNonce() };
        const { intentHash, ...rest } = newOrder(intent, round % 4 < 2 ? attemptOf(nonce) : undefined);
        return { ...rest, intent, intentHash };
      });
    const [one, two] = [batchOf(), batchOf().toReversed()];
    const recording = [recordOrders(db, one), recordOrders(other, two)];
    const cancelling = intents.map(({ client_id }, index) => inOne(index % 2 === 0 ? db : other, client_id));
    const [answersOfOne = [], answersOfTwo = []] = await Promise.all(recording);
    const cancels = await Promise.all(cancelling);
    for (const [index, { client_id }] of intents.entries()) {
      const told = [answersOfOne[index], answersOfTwo[2 - index]];
      const made = told.filter((answer) => answer !== 'duplicate');
      expect(made).toHaveLength(1);
      const expected = made[0] === 'cancelled' ? 'spent' : 'requested';
      expect([client_id, cancels[index]?.outcome]).toEqual([client_id, expected]);
      const { order_id } = (await keyOf(client_id)) ?? {};
      const row = await orderRow(db, { id: order_id ?? '' });
      expect(row.cancel_requested_at).toBeInstanceOf(Date);
      expect(row.attempt_count).toBe(made[0] === 'recorded' && round % 4 < 2 ? 1 : 0);
      seen.add(made[0] ?? '');
    }
  }
  // Both came first now and then, or the race is none.
  expect([...seen].toSorted()).toEqual(['cancelled', 'recorded']);
});

describe('the cancel of all orders', () => {
  /** Tenants and markets that no other test has. */
  async function book() {
    const [tenant, other] = [nextName('tenant'), nextName('tenant')];
    const [btc, eth] = [nextName('BTC'), nextName('ETH')];
    const make = (tenant_id: string, account: string, market: string) =>
      insertRow(db, { tenant_id, account, market });
    const rows = [
      await make(tenant, 'main', btc),
      await make(tenant, 'main', eth),
      await make(tenant, 'side', btc),
      await make(other, 'main', btc),
    ];
    const ended = await insertRow(db, { tenant_id: tenant, market: btc, status: 'CANCELLED' });
    const asked = async () =>
      (await Promise.all(rows.map((row) => orderRow(db, row)))).map(
        (row) => row.cancel_requested_at !== null,
      );
    return { tenant, other, btc, eth, ended, asked };
  }

  test.each([
    ['a tenant', ({ tenant }) => ({ tenantId: tenant }), [true, true, true, false]],
    [
      'an account of a tenant',
      ({ tenant }) => ({ tenantId: tenant, account: 'main' }),
      [true, true, false, false],
    ],
    ['a market', ({ btc }) => ({ market: btc }), [true, false, true, true]],
    [
      'a market of a tenant',
      ({ tenant, btc }) => ({ tenantId: tenant, market: btc }),
      [true, false, true, false],
    ],
    ['nobody', () => ({ tenantId: 'nobody' }), [false, false, false, false]],
  ] satisfies [string, (made: Awaited<ReturnType<typeof book>>) => object, boolean[]][])(
    'of %s asks for those, once, and for nothing that has ended',
    async (_what, scopeOf, expected) => {
      const made = await book();
      const scope = scopeOf(made);
      const count = expected.filter(Boolean).length;
      expect(await countActive(db, scope)).toEqual({ cancelling: 0, others: count });
      expect(await requestCancels(db, scope)).toBe(count);
      expect(await made.asked()).toEqual(expected);
      expect(await orderRow(db, made.ended)).toMatchObject({ cancel_requested_at: null });
      expect(await countActive(db, scope)).toEqual({ cancelling: count, others: 0 });
      expect(await requestCancels(db, scope)).toBe(0);
    },
  );

  test('by a tenant’s login is of its own orders, whatever it names', async () => {
    const { tenant, other: second, asked } = await book();
    const mine = <Result>(work: (trx: Database) => Promise<Result>) => asTenant(app, tenant, work);
    expect(await mine((trx) => requestCancels(trx, { tenantId: second }))).toBe(0);
    expect(await mine((trx) => countActive(trx, {}))).toEqual({ cancelling: 0, others: 3 });
    expect(await mine((trx) => requestCancels(trx, {}))).toBe(3);
    expect(await asked()).toEqual([true, true, true, false]);
  });

  test('is of every tenant when it names none', async () => {
    await using own = await createDatabase();
    for (const tenant_id of ['a', 'b']) await insertRow(own.db, { tenant_id });
    expect(await requestCancels(own.db, {})).toBe(2);
    expect(await countActive(own.db, {})).toEqual({ cancelling: 2, others: 0 });
  });

  test('is of all of them, however many, while others end some', async () => {
    const tenant = nextName('many');
    const orders = Array.from({ length: 2_300 }, () => newOrder({ tenant_id: tenant }));
    await recordOrders(db, orders);
    const resolution = { rule: 'never_sent', cause: 'late', at: '2026-03-04T05:06:07Z' } as const;
    const ending = orders
      .slice(0, 40)
      .map(({ id }) => endNeverSent(other, [{ id, status: 'EXPIRED', reason: 'late', resolution }]));
    const asked = await requestCancels(db, { tenantId: tenant });
    const ended = (await Promise.all(ending)).filter((ids) => ids.size > 0).length;
    expect(ended).toBe(40);
    expect(asked).toBeGreaterThanOrEqual(2_260);
    expect(await countActive(db, { tenantId: tenant })).toEqual({ cancelling: 2_260, others: 0 });
  });
});

/** A fence of short-term orders. */
function cancelOf(orders: readonly { readonly id: string }[], changes: Partial<NewCancel> = {}): NewCancel {
  const hash = `${randomUUID()}${randomUUID()}`.replaceAll('-', '').toUpperCase();
  return {
    ...{ tenantId: 'default', owner: 'dydx1owner', orderIds: orders.map(({ id }) => id) },
    ...{ goodTilBlock: 130, nonce: undefined, tx: { hash, bytes: Buffer.from(hash) } },
    ...changes,
  };
}
const countsOf = (orders: readonly { readonly id: string }[]) =>
  Promise.all(orders.map(async (order) => (await orderRow(db, order)).cancel_count));
const stored = (cancel: NewCancel) =>
  db.selectFrom('cancel_transactions').selectAll().where('tx_hash', '=', cancel.tx.hash).executeTakeFirst();

describe('a cancel transaction', () => {
  test('is stored as it was signed, and counted on each of its orders', async () => {
    const orders = [await signed(db), await signed(db)];
    const cancel = cancelOf(orders);
    expect(await storeCancel(db, cancel)).toBe(true);
    expect(await stored(cancel)).toMatchObject({
      ...{
        tenant_id: 'default',
        owner: 'dydx1owner',
        order_ids: cancel.orderIds,
        good_til_block: 130,
        nonce: null,
      },
      ...{ tx_bytes: cancel.tx.bytes, outcome: null, answered_at: null },
    });
    expect(await countsOf(orders)).toEqual([1, 1]);
    const byNonce = cancelOf(orders.slice(0, 1), { goodTilBlock: undefined, nonce: nextNonce() });
    await storeCancel(db, byNonce);
    expect(await stored(byNonce)).toMatchObject({ good_til_block: null, nonce: String(byNonce.nonce) });
    expect(await countsOf(orders)).toEqual([2, 1]);
  });

  test('a second time is not, and is not counted', async () => {
    const order = await signed(db);
    const cancel = cancelOf([order]);
    expect(await storeCancel(db, cancel)).toBe(true);
    expect(await storeCancel(other, cancel)).toBe(false);
    expect(await countsOf([order])).toEqual([1]);
  });

  test('of two workers that signed the same bytes is one’s to send', async () => {
    for (let round = 0; round < 20; round++) {
      const orders = [await signed(db), await signed(db)];
      const cancel = cancelOf(orders);
      const told = await Promise.all([db, other, db].map((on) => storeCancel(on, cancel)));
      expect(told.toSorted()).toEqual([false, false, true]);
      expect(await countsOf(orders)).toEqual([1, 1]);
    }
  });

  test('of batches over the same orders in opposite order deadlocks nobody', async () => {
    const orders = await Promise.all(Array.from({ length: 30 }, () => signed(db)));
    const turns = Array.from({ length: 10 }, (_, turn) =>
      storeCancel(turn % 2 === 0 ? db : other, cancelOf(turn % 2 === 0 ? orders : orders.toReversed())),
    );
    expect(await Promise.all(turns)).toEqual(Array(10).fill(true));
    expect(await countsOf(orders)).toEqual(Array(30).fill(10));
  });

  test.each([
    ['for no order', () => cancelOf([]), 'cancel_transactions_order_ids_check'],
    ['for 101 orders', () => cancelOf(Array.from({ length: 101 }, () => ({ id: randomUUID() }))), undefined],
    [
      'without an end',
      () => cancelOf([{ id: randomUUID() }], { goodTilBlock: undefined }),
      'cancel_transactions_one_end',
    ],
    ['with two ends', () => cancelOf([{ id: randomUUID() }], { nonce: 5 }), 'cancel_transactions_one_end'],
  ])('%s is refused', async (_what, make, constraint = 'cancel_transactions_order_ids_check') => {
    await expect(storeCancel(db, make())).rejects.toMatchObject({ code: '23514', constraint });
  });

  test('has one answer, which is stored as it came, whatever a node writes', async () => {
    const cancel = cancelOf([await signed(db)]);
    await storeCancel(db, cancel);
    const answeredAt = new Date('2026-03-04T05:06:07.089Z');
    const answer = { txHash: cancel.tx.hash, codespace: 'clob', code: 9, log: 'why', answeredAt };
    await recordCancelOutcome(db, { ...answer, outcome: 'refused' });
    expect(await stored(cancel)).toMatchObject({
      ...{ outcome: 'refused', codespace: 'clob', code: '9', log: 'why', answered_at: answeredAt },
    });
    for (const log of ['a\0b', 'x'.repeat(10_000_000), 'a\ud800b', '']) {
      await recordCancelOutcome(db, { ...answer, outcome: 'doubt', codespace: null, code: null, log });
      const row = await stored(cancel);
      expect(row).toMatchObject({ outcome: 'doubt', codespace: null, code: null });
      expect(row?.log?.length ?? 0).toBeLessThanOrEqual(1_000);
    }
    await recordCancelOutcome(db, { ...answer, txHash: 'unknown', outcome: 'accepted' });
    expect(await stored(cancel)).toMatchObject({ outcome: 'doubt' });
  });

  test.each([
    'UPDATE cancel_transactions SET tx_bytes = tx_bytes',
    'UPDATE cancel_transactions SET order_ids = order_ids',
    'UPDATE cancel_transactions SET tenant_id = tenant_id',
    'DELETE FROM cancel_transactions',
    'TRUNCATE cancel_transactions',
  ])('stays on record: %s is refused', async (statement) => {
    await storeCancel(db, cancelOf([await signed(db)]));
    await expect(sql.raw(statement).execute(db)).rejects.toMatchObject({
      code: '42501',
      message: expect.stringMatching(
        /^cancel_transactions(: what is on record| is append-only: rows leave it)/,
      ),
    });
  });
});

describe('the latest cancel', () => {
  test('of an order is the newest that it is in, with its answer and its age', async () => {
    const [one, two, none] = [await signed(db), await signed(db), await signed(db)];
    const [first, both] = [cancelOf([one]), cancelOf([two, one])];
    await storeCancel(db, first);
    await storeCancel(db, both);
    await recordCancelOutcome(db, {
      ...{
        txHash: first.tx.hash,
        outcome: 'accepted',
        codespace: null,
        code: 0,
        log: '',
        answeredAt: new Date(),
      },
    });
    const age = expect.any(Number);
    const latest = await latestCancels(db, [one.id, two.id, none.id]);
    expect(latest).toEqual(
      new Map([
        [one.id, { outcome: null, ageMs: age }],
        [two.id, { outcome: null, ageMs: age }],
      ]),
    );
    const again = cancelOf([one]);
    await storeCancel(db, again);
    await recordCancelOutcome(db, {
      ...{
        txHash: again.tx.hash,
        outcome: 'deferred',
        codespace: 'sdk',
        code: 20,
        log: '',
        answeredAt: new Date(),
      },
    });
    const { outcome, ageMs } = (await latestCancels(db, [one.id])).get(one.id) ?? {};
    expect(outcome).toBe('deferred');
    expect(ageMs).toBeGreaterThanOrEqual(0);
    expect(ageMs).toBeLessThan(30_000);
  });

  test('of no orders is none', async () => {
    expect(await latestCancels(db, [])).toEqual(new Map());
  });
});
