// Claiming: what is due goes to one worker at a time, with what it must know to go on.
import { sql } from 'kysely';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { normalizeDecimal } from '../../src/core/decimal.ts';
import { isFinal, STATUSES } from '../../src/core/status.ts';
import { startResends } from '../../src/store/attempts.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { awaitProof, type Claim, claimDue, wakeLater, whatIsDue } from '../../src/store/due-orders.ts';
import { recordOutcomes } from '../../src/store/outcomes.ts';
import { recordOrders } from '../../src/store/recording.ts';
import { noteAbsent, noteDeath } from '../../src/store/stateful.ts';
import { createDatabase } from '../support/databases.ts';
import {
  absenceOf,
  answerOf,
  attemptOf,
  cancelOrder,
  immediate,
  include,
  inMs,
  newOrder,
  nextNonce,
  openSession,
  orderRow,
  resign,
  setStatus,
  siblingOf,
  signed,
  signedStateful,
  signSibling,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
const other = openDatabase({ url: database.url });
afterAll(async () => {
  await other.destroy();
  await database[Symbol.asyncDispose]();
});

const LEASE_MS = 60_000;
// What an earlier test has left may have come due since.
beforeEach(async () => {
  await claim();
});
const claim = (limit = 1000, changes: Partial<Claim> = {}) =>
  claimDue(db, { limit, leaseMs: LEASE_MS, ...changes });

async function makeDue(...orders: { id: string }[]): Promise<void> {
  const ids = orders.map((order) => order.id);
  await db
    .updateTable('orders')
    .set({ next_wake_at: inMs(-1000) })
    .where('id', 'in', ids)
    .execute();
}

async function recordDue(count: number) {
  const orders = Array.from({ length: count }, () => ({ ...newOrder(), wakeAt: inMs(-1000) }));
  await recordOrders(db, orders);
  return orders;
}

describe('claimDue', () => {
  test('finds nothing in what is not due yet, or waits for proof only', async () => {
    const later = await signed(db);
    const proofOnly = await signed(db);
    await awaitProof(db, [{ id: proofOnly.id, isCancelRequested: false }]);
    expect(await whatIsDue(db)).toEqual({ hasDue: false, hasDueCancels: false });
    expect(await claim()).toEqual([]);
    expect((await orderRow(db, later)).next_wake_at).toEqual(later.wakeAt);
  });

  test('gives an order to nobody else until its lease has ended', async () => {
    const [order] = await recordDue(1);
    expect((await claim()).map(({ id }) => id)).toEqual([order?.id]);
    expect(await claim()).toEqual([]);
    expect(await whatIsDue(db)).toEqual({ hasDue: false, hasDueCancels: false });
    const wakeAt = (await orderRow(db, order ?? { id: '' })).next_wake_at?.getTime() ?? 0;
    expect(wakeAt - Date.now()).toBeGreaterThan(LEASE_MS / 2);
    // The worker died: when the lease has ended the order is due again.
    await makeDue(order ?? { id: '' });
    expect(await whatIsDue(db)).toEqual({ hasDue: true, hasDueCancels: false });
    expect(await claim()).toHaveLength(1);
  });

  test('takes the oldest first, and no more than asked', async () => {
    const orders = await recordDue(5);
    for (const [index, { id }] of orders.entries()) {
      const next_wake_at = inMs(-10_000 + 1000 * ((index * 3) % 5));
      await db.updateTable('orders').set({ next_wake_at }).where('id', '=', id).execute();
    }
    const byAge = [0, 2, 4, 1, 3].map((index) => orders[index]?.id);
    expect((await claim(2)).map(({ id }) => id).sort()).toEqual(byAge.slice(0, 2).sort());
    expect((await claim(2)).map(({ id }) => id).sort()).toEqual(byAge.slice(2, 4).sort());
    expect((await claim(2)).map(({ id }) => id)).toEqual(byAge.slice(4));
  });

  test('gives concurrent workers disjoint orders, and all of them', async () => {
    const orders = await recordDue(200);
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        claimDue(index % 2 === 0 ? db : other, { limit: 30, leaseMs: LEASE_MS }),
      ),
    );
    const ids = [...claims.flat(), ...(await claim())].map(({ id }) => id);
    expect(ids).toHaveLength(200);
    expect(new Set(ids)).toEqual(new Set(orders.map(({ id }) => id)));
  });

  test('passes over an order that another session holds, without waiting', async () => {
    const [held, free] = await recordDue(2);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('SELECT 1 FROM orders WHERE id = $1 FOR NO KEY UPDATE', [held?.id]);
    expect((await claim()).map(({ id }) => id)).toEqual([free?.id]);
    await session.query('ROLLBACK');
    expect((await claim()).map(({ id }) => id)).toEqual([held?.id]);
  });

  test('brings the latest attempt and what was signed', async () => {
    const order = await signed(db, { post_only: true }, { clientId: 4_294_967_295 });
    await recordOutcomes(db, [answerOf(order, { outcome: 'deferred' })]);
    await resign(db, order, 130, 2);
    await resign(db, order, 135, 3);
    await startResends(db, [{ id: order.id, attempt: 3, retryCount: 2 }]);
    await recordOutcomes(db, [answerOf(order, { attempt: 3, outcome: 'doubt' })]);
    await makeDue(order);
    const [claimed] = await claim();
    const expected = attemptOf({ clientId: 4_294_967_295, goodTilBlock: 135, attempt: 3 });
    expect(claimed).toMatchObject({
      id: order.id,
      clientId: order.intent.client_id,
      status: 'PENDING',
      retryCount: 3,
      orderUuid: order.attempt.orderUuid,
      firstGoodTilBlock: 120,
      goodTilBlocks: 20,
      submitBy: order.submitBy,
      postOnly: true,
      content: {
        owner: 'dydx1owner',
        subaccountNumber: 0,
        clientId: 4_294_967_295,
        clobPairId: 0,
        side: 'BUY',
        type: 'LIMIT',
        timeInForce: 'GTT',
        quantums: 10_000_000_000n,
        subticks: 6_000_000_000n,
        reduceOnly: false,
        postOnly: true,
      },
      latestAttempt: {
        attempt: 3,
        goodTilBlock: 135,
        transmissions: 2,
        outcome: 'doubt',
        txHash: expected.tx.hash,
        txBytes: expected.tx.bytes,
      },
    });
  });

  test('brings an unsigned order as it was asked for', async () => {
    const order = { ...newOrder({ ...immediate, size: '0.1' }), wakeAt: inMs(-1) };
    await recordOrders(db, [order]);
    const [claimed] = await claim();
    expect(claimed).toMatchObject({
      type: 'MARKET',
      timeInForce: 'IOC',
      price: null,
      goodTilBlocks: null,
      firstGoodTilBlock: null,
      content: null,
      latestAttempt: null,
      orderUuid: null,
    });
    expect(normalizeDecimal(claimed?.size ?? '')).toBe('0.1');
  });

  test('does not mix up the attempts of the orders that it brings', async () => {
    const orders = await Promise.all(Array.from({ length: 20 }, () => signed(db)));
    for (const [index, order] of orders.entries()) {
      if (index % 2 === 0) await resign(db, order, 121 + index);
    }
    await makeDue(...orders);
    const claimed = new Map((await claim()).map((order) => [order.id, order]));
    for (const [index, order] of orders.entries()) {
      expect(claimed.get(order.id)?.latestAttempt).toMatchObject({
        attempt: index % 2 === 0 ? 2 : 1,
        goodTilBlock: index % 2 === 0 ? 121 + index : 120,
      });
    }
  });
});

describe('claimDue of cancels', () => {
  const claimCancels = (limit = 100) => claim(limit, { isOfCancels: true });

  test('takes what is due and to be cancelled, and leaves the rest to whom it is for', async () => {
    const [placement, cancelled] = await recordDue(2);
    if (!placement || !cancelled) throw new Error('two orders');
    await cancelOrder(db, cancelled);
    expect(await whatIsDue(db)).toEqual({ hasDue: true, hasDueCancels: true });
    expect(await claimCancels()).toMatchObject([
      { id: cancelled.id, isCancelRequested: true, cancelCount: 0 },
    ]);
    expect(await claimCancels()).toEqual([]);
    expect(await whatIsDue(db)).toEqual({ hasDue: true, hasDueCancels: false });
    expect(await claim()).toMatchObject([{ id: placement.id, isCancelRequested: false }]);
  });

  test('is held up by no number of placements', async () => {
    await using own = await createDatabase();
    for (let batch = 0; batch < 5; batch++) {
      const placements = Array.from({ length: 1_000 }, () => ({ ...newOrder(), wakeAt: inMs(-60_000) }));
      await recordOrders(own.db, placements);
    }
    const order = await signed(own.db);
    await cancelOrder(own.db, order);
    const claimOwn = (isOfCancels: boolean) =>
      claimDue(own.db, { limit: 100, leaseMs: LEASE_MS, isOfCancels });
    // 5,000 have waited longer than the cancel.
    expect((await claimOwn(false)).map(({ id }) => id)).not.toContain(order.id);
    expect((await claimOwn(true)).map(({ id }) => id)).toEqual([order.id]);
  });

  test('takes from a worker what it holds: it signs nothing more', async () => {
    const [order] = await recordDue(1);
    if (!order) throw new Error('one order');
    expect(await claim()).toHaveLength(1);
    await cancelOrder(db, order);
    expect((await claimCancels()).map(({ id }) => id)).toEqual([order.id]);
  });
});

describe('claimDue of stateful orders', () => {
  /** Others may have come due by now. */
  async function claimOf(order: { readonly id: string }) {
    await makeDue(order);
    return (await claim()).find(({ id }) => id === order.id);
  }

  test('brings the nonce, what was shown, and the transactions that may still be on chain', async () => {
    const order = await signedStateful(db);
    await signSibling(db, order, 2);
    const claimed = await claimOf(order);
    const hashes = [siblingOf(order, 2).tx.hash, order.attempt.tx.hash];
    expect(claimed).toMatchObject({
      ...{ nonce: order.attempt.nonce, deadNonce: null, includedHeight: null, isDead: false },
      ...{
        attemptCount: 2,
        openTransactions: hashes.map((hash) => ({ hash, signedHeight: expect.any(Number) })),
        goodTilBlock: null,
        goodTilTime: expect.any(Date),
      },
      latestAttempt: { attempt: 2, goodTilBlock: null },
      content: { orderFlags: 64, triggerSubticks: undefined },
    });
  });

  test('names no transaction that was shown absent', async () => {
    const order = await signedStateful(db);
    await noteAbsent(db, absenceOf(order, 1));
    const second = nextNonce();
    await signSibling(db, order, 2, second);
    const claimed = await claimOf(order);
    expect(claimed).toMatchObject({ nonce: second, deadNonce: order.attempt.nonce });
    expect(claimed?.openTransactions.map(({ hash }) => hash)).toEqual([siblingOf(order, 2, second).tx.hash]);
  });

  test('names none of an order that is on chain, and says that it is, or that it is dead', async () => {
    const order = await signedStateful(db);
    await include(db, order);
    expect(await claimOf(order)).toMatchObject({ includedHeight: 105, openTransactions: [], isDead: false });
    await noteDeath(db, order.id, 1, { cause: 'removed', height: 300 });
    expect(await claimOf(order)).toMatchObject({ isDead: true });
  });
});

describe('a claimer that puts off what it holds', () => {
  const dueAt = async (order: { readonly id: string }) =>
    (await orderRow(db, order)).next_wake_at?.getTime() ?? null;
  const knowing = ({ id }: { readonly id: string }) => ({ id, isCancelRequested: true });
  const unknowing = ({ id }: { readonly id: string }) => ({ id, isCancelRequested: false });
  const wakeAt = inMs(600_000);

  test('wakes it when it says, and those of the others not', async () => {
    const [one, two] = [await signed(db), await signed(db)];
    await wakeLater(db, [{ ...unknowing(one), wakeAt }]);
    await wakeLater(db, []);
    expect([await dueAt(one), await dueAt(two)]).toEqual([wakeAt.getTime(), two.wakeAt.getTime()]);
  });

  test('does not put off what a cancel has made due since', async () => {
    const order = await signed(db);
    await cancelOrder(db, order);
    const due = await dueAt(order);
    await wakeLater(db, [{ ...unknowing(order), wakeAt }]);
    await awaitProof(db, [unknowing(order)]);
    expect(await dueAt(order)).toBe(due);
    await claim();
  });

  test('does not take a cancel from whom it was given to', async () => {
    const order = await signed(db);
    await cancelOrder(db, order);
    expect(await claim(100, { isOfCancels: true })).toHaveLength(1);
    const lease = await dueAt(order);
    await wakeLater(db, [{ ...unknowing(order), wakeAt }]);
    await awaitProof(db, [unknowing(order)]);
    expect(await dueAt(order)).toBe(lease);
  });

  test('and knows of the cancel says when to go on with it', async () => {
    const order = await signed(db);
    await cancelOrder(db, order);
    await wakeLater(db, [{ ...knowing(order), wakeAt }]);
    expect(await dueAt(order)).toBe(wakeAt.getTime());
    await awaitProof(db, [knowing(order)]);
    expect(await dueAt(order)).toBeNull();
  });

  test.each(STATUSES.filter(isFinal))('wakes nobody for what is %s', async (status) => {
    const order = await signed(db);
    await setStatus(db, order, status);
    await wakeLater(db, [{ ...unknowing(order), wakeAt }]);
    expect(await dueAt(order)).toBeNull();
  });

  test('in batches over the same orders in opposite order deadlocks nobody', async () => {
    const orders = (await Promise.all(Array.from({ length: 50 }, () => signed(db)))).map(unknowing);
    const later = orders.map((order) => ({ ...order, wakeAt }));
    const turns = Array.from({ length: 20 }, (_, turn) =>
      turn % 2 === 0 ? wakeLater(db, later) : awaitProof(other, orders.toReversed()),
    );
    await Promise.all(turns);
  });
});

test('awaitProof wakes nobody for these orders any more, and for no others', async () => {
  const [done, rest] = await recordDue(2);
  await awaitProof(db, [{ id: done?.id ?? '', isCancelRequested: false }]);
  await awaitProof(db, []);
  const ids = (await claim()).map(({ id }) => id);
  expect([ids.includes(done?.id ?? ''), ids.includes(rest?.id ?? '')]).toEqual([false, true]);
});

/** Rows of orders that this session has read and not reported yet. */
async function rowsRead(trx: Database): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT (seq_tup_read + idx_tup_fetch)::int AS count FROM pg_stat_xact_user_tables
    WHERE relname = 'orders'`.execute(trx);
  return rows[0]?.count ?? 0;
}

describe('where nothing is due, a large table costs no more than a small one', () => {
  test.each([
    ['whatIsDue', (trx: Database) => whatIsDue(trx)],
    ['claimDue', (trx: Database) => claimDue(trx, { limit: 100, leaseMs: LEASE_MS })],
    [
      'claimDue of cancels',
      (trx: Database) => claimDue(trx, { limit: 100, leaseMs: LEASE_MS, isOfCancels: true }),
    ],
  ] as const)('%s reads neither ended orders nor those whose time is still to come', async (_name, ask) => {
    await using large = await createDatabase();
    // As after an hour of trading: most have ended, some wait for their time.
    await sql`
      WITH k AS (
        INSERT INTO order_keys (tenant_id, client_id, order_id, intent_hash)
        SELECT 'default', n::text, gen_random_uuid(), repeat('a', 64) FROM generate_series(1, 10000) n
        RETURNING client_id, order_id, client_id::int % 20 = 0 AS is_waiting
      )
      INSERT INTO orders
        (id, client_id, market, side, type, size, status, status_reason, resolution, next_wake_at)
      SELECT order_id, client_id, 'BTC-USD', 'BUY', 'MARKET', 1,
        (CASE WHEN is_waiting THEN 'PENDING' ELSE 'EXPIRED' END)::order_status,
        CASE WHEN NOT is_waiting THEN 'never sent' END,
        CASE WHEN NOT is_waiting THEN '{"rule":"never_sent"}'::jsonb END,
        CASE WHEN is_waiting THEN clock_timestamp() + interval '1 hour' END
      FROM k`.execute(large.db);
    await sql`ANALYZE orders`.execute(large.db);
    const read = await large.db.transaction().execute(async (trx) => {
      const before = await rowsRead(trx);
      await ask(trx);
      return (await rowsRead(trx)) - before;
    });
    expect(read).toBeLessThan(100);
  });
});
