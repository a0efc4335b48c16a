// A trading day ends in the same rows (P4, P5) however its reports came: shuffled, repeated, dropped and sent again, with
// heights that were ahead of fills. On the real database, through bookReport; the pure half is in core/reconcile.test.ts.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { whyHistoryUnlike, whyUnprovenOrder } from '../../src/app/audit.ts';
import { normalizeDecimal } from '../../src/core/decimal.ts';
import type { Fill } from '../../src/core/ports.ts';
import { isFinal, type OrderStatus } from '../../src/core/status.ts';
import type { Cursor } from '../../src/store/cursors.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createDatabase } from '../support/databases.ts';
import {
  answerOf,
  cancelOrder,
  cursorOf,
  fillOf,
  immediate,
  newCursor,
  nextName,
  reportOf,
  type SignedOrder,
  signed,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const MARGIN = 2;
/** The last block of the day; what lives longer is resting at its end. */
const CLOSE = 130;

type DayOrder = {
  readonly size: number;
  readonly goodTilBlock: number;
  readonly isIoc: boolean;
  readonly isAccepted: boolean;
  readonly isCancelled: boolean;
  /** what it is filled with, until its size is reached */
  readonly fills: readonly { readonly size: number; readonly height: number }[];
};

type Day = {
  readonly orders: readonly DayOrder[];
  /** blocks of fills that are nobody's */
  readonly foreign: readonly number[];
  readonly fillsInReport: number;
};

/** How the reports of a day come, by their numbers (any number: it is taken modulo how many there are). */
type Delivery = {
  /** absent: as they were made; else where each of them goes */
  readonly places: readonly number[] | undefined;
  /** reports that come again, and after how many others */
  readonly repeats: readonly { readonly report: number; readonly after: number }[];
  /** Sent first from a cursor that has been moved on: they are dropped, and sent again. */
  readonly stale: readonly number[];
  readonly isReversedWithin: boolean;
};

const height = fc.integer({ min: 101, max: 125 });
const days: fc.Arbitrary<Day> = fc.record({
  orders: fc.array(
    fc.record({
      size: fc.integer({ min: 1, max: 9 }),
      goodTilBlock: fc.oneof(height, fc.constant(CLOSE + 50)),
      isIoc: fc.boolean(),
      isAccepted: fc.boolean(),
      isCancelled: fc.boolean(),
      fills: fc.array(fc.record({ size: fc.integer({ min: 1, max: 5 }), height }), { maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  foreign: fc.array(height, { maxLength: 2 }),
  fillsInReport: fc.integer({ min: 1, max: 4 }),
});
const deliveries: fc.Arbitrary<Delivery> = fc.record({
  places: fc.option(fc.array(fc.nat(1_000), { minLength: 24, maxLength: 24 }), { nil: undefined }),
  repeats: fc.array(fc.record({ report: fc.nat(24), after: fc.nat(24) }), { maxLength: 4 }),
  stale: fc.array(fc.nat(24), { maxLength: 3 }),
  isReversedWithin: fc.boolean(),
});

const resting = { size: 5, goodTilBlock: CLOSE + 50, isIoc: false, isAccepted: true, isCancelled: false };
const ending = { ...resting, goodTilBlock: 110 };
/** Every end, and its last report first: what ends by it is filled late. */
const KNOWN: readonly [Day, Delivery][] = [
  [
    {
      orders: [
        { ...resting, fills: [] },
        { ...resting, fills: [{ size: 2, height: 104 }] },
        {
          ...ending,
          fills: [
            { size: 2, height: 104 },
            { size: 3, height: 108 },
          ],
        },
        {
          ...ending,
          fills: [
            { size: 2, height: 109 },
            { size: 1, height: 110 },
          ],
        },
        { ...ending, isCancelled: true, fills: [{ size: 1, height: 103 }] },
        { ...ending, isIoc: true, fills: [{ size: 4, height: 101 }] },
      ],
      foreign: [105],
      fillsInReport: 2,
    },
    {
      places: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
      repeats: [
        { report: 1, after: 3 },
        { report: 4, after: 0 },
      ],
      stale: [2, 3],
      isReversedWithin: true,
    },
  ],
];

type Report = { readonly fills: readonly Fill[]; readonly height: number | undefined };

type Staged = {
  readonly owner: string;
  readonly start: Cursor;
  readonly orders: readonly SignedOrder[];
  readonly reports: readonly Report[];
};

/** The day's orders under an owner of its own, and its reports as the venue gives them: pages in the order of blocks. */
async function stage({ orders: terms, foreign, fillsInReport }: Day): Promise<Staged> {
  const owner = nextName('dydx1day');
  const start = await newCursor(db, owner);
  const orders: SignedOrder[] = [];
  const fills: Fill[] = [];
  for (const each of terms) {
    const { goodTilBlock, isIoc, isAccepted, isCancelled } = each;
    const changes = { ...(isIoc ? immediate : {}), size: `${each.size}` };
    const order = await signed(db, changes, { owner, goodTilBlock });
    if (isAccepted) await recordOutcomes(db, [answerOf(order)]);
    if (isCancelled) await cancelOrder(db, order);
    orders.push(order);
    let left = each.size;
    for (const fill of each.fills) {
      const size = Math.min(fill.size, left);
      left -= size;
      // Its price tells which one it is, under whatever id.
      const price = `${60_000 + fills.length}`;
      const at = Math.min(fill.height, goodTilBlock);
      if (size > 0) fills.push(fillOf(order, { size: `${size}`, height: at, price }));
    }
  }
  const [first] = orders;
  if (first === undefined) throw new Error('a day without an order');
  for (const at of foreign) fills.push(fillOf(first, { orderUuid: randomUUID(), height: at }));
  return { owner, start, orders, reports: reportsOf(fills, fillsInReport) };
}

function reportsOf(fills: readonly Fill[], fillsInReport: number): Report[] {
  const listed = fills.toSorted((a, b) => a.height - b.height);
  const reports: Report[] = [];
  for (let from = 0; from < listed.length; from += fillsInReport) {
    const next = listed[from + fillsInReport];
    // All fills below the next one's block have been read by then.
    const known = next === undefined ? undefined : next.height - 1;
    reports.push({ fills: listed.slice(from, from + fillsInReport), height: known });
  }
  return [...reports, { fills: [], height: CLOSE }];
}

/** Every report at least once. */
function delivered(reports: readonly Report[], { places, repeats, isReversedWithin }: Delivery): Report[] {
  const sent =
    places === undefined
      ? [...reports]
      : reports
          .map((report, index) => ({ report, place: places[index % places.length] ?? 0 }))
          .toSorted((a, b) => a.place - b.place)
          .map(({ report }) => report);
  for (const { report, after } of repeats) {
    const again = reports[report % reports.length];
    if (again !== undefined) {
      // In a list that keeps its order a repeat comes behind what it repeats.
      const earliest = places === undefined ? sent.indexOf(again) + 1 : 0;
      sent.splice(Math.max(earliest, after % (sent.length + 1)), 0, again);
    }
  }
  if (places === undefined || !isReversedWithin) return sent;
  return sent.map((report) => ({ ...report, fills: report.fills.toReversed() }));
}

async function bookAll({ owner, start }: Staged, reports: readonly Report[], stale: readonly number[] = []) {
  for (const [index, { fills, height: known }] of reports.entries()) {
    const cursor = await cursorOf(db, owner);
    const isMoved = cursor.fillsRead !== start.fillsRead;
    if (isMoved && stale.some((each) => each % reports.length === index)) {
      expect(await bookReport(db, reportOf(start, fills, known), MARGIN)).toBeUndefined();
    }
    expect(await bookReport(db, reportOf(cursor, fills, known), MARGIN)).toBeDefined();
  }
}

const reached = new Set<OrderStatus | 'late'>();

/** What a day has left; ids and times of its own left out. */
async function rowsOf({ owner, orders }: Staged) {
  const rows = [];
  const histories = [];
  for (const { intent } of orders) {
    const story = await findOrder(db, intent.tenant_id, intent.client_id);
    if (story === undefined) throw new Error(`no order ${intent.client_id}`);
    expect(whyHistoryUnlike(story)).toBeUndefined();
    const { order, fills, history } = story;
    if (isFinal(order.status)) expect(whyUnprovenOrder(story)).toBeUndefined();
    reached.add(order.status);
    if (order.late_fill_at !== null) reached.add('late');
    rows.push({
      status: order.status,
      filled: order.filled_size,
      isWaking: order.next_wake_at !== null,
      fills: fills.map((fill) => [fill.price, fill.size, fill.height, fill.fee]).toSorted(),
    });
    histories.push(
      history.map((row) => [row.old_status, row.new_status, row.filled_size, row.fill_price, row.reason]),
    );
  }
  const positions = await db
    .selectFrom('positions')
    .select(['market', 'size'])
    .where('owner', '=', owner)
    .orderBy('market')
    .execute();
  const strange = await db
    .selectFrom('unexplained_fills')
    .select(['reason'])
    .where('owner', '=', owner)
    .execute();
  const { height: seen } = await cursorOf(db, owner);
  const held = positions.map(({ market, size }) => [market, normalizeDecimal(size)]);
  return { end: { rows, held, strange, seen }, histories };
}

test('however the reports of a day come, it ends in the same rows; in their order, with the same history', async () => {
  await fc.assert(
    fc.asyncProperty(days, deliveries, async (day, delivery) => {
      const [clean, rough] = [await stage(day), await stage(day)];
      await bookAll(clean, clean.reports);
      await bookAll(rough, delivered(rough.reports, delivery), delivery.stale);
      const [one, other] = [await rowsOf(clean), await rowsOf(rough)];
      expect(other.end).toEqual(one.end);
      if (delivery.places === undefined) expect(other.histories).toEqual(one.histories);
    }),
    { numRuns: 40, examples: [...KNOWN], interruptAfterTimeLimit: 15_000 },
  );
  // The days have to be rich enough to mean something.
  for (const each of ['CANCELLED', 'EXPIRED', 'FILLED', 'OPEN', 'PARTIALLY_FILLED', 'late'] as const) {
    expect(reached).toContain(each);
  }
});
