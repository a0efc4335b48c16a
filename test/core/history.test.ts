// The replay of a history: every true one leads to its row, and one that was touched does not.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HistoryChange, type HistoryEnd, whyHistoryBroken } from '../../src/core/history.ts';
import { isFinal, type OrderStatus, STATUSES } from '../../src/core/status.ts';
import { isAllowed, TRANSITIONS } from '../../src/core/transition.ts';

const SIZE = 10;

function changeOf(changes: Partial<HistoryChange> & { readonly filled?: number } = {}): HistoryChange {
  const { filled = 0, ...rest } = changes;
  return {
    oldStatus: null,
    newStatus: 'PENDING',
    filledSize: `${filled}`,
    remainingSize: `${SIZE - filled}`,
    fillPrice: null,
    evidence: null,
    ...rest,
  };
}

const recorded = changeOf();
const opened = changeOf({ oldStatus: 'PENDING', newStatus: 'OPEN' });
const partly = changeOf({ oldStatus: 'OPEN', newStatus: 'PARTIALLY_FILLED', filled: 4, fillPrice: '60000' });
const evidence = { rule: 'dead', height: 121, good_til_block: 120, fills: 1 };
const expired = changeOf({ oldStatus: 'PARTIALLY_FILLED', newStatus: 'EXPIRED', filled: 4, evidence });
const life = [recorded, opened, partly, expired];
const end: HistoryEnd = {
  status: 'EXPIRED',
  size: `${SIZE}`,
  filledSize: '4',
  lastFillPrice: '60000',
  resolution: evidence,
};

describe('a history leads to its row', () => {
  test('from its creation to its end', () => {
    expect(whyHistoryBroken(end, life)).toBeUndefined();
  });

  test('whatever zeros the database writes behind a size or a price', () => {
    const padded = { ...end, size: '10.000', filledSize: '4.0', lastFillPrice: '60000.00' };
    expect(whyHistoryBroken(padded, life)).toBeUndefined();
  });

  test('when it is created in its final status, with its evidence', () => {
    const rejected = { ...end, status: 'REJECTED', filledSize: '0', lastFillPrice: null } as const;
    expect(whyHistoryBroken(rejected, [changeOf({ newStatus: 'REJECTED', evidence })])).toBeUndefined();
  });

  test('when a late fill leaves its final status and its evidence as they were', () => {
    const late = changeOf({ oldStatus: 'EXPIRED', newStatus: 'EXPIRED', filled: 7, fillPrice: '59999' });
    const after = { ...end, filledSize: '7', lastFillPrice: '59999' };
    expect(whyHistoryBroken(after, [...life, late])).toBeUndefined();
  });
});

describe('a history is broken', () => {
  test.each<readonly [string, readonly HistoryChange[], string]>([
    ['that is empty', [], 'the history ends in null, the order is EXPIRED'],
    [
      'that lacks its creation',
      life.slice(1),
      'history row 1 starts from PENDING, the one before ended in null',
    ],
    [
      'that lacks a change',
      [recorded, partly, expired],
      'history row 2 starts from OPEN, the one before ended in PENDING',
    ],
    ['that lacks its end', life.slice(0, 3), 'the history ends in PARTIALLY_FILLED, the order is EXPIRED'],
    [
      'whose rows are in another order',
      [recorded, partly, opened, expired],
      'history row 2 starts from OPEN, the one before ended in PENDING',
    ],
    [
      'that is told twice',
      [...life, ...life],
      'history row 5 starts from null, the one before ended in EXPIRED',
    ],
    ['without its filled size', [{ ...recorded, filledSize: null }], 'history row 1 has no sizes'],
    ['without its remaining size', [{ ...recorded, remainingSize: null }], 'history row 1 has no sizes'],
    [
      'of an order of another size',
      [{ ...recorded, remainingSize: '9' }],
      "history row 1 has sizes that are not the order's",
    ],
    [
      'that takes back a fill',
      [recorded, opened, partly, { ...expired, filledSize: '3', remainingSize: '7' }],
      'history row 4 takes back a fill',
    ],
    [
      'with a fill that has no price',
      [recorded, opened, { ...partly, fillPrice: null }],
      'history row 3 has a fill without its price, or a price without its fill',
    ],
    [
      'with a price that has no fill',
      [recorded, { ...opened, fillPrice: '1' }],
      'history row 2 has a fill without its price, or a price without its fill',
    ],
    [
      'with a row that changes nothing',
      [recorded, changeOf({ oldStatus: 'PENDING' })],
      'history row 2 changes nothing',
    ],
    [
      'that goes where the table of transitions does not lead',
      [recorded, opened, changeOf({ oldStatus: 'OPEN', newStatus: 'PENDING' })],
      'history row 3 goes from OPEN to PENDING',
    ],
  ])('%s', (_what, changes, why) => {
    expect(whyHistoryBroken(end, changes)).toBe(why);
  });

  test.each<readonly [string, Partial<HistoryEnd>, string]>([
    ['another status', { status: 'CANCELLED' }, 'the history ends in EXPIRED, the order is CANCELLED'],
    ['another size', { size: '11' }, "history row 1 has sizes that are not the order's"],
    ['another filled size', { filledSize: '5' }, 'the history ends with another filled size than the order'],
    ['another price', { lastFillPrice: '60001' }, 'the history ends with another fill price than the order'],
    ['no price', { lastFillPrice: null }, 'the history ends with another fill price than the order'],
    [
      'other evidence',
      { resolution: { ...evidence, height: 122 } },
      'the history ends with other evidence than the order',
    ],
    ['no evidence', { resolution: null }, 'the history ends with other evidence than the order'],
  ])('when its row has %s', (_what, changes, why) => {
    expect(whyHistoryBroken({ ...end, ...changes }, life)).toBe(why);
  });

  test('when its row has a price and no fill ever came', () => {
    const pending = { ...end, status: 'PENDING', filledSize: '0', resolution: null } as const;
    expect(whyHistoryBroken(pending, [recorded])).toBe(
      'the history ends with another fill price than the order',
    );
  });
});

type Life = { readonly changes: readonly HistoryChange[]; readonly end: HistoryEnd };

/** Random steps through the table of transitions, each with the fill that its status asks for, or a further one. */
const lives: fc.Arbitrary<Life> = fc
  .array(fc.record({ turn: fc.nat(), part: fc.integer({ min: 1, max: 3 }), price: fc.integer({ min: 1 }) }), {
    maxLength: 8,
  })
  .map((steps) => {
    const changes = [recorded];
    let [status, filled]: [OrderStatus, number] = ['PENDING', 0];
    let [lastFillPrice, resolution]: [string | null, unknown] = [null, null];
    for (const { turn, part, price } of steps) {
      const isPartly = filled + part < SIZE;
      const targets: OrderStatus[] = TRANSITIONS[status].filter(
        (to) => to !== 'PARTIALLY_FILLED' || isPartly,
      );
      // A further fill that is not the last one, also after the end.
      const takesMore = status === 'PARTIALLY_FILLED' || (isFinal(status) && status !== 'FILLED');
      if (takesMore && isPartly) targets.push(status);
      const to = targets[turn % targets.length];
      if (to === undefined) break;
      const isFill = to === 'FILLED' || to === 'PARTIALLY_FILLED' || to === status;
      if (isFill) filled = to === 'FILLED' ? SIZE : filled + part;
      const fillPrice = isFill ? `${price}` : null;
      const proof = isFinal(to) && to !== status ? { rule: to, fills: filled } : null;
      changes.push(changeOf({ oldStatus: status, newStatus: to, filled, fillPrice, evidence: proof }));
      status = to;
      lastFillPrice = fillPrice ?? lastFillPrice;
      resolution = proof ?? resolution;
    }
    return { changes, end: { status, size: `${SIZE}`, filledSize: `${filled}`, lastFillPrice, resolution } };
  });

/** A life and one of its rows. */
const touched = lives.chain((each) =>
  fc.record({ each: fc.constant(each), at: fc.nat({ max: each.changes.length - 1 }) }),
);

describe('of any life', () => {
  test('its history leads to its row', () => {
    fc.assert(fc.property(lives, ({ changes, end }) => whyHistoryBroken(end, changes) === undefined));
  });

  test('no beginning of it leads there', () => {
    fc.assert(
      fc.property(touched, ({ each: { changes, end }, at }) => {
        expect(whyHistoryBroken(end, changes.slice(0, at))).toBeDefined();
      }),
    );
  });

  test('a row that is lost is missed, unless a later fill of the same status tells what it told', () => {
    fc.assert(
      fc.property(touched, ({ each: { changes, end }, at }) => {
        const [lost, next] = [changes[at], changes[at + 1]];
        const isTold = lost?.oldStatus === lost?.newStatus && next?.fillPrice != null;
        return isTold || whyHistoryBroken(end, changes.toSpliced(at, 1)) !== undefined;
      }),
    );
  });

  test('a row that is told twice is noticed', () => {
    fc.assert(
      fc.property(touched, ({ each: { changes, end }, at }) => {
        const twice = changes.slice(at, at + 1);
        expect(whyHistoryBroken(end, changes.toSpliced(at, 0, ...twice))).toBeDefined();
      }),
    );
  });

  test('a status that was changed past the trigger is noticed', () => {
    fc.assert(
      fc.property(lives, fc.constantFrom(...STATUSES), ({ changes, end }, status) => {
        fc.pre(status !== end.status);
        expect(whyHistoryBroken({ ...end, status }, changes)).toBeDefined();
      }),
    );
  });

  test('a row that ends elsewhere is noticed by the next one, by the table, or by the end', () => {
    fc.assert(
      fc.property(touched, fc.constantFrom(...STATUSES), ({ each: { changes, end }, at }, newStatus) => {
        fc.pre(changes[at]?.newStatus !== newStatus);
        const forged = changes.map((change, index) => (index === at ? { ...change, newStatus } : change));
        expect(whyHistoryBroken(end, forged)).toBeDefined();
      }),
    );
  });
});

test('every step of the table leads on, and no other one does', () => {
  for (const from of STATUSES) {
    for (const to of STATUSES.filter((status) => status !== from)) {
      const changes = [changeOf({ newStatus: from }), changeOf({ oldStatus: from, newStatus: to })];
      const row = { ...end, status: to, filledSize: '0', lastFillPrice: null, resolution: null };
      const expected = isAllowed(from, to) ? undefined : `history row 2 goes from ${from} to ${to}`;
      expect(whyHistoryBroken(row, changes)).toBe(expected);
    }
  }
});
