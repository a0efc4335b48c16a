// The attempt rule (P2): an attempt exists only together with the row that allows it, whoever asks at the same time.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { isFinal, type OrderStatus, STATUSES } from '../../src/core/status.ts';
import { startAttempts, startResends } from '../../src/store/attempts.ts';
import { createBatcher } from '../../src/store/batcher.ts';
import { openDatabase } from '../../src/store/database.ts';
import { recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createDatabase } from '../support/databases.ts';
import {
  answerOf,
  attemptOf,
  attemptsOf,
  cancelOrder,
  inMs,
  newCursor,
  nextName,
  openSession,
  orderRow,
  reportOf,
  resign,
  resignOf,
  type SignedOrder,
  STATE_OF,
  setStatus,
  signed,
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

/** good_til_block is the highest that was ever signed, and no block was signed twice. */
async function expectTruth(order: { readonly id: string }) {
  const row = await orderRow(db, order);
  const blocks = (await attemptsOf(db, order)).flatMap((attempt) => attempt.good_til_block ?? []);
  expect(row.good_til_block).toBe(Math.max(...blocks));
  expect(row.first_good_til_block).toBe(blocks[0]);
  expect(new Set(blocks).size).toBe(blocks.length);
  return { row, blocks };
}

describe('the first attempt', () => {
  test('sets both good-til-blocks and the identity, and is no retry', async () => {
    const order = await unsigned(db);
    const attempt = { ...attemptOf({ goodTilBlock: 130 }), id: order.id, wakeAt: inMs(9_000) };
    expect(await startAttempts(db, [attempt], 20)).toEqual(new Map([[attempt.tx.hash, 1]]));
    const { row } = await expectTruth(order);
    expect(row).toMatchObject({
      first_good_til_block: 130,
      good_til_block: 130,
      retry_count: 0,
      order_id: attempt.orderUuid,
      dydx_client_id: String(attempt.order.id.clientId),
      tx_hash: attempt.tx.hash,
      next_wake_at: attempt.wakeAt,
    });
    expect(await attemptsOf(db, order)).toMatchObject([{ attempt: 1, transmissions: 1, outcome: null }]);
  });

  test('comes from one of two workers that hold the same unsigned order', async () => {
    const order = await unsigned(db);
    const rivals = [130, 131].map((goodTilBlock) => ({
      ...attemptOf({ goodTilBlock }),
      id: order.id,
      wakeAt: inMs(6_000),
    }));
    const results = await Promise.allSettled(
      rivals.map((attempt, index) => startAttempts(index === 0 ? db : other, [attempt], 40)),
    );
    const allowed = results.filter((result) => result.status === 'fulfilled' && result.value.size === 1);
    expect(allowed).toHaveLength(1);
    const { row, blocks } = await expectTruth(order);
    expect(blocks).toHaveLength(1);
    const winner = rivals.find((rival) => rival.order.goodTilBlock === row.good_til_block);
    expect(row.dydx_client_id).toBe(String(winner?.order.id.clientId));
  });
});

describe('a re-sign', () => {
  test.each([
    [119, false],
    [120, false],
    [121, true],
    [140, true],
    [141, false],
    [160, false],
  ])('of good-til-block 120 at %i within a window of 20: allowed = %s', async (goodTilBlock, allows) => {
    const order = await signed(db);
    const allowed = await startAttempts(db, [resignOf(order, goodTilBlock)], 20);
    expect(allowed).toEqual(new Map(allows ? [[resignOf(order, goodTilBlock).tx.hash, 2]] : []));
    const { row, blocks } = await expectTruth(order);
    expect(blocks).toEqual(allows ? [120, goodTilBlock] : [120]);
    expect(row.retry_count).toBe(allows ? 1 : 0);
    expect(row.tx_hash).toBe(allows ? resignOf(order, goodTilBlock).tx.hash : order.attempt.tx.hash);
  });

  test('is measured from the first good-til-block, not from the last', async () => {
    const order = await signed(db);
    expect(await resign(db, order, 135, 2)).toBe(true);
    expect(await resign(db, order, 160, 3)).toBe(true);
    expect(await resign(db, order, 161, 4)).toBe(false);
    const { row, blocks } = await expectTruth(order);
    expect(blocks).toEqual([120, 135, 160]);
    expect(row.retry_count).toBe(2);
  });

  test('beyond 40 blocks is refused by the table itself, whatever window is asked for', async () => {
    const order = await signed(db);
    await expect(startAttempts(db, [resignOf(order, 161)], 100)).rejects.toMatchObject({
      code: '23514',
      constraint: 'orders_good_til_block_window',
    });
    await expectTruth(order);
  });

  test('is refused once a cancel is requested', async () => {
    const order = await signed(db);
    await cancelOrder(db, order);
    expect(await resign(db, order, 130)).toBe(false);
    expect((await expectTruth(order)).blocks).toEqual([120]);
  });

  for (const status of STATUSES) {
    test(`of an order that is ${status} is ${isFinal(status) ? 'refused' : 'allowed'}`, async () => {
      const order = await signed(db);
      if (status !== 'PENDING') await setStatus(db, order, status);
      expect(await resign(db, order, 130)).toBe(!isFinal(status));
      expect(await attemptsOf(db, order)).toHaveLength(isFinal(status) ? 1 : 2);
    });
  }

  test('in a batch is allowed or refused for each order by itself', async () => {
    const orders = await Promise.all(Array.from({ length: 12 }, () => signed(db)));
    const attempts = orders.map((order, index) => resignOf(order, index % 2 === 0 ? 130 : 120));
    const allowed = await startAttempts(db, attempts, 20);
    expect(new Set(allowed.keys())).toEqual(
      new Set(attempts.filter((_, index) => index % 2 === 0).map(({ tx }) => tx.hash)),
    );
    for (const order of orders) await expectTruth(order);
  });

  test('changes nothing of the identity: another venue OrderId gets no row', async () => {
    const order = await signed(db);
    const stranger = { ...attemptOf({ goodTilBlock: 130, attempt: 2 }), id: order.id, wakeAt: inMs(1) };
    await startAttempts(db, [stranger], 40).catch(() => undefined);
    expect(await orderRow(db, order)).toMatchObject({
      order_id: order.attempt.orderUuid,
      dydx_client_id: String(order.attempt.order.id.clientId),
    });
    expect(await attemptsOf(db, order)).toHaveLength(1);
  });
});

describe('two workers', () => {
  test.each([
    [150, 130],
    [130, 150],
    [160, 159],
    [180, 130],
    [130, 130],
  ])('that re-sign 120 as %i and %i never leave a block above the stored one', async (first, second) => {
    const order = await signed(db);
    const results = await Promise.allSettled([resign(db, order, first, 2), resign(other, order, second, 3)]);
    expect(results.filter((result) => result.status === 'rejected')).toEqual([]);
    const { row, blocks } = await expectTruth(order);
    const allowed = results.filter((result) => result.status === 'fulfilled' && result.value).length;
    expect(blocks).toHaveLength(1 + allowed);
    expect(row.retry_count).toBe(allowed);
    // The highest that the window holds wins, whoever came first.
    expect(row.good_til_block).toBe(Math.max(...[first, second].filter((block) => block <= 160)));
  });

  test('wait for each other, and the lower block gets no row', async () => {
    const order = await signed(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('SELECT 1 FROM orders WHERE id = $1 FOR NO KEY UPDATE', [order.id]);
    const higher = resign(db, order, 150, 2);
    await untilBlocked(db, 1);
    const lower = resign(other, order, 130, 3);
    await untilBlocked(db, 2);
    await session.query('COMMIT');
    expect([await higher, await lower]).toEqual([true, false]);
    expect((await expectTruth(order)).blocks).toEqual([120, 150]);
  });

  test('that both hold the latest attempt get a number of their own each, in the order of their blocks', async () => {
    const order = await signed(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('SELECT 1 FROM orders WHERE id = $1 FOR NO KEY UPDATE', [order.id]);
    const lower = resign(db, order, 130, 2);
    await untilBlocked(db, 1);
    const higher = resign(other, order, 131, 2);
    await untilBlocked(db, 2);
    await session.query('COMMIT');
    expect(await lower).toBe(true);
    expect(await higher).toBe(true);
    expect((await expectTruth(order)).blocks).toEqual([120, 130, 131]);
    expect((await attemptsOf(db, order)).map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  test('that hold one order of ten: the other nine are signed all the same', async () => {
    const raced = await unsigned(db);
    const rest = await Promise.all(Array.from({ length: 9 }, () => unsigned(db)));
    const first = (order: { id: string }) => ({
      ...attemptOf({ goodTilBlock: 130 }),
      id: order.id,
      wakeAt: inMs(1),
    });
    await startAttempts(other, [first(raced)], 20);
    const late = { ...attemptOf({ goodTilBlock: 131 }), id: raced.id, wakeAt: inMs(1) };
    const others = rest.map(first);
    const allowed = await startAttempts(db, [late, ...others], 20);
    expect(allowed).toEqual(new Map(others.map(({ tx }) => [tx.hash, 1])));
  });

  test('that ask in one batch under two identities: only the bytes that are stored may be sent', async () => {
    const order = await unsigned(db);
    const rivals = [1, 2].map(() => ({ ...attemptOf({ goodTilBlock: 130 }), id: order.id, wakeAt: inMs(1) }));
    const allowed = await startAttempts(db, rivals, 20);
    const [stored] = await attemptsOf(db, order);
    expect([...allowed]).toEqual([[stored?.tx_hash, 1]]);
  });

  test('a cancel that commits while a re-sign waits for the row stops it', async () => {
    const order = await signed(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('UPDATE orders SET cancel_requested_at = now() WHERE id = $1', [order.id]);
    const attempt = resign(db, order, 150);
    await untilBlocked(db);
    await session.query('COMMIT');
    expect(await attempt).toBe(false);
    expect((await expectTruth(order)).blocks).toEqual([120]);
  });

  test('an end that commits while a re-sign waits for the row stops it', async () => {
    const order = await signed(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query(
      `UPDATE orders SET status = 'EXPIRED', status_reason = 'test', next_wake_at = NULL,
        resolution = '{"rule":"dead","height":121}' WHERE id = $1`,
      [order.id],
    );
    const attempt = resign(db, order, 150);
    await untilBlocked(db);
    await session.query('COMMIT');
    expect(await attempt).toBe(false);
    expect((await expectTruth(order)).blocks).toEqual([120]);
  });

  test('many workers, any blocks: the stored block is always the highest that was signed', async () => {
    const blocks = fc.array(fc.integer({ min: 115, max: 165 }), { minLength: 2, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(blocks, async (wanted) => {
        const order = await signed(db);
        await Promise.all(
          wanted.map((block, index) => resign(index % 2 === 0 ? db : other, order, block, 2 + index)),
        );
        const truth = await expectTruth(order);
        const highest = Math.max(120, ...wanted.filter((block) => block <= 160));
        expect(truth.row.good_til_block).toBe(highest);
        expect(truth.row.retry_count).toBe(truth.blocks.length - 1);
      }),
      { numRuns: 25 },
    );
  });
});

/** Two that begin while a session holds the row: it is theirs in the order in which they came. */
async function inTurn<First, Second>(
  order: { readonly id: string },
  first: () => Promise<First>,
  second: () => Promise<Second>,
): Promise<[First, Second]> {
  await using session = await openSession(database.url);
  await session.query('BEGIN');
  await session.query('SELECT 1 FROM orders WHERE id = $1 FOR NO KEY UPDATE', [order.id]);
  const one = first();
  await untilBlocked(db, 1);
  const two = second();
  await untilBlocked(db, 2);
  await session.query('COMMIT');
  return Promise.all([one, two]);
}

describe('two workers that sign 180 and 130', () => {
  const signOf = (id: string, clientId: number, goodTilBlock: number, on = db) => {
    const attempt = { ...attemptOf({ goodTilBlock, clientId }), id, wakeAt: inMs(6_000) };
    return async () => (await startAttempts(on, [attempt], 40)).size === 1;
  };

  test.each([
    [180, 130],
    [130, 180],
  ])('for the first time: %i comes first, and %i gets no row', async (first, second) => {
    const order = await unsigned(db);
    const { clientId } = attemptOf().order.id;
    const allowed = await inTurn(
      order,
      signOf(order.id, clientId, first),
      signOf(order.id, clientId, second, other),
    );
    // From 130 on 180 is beyond the window, and from 180 on 130 would be lower.
    expect(allowed).toEqual([true, false]);
    expect(await expectTruth(order)).toMatchObject({ blocks: [first], row: { first_good_til_block: first } });
  });

  test.each([
    [180, 130],
    [130, 180],
  ])('of an order that was signed for 140: %i, then %i, and only 180 is later', async (...blocks) => {
    const order = await signed(db, {}, { goodTilBlock: 140 });
    const [first, second] = blocks.map(
      (block, index) => () => resign(index === 0 ? db : other, order, block, index + 2),
    );
    if (first === undefined || second === undefined) throw new Error('two blocks make two workers');
    expect(await inTurn(order, first, second)).toEqual(blocks.map((block) => block === 180));
    expect((await expectTruth(order)).blocks).toEqual([140, 180]);
  });

  test('in one batch: the higher one alone is asked about', async () => {
    const order = await signed(db, {}, { goodTilBlock: 140 });
    const again = [130, 180, 160].map((block, index) => resignOf(order, block, index + 2));
    expect(await startAttempts(db, again, 40)).toEqual(new Map([[again[1]?.tx.hash, 2]]));
    expect((await expectTruth(order)).blocks).toEqual([140, 180]);
  });
});

describe('settling races a re-sign', () => {
  /** Of good-til-block 120, with a report up to block 125 and a margin of 2. */
  async function ending() {
    const owner = nextName('dydx1race');
    const order = await signed(db, {}, { owner });
    const report = reportOf(await newCursor(db, owner), [], 125);
    return { order, settle: async () => (await bookReport(other, report, 2))?.settled.length };
  }

  test('the end comes first: nothing is signed after it', async () => {
    const { order, settle } = await ending();
    expect(await inTurn(order, settle, () => resign(db, order, 150))).toEqual([1, false]);
    const { row, blocks } = await expectTruth(order);
    expect(row).toMatchObject({ status: 'EXPIRED', resolution: { good_til_block: 120 } });
    expect(blocks).toEqual([120]);
  });

  test('the signature comes first: the order lives on', async () => {
    const { order, settle } = await ending();
    expect(await inTurn(order, () => resign(db, order, 150), settle)).toEqual([true, 0]);
    const { row, blocks } = await expectTruth(order);
    expect(row).toMatchObject({ status: 'PENDING', good_til_block: 150, resolution: null });
    expect(blocks).toEqual([120, 150]);
  });
});

describe('a cancel races a re-sign', () => {
  test('the cancel comes first: nothing is signed after it', async () => {
    const order = await signed(db);
    const [told, isAllowed] = await inTurn(
      order,
      () => cancelOrder(other, order),
      () => resign(db, order, 150),
    );
    expect([told, isAllowed]).toEqual([{ outcome: 'requested', status: 'PENDING' }, false]);
    expect((await expectTruth(order)).blocks).toEqual([120]);
  });

  test('the signature comes first: the cancel knows the highest block, which is the last', async () => {
    const order = await signed(db);
    const [isAllowed] = await inTurn(
      order,
      () => resign(db, order, 150),
      () => cancelOrder(other, order),
    );
    expect(isAllowed).toBe(true);
    expect(await resign(db, order, 155, 3)).toBe(false);
    expect((await expectTruth(order)).blocks).toEqual([120, 150]);
  });

  test('when the cancel is answered, all has been signed that ever will be', async () => {
    for (let round = 0; round < 25; round++) {
      const order = await signed(db);
      const signing = [125, 130, 135, 140, 145, 150].map((block, index) =>
        resign(index % 2 === 0 ? db : other, order, block, index + 2),
      );
      await cancelOrder(round % 2 === 0 ? db : other, order);
      const { blocks } = await expectTruth(order);
      await Promise.all(signing);
      expect((await expectTruth(order)).blocks).toEqual(blocks);
    }
  });
});

describe('a repeat of the same bytes', () => {
  const repeatOf = (order: SignedOrder, retryCount = 0, attempt = 1) => ({
    id: order.id,
    attempt,
    retryCount,
  });

  test('is counted before it is sent', async () => {
    const order = await signed(db);
    expect(await startResends(db, [repeatOf(order)])).toEqual(new Set([order.id]));
    expect(await startResends(db, [repeatOf(order, 1)])).toEqual(new Set([order.id]));
    expect(await attemptsOf(db, order)).toMatchObject([{ transmissions: 3 }]);
    expect(await orderRow(db, order)).toMatchObject({ retry_count: 2, good_til_block: 120 });
  });

  test('counts on its own attempt only', async () => {
    const order = await signed(db);
    await resign(db, order, 130);
    expect(await startResends(db, [repeatOf(order, 1, 2)])).toEqual(new Set([order.id]));
    expect(await attemptsOf(db, order)).toMatchObject([{ transmissions: 1 }, { transmissions: 2 }]);
  });

  test('of an attempt that does not exist is not sent', async () => {
    expect(await startResends(db, [repeatOf(await signed(db), 0, 2)])).toEqual(new Set());
  });

  test('goes to one of two workers that claim it at once', async () => {
    const orders = await Promise.all(Array.from({ length: 20 }, () => signed(db)));
    const resends = orders.map((order) => repeatOf(order));
    const [one, two] = await Promise.all([
      startResends(db, resends),
      startResends(other, resends.toReversed()),
    ]);
    expect(one.size + two.size).toBe(orders.length);
    expect(new Set([...one, ...two]).size).toBe(orders.length);
    for (const order of orders) expect(await attemptsOf(db, order)).toMatchObject([{ transmissions: 2 }]);
  });

  test('is refused to who waited for the row while another one repeated it', async () => {
    const order = await signed(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('SELECT 1 FROM orders WHERE id = $1 FOR NO KEY UPDATE', [order.id]);
    const rivals = [startResends(db, [repeatOf(order)]), startResends(other, [repeatOf(order)])];
    await untilBlocked(db, 2);
    await session.query('COMMIT');
    const sizes = (await Promise.all(rivals)).map((allowed) => allowed.size);
    expect(sizes.sort()).toEqual([0, 1]);
    expect(await attemptsOf(db, order)).toMatchObject([{ transmissions: 2 }]);
  });

  test('is refused once a cancel is requested', async () => {
    const order = await signed(db);
    await cancelOrder(db, order);
    expect(await startResends(db, [repeatOf(order)])).toEqual(new Set());
    expect(await attemptsOf(db, order)).toMatchObject([{ transmissions: 1 }]);
  });

  for (const status of STATUSES.filter((word) => STATE_OF[word].resolution !== null)) {
    test(`of an order that is ${status} is refused`, async () => {
      const order = await signed(db);
      await setStatus(db, order, status as OrderStatus);
      expect(await startResends(db, [repeatOf(order)])).toEqual(new Set());
      expect(await attemptsOf(db, order)).toMatchObject([{ transmissions: 1 }]);
    });
  }
});

test('signing, repeating and answering the same hundred orders at once deadlocks nobody', async () => {
  const orders = await Promise.all(Array.from({ length: 100 }, () => signed(db)));
  const shuffled = orders.toReversed();
  const answers = createBatcher({
    flush: (items: Parameters<typeof recordOutcomes>[1]) => recordOutcomes(db, items),
  });
  const turns = Array.from({ length: 6 }, (_, turn) => [
    startAttempts(
      db,
      orders.map((order) => resignOf(order, 121 + turn, 2 + turn)),
      40,
    ),
    startResends(
      other,
      shuffled.map(({ id }) => ({ id, attempt: 1, retryCount: turn })),
    ),
    ...shuffled.map((order) => answers.push(answerOf(order, { outcome: 'doubt' }))),
  ]);
  await Promise.all(turns.flat());
  for (const order of orders) await expectTruth(order);
});
