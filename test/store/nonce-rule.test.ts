// The nonce rule (P2): one nonce an order until that nonce is shown dead. It holds as SQL: whoever asks at the same time,
// whatever a worker believes, past the statements of the store as well.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { isFinal, STATUSES } from '../../src/core/status.ts';
import { startAttempts, startResends } from '../../src/store/attempts.ts';
import { createBatcher } from '../../src/store/batcher.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { type NewOrder, recordOrders } from '../../src/store/recording.ts';
import { noteAbsent, noteDeath } from '../../src/store/stateful.ts';
import { createDatabase } from '../support/databases.ts';
import {
  absenceOf,
  attemptOf,
  attemptsOf,
  cancelOrder,
  include,
  inMs,
  longTerm,
  newOrder,
  nextName,
  nextNonce,
  openSession,
  orderRow,
  type SignedStateful,
  STATE_OF,
  setStatus,
  siblingOf,
  signedStateful,
  signSibling,
  unsigned,
  untilBlocked,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
const other = openDatabase({ url: database.url });
afterAll(async () => {
  await other.destroy();
  await database[Symbol.asyncDispose]();
});

/** What was signed with any nonce but the newest is shown absent. @returns the nonces in the order of their attempts */
async function expectRule(order: { readonly id: string }): Promise<number[]> {
  const attempts = await attemptsOf(db, order);
  const nonces = attempts.map(({ nonce }) => Number(nonce));
  const newest = Math.max(...nonces);
  expect((await orderRow(db, order)).nonce).toBe(String(newest));
  for (const { nonce, absent_height } of attempts) {
    if (Number(nonce) < newest) expect(absent_height).not.toBeNull();
  }
  expect(nonces).toEqual(nonces.toSorted((a, b) => a - b));
  return nonces;
}

/** Its first nonce is dead, with nothing of it on chain. */
async function withDeadNonce(on: Database = db): Promise<SignedStateful> {
  const order = await signedStateful(on);
  expect(await noteAbsent(on, absenceOf(order, 1))).toBe(true);
  return order;
}

/** Those that wait for the row while a session holds it, in the order in which they came. */
async function inTurn<Result>(
  order: { readonly id: string },
  ...works: readonly (() => Promise<Result>)[]
): Promise<Result[]> {
  await using session = await openSession(database.url);
  await session.query('BEGIN');
  await session.query('SELECT 1 FROM orders WHERE id = $1 FOR NO KEY UPDATE', [order.id]);
  const begun: Promise<Result>[] = [];
  for (const work of works) {
    begun.push(work());
    await untilBlocked(db, begun.length);
  }
  await session.query('COMMIT');
  return Promise.all(begun);
}

describe('the first nonce', () => {
  test('comes with the record, and has no block', async () => {
    const order = await signedStateful(db);
    const nonce = String(order.attempt.nonce);
    expect(await orderRow(db, order)).toMatchObject({
      ...{ nonce, order_flags: 64, good_til_block: null, first_good_til_block: null, dead_nonce: null },
      ...{ attempt_count: 1, retry_count: 0, tx_hash: order.attempt.tx.hash },
    });
    expect(await attemptsOf(db, order)).toMatchObject([{ nonce, good_til_block: null, absent_height: null }]);
  });

  test('is that of one of two workers that hold the same unsigned order', async () => {
    const order = await unsigned(db, longTerm());
    const rivals = [db, other].map((on) => {
      const attempt = { ...attemptOf({ nonce: nextNonce() }), id: order.id, wakeAt: inMs(6_000) };
      return async () => (await startAttempts(on, [attempt], 40)).size;
    });
    expect(await inTurn(order, ...rivals)).toEqual([1, 0]);
    expect(await expectRule(order)).toHaveLength(1);
  });

  test('of an order is of no other order of that owner: the second is refused, and harms none beside it', async () => {
    const owner = nextName('dydx1nonce');
    const { nonce } = (await signedStateful(db, { owner })).attempt;
    const orderOf = (own: number) => newOrder(longTerm(), attemptOf({ owner, nonce: own }));
    await expect(recordOrders(db, [orderOf(nonce)])).rejects.toMatchObject({
      ...{ code: '23505', constraint: 'orders_one_nonce' },
    });
    const { push } = createBatcher({ flush: (orders: readonly NewOrder[]) => recordOrders(db, orders) });
    const settled = await Promise.allSettled(
      [nextNonce(), nonce, nextNonce()].map((each) => push(orderOf(each))),
    );
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);

    const late = { ...attemptOf({ owner, nonce }), id: (await unsigned(db, longTerm())).id, wakeAt: inMs(1) };
    await expect(startAttempts(db, [late], 40)).rejects.toMatchObject({ constraint: 'orders_one_nonce' });
    // Each owner has nonces of its own.
    await signedStateful(db, { owner: `${owner}2`, nonce });
  });
});

describe('while a nonce lives', () => {
  test('a sibling with it and another memo is one more attempt, and nothing else changes', async () => {
    const order = await signedStateful(db);
    const before = await orderRow(db, order);
    const sibling = siblingOf(order, 2);
    expect(await startAttempts(db, [sibling], 40)).toEqual(new Map([[sibling.tx.hash, 2]]));
    expect(await orderRow(db, order)).toEqual({
      ...before,
      ...{ attempt_count: 2, retry_count: 1, tx_hash: sibling.tx.hash, next_wake_at: sibling.wakeAt },
      updated_at: expect.any(Date),
    });
    const { nonce } = order.attempt;
    expect(await expectRule(order)).toEqual([nonce, nonce]);
  });

  test.each([
    ['a later one', 1],
    ['an earlier one', -1],
    ['one beyond its window', 60_000],
  ])('%s gets no row', async (_what, byMs) => {
    const order = await signedStateful(db);
    expect(await signSibling(db, order, 2, order.attempt.nonce + byMs)).toBe(false);
    expect(await expectRule(order)).toEqual([order.attempt.nonce]);
  });

  test('in one batch with a sibling, a later nonce takes nothing from anybody but its own order', async () => {
    const [one, two] = [await signedStateful(db), await signedStateful(db)];
    const batch = [siblingOf(one, 2), siblingOf(one, 3, nextNonce()), siblingOf(two, 2)];
    expect(await startAttempts(db, batch, 40)).toEqual(new Map([[batch[2]?.tx.hash, 2]]));
    await expectRule(one);
  });

  test('neither a block nor a stranger’s identity makes an attempt of it', async () => {
    const order = await signedStateful(db);
    const { owner, clientId } = order.attempt.order.id;
    const withBlock = {
      ...attemptOf({ owner, clientId, goodTilBlock: 130, attempt: 2 }),
      id: order.id,
      wakeAt: inMs(1),
    };
    const stranger = { ...attemptOf({ owner, nonce: order.attempt.nonce }), id: order.id, wakeAt: inMs(1) };
    for (const attempt of [withBlock, stranger]) {
      expect(await startAttempts(db, [attempt], 40)).toEqual(new Map());
    }
    expect(await attemptsOf(db, order)).toHaveLength(1);
  });
});

describe('after a nonce was shown dead', () => {
  test('a later one may be used, once: it lives then', async () => {
    const order = await withDeadNonce();
    const [second, third] = [nextNonce(), nextNonce()];
    expect(await signSibling(db, order, 2, second)).toBe(true);
    expect(await signSibling(db, order, 3, third)).toBe(false);
    expect(await signSibling(db, order, 3, second)).toBe(true);
    expect(await expectRule(order)).toEqual([order.attempt.nonce, second, second]);
    expect(await orderRow(db, order)).toMatchObject({ dead_nonce: String(order.attempt.nonce) });
  });

  test('neither the dead one nor an earlier one is signed with again', async () => {
    const order = await withDeadNonce();
    for (const nonce of [order.attempt.nonce, order.attempt.nonce - 1]) {
      expect(await signSibling(db, order, 2, nonce)).toBe(false);
    }
    expect(await expectRule(order)).toEqual([order.attempt.nonce]);
  });

  test('of two workers that both know it the second one has an old view, and gets no row', async () => {
    const order = await withDeadNonce();
    const [second, third] = [nextNonce(), nextNonce()];
    const signing = [second, third].map(
      (nonce, index) => () => signSibling(index === 0 ? db : other, order, 2, nonce),
    );
    expect(await inTurn(order, ...signing)).toEqual([true, false]);
    // Nor does one that still believes in the first.
    expect(await signSibling(other, order, 2)).toBe(false);
    expect(await expectRule(order)).toEqual([order.attempt.nonce, second]);
  });

  test('a sibling that commits first keeps it from being shown', async () => {
    const order = await signedStateful(db);
    const works = [() => signSibling(other, order, 2), () => noteAbsent(db, absenceOf(order, 1))];
    expect(await inTurn(order, ...works)).toEqual([true, false]);
    expect(await orderRow(db, order)).toMatchObject({ dead_nonce: null });
    expect(await signSibling(db, order, 3, nextNonce())).toBe(false);
  });
});

describe('nothing is signed and nothing repeated', () => {
  const ways = async (order: SignedStateful) => {
    const { nonce } = order.attempt;
    const { retry_count: retryCount } = await orderRow(db, order);
    return [
      await signSibling(db, order, 2, nonce),
      await signSibling(db, order, 2, nextNonce()),
      (await startResends(db, [{ id: order.id, attempt: 1, retryCount }])).size > 0,
    ];
  };

  test('once it is on chain', async () => {
    const order = await signedStateful(db);
    await include(db, order);
    expect(await ways(order)).toEqual([false, false, false]);
  });

  test('once it is shown dead, although its nonce lives', async () => {
    const order = await signedStateful(db);
    const good_til = (await orderRow(db, order)).good_til_time?.getTime() ?? 0;
    await noteDeath(db, order.id, 1, { cause: 'expired', height: 200, block_time_ms: good_til });
    expect(await ways(order)).toEqual([false, false, false]);
  });

  test('once it is shown dead, although its nonce is', async () => {
    const order = await withDeadNonce();
    await noteDeath(db, order.id, 1, { cause: 'never_included', height: 200, block_time_ms: 1 });
    expect(await ways(order)).toEqual([false, false, false]);
  });

  test('once a cancel is requested, dead nonce or not', async () => {
    for (const make of [signedStateful, withDeadNonce]) {
      const order = await make(db);
      await cancelOrder(db, order);
      expect(await ways(order)).toEqual([false, false, false]);
    }
  });

  for (const status of STATUSES.filter(isFinal)) {
    test(`once it is ${status}`, async () => {
      const order = await withDeadNonce();
      const resolution = JSON.stringify({ ...JSON.parse(STATE_OF[status].resolution ?? '{}'), height: 500 });
      await noteDeath(db, order.id, 1, { cause: 'never_included', height: 200, block_time_ms: 1 });
      await setStatus(db, order, status, { resolution });
      expect(await ways(order)).toEqual([false, false, false]);
    });
  }

  test('when it goes on chain while the signature waits for the row', async () => {
    const order = await signedStateful(db);
    const works = [
      async () => include(other, order).then(() => undefined),
      async () => signSibling(db, order, 2),
    ] as const;
    expect(await inTurn<boolean | undefined>(order, ...works)).toEqual([undefined, false]);
    expect(await attemptsOf(db, order)).toHaveLength(1);
  });
});

describe('past the statements of the store', () => {
  const refused = { code: '42501', message: 'orders: what is on record stays as it is' };
  const setNonce = (order: { readonly id: string }, nonce: number) =>
    db.updateTable('orders').set({ nonce }).where('id', '=', order.id).execute();

  test.each([
    ['a later nonce', 1],
    ['an earlier nonce', -1],
  ])('%s is refused while it lives', async (_what, byMs) => {
    const order = await signedStateful(db);
    await expect(setNonce(order, order.attempt.nonce + byMs)).rejects.toMatchObject(refused);
    // The same one is none.
    await setNonce(order, order.attempt.nonce);
  });

  test('only a later one is taken after it was shown dead', async () => {
    const order = await withDeadNonce();
    await expect(setNonce(order, order.attempt.nonce - 1)).rejects.toMatchObject(refused);
    await setNonce(order, nextNonce());
    await expect(setNonce(order, nextNonce())).rejects.toMatchObject(refused);
  });

  test('no nonce at all is no way around', async () => {
    const order = await signedStateful(db);
    await expect(
      db.updateTable('orders').set({ nonce: null }).where('id', '=', order.id).execute(),
    ).rejects.toMatchObject({ constraint: 'orders_nonce_by_flags' });
  });

  test('death and another nonce in one statement are refused: the one is shown before the other is used', async () => {
    const order = await signedStateful(db);
    const both = sql`UPDATE orders SET dead_nonce = nonce, nonce = nonce + 1 WHERE id = ${order.id}`.execute(
      db,
    );
    await expect(both).rejects.toMatchObject(refused);
  });

  test('after the order was on chain, or was shown dead, a dead nonce does not help', async () => {
    const order = await withDeadNonce();
    await noteDeath(db, order.id, 1, { cause: 'never_included', height: 200, block_time_ms: 1 });
    await expect(setNonce(order, nextNonce())).rejects.toMatchObject(refused);
  });

  test('a nonce that nothing shows to be dead is not called so', async () => {
    const order = await signedStateful(db);
    await signSibling(db, order, 2);
    const call = () => sql`UPDATE orders SET dead_nonce = nonce WHERE id = ${order.id}`.execute(db);
    const unshown = { code: '23514', constraint: 'orders_shown_by_attempts' };
    await expect(call()).rejects.toMatchObject(unshown);
    // Each of its siblings has to be absent.
    const absent = (attempt: number) =>
      db
        .updateTable('order_attempts')
        .set({ absent_height: 200, absent_time: new Date(order.attempt.nonce + 30_001) })
        .where('order_id', '=', order.id)
        .where('attempt', '=', attempt)
        .execute();
    await absent(1);
    await expect(call()).rejects.toMatchObject(unshown);
    await absent(2);
    await call();
  });
});

type Move = 'sibling' | 'next nonce' | 'absent' | 'included';

test('whatever workers do at once, what was signed with an earlier nonce is shown dead', async () => {
  const moves = fc.array(fc.constantFrom<Move>('sibling', 'next nonce', 'next nonce', 'absent', 'included'), {
    ...{ minLength: 3, maxLength: 10 },
  });
  const reached = new Set<number>();
  await fc.assert(
    fc.asyncProperty(moves, async (made) => {
      const order = await signedStateful(db);
      // What each of them saw before any of them moved, and again after half of them have.
      for (const half of [made.slice(0, made.length / 2), made.slice(made.length / 2)]) {
        const { nonce, attempt_count: count, included_height } = await orderRow(db, order);
        const seen = Number(nonce);
        const works = half.map(async (move, index) => {
          const on = index % 2 === 0 ? db : other;
          if (move === 'sibling') return signSibling(on, order, count + 1 + index, seen);
          if (move === 'next nonce') return signSibling(on, order, count + 1 + index, nextNonce());
          if (move === 'absent') return noteAbsent(on, absenceOf(order, count, seen));
          if (included_height === null && seen === order.attempt.nonce) return include(on, order);
        });
        const settled = await Promise.allSettled(works);
        // On chain and absent at once is a contradiction that the tables do not take.
        for (const result of settled) {
          if (result.status === 'rejected')
            expect(result.reason).toMatchObject({ constraint: 'order_attempts_absent' });
        }
      }
      reached.add(new Set(await expectRule(order)).size);
    }),
    { numRuns: 60 },
  );
  // The lives have to be rich enough to mean something.
  expect(reached.size).toBeGreaterThan(1);
});
