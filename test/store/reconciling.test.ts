// Booking (P3, P4, P5): one report, one transaction; fills once, ends with proof, the history replays to the row.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { whyUnprovenOrder } from '../../src/app/audit.ts';
import { normalizeDecimal, toAtoms } from '../../src/core/decimal.ts';
import { isFinal, STATUSES } from '../../src/core/status.ts';
import { startResends } from '../../src/store/attempts.ts';
import { ensureCursor } from '../../src/store/cursors.ts';
import { openDatabase } from '../../src/store/database.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { recordOrders } from '../../src/store/recording.ts';
import { createDatabase } from '../support/databases.ts';
import {
  answerOf,
  attemptOf,
  cancelOrder,
  cursorOf,
  fillOf,
  fillsOf,
  historyOf,
  immediate,
  newCursor,
  newOrder,
  nextName,
  openSession,
  orderRow,
  refusalOf,
  reportOf,
  resign,
  type SignedOrder,
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

const MARGIN = 2;

/** A subaccount of its own, so that no test settles another one's orders. */
async function subaccount() {
  const owner = nextName('dydx1r');
  await newCursor(db, owner);
  return {
    owner,
    signed: (changes: Parameters<typeof signed>[1] = {}) => signed(db, changes, { owner }),
    cursor: () => cursorOf(db, owner),
    /** read from the stored cursor */
    book: async (fills: Parameters<typeof reportOf>[1], height?: number) =>
      bookReport(db, reportOf(await cursorOf(db, owner), fills, height), MARGIN),
    unexplained: () => db.selectFrom('unexplained_fills').selectAll().where('owner', '=', owner).execute(),
  };
}

async function stateOf(order: { readonly id: string }) {
  const { status, status_reason, filled_size } = await orderRow(db, order);
  return [status, status_reason, normalizeDecimal(filled_size)];
}

/** What must hold at every commit. */
async function expectSound(order: SignedOrder) {
  const story = await findOrder(db, order.intent.tenant_id, order.intent.client_id);
  if (story === undefined) throw new Error('no such order');
  const { order: row, fills, history } = story;
  const sum = fills.reduce((total, fill) => total + toAtoms(fill.size), 0n);
  expect(toAtoms(row.filled_size)).toBe(sum);
  expect(history.at(-1)).toMatchObject({ new_status: row.status, filled_size: row.filled_size });
  expect(history[0]?.old_status).toBeNull();
  let filled = 0n;
  for (const [index, entry] of history.entries()) {
    const size = toAtoms(entry.filled_size ?? '');
    expect(size).toBeGreaterThanOrEqual(filled);
    filled = size;
    if (index > 0) expect(entry.old_status).toBe(history[index - 1]?.new_status);
  }
  const recorded = history.flatMap((entry) => {
    const metadata = entry.metadata as { fill_id?: string } | null;
    return metadata?.fill_id === undefined ? [] : [metadata.fill_id];
  });
  expect(recorded.toSorted()).toEqual(fills.map((fill) => fill.id).toSorted());
  if (isFinal(row.status)) {
    expect(row.next_wake_at).toBeNull();
    // A fill of what a node had refused for good: the venue contradicts itself, and the audit must say so.
    const isContradicted =
      (row.resolution as { rule?: string } | null)?.rule === 'refused' && fills.length > 0;
    expect(whyUnprovenOrder(story)).toBe(isContradicted ? 'refused, but it has a fill' : undefined);
  }
  return story;
}

describe('a fill', () => {
  test('is booked as it was reported', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    const fill = fillOf(order, { size: '2.5', price: '59999.5', fee: '-0.000001', liquidity: 'TAKER' });
    await book([fill]);
    expect(await orderRow(db, order)).toMatchObject({
      status: 'PARTIALLY_FILLED',
      status_reason: 'partially filled',
      last_fill_id: fill.id,
      block_height: '110',
      filled_at: null,
      next_wake_at: order.wakeAt,
      late_fill_at: null,
    });
    const [row] = await fillsOf(db, order);
    expect(row).toMatchObject({
      id: fill.id,
      market: 'BTC-USD',
      side: 'BUY',
      liquidity: 'TAKER',
      height: '110',
      filled_at: fill.createdAt,
    });
    expect([row?.size, row?.price, row?.fee].map((value) => normalizeDecimal(value ?? ''))).toEqual([
      '2.5',
      '59999.5',
      '-0.000001',
    ]);
    await expectSound(order);
  });

  test('that completes the size makes it FILLED with its evidence, and nothing is due any more', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    const last = fillOf(order, { size: '6', height: 112, createdAt: new Date('2026-03-04T06:00:00Z') });
    await book([fillOf(order, { size: '4' }), last]);
    expect(await orderRow(db, order)).toMatchObject({
      status: 'FILLED',
      resolution: { rule: 'filled', height: 112, fills: 2 },
      filled_at: last.createdAt,
      next_wake_at: null,
      late_fill_at: null,
    });
    await expectSound(order);
  });

  test('is one history row, however many come in one report', async () => {
    const { signed, book } = await subaccount();
    const [order, neighbour] = [await signed(), await signed()];
    const fills = [101, 102, 103, 104].map((height) =>
      fillOf(order, { height, price: `${60_000 + height}` }),
    );
    await book([...fills.slice(0, 2), fillOf(neighbour), ...fills.slice(2)]);
    const rows = (await historyOf(db, order)).slice(1);
    expect(
      rows.map((row) => [
        normalizeDecimal(row.filled_size ?? ''),
        normalizeDecimal(row.fill_price ?? ''),
        row.block_height,
        row.metadata,
      ]),
    ).toEqual(
      fills.map((fill, index) => [`${index + 1}`, fill.price, `${fill.height}`, { fill_id: fill.id }]),
    );
    expect(await historyOf(db, neighbour)).toHaveLength(2);
    await expectSound(order);
  });

  test('twice in one report, or in two reports, is booked once', async () => {
    const { signed, book, unexplained } = await subaccount();
    const order = await signed();
    const fill = fillOf(order);
    await book([fill, fill]);
    expect((await book([fill, fillOf(order), fill]))?.bookings).toHaveLength(1);
    expect(await stateOf(order)).toEqual(['PARTIALLY_FILLED', 'partially filled', '2']);
    expect(await unexplained()).toEqual([]);
    await expectSound(order);
  });

  test('reported by two runs at once is booked by one of them, and the other reads again', async () => {
    const { signed, cursor } = await subaccount();
    const order = await signed();
    const report = reportOf(await cursor(), [fillOf(order), fillOf(order)]);
    const runs = await Promise.all([db, other, db, other].map((run) => bookReport(run, report, MARGIN)));
    expect(runs.filter((run) => run !== undefined)).toHaveLength(1);
    expect(await stateOf(order)).toEqual(['PARTIALLY_FILLED', 'partially filled', '2']);
    await expectSound(order);
  });

  test('of an order that is still PENDING is booked all the same', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await recordOutcomes(db, [answerOf(order, { outcome: 'doubt' })]);
    await book([fillOf(order, { size: '10' })]);
    expect(await stateOf(order)).toEqual(['FILLED', 'completely filled', '10']);
  });
});

describe('a fill that is not provably ours', () => {
  test.each([
    ['of another market', { market: 'ETH-USD' }, /market ETH-USD/],
    ['of the other side', { side: 'SELL' }, /side SELL/],
    ['before the first signature', { height: 99 }, /block 99/],
    ['after the highest good-til-block', { height: 121 }, /block 121/],
    ['beyond the size', { size: '10.000000001' }, /overfill/],
    ['of no order of ours', { orderUuid: randomUUID() }, /no order of ours/],
    ['of no order at all', { orderUuid: undefined, type: 'LIQUIDATED' }, /no order of ours/],
  ] as const)('%s is kept as unexplained, and never added', async (_what, changes, reason) => {
    const { signed, book, unexplained, cursor } = await subaccount();
    const order = await signed();
    const fill = fillOf(order, changes);
    const before = await orderRow(db, order);
    await book([fill]);
    expect(await orderRow(db, order)).toEqual(before);
    expect(await fillsOf(db, order)).toEqual([]);
    expect(await unexplained()).toMatchObject([
      { id: fill.id, reason: expect.stringMatching(reason), order_uuid: fill.orderUuid ?? null },
    ]);
    // It is read, and not read again.
    expect(await cursor()).toMatchObject({ fillsRead: 1, lastFillId: fill.id });
    await book([fill]);
    expect(await unexplained()).toHaveLength(1);
  });

  test('does not keep the next one from being booked', async () => {
    const { signed, book, unexplained } = await subaccount();
    const order = await signed();
    await book([fillOf(order, { size: '8' }), fillOf(order, { size: '3' }), fillOf(order, { size: '2' })]);
    expect(await stateOf(order)).toEqual(['FILLED', 'completely filled', '10']);
    expect(await unexplained()).toMatchObject([{ reason: 'overfill: 11 of 10.000000000000000000' }]);
    await expectSound(order);
  });

  test('of an order on another subaccount is not taken for that order', async () => {
    const [ours, theirs] = [await subaccount(), await subaccount()];
    const order = await ours.signed();
    await theirs.book([fillOf(order)]);
    expect(await stateOf(order)).toEqual(['PENDING', null, '0']);
    expect(await theirs.unexplained()).toHaveLength(1);
  });

  test.each([
    [89, 0],
    [90, 0],
    [91, 1],
  ])('from block %i with a start at 90: %i unexplained', async (height, count) => {
    const { signed, book, unexplained, cursor } = await subaccount();
    const order = await signed();
    await book([fillOf(order, { orderUuid: randomUUID(), height })]);
    expect(await unexplained()).toHaveLength(count);
    expect(await cursor()).toMatchObject({ fillsRead: 1 });
  });
});

describe('a late fill', () => {
  test.each(['CANCELLED', 'REJECTED', 'EXPIRED'] as const)(
    'keeps %s and its evidence, and raises late_fill_at',
    async (status) => {
      const { signed, book } = await subaccount();
      const order = await signed();
      await setStatus(db, order, status);
      await db.updateTable('orders').set({ filled_size: '0' }).where('id', '=', order.id).execute();
      const before = await orderRow(db, order);
      const booked = await book([fillOf(order, { size: '3' })]);
      expect(booked?.bookings).toMatchObject([{ isLate: true }]);
      expect(await orderRow(db, order)).toMatchObject({
        status,
        resolution: before.resolution,
        late_fill_at: expect.any(Date),
        filled_size: '3.000000000000000000',
        next_wake_at: null,
      });
      const last = (await historyOf(db, order)).at(-1);
      expect(last).toMatchObject({
        old_status: status,
        new_status: status,
        reason: 'partially filled, after the end',
      });
    },
  );

  test('that completes the size ends as FILLED, with new evidence', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await book([fillOf(order, { size: '4' })], 125);
    expect(await stateOf(order)).toEqual(['EXPIRED', 'good_til_block reached', '4']);
    await book([fillOf(order, { size: '6', height: 120 })]);
    expect(await orderRow(db, order)).toMatchObject({
      status: 'FILLED',
      status_reason: 'completely filled, after the end',
      late_fill_at: expect.any(Date),
      resolution: { rule: 'filled', height: 120, fills: 2 },
    });
    await expectSound(order);
  });

  test('is proof against the evidence that was there: a partial one keeps it valid', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await book([], 125);
    await book([fillOf(order, { size: '4' })]);
    expect(await stateOf(order)).toEqual(['EXPIRED', 'partially filled, after the end', '4']);
    await expectSound(order);
  });

  test('after FILLED is an overfill', async () => {
    const { signed, book, unexplained } = await subaccount();
    const order = await signed();
    await book([fillOf(order, { size: '10' })]);
    await book([fillOf(order)]);
    expect(await stateOf(order)).toEqual(['FILLED', 'completely filled', '10']);
    expect(await unexplained()).toHaveLength(1);
  });
});

describe('the end', () => {
  test.each([
    [120, false],
    [121, false],
    [122, true],
    [500, true],
  ])('of good-til-block 120 at height %i with a margin of 2: settled = %s', async (height, isSettled) => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await recordOutcomes(db, [answerOf(order)]);
    const booked = await book([], height);
    expect(booked?.settled).toHaveLength(isSettled ? 1 : 0);
    expect((await stateOf(order))[0]).toBe(isSettled ? 'EXPIRED' : 'OPEN');
    if (isSettled) {
      expect((await orderRow(db, order)).resolution).toEqual({
        rule: 'dead',
        height,
        good_til_block: 120,
        fills: 0,
      });
    }
    await expectSound(order);
  });

  test('is measured from the highest block that was signed', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await resign(db, order, 140);
    await book([], 141);
    expect((await stateOf(order))[0]).toBe('PENDING');
    await book([], 142);
    expect((await stateOf(order))[0]).toBe('EXPIRED');
    await expectSound(order);
  });

  test('is put off when a re-sign commits while the settlement waits for the row', async () => {
    const { signed, cursor } = await subaccount();
    const order = await signed();
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('UPDATE orders SET good_til_block = 140 WHERE id = $1', [order.id]);
    const booking = bookReport(db, reportOf(await cursor(), [], 125), MARGIN);
    await untilBlocked(db);
    await session.query('COMMIT');
    expect((await booking)?.settled).toEqual([]);
    expect((await stateOf(order))[0]).toBe('PENDING');
  });

  test('does not come while the height is unknown, nor to what was never signed', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    const waiting = await unsigned(db);
    await book([]);
    expect((await stateOf(order))[0]).toBe('PENDING');
    await book([], 1_000_000);
    expect((await stateOf(order))[0]).toBe('EXPIRED');
    expect((await stateOf(waiting))[0]).toBe('PENDING');
  });

  test('comes to the orders of the reported subaccount only', async () => {
    const [ours, theirs] = [await subaccount(), await subaccount()];
    const [mine, other] = [await ours.signed(), await theirs.signed()];
    await ours.book([], 500);
    expect([(await stateOf(mine))[0], (await stateOf(other))[0]]).toEqual(['EXPIRED', 'PENDING']);
  });

  test('knows the fills of the same report', async () => {
    const { signed, book } = await subaccount();
    const [filled, partly] = [await signed(), await signed()];
    await book([fillOf(filled, { size: '10' }), fillOf(partly, { size: '4' })], 500);
    expect(await stateOf(filled)).toEqual(['FILLED', 'completely filled', '10']);
    expect(await stateOf(partly)).toEqual(['EXPIRED', 'good_til_block reached', '4']);
    expect((await orderRow(db, partly)).resolution).toMatchObject({ rule: 'dead', fills: 1 });
    await expectSound(filled);
    await expectSound(partly);
  });

  test('after a cancel is CANCELLED, with its time', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await cancelOrder(db, order);
    await book([fillOf(order, { size: '4' })], 500);
    expect(await stateOf(order)).toEqual(['CANCELLED', 'cancelled', '4']);
    expect((await orderRow(db, order)).cancelled_at).toBeInstanceOf(Date);
    await expectSound(order);
  });

  test.each([
    ['0', 'ioc_no_match'],
    ['4', 'ioc_remainder'],
  ])('of an IOC with %s filled is CANCELLED: %s', async (size, reason) => {
    const { signed, book } = await subaccount();
    const order = await signed({ ...immediate });
    await book(size === '0' ? [] : [fillOf(order, { size })], 500);
    expect(await stateOf(order)).toEqual(['CANCELLED', reason, size]);
    await expectSound(order);
  });

  describe('of an order that was refused', () => {
    const refusal = { outcome: 'refused', codespace: 'clob', code: 20, log: 'why' } as const;

    test('and never accepted is REJECTED with the code', async () => {
      const { signed, book } = await subaccount();
      const order = await signed();
      await recordOutcomes(db, [answerOf(order, refusal)]);
      await book([], 500);
      expect(await stateOf(order)).toEqual(['REJECTED', 'clob/20', '0']);
      expect((await orderRow(db, order)).resolution).toMatchObject({
        rule: 'dead',
        codespace: 'clob',
        code: 20,
        log: 'why',
      });
      await expectSound(order);
    });

    test('but has a fill is not REJECTED', async () => {
      const { signed, book } = await subaccount();
      const order = await signed();
      await recordOutcomes(db, [answerOf(order, refusal)]);
      await book([fillOf(order)], 500);
      expect(await stateOf(order)).toEqual(['EXPIRED', 'good_til_block reached', '1']);
      await expectSound(order);
    });

    test('in an attempt after one that was accepted is not REJECTED', async () => {
      const { signed, book } = await subaccount();
      const order = await signed();
      await recordOutcomes(db, [answerOf(order)]);
      await resign(db, order, 130);
      await recordOutcomes(db, [answerOf(order, { ...refusal, attempt: 2 })]);
      await book([], 500);
      expect((await stateOf(order))[0]).toBe('EXPIRED');
      await expectSound(order);
    });

    test('twice is REJECTED with the later code', async () => {
      const { signed, book } = await subaccount();
      const order = await signed();
      await recordOutcomes(db, [answerOf(order, refusal)]);
      await resign(db, order, 130);
      await recordOutcomes(db, [answerOf(order, { ...refusal, attempt: 2, code: 24 })]);
      await book([], 500);
      expect(await stateOf(order)).toEqual(['REJECTED', 'clob/24', '0']);
      await expectSound(order);
    });

    test('after a cancel is CANCELLED', async () => {
      const { signed, book } = await subaccount();
      const order = await signed();
      await recordOutcomes(db, [answerOf(order, refusal)]);
      await cancelOrder(db, order);
      await book([], 500);
      expect((await stateOf(order))[0]).toBe('CANCELLED');
      await expectSound(order);
    });
  });

  test('comes to a thousand at a time, and to all of them in the end', async () => {
    const owner = nextName('dydx1many');
    await newCursor(db, owner);
    const orders = Array.from({ length: 1_050 }, () => newOrder({}, attemptOf({ owner })));
    await recordOrders(db, orders);
    const settled: number[] = [];
    let hasMore = true;
    while (hasMore && settled.length < 5) {
      const booked = await bookReport(db, reportOf(await cursorOf(db, owner), [], 500), MARGIN);
      settled.push(booked?.settled.length ?? 0);
      hasMore = booked?.hasMore ?? false;
    }
    expect(settled).toEqual([1_000, 50]);
  });

  test('twice is once', async () => {
    const { signed, cursor } = await subaccount();
    const order = await signed();
    const report = reportOf(await cursor(), [], 500);
    const runs = await Promise.all([db, other].map((run) => bookReport(run, report, MARGIN)));
    expect(runs.map((run) => run?.settled.length ?? 0).sort()).toEqual([0, 1]);
    expect(await historyOf(db, order)).toHaveLength(2);
  });
});

describe('the cursor', () => {
  test('starts at the first known block and stays there', async () => {
    const { owner, cursor } = await subaccount();
    await ensureCursor(db, { owner, subaccountNumber: 0 }, 500);
    expect(await cursor()).toEqual({
      owner,
      subaccountNumber: 0,
      startHeight: 90,
      height: 0,
      fillsRead: 0,
      lastFillId: null,
    });
  });

  test('moves with what was read, and the answer is what is stored', async () => {
    const { signed, book, cursor } = await subaccount();
    const order = await signed();
    const fills = [fillOf(order), fillOf(order)];
    const booked = await book(fills, 111);
    expect(await cursor()).toMatchObject({ fillsRead: 2, lastFillId: fills[1]?.id, height: 111 });
    expect(booked?.cursor).toEqual(await cursor());
    await book([]);
    expect(await cursor()).toMatchObject({ fillsRead: 2, height: 111 });
  });

  test('that is stale changes nothing', async () => {
    const { signed, book, cursor } = await subaccount();
    const [order, dead] = [await signed(), await signed()];
    const stale = await cursor();
    await book([fillOf(order)], 111);
    const before = [await cursor(), await orderRow(db, order), await orderRow(db, dead)];
    const report = reportOf(stale, [fillOf(order), fillOf(dead)], 500);
    expect(await bookReport(db, report, MARGIN)).toBeUndefined();
    expect([await cursor(), await orderRow(db, order), await orderRow(db, dead)]).toEqual(before);
    expect(await fillsOf(db, order)).toHaveLength(1);
  });

  test('of a subaccount that has none changes nothing', async () => {
    const { cursor } = await subaccount();
    const stranger = { ...(await cursor()), owner: 'dydx1stranger' };
    expect(await bookReport(db, reportOf(stranger, [], 500), MARGIN)).toBeUndefined();
  });

  test('never falls back to the height of a slower run', async () => {
    const { cursor } = await subaccount();
    const start = await cursor();
    await bookReport(db, reportOf(start, [], 120), MARGIN);
    await bookReport(other, reportOf(start, [], 110), MARGIN);
    expect((await cursor()).height).toBe(120);
  });
});

describe('one transaction', () => {
  /** Stops a booking at the first change of that table, until the session ends. */
  async function stopAt(table: 'order_status_history' | 'reconcile_cursors') {
    const session = await openSession(database.url);
    await session.query('BEGIN');
    if (table === 'order_status_history') {
      await session.query('LOCK TABLE order_status_history IN SHARE MODE');
      return session;
    }
    await session.query('SELECT pg_advisory_xact_lock(42)');
    await sql`CREATE OR REPLACE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END $$`.execute(db);
    await sql`CREATE TRIGGER stop_here BEFORE UPDATE ON reconcile_cursors
      FOR EACH ROW EXECUTE FUNCTION stop_here()`.execute(db);
    return session;
  }

  test.each(['order_status_history', 'reconcile_cursors'] as const)(
    'that is cut off before its change of %s leaves nothing half done',
    async (table) => {
      const { signed, cursor, unexplained, book } = await subaccount();
      const [order, dead] = [await signed(), await signed()];
      const report = reportOf(
        await cursor(),
        [fillOf(order, { size: '10' }), fillOf(order, { orderUuid: randomUUID() })],
        500,
      );
      const before = [await cursor(), await orderRow(db, order), await orderRow(db, dead)];
      const session = await stopAt(table);
      const booking = bookReport(other, report, MARGIN);
      const outcome = booking.then(
        () => 'booked',
        () => 'cut off',
      );
      const [pid] = await untilBlocked(db);
      await sql`SELECT pg_terminate_backend(${pid})`.execute(db);
      expect(await outcome).toBe('cut off');
      await session[Symbol.asyncDispose]();
      await sql`DROP TRIGGER IF EXISTS stop_here ON reconcile_cursors`.execute(db);
      expect([await cursor(), await orderRow(db, order), await orderRow(db, dead)]).toEqual(before);
      expect(await fillsOf(db, order)).toEqual([]);
      expect(await unexplained()).toEqual([]);
      expect(await historyOf(db, order)).toHaveLength(1);
      // And the same report is booked as if nothing had been.
      await book(report.fills, report.height);
      expect([(await stateOf(order))[0], (await stateOf(dead))[0]]).toEqual(['FILLED', 'EXPIRED']);
      expect(await unexplained()).toHaveLength(1);
      await expectSound(order);
      await expectSound(dead);
    },
  );

  test.each([
    ['a price beyond the table', { price: `1${'0'.repeat(30)}` }],
    ['a price of nothing', { price: '0' }],
    ['a size with 30 digits behind the point', { size: `0.${'1'.repeat(30)}` }],
  ])('books the others when one fill has %s, and keeps that one as unexplained', async (_, figures) => {
    const { signed, book, unexplained } = await subaccount();
    const [order, dead] = [await signed(), await signed()];
    await book([fillOf(order), fillOf(order, figures)], 500);
    expect(await fillsOf(db, order)).toHaveLength(1);
    expect(await unexplained()).toHaveLength(1);
    expect((await stateOf(dead))[0]).toBe('EXPIRED');
  });
});

type Outcome = 'accepted' | 'known' | 'doubt' | 'deferred' | 'refused' | 'refused for good';
type Step =
  | { readonly kind: 'answer'; readonly outcome: Outcome; readonly isNewest: boolean }
  | { readonly kind: 'resend' | 'cancel' }
  | { readonly kind: 'resign'; readonly by: number }
  | {
      readonly kind: 'report';
      readonly sizes: readonly number[];
      readonly height: number;
      readonly again: boolean;
    };

const lives = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('answer' as const),
        outcome: fc.constantFrom<Outcome>(
          'accepted',
          'known',
          'doubt',
          'deferred',
          'refused',
          'refused for good',
        ),
        isNewest: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('resend' as const, 'cancel' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('resign' as const), by: fc.integer({ min: 0, max: 25 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('report' as const),
        sizes: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 3 }),
        height: fc.integer({ min: 101, max: 160 }),
        again: fc.boolean(),
      }),
    },
  ),
  { minLength: 2, maxLength: 9 },
);

function answerFor(order: SignedOrder, attempt: number, outcome: Outcome) {
  if (outcome === 'refused for good') return refusalOf(order, { attempt });
  const refusal = outcome === 'refused' ? { codespace: 'clob', code: 20 } : {};
  return answerOf(order, { attempt, outcome, ...refusal });
}

test('whatever happens to an order, its history replays to its row, its fills add up, and its end has proof', async () => {
  const ends = new Set<string>();
  await fc.assert(
    fc.asyncProperty(lives, fc.boolean(), async (life, isIoc) => {
      const { signed, book, unexplained } = await subaccount();
      const order = await signed(isIoc ? { ...immediate } : {});
      /** attempts whose transmissions are not answered yet */
      const underWay = [1];
      const reported: ReturnType<typeof fillOf>[] = [];
      let attempts = 1;
      let height = 100;
      for (const act of life) {
        const row = await orderRow(db, order);
        switch (act.kind) {
          case 'answer': {
            const attempt =
              row.status === 'REJECTED' ? undefined : act.isNewest ? underWay.pop() : underWay.shift();
            if (attempt !== undefined) await recordOutcomes(db, [answerFor(order, attempt, act.outcome)]);
            break;
          }
          case 'resend': {
            const resend = { id: order.id, attempt: attempts, retryCount: row.retry_count };
            if ((await startResends(db, [resend])).size > 0) underWay.push(attempts);
            break;
          }
          case 'resign': {
            const isAllowed = await resign(db, order, (row.good_til_block ?? 0) + act.by, attempts + 1);
            if (isAllowed) {
              attempts += 1;
              underWay.push(attempts);
            }
            break;
          }
          case 'cancel':
            if (!isFinal(row.status)) await cancelOrder(db, order);
            break;
          case 'report': {
            height = Math.max(height, act.height);
            const fills = act.sizes.map((size) => fillOf(order, { size: `${size}`, height: 101 }));
            reported.push(...fills);
            await book(act.again ? reported : fills, height);
            break;
          }
        }
        const story = await expectSound(order);
        expect(toAtoms(story.order.filled_size)).toBeLessThanOrEqual(toAtoms(order.intent.size));
        expect(story.attempts).toHaveLength(attempts);
        // Every fill that was reported is booked or unexplained: none is lost.
        const known = [...story.fills, ...(await unexplained())].map((fill) => fill.id);
        expect(known.toSorted()).toEqual(reported.map((fill) => fill.id).toSorted());
        ends.add(story.order.status);
      }
    }),
    { numRuns: 80 },
  );
  // The lives have to be rich enough to mean something.
  expect([...ends].sort()).toEqual([...STATUSES].sort());
});

test('a list that is read again from its start finds the fills of archived orders booked', async () => {
  const account = await subaccount();
  const order = await account.signed({ size: '1' });
  const fill = fillOf(order, { size: '1' });
  await account.book([fill], 110);
  await sql`SELECT archive_orders(${[order.id]}::uuid[])`.execute(db);
  const again = await account.book([fill], 111);
  expect(again).toMatchObject({ bookings: [], unexplained: [] });
});
