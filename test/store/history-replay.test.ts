// P4 over random lives: whatever an order goes through, its history replays to its row, with one row for its creation,
// for every change of status and for every fill, in their order. What was changed past the triggers does not replay.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { whyHistoryUnlike } from '../../src/app/audit.ts';
import { isFinal, type OrderStatus } from '../../src/core/status.ts';
import { TRANSITIONS } from '../../src/core/transition.ts';
import { startAttempts, startResends } from '../../src/store/attempts.ts';
import type { Database } from '../../src/store/database.ts';
import { orderWithHistory } from '../../src/store/order-story.ts';
import { endNeverSent, recordOutcomes } from '../../src/store/outcomes.ts';
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
  inMs,
  newCursor,
  newOrder,
  nextName,
  orderRow,
  refusalOf,
  reportOf,
  resign,
  type SignedOrder,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const BIRTHS = ['resting', 'immediate', 'resting, unsigned', 'immediate, unsigned'] as const;
const ANSWERS = ['accepted', 'known', 'doubt', 'deferred', 'refused'] as const;
const ENDS = ['CANCELLED', 'EXPIRED', 'REJECTED'] as const;

/** What may happen to the orders of one subaccount; `of` chooses one of them. What is not allowed then does nothing. */
type Step = { readonly of: number } & (
  | { readonly does: 'sign' | 'sign again' | 'send again' | 'cancel' }
  | { readonly does: 'answer'; readonly answer: (typeof ANSWERS)[number]; readonly attempt: number }
  | { readonly does: 'end unsent'; readonly as: (typeof ENDS)[number] }
  /** all of them in one report and one transaction, those of a neighbour in between */
  | { readonly does: 'fill'; readonly sizes: readonly string[] }
  /** read up to a block in which everything is dead */
  | { readonly does: 'settle' }
);
type Life = { readonly births: readonly (typeof BIRTHS)[number][]; readonly steps: readonly Step[] };

const sizes = fc.array(fc.constantFrom('0.000000000000000001', '1.5', '3', '4', '10'), {
  minLength: 1,
  maxLength: 4,
});
const of = fc.nat({ max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ of, does: fc.constantFrom('sign', 'sign again', 'send again', 'cancel') }),
  fc.record({
    of,
    does: fc.constant('answer'),
    answer: fc.constantFrom(...ANSWERS),
    attempt: fc.integer({ min: 1, max: 2 }),
  }),
  fc.record({ of, does: fc.constant('end unsent'), as: fc.constantFrom(...ENDS) }),
  { weight: 2, arbitrary: fc.record({ of, does: fc.constant('fill'), sizes }) },
  fc.record({ of, does: fc.constant('settle') }),
);
const lives: fc.Arbitrary<Life> = fc.record({
  births: fc.array(fc.constantFrom(...BIRTHS), { minLength: 1, maxLength: 3 }),
  steps: fc.array(step, { maxLength: 10 }),
});

const fill = (...parts: string[]): Step => ({ of: 0, does: 'fill', sizes: parts });
const answer = (value: (typeof ANSWERS)[number]): Step => ({
  of: 0,
  does: 'answer',
  answer: value,
  attempt: 1,
});
const settle: Step = { of: 0, does: 'settle' };
const cancel: Step = { of: 0, does: 'cancel' };
/** Every transition that the store makes, so that none is left to chance. */
const KNOWN_LIVES: readonly Life[] = [
  { births: ['resting'], steps: [fill('3', '4', '3')] },
  { births: ['resting'], steps: [fill('10')] },
  { births: ['resting'], steps: [settle, fill('3'), fill('4', '3')] },
  { births: ['immediate'], steps: [fill('4'), settle, fill('1.5', '4')] },
  { births: ['resting'], steps: [cancel, settle, fill('10')] },
  { births: ['resting'], steps: [answer('refused'), fill('4'), fill('3', '3')] },
  { births: ['resting'], steps: [answer('accepted'), fill('10')] },
  { births: ['resting'], steps: [answer('accepted'), fill('4'), settle] },
  { births: ['resting'], steps: [answer('accepted'), settle] },
  { births: ['resting'], steps: [answer('known'), cancel, settle] },
  ...ENDS.map((as): Life => ({ births: ['resting, unsigned'], steps: [{ of: 0, does: 'end unsent', as }] })),
];

/** @returns how many changes of status without a fill it made, by order */
async function take(step: Step, orders: readonly SignedOrder[], owner: string): Promise<Map<string, number>> {
  const order = orders[step.of % orders.length];
  if (order === undefined) throw new Error('a life without an order');
  if (step.does === 'fill' || step.does === 'settle') return report(step, order, orders, owner);
  const before = await orderRow(db, order);
  await act(step, order, before);
  const { status } = await orderRow(db, order);
  return new Map([[order.id, Number(status !== before.status)]]);
}

type Row = Awaited<ReturnType<typeof orderRow>>;
type Act = Exclude<Step, { readonly does: 'fill' | 'settle' }>;

async function act(step: Act, order: SignedOrder, row: Row): Promise<unknown> {
  const { id } = order;
  switch (step.does) {
    case 'sign':
      return startAttempts(db, [{ ...order.attempt, id, wakeAt: inMs(6_000) }], 40);
    case 'sign again':
      return resign(db, order, (row.good_til_block ?? 120) + 5, row.attempt_count + 1);
    case 'send again':
      return startResends(db, [{ id, attempt: 1, retryCount: row.retry_count }]);
    case 'cancel':
      return cancelOrder(db, order);
    case 'answer': {
      const { answer, attempt } = step;
      // Only what is stored is sent, and only what was sent is answered.
      if (attempt > row.attempt_count) return;
      return recordOutcomes(db, [
        answer === 'refused' ? refusalOf(order, { attempt }) : answerOf(order, { attempt, outcome: answer }),
      ]);
    }
    case 'end unsent': {
      const resolution = { rule: 'never_sent', cause: 'test', at: '2026-03-04T05:06:07Z' } as const;
      return endNeverSent(db, [{ id, status: step.as, reason: 'test', resolution }]);
    }
  }
}

let price = 60_000;

async function report(
  step: Extract<Step, { readonly does: 'fill' | 'settle' }>,
  order: SignedOrder,
  orders: readonly SignedOrder[],
  owner: string,
): Promise<Map<string, number>> {
  const parts = step.does === 'fill' ? step.sizes : [];
  const fills = parts.flatMap((size, index) => {
    price += 0.5;
    const own = fillOf(order, { size, price: `${price}`, height: 105 + index });
    const neighbour = orders.find((each) => each !== order);
    const theirs = neighbour && fillOf(neighbour, { size: '0.25', price: `${price}`, height: 105 + index });
    return theirs && index === 0 ? [own, theirs] : [own];
  });
  const height = step.does === 'settle' ? 200 : undefined;
  const booked = await bookReport(db, reportOf(await cursorOf(db, owner), fills, height), 2);
  return new Map(booked?.settled.map((change) => [change.order.id, 1]));
}

const reached = new Set<string>();

async function live({ births, steps }: Life): Promise<void> {
  const owner = nextName('dydx1life');
  await newCursor(db, owner);
  const orders = births.map((birth) => ({
    ...newOrder(birth.startsWith('immediate') ? immediate : {}),
    attempt: attemptOf({ owner }),
    isSigned: !birth.endsWith('unsigned'),
  }));
  await recordOrders(
    db,
    orders.map((order) => (order.isSigned ? order : { ...order, attempt: undefined })),
  );
  const changesOf = new Map(orders.map(({ id }) => [id, 0]));
  for (const step of steps) {
    const made = await take(step, orders, owner);
    for (const [id, count] of made) changesOf.set(id, (changesOf.get(id) ?? 0) + count);
    for (const order of orders) await expectReplay(order, changesOf.get(order.id) ?? 0);
  }
}

async function expectReplay(order: SignedOrder, changesWithoutFill: number): Promise<void> {
  const story = await storyOf(order);
  expect(whyHistoryUnlike(story)).toBeUndefined();
  const { history } = story;
  const fills = await fillsOf(db, order);
  expect(history).toHaveLength(1 + changesWithoutFill + fills.length);
  // One row for each fill, with its own price.
  const told = history.flatMap(({ metadata, fill_price }) => {
    const id = (metadata as { readonly fill_id?: string } | null)?.fill_id;
    return id === undefined ? [] : [`${id} at ${fill_price}`];
  });
  expect(told.toSorted()).toEqual(fills.map((each) => `${each.id} at ${each.price}`).toSorted());
  const { rows } = await sql<{ ascends: boolean }>`
    SELECT coalesce(bool_and(seq > before_seq AND created_at > before_at), true) AS ascends FROM (
      SELECT seq, created_at, lag(seq) OVER w AS before_seq, lag(created_at) OVER w AS before_at
      FROM order_status_history WHERE order_id = ${order.id} WINDOW w AS (ORDER BY seq)
    ) x WHERE before_seq IS NOT NULL`.execute(db);
  expect(rows).toEqual([{ ascends: true }]);
  for (const { old_status, new_status } of history) {
    if (old_status !== null && old_status !== new_status) reached.add(`${old_status} → ${new_status}`);
  }
}

async function storyOf(order: { readonly id: string }) {
  const story = await orderWithHistory(db, order.id);
  if (story === undefined) throw new Error(`no order ${order.id}`);
  return { ...story, attempts: [], fills: await fillsOf(db, order) };
}

test('the history of any life replays to its row, after every step', async () => {
  const examples = KNOWN_LIVES.map((life): [Life] => [life]);
  await fc.assert(fc.asyncProperty(lives, live), {
    numRuns: 60 + examples.length,
    examples,
    interruptAfterTimeLimit: 12_000,
  });
});

test('the lives went through every transition, but for those that only a stateful order makes', () => {
  const pairs = Object.entries(TRANSITIONS).flatMap(([from, targets]) =>
    targets.map((to: OrderStatus) => `${from} → ${to}`),
  );
  // A short-term order that a node took is never REJECTED: on chain with a code ≠ 0 is the end of stateful ones.
  expect(pairs.filter((pair) => !reached.has(pair))).toEqual(['OPEN → REJECTED']);
});

describe('what was changed past the triggers does not replay', () => {
  /** FILLED in three parts. */
  async function filled() {
    const owner = nextName('dydx1forged');
    await newCursor(db, owner);
    const order = { ...newOrder(), attempt: attemptOf({ owner }) };
    await recordOrders(db, [order]);
    await recordOutcomes(db, [answerOf(order)]);
    const fills = ['3', '4', '3'].map((size) => fillOf(order, { size }));
    await bookReport(db, reportOf(await cursorOf(db, owner), fills), 2);
    expect(whyHistoryUnlike(await storyOf(order))).toBeUndefined();
    return order;
  }

  /** As whoever may switch triggers off: CHECK constraints hold even so. */
  const pastTriggers = (work: (trx: Database) => Promise<unknown>) =>
    db.transaction().execute(async (trx) => {
      await sql`SET LOCAL session_replication_role = replica`.execute(trx);
      await work(trx);
    });

  const dead = JSON.stringify({ rule: 'dead', height: 121, good_til_block: 120, fills: 2 });
  const other = JSON.stringify({ rule: 'filled', height: 111, fills: 3 });
  test.each([
    [
      'a status',
      { status: 'EXPIRED', filled_size: '7', filled_at: null, resolution: dead },
      'the history ends in FILLED, the order is EXPIRED',
    ],
    ['a size', { size: '9', filled_size: '9' }, "history row 1 has sizes that are not the order's"],
    ['a price', { last_fill_price: '1' }, 'the history ends with another fill price than the order'],
    ['the evidence', { resolution: other }, 'the history ends with other evidence than the order'],
  ] as const)('%s of the order', async (_what, changes, why) => {
    const order = await filled();
    await pastTriggers((trx) => trx.updateTable('orders').set(changes).where('id', '=', order.id).execute());
    expect(whyHistoryUnlike(await storyOf(order))).toBe(why);
  });

  test('a filled size that its status allows', async () => {
    const owner = nextName('dydx1forged');
    const order = { ...newOrder(), attempt: attemptOf({ owner }) };
    await recordOrders(db, [order]);
    await bookReport(db, reportOf(await newCursor(db, owner), [fillOf(order)]), 2);
    await pastTriggers((trx) =>
      trx.updateTable('orders').set({ filled_size: '2' }).where('id', '=', order.id).execute(),
    );
    expect(whyHistoryUnlike(await storyOf(order))).toBe(
      'the history ends with another filled size than the order',
    );
  });

  test('a row of the history that was deleted, whichever it is', async () => {
    const order = await filled();
    const rows = await historyOf(db, order);
    expect(rows.map((row) => isFinal(row.new_status))).toEqual([false, false, false, false, true]);
    for (const { seq, new_status } of rows) {
      const story = await storyOf(order);
      const history = story.history.filter((row) => row.seq !== seq);
      expect(whyHistoryUnlike({ ...story, history }), `without that to ${new_status}`).toBeDefined();
    }
    await pastTriggers((trx) =>
      trx
        .deleteFrom('order_status_history')
        .where('seq', '=', rows[1]?.seq ?? '')
        .execute(),
    );
    expect(whyHistoryUnlike(await storyOf(order))).toBe(
      'history row 2 starts from OPEN, the one before ended in PENDING',
    );
  });
});
