// Answers of the venue as they are stored, and the end of what was never signed: no answer undoes what is proven.
import { afterAll, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/answers.ts';
import { isFinal, STATUSES } from '../../src/core/status.ts';
import { startResends } from '../../src/store/attempts.ts';
import { createBatcher } from '../../src/store/batcher.ts';
import { type AttemptOutcome, endNeverSent, recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { finishRecovery } from '../../src/store/recovery.ts';
import { createDatabase } from '../support/databases.ts';
import {
  answerOf,
  attemptsOf,
  cancelOrder,
  cursorOf,
  fillOf,
  fillsOf,
  historyOf,
  inMs,
  newCursor,
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
afterAll(() => database[Symbol.asyncDispose]());

async function answered(order: SignedOrder, ...answers: Partial<AttemptOutcome>[]) {
  for (const answer of answers) await recordOutcomes(db, [answerOf(order, answer)]);
  return { row: await orderRow(db, order), attempts: await attemptsOf(db, order) };
}

describe('an answer', () => {
  test.each<[Outcome, 'OPEN' | 'PENDING', string | null]>([
    ['accepted', 'OPEN', 'accepted by a node'],
    ['known', 'OPEN', 'known to a node'],
    ['refused', 'PENDING', null],
    ['deferred', 'PENDING', null],
    ['doubt', 'PENDING', null],
  ])('%s leaves the order %s', async (outcome, status, reason) => {
    const order = await signed(db);
    const answeredAt = new Date('2026-03-04T05:06:07.089Z');
    const wakeAt = status === 'OPEN' ? null : inMs(500);
    const answer = { outcome, codespace: 'sdk', code: 20, log: 'why', answeredAt, wakeAt };
    const { row, attempts } = await answered(order, answer);
    expect(row).toMatchObject({
      status,
      status_reason: reason,
      resolution: null,
      next_wake_at: wakeAt,
      placed_at: status === 'OPEN' ? answeredAt : null,
      error_message: status === 'OPEN' ? null : 'sdk/20 why',
    });
    expect(attempts).toEqual([
      expect.objectContaining({ outcome, codespace: 'sdk', code: '20', log: 'why', answered_at: answeredAt }),
    ]);
    expect(await historyOf(db, order)).toHaveLength(status === 'OPEN' ? 2 : 1);
  });

  test("that the bytes are in a node's cache is known, and yet no sign that the node took them", async () => {
    const order = await signed(db);
    const cached = {
      outcome: 'known',
      codespace: 'rpc',
      code: -32603,
      log: 'tx already exists in cache',
    } as const;
    const { row, attempts } = await answered(order, cached);
    expect(row).toMatchObject({ status: 'PENDING', placed_at: null });
    expect(attempts).toMatchObject([{ outcome: 'known' }]);
  });

  test('belongs to its attempt and to no other', async () => {
    const order = await signed(db);
    await resign(db, order, 130);
    await recordOutcomes(db, [answerOf(order, { attempt: 2 })]);
    expect((await attemptsOf(db, order)).map((attempt) => attempt.outcome)).toEqual([null, 'accepted']);
  });

  test('comes with those of other orders, each for its own', async () => {
    const orders = await Promise.all(Array.from({ length: 30 }, () => signed(db)));
    const outcomes = ['accepted', 'doubt', 'known'] as const;
    await recordOutcomes(
      db,
      orders.map((order, index) => answerOf(order, { outcome: outcomes[index % 3] ?? 'doubt' })),
    );
    for (const [index, order] of orders.entries()) {
      expect((await attemptsOf(db, order))[0]?.outcome).toBe(outcomes[index % 3]);
      expect((await orderRow(db, order)).status).toBe(index % 3 === 1 ? 'PENDING' : 'OPEN');
    }
  });

  test('twice changes nothing the second time', async () => {
    const order = await signed(db);
    const answer = { answeredAt: new Date() };
    const once = await answered(order, answer);
    const twice = await answered(order, answer);
    expect({ ...twice.row, updated_at: 0 }).toEqual({ ...once.row, updated_at: 0 });
    expect(twice.attempts).toEqual(once.attempts);
    expect(await historyOf(db, order)).toHaveLength(2);
  });

  test('to an order that does not exist is passed over', async () => {
    const id = '00000000-0000-0000-0000-000000000000';
    expect(await recordOutcomes(db, [answerOf({ id })])).toEqual([undefined]);
  });
});

describe('acceptance is never forgotten', () => {
  test.each<[Outcome, Outcome, Outcome]>([
    ['accepted', 'doubt', 'accepted'],
    ['accepted', 'refused', 'accepted'],
    ['accepted', 'deferred', 'accepted'],
    ['accepted', 'known', 'accepted'],
    ['known', 'doubt', 'known'],
    ['known', 'refused', 'known'],
    ['known', 'deferred', 'known'],
    ['known', 'accepted', 'accepted'],
    ['doubt', 'accepted', 'accepted'],
    ['refused', 'accepted', 'accepted'],
    ['deferred', 'known', 'known'],
  ])('%s, then %s: the attempt is %s', async (first, second, kept) => {
    const order = await signed(db);
    const { row, attempts } = await answered(
      order,
      { outcome: first },
      { outcome: second, codespace: 'x', code: 1 },
    );
    expect(attempts[0]?.outcome).toBe(kept);
    expect(row.status).toBe('OPEN');
  });

  test('whichever of two answers to one attempt comes first in a batch', async () => {
    for (const outcomes of [
      ['accepted', 'doubt'],
      ['doubt', 'accepted'],
    ] as const) {
      const order = await signed(db);
      await recordOutcomes(
        db,
        outcomes.map((outcome) => answerOf(order, { outcome })),
      );
      expect([outcomes, (await attemptsOf(db, order))[0]?.outcome]).toEqual([outcomes, 'accepted']);
      expect((await orderRow(db, order)).status).toBe('OPEN');
    }
  });
});

describe('REJECTED', () => {
  test('is the answer to the first and only transmission, with its evidence', async () => {
    const order = await signed(db);
    const refusal = refusalOf(order);
    await recordOutcomes(db, [refusal]);
    expect(await orderRow(db, order)).toMatchObject({
      status: 'REJECTED',
      status_reason: 'clob/2003',
      resolution: refusal.rejection,
      error_message: 'clob/2003 post-only would cross',
      next_wake_at: null,
      placed_at: null,
    });
    expect((await historyOf(db, order)).at(-1)).toMatchObject({
      old_status: 'PENDING',
      new_status: 'REJECTED',
      reason: 'clob/2003',
      metadata: { evidence: refusal.rejection },
    });
  });

  test('is not reached when another worker has sent the bytes again', async () => {
    const order = await signed(db);
    await startResends(db, [{ id: order.id, attempt: 1, retryCount: 0 }]);
    await recordOutcomes(db, [refusalOf(order)]);
    expect(await orderRow(db, order)).toMatchObject({ status: 'PENDING', resolution: null });
    expect(await attemptsOf(db, order)).toMatchObject([{ outcome: 'refused', code: '2003' }]);
  });

  test('is not reached when the order was signed again', async () => {
    const order = await signed(db);
    await resign(db, order, 130);
    await recordOutcomes(db, [refusalOf(order)]);
    expect(await orderRow(db, order)).toMatchObject({ status: 'PENDING', resolution: null });
  });

  test('is not reached when a repeat commits while the refusal waits for the row', async () => {
    const order = await signed(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('UPDATE orders SET retry_count = 1 WHERE id = $1', [order.id]);
    const recorded = recordOutcomes(db, [refusalOf(order)]);
    await untilBlocked(db);
    await session.query('COMMIT');
    await recorded;
    expect(await orderRow(db, order)).toMatchObject({ status: 'PENDING', resolution: null });
  });

  for (const status of STATUSES.filter((word) => word !== 'PENDING')) {
    test(`is not reached from ${status}`, async () => {
      const order = await signed(db);
      await setStatus(db, order, status);
      const before = await orderRow(db, order);
      const history = await historyOf(db, order);
      await recordOutcomes(db, [refusalOf(order)]);
      expect(await orderRow(db, order)).toMatchObject({ status, resolution: before.resolution });
      expect(await historyOf(db, order)).toEqual(history);
    });
  }

  test('without a refusal is never reached, whatever the outcome', async () => {
    const order = await signed(db);
    const { row } = await answered(order, { outcome: 'refused', codespace: 'clob', code: 20 });
    expect(row).toMatchObject({ status: 'PENDING', resolution: null });
  });
});

describe('a fill that was booked before the answer', () => {
  test.each(['accepted', 'known', 'doubt', 'refused'] as const)('is not undone by %s', async (outcome) => {
    const owner = nextName('dydx1early');
    const order = await signed(db, {}, { owner });
    await bookReport(db, reportOf(await newCursor(db, owner), [fillOf(order, { size: '4' })]), 1);
    await recordOutcomes(db, [outcome === 'refused' ? refusalOf(order) : answerOf(order, { outcome })]);
    expect(await orderRow(db, order)).toMatchObject({
      status: 'PARTIALLY_FILLED',
      status_reason: 'partially filled',
      filled_size: '4.000000000000000000',
      resolution: null,
    });
    await bookReport(db, reportOf(await cursorOf(db, owner), [fillOf(order, { size: '6' })]), 1);
    await recordOutcomes(db, [answerOf(order, { outcome, wakeAt: inMs(500) })]);
    expect(await orderRow(db, order)).toMatchObject({ status: 'FILLED', next_wake_at: null });
    expect(await fillsOf(db, order)).toHaveLength(2);
  });
});

describe('an answer to what left before a cancel', () => {
  test.each([
    ['accepted', null],
    ['doubt', inMs(500)],
    ['deferred', inMs(500)],
    ['refused', null],
  ] as const)('%s does not put the cancel off', async (outcome, wakeAt) => {
    const order = await signed(db);
    await cancelOrder(db, order);
    const due = (await orderRow(db, order)).next_wake_at;
    const { row } = await answered(order, { outcome, wakeAt });
    expect(due).toBeInstanceOf(Date);
    expect(row.next_wake_at).toEqual(due);
  });

  test('leaves the cancel to whom it was given, or as sent', async () => {
    for (const next_wake_at of [inMs(60_000), null]) {
      const order = await signed(db);
      await cancelOrder(db, order);
      await db.updateTable('orders').set({ next_wake_at }).where('id', '=', order.id).execute();
      const { row } = await answered(order, { outcome: 'doubt', wakeAt: inMs(500) });
      expect(row.next_wake_at).toEqual(next_wake_at);
    }
  });

  test('ends the order all the same when it is refused for good', async () => {
    const order = await signed(db);
    await cancelOrder(db, order);
    await recordOutcomes(db, [refusalOf(order)]);
    expect(await orderRow(db, order)).toMatchObject({ status: 'REJECTED', next_wake_at: null });
  });
});

for (const status of STATUSES.filter(isFinal)) {
  test(`an answer that comes after ${status} leaves nothing to be woken for`, async () => {
    const order = await signed(db);
    await setStatus(db, order, status);
    const { row } = await answered(order, { outcome: 'doubt', wakeAt: inMs(500) });
    expect(row).toMatchObject({ status, next_wake_at: null });
  });
}

describe('what a node writes into its answer', () => {
  const hostile = {
    'NUL bytes': 'a\0b\0',
    'ten megabytes': 'x'.repeat(10_000_000),
    'half a character': 'a\ud800b',
    'a character on the cut': `${'x'.repeat(999)}😀`,
    'quotes and braces': `{"a":"\\u0000",NULL,'b'}\n\\x00`,
  };
  for (const [what, log] of Object.entries(hostile)) {
    test(`with ${what} is stored in an unsettled answer`, async () => {
      const order = await signed(db);
      const { attempts } = await answered(order, { outcome: 'doubt', log });
      expect(attempts[0]?.outcome).toBe('doubt');
      expect(attempts[0]?.log?.length).toBeLessThanOrEqual(1000);
    });

    test(`with ${what} does not keep a refusal from ending the order`, async () => {
      const order = await signed(db);
      const rejection = { rule: 'refused', codespace: 'clob', code: 2003, log, tx_hash: 'A' } as const;
      await recordOutcomes(db, [refusalOf(order, { log, rejection })]);
      const row = await orderRow(db, order);
      expect(row.status).toBe('REJECTED');
      expect(JSON.stringify(row.resolution).length).toBeLessThan(10_000);
    });
  }

  test.each([
    ['a uint32 code', { code: 4_294_967_295, codespace: 'clob' }],
    ['a code beyond every integer', { code: Number.MAX_SAFE_INTEGER, codespace: 'clob' }],
    ['NUL bytes in the codespace', { code: 1, codespace: 'cl\0b' }],
    ['a codespace of 300 characters', { code: 1, codespace: 'x'.repeat(300) }],
  ])('with %s is stored', async (_what, changes) => {
    const order = await signed(db);
    await recordOutcomes(db, [answerOf(order, { outcome: 'doubt', ...changes })]);
    expect((await attemptsOf(db, order))[0]?.outcome).toBe('doubt');
  });

  test('harms no other answer of the batch', async () => {
    const [bad, ...good] = await Promise.all(Array.from({ length: 8 }, () => signed(db)));
    const { push } = createBatcher({
      flush: (items: readonly AttemptOutcome[]) => recordOutcomes(db, items),
    });
    const broken = { ...answerOf(bad ?? { id: '' }), id: 'no uuid' };
    const answers = [...good.slice(0, 3).map((order) => answerOf(order)), broken];
    const settled = await Promise.allSettled(
      [...answers, ...good.slice(3).map((order) => answerOf(order))].map((answer) => push(answer)),
    );
    expect(settled.filter((result) => result.status === 'rejected')).toHaveLength(1);
    for (const order of good) expect((await orderRow(db, order)).status).toBe('OPEN');
  });
});

describe('the end of what was never sent', () => {
  const endOf = (
    order: { id: string },
    status: 'EXPIRED' | 'REJECTED' | 'CANCELLED',
    reason = 'submit_by has passed',
  ) => ({
    id: order.id,
    status,
    reason,
    resolution: { rule: 'never_sent', cause: reason, at: '2026-03-04T05:06:07Z' } as const,
  });

  test.each(['EXPIRED', 'REJECTED', 'CANCELLED'] as const)('is %s with its reason', async (status) => {
    const order = await unsigned(db);
    const end = endOf(order, status);
    expect(await endNeverSent(db, [end])).toEqual(new Set([order.id]));
    expect(await orderRow(db, order)).toMatchObject({
      status,
      status_reason: 'never sent: submit_by has passed',
      error_message: 'submit_by has passed',
      resolution: end.resolution,
      next_wake_at: null,
    });
    expect((await historyOf(db, order)).at(-1)).toMatchObject({ new_status: status });
  });

  test('says no more than is known of what a recovery has set aside', async () => {
    await using recovered = await createDatabase();
    const order = await unsigned(recovered.db);
    await finishRecovery(recovered.db, { reason: 'a test', setBy: 'tester', isNothingLost: false });
    await cancelOrder(recovered.db, order);
    await endNeverSent(recovered.db, [endOf(order, 'CANCELLED', 'cancelled')]);
    expect(await orderRow(recovered.db, order)).toMatchObject({
      status_reason: 'never sent, as far as is known after a recovery: cancelled',
      error_message: expect.stringContaining('it may have been sent'),
      resolution: { rule: 'never_sent', cause: 'cancelled, as far as is known after a recovery' },
    });
  });

  test('by a cancel says when it was cancelled', async () => {
    const order = await unsigned(db);
    await cancelOrder(db, order);
    await endNeverSent(db, [endOf(order, 'CANCELLED', 'cancelled')]);
    expect((await orderRow(db, order)).cancelled_at).toBeInstanceOf(Date);
  });

  test('is refused to what was signed', async () => {
    const order = await signed(db);
    expect(await endNeverSent(db, [endOf(order, 'EXPIRED')])).toEqual(new Set());
    expect(await orderRow(db, order)).toMatchObject({ status: 'PENDING', resolution: null });
  });

  for (const status of STATUSES.filter((word) => word !== 'PENDING')) {
    test(`is refused to an order that is ${status}`, async () => {
      const order = await unsigned(db);
      await setStatus(db, order, status);
      const before = await orderRow(db, order);
      expect(await endNeverSent(db, [endOf(order, 'EXPIRED')])).toEqual(new Set());
      expect(await orderRow(db, order)).toEqual(before);
    });
  }

  test('is refused when a signature commits while it waits for the row', async () => {
    const order = await unsigned(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query(
      `UPDATE orders SET order_id = id::text, owner = 'dydx1never', dydx_client_id = 1, clob_pair_id = 0,
        order_flags = 0, quantums = 1, subticks = 1, first_good_til_block = 9, good_til_block = 9, attempt_count = 1
        WHERE id = $1`,
      [order.id],
    );
    const ended = endNeverSent(db, [endOf(order, 'EXPIRED')]);
    await untilBlocked(db);
    await session.query('COMMIT');
    expect(await ended).toEqual(new Set());
    expect((await orderRow(db, order)).status).toBe('PENDING');
  });

  test('takes a reason of any length', async () => {
    const order = await unsigned(db);
    expect((await endNeverSent(db, [endOf(order, 'REJECTED', 'x'.repeat(400))])).size).toBe(1);
  });
});
