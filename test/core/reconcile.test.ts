// The venue's reports, in any order, cut anywhere, twice or late, end in the same statuses and sizes; nothing is final
// without proof; nothing that is not ours is added. The table of final statuses for stateful orders is in
// reconcile-stateful.test.ts.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IncidentKind } from '../../src/core/incidents.ts';
import type { Fill } from '../../src/core/ports.ts';
import { type OrderFacts, type Reconciled, reconcile, settleDead } from '../../src/core/reconcile.ts';
import { isFinal, type OrderStatus } from '../../src/core/status.ts';
import { deathOf, fillOf, orderFacts, statefulFacts } from './builders.ts';

const START = 90;
const MARGIN = 2;
const report = (orders: readonly OrderFacts[], fills: readonly Fill[], height?: number): Reconciled =>
  reconcile({ orders, fills, startHeight: START, height, marginBlocks: MARGIN });

/** The orders as the next report finds them. */
function applied(orders: readonly OrderFacts[], { bookings, settled }: Reconciled): OrderFacts[] {
  return orders.map((order) => {
    const booked = bookings.filter((booking) => booking.order.id === order.id);
    const end = settled.find((change) => change.order.id === order.id) ?? booked.at(-1);
    return end === undefined
      ? order
      : {
          ...order,
          status: end.status,
          filledSize: end.filledSize,
          fillCount: order.fillCount + booked.length,
        };
  });
}
const ends = (orders: readonly OrderFacts[]) =>
  orders.map(({ id, status, filledSize, fillCount }) => ({ id, status, filledSize, fillCount }));

type Row = { order: number; size: number; height: number };

const orderRows = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 12 }),
    status: fc.constantFrom<OrderStatus>('PENDING', 'OPEN', 'OPEN', 'CANCELLED', 'REJECTED', 'EXPIRED'),
    timeInForce: fc.constantFrom('GTT' as const, 'IOC' as const),
    isCancelRequested: fc.boolean(),
    isRefused: fc.boolean(),
    goodTilBlock: fc.option(fc.integer({ min: 101, max: 112 }), { nil: undefined }),
    /** of stateful orders, which have no good-til-block */
    death: fc.option(
      fc.record({
        cause: fc.constantFrom('expired', 'removed', 'failed', 'never_included'),
        height: fc.integer({ min: 101, max: 112 }),
      }),
      { nil: undefined },
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

/** Some fills overfill their order, some lie outside its window; none comes after a death that was shown. */
const histories = orderRows.chain((rows) => {
  const orders = rows.map(({ size, isRefused, death, ...row }, index) => {
    const refusal = isRefused ? { codespace: 'clob', code: 20, log: '' } : undefined;
    const changes = { ...row, size: `${size}`, refusal };
    if (row.goodTilBlock !== undefined) return orderFacts(changes, index + 1);
    return statefulFacts({ ...changes, death: death && deathOf(death.cause, death.height) }, index + 1);
  });
  const fillRows = fc.record({
    order: fc.nat(orders.length - 1),
    size: fc.integer({ min: 1, max: 5 }),
    height: fc.integer({ min: 98, max: 114 }),
  });
  return fc.array(fillRows, { maxLength: 12 }).map((list) => ({ orders, fills: fillsOf(orders, list) }));
});

function fillsOf(orders: readonly OrderFacts[], rows: readonly Row[]): Fill[] {
  return rows
    .toSorted((a, b) => a.height - b.height)
    .flatMap(({ order, size, height }) => {
      const facts = orders[order];
      if (facts === undefined || height > (facts.death?.height ?? height)) return [];
      return [fillOf(facts, { size: `${size}`, height })];
    });
}

describe('the same truth ends in the same statuses and sizes', () => {
  test('however fills of different orders are shuffled within a block', () => {
    fc.assert(
      fc.property(
        histories,
        fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 100, max: 120 }),
        (history, keys, height) => {
          const { orders, fills } = history;
          const keyOf = (fill: Fill) =>
            keys[orders.findIndex((order) => order.orderUuid === fill.orderUuid)] ?? 0;
          const shuffled = fills.toSorted((a, b) => a.height - b.height || keyOf(a) - keyOf(b));
          expect(ends(applied(orders, report(orders, shuffled, height)))).toEqual(
            ends(applied(orders, report(orders, fills, height))),
          );
        },
      ),
    );
  });

  test('however the orders themselves are listed', () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 100, max: 120 }), ({ orders, fills }, height) => {
        const reversed = orders.toReversed();
        expect(ends(applied(reversed, report(reversed, fills, height))).toReversed()).toEqual(
          ends(applied(orders, report(orders, fills, height))),
        );
      }),
    );
  });

  test('wherever one report is cut into several', () => {
    fc.assert(
      fc.property(
        histories,
        fc.array(fc.nat(12), { maxLength: 4 }),
        fc.boolean(),
        ({ orders, fills }, marks, knowsHeights) => {
          const cuts = [...new Set(marks.map((mark) => Math.min(mark, fills.length)))].sort((a, b) => a - b);
          let state: readonly OrderFacts[] = orders;
          let from = 0;
          for (const cut of cuts) {
            // All fills below the next one's block have been read by then.
            const height = knowsHeights ? (fills[cut]?.height ?? 115) - 1 : undefined;
            state = applied(state, report(state, fills.slice(from, cut), height));
            from = cut;
          }
          state = applied(state, report(state, fills.slice(from), 115));
          expect(ends(state)).toEqual(ends(applied(orders, report(orders, fills, 115))));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('when it is reported twice, without what was booked before: twice is once', () => {
    fc.assert(
      fc.property(histories, ({ orders, fills }) => {
        const first = report(orders, fills, 115);
        const seen = new Set([...first.bookings, ...first.unexplained].map(({ fill }) => fill.id));
        const state = applied(orders, first);
        const unseen = fills.filter((fill) => !seen.has(fill.id));
        expect(report(state, unseen, 115)).toEqual({
          bookings: [],
          unexplained: [],
          settled: [],
          incidents: [],
        });
      }),
    );
  });

  test('when an order that was filled elsewhere first is settled before or after a report without fills', () => {
    const order = orderFacts();
    const state = applied([order], report([order], [], 111));
    expect(state).toEqual([order]);
    expect(applied(state, report(state, [], 112))).toMatchObject([{ status: 'EXPIRED' }]);
  });
});

describe('no quantity is lost or invented', () => {
  test('every fill is booked once or unexplained once, in the order of the report', () => {
    fc.assert(
      fc.property(histories, ({ orders, fills }) => {
        const { bookings, unexplained } = report(orders, fills, 115);
        const isBooked = new Set(bookings.map(({ fill }) => fill.id));
        expect(bookings.map(({ fill }) => fill)).toEqual(fills.filter((fill) => isBooked.has(fill.id)));
        expect(unexplained.map(({ fill }) => fill)).toEqual(fills.filter((fill) => !isBooked.has(fill.id)));
      }),
    );
  });

  test('the filled size is the sum of the booked fills and never exceeds the size; FILLED is exactly the size', () => {
    fc.assert(
      fc.property(histories, ({ orders, fills }) => {
        const result = report(orders, fills, 115);
        for (const order of applied(orders, result)) {
          const own = result.bookings.filter((booking) => booking.order.id === order.id);
          const sum = own.reduce((total, { fill }) => total + Number(fill.size), 0);
          expect(order.filledSize).toBe(`${sum}`);
          expect(sum).toBeLessThanOrEqual(Number(order.size));
          expect(order.status === 'FILLED').toBe(sum === Number(order.size));
          expect(own.map(({ step }) => step)).toEqual(own.map((_, index) => index));
        }
      }),
    );
  });

  test('sums are exact where floats are not', () => {
    const order = orderFacts({ size: '0.3' });
    const fills = [fillOf(order, { size: '0.1' }), fillOf(order, { size: '0.2' })];
    const { bookings } = report([order], fills);
    expect(bookings.map(({ filledSize, status }) => [filledSize, status])).toEqual([
      ['0.1', 'PARTIALLY_FILLED'],
      ['0.3', 'FILLED'],
    ]);
  });
});

describe('final is final but for FILLED', () => {
  test('whatever is reported', () => {
    fc.assert(
      fc.property(histories, ({ orders, fills }) => {
        const result = report(orders, fills, 115);
        for (const [index, order] of applied(orders, result).entries()) {
          const before = orders[index]?.status ?? 'PENDING';
          if (isFinal(before)) expect([before, 'FILLED']).toContain(order.status);
        }
        for (const { order } of result.settled) expect(isFinal(order.status)).toBe(false);
      }),
    );
  });

  for (const status of ['CANCELLED', 'REJECTED', 'EXPIRED'] as const) {
    test(`a late partial fill keeps ${status}, is marked late and is no new evidence`, () => {
      const order = orderFacts({ status });
      const { bookings, settled } = report([order], [fillOf(order)], 200);
      expect(bookings).toMatchObject([
        { status, filledSize: '1', isLate: true, reason: 'partially filled, after the end' },
      ]);
      expect(bookings[0]?.resolution).toBeUndefined();
      expect(settled).toEqual([]);
    });

    test(`a late fill that completes the size leads from ${status} to FILLED`, () => {
      const order = orderFacts({ status, filledSize: '4', fillCount: 2 });
      const fill = fillOf(order, { size: '6', height: 109 });
      expect(report([order], [fill], 200).bookings).toMatchObject([
        {
          status: 'FILLED',
          isLate: true,
          filledSize: '10',
          resolution: { rule: 'filled', height: 109, fills: 3 },
        },
      ]);
    });
  }

  test('a FILLED order takes no further fill', () => {
    const order = orderFacts({ status: 'FILLED', filledSize: '10', fillCount: 1 });
    const result = report([order], [fillOf(order)], 200);
    expect(result).toMatchObject({
      bookings: [],
      settled: [],
      unexplained: [{ reason: 'overfill: 11 of 10' }],
    });
  });

  test('a change carries evidence exactly when it makes the status final', () => {
    fc.assert(
      fc.property(histories, ({ orders, fills }) => {
        const { bookings, settled } = report(orders, fills, 115);
        for (const { status, resolution } of bookings)
          expect(resolution !== undefined).toBe(status === 'FILLED');
        for (const { status, resolution } of settled) {
          expect(isFinal(status)).toBe(true);
          expect(resolution?.rule).toBe('dead');
        }
      }),
    );
  });
});

describe('an order is settled', () => {
  test('never while the height is unknown, whatever has been read', () => {
    fc.assert(
      fc.property(histories, ({ orders, fills }) => {
        expect(report(orders, fills, undefined).settled).toEqual([]);
      }),
    );
  });

  test('at its good-til-block and the margin, and not one block earlier', () => {
    const order = orderFacts({ goodTilBlock: 110 });
    expect(report([order], [], 111).settled).toEqual([]);
    expect(report([order], [], 112).settled).toMatchObject([
      {
        status: 'EXPIRED',
        height: 112,
        resolution: { rule: 'dead', height: 112, good_til_block: 110, fills: 0 },
      },
    ]);
  });

  test('exactly when it is active and dead, at any margin', () => {
    fc.assert(
      fc.property(
        histories,
        fc.nat(5),
        fc.integer({ min: 95, max: 120 }),
        ({ orders, fills }, marginBlocks, height) => {
          const result = reconcile({ orders, fills, startHeight: START, height, marginBlocks });
          const booked = applied(orders, { ...result, settled: [] });
          const deadFrom = (order: OrderFacts) =>
            order.goodTilBlock ?? order.death?.height ?? Number.POSITIVE_INFINITY;
          const dead = booked.filter(
            (order) => !isFinal(order.status) && deadFrom(order) + marginBlocks <= height,
          );
          expect(result.settled.map((change) => change.order.id)).toEqual(dead.map((order) => order.id));
        },
      ),
    );
  });

  test('with the fills of the same report counted', () => {
    const order = orderFacts({ timeInForce: 'IOC', goodTilBlock: 105 });
    const [settled] = report([order], [fillOf(order), fillOf(order)], 107).settled;
    expect(settled).toMatchObject({
      status: 'CANCELLED',
      reason: 'ioc_remainder',
      filledSize: '2',
      resolution: { fills: 2 },
    });
  });
});

describe('the table of final statuses for short-term orders', () => {
  const refusal = { codespace: 'clob', code: 2004, log: 'filled already' };
  const partial = { status: 'PARTIALLY_FILLED', filledSize: '3', fillCount: 1 } as const;
  const IOC = { timeInForce: 'IOC' } as const;
  const MARKET = { ...IOC, type: 'MARKET' } as const;
  const cancelled = { isCancelRequested: true };
  const LINES: readonly (readonly [string, Partial<OrderFacts>, OrderStatus, string])[] = [
    ['a cancel was requested', cancelled, 'CANCELLED', 'cancelled'],
    ['a cancel was requested, with a fill', { ...partial, ...cancelled }, 'CANCELLED', 'cancelled'],
    ['a cancel was requested of an IOC', { ...IOC, ...cancelled }, 'CANCELLED', 'cancelled'],
    [
      'a cancel was requested, which refused a late delivery',
      { ...cancelled, refusal },
      'CANCELLED',
      'cancelled',
    ],
    ['an IOC without a fill', IOC, 'CANCELLED', 'ioc_no_match'],
    ['an IOC with a fill', { ...IOC, ...partial }, 'CANCELLED', 'ioc_remainder'],
    ['a MARKET without a fill', MARKET, 'CANCELLED', 'ioc_no_match'],
    ['a MARKET with a fill', { ...MARKET, ...partial }, 'CANCELLED', 'ioc_remainder'],
    ['an IOC that was refused and has no fill', { ...IOC, refusal }, 'REJECTED', 'clob/2004'],
    [
      'an IOC that was refused because it had filled',
      { ...IOC, ...partial, refusal },
      'CANCELLED',
      'ioc_remainder',
    ],
    ['a LIMIT that was refused and has no fill', { refusal }, 'REJECTED', 'clob/2004'],
    ['a LIMIT that was refused but has a fill', { ...partial, refusal }, 'EXPIRED', 'good_til_block reached'],
    ['a LIMIT without a fill', {}, 'EXPIRED', 'good_til_block reached'],
    ['a LIMIT with a fill', partial, 'EXPIRED', 'good_til_block reached'],
    ['a LIMIT that nobody answered for', { status: 'PENDING' }, 'EXPIRED', 'good_til_block reached'],
  ];
  for (const [name, changes, status, reason] of LINES) {
    test(`dead, ${name}: ${status}`, () => {
      const order = orderFacts(changes);
      expect(settleDead(order, 112)).toMatchObject({
        order,
        status,
        reason,
        filledSize: order.filledSize,
        height: 112,
      });
      expect(report([order], [], 112).settled).toMatchObject([{ status, reason }]);
    });
  }

  test('the evidence of a refusal names the code only when it ends the order', () => {
    const end = { rule: 'dead', height: 112, good_til_block: 110, fills: 0 };
    expect(settleDead(orderFacts({ refusal }), 112).resolution).toEqual({ ...end, ...refusal });
    expect(settleDead(orderFacts({ refusal, ...cancelled }), 112).resolution).toEqual(end);
    expect(settleDead(orderFacts({ refusal, ...partial }), 112).resolution).toEqual({ ...end, fills: 1 });
  });

  test('Σ fills = size is FILLED at any time, also with a cancel requested or a refusal', () => {
    for (const changes of [{}, cancelled, { refusal }, { status: 'PENDING' }, { ...IOC }] as const) {
      const order = orderFacts(changes);
      const { bookings, settled } = report([order], [fillOf(order, { size: '10' })], 200);
      expect(bookings).toMatchObject([
        {
          status: 'FILLED',
          reason: 'completely filled',
          isLate: false,
          resolution: { rule: 'filled', height: 105, fills: 1 },
        },
      ]);
      expect(settled).toEqual([]);
    }
  });
});

describe('a change that the table of transitions does not list is a bug of ours, and throws', () => {
  test('when an order that has ended is settled again', () => {
    for (const status of ['FILLED', 'REJECTED', 'EXPIRED'] as const) {
      expect(() => settleDead(orderFacts({ status, isCancelRequested: true }), 112)).toThrow(
        `order order-1 may not go from ${status} to CANCELLED`,
      );
    }
  });

  test('when a partially filled order without a fill was refused: nothing of the report is booked', () => {
    const contradicted = orderFacts({
      status: 'PARTIALLY_FILLED',
      refusal: { codespace: 'clob', code: 2004, log: '' },
    });
    const sound = orderFacts({}, 2);
    expect(() => report([sound, contradicted], [fillOf(sound)], 115)).toThrow(
      'order order-1 may not go from PARTIALLY_FILLED to REJECTED',
    );
  });
});

describe('a fill that is not provably ours is unexplained and changes nothing', () => {
  const order = orderFacts();
  const FOREIGN: readonly (readonly [string, Partial<Fill>, string, IncidentKind?])[] = [
    ['another market', { market: 'ETH-USD' }, 'market ETH-USD, the order is on BTC-USD', 'misfit_fill'],
    ['the other side', { side: 'SELL' }, 'side SELL, the order is a BUY', 'misfit_fill'],
    [
      'a block before the first signature',
      { height: 99 },
      'block 99, the order can only fill in 100–110',
      'misfit_fill',
    ],
    [
      'a block after the good-til-block',
      { height: 111 },
      'block 111, the order can only fill in 100–110',
      'misfit_fill',
    ],
    [
      'more than the size',
      { size: '10.000000000000000001' },
      'overfill: 10.000000000000000001 of 10',
      'overfill',
    ],
    ['an order that is not ours', { orderUuid: 'ffffffff-ffff-5fff-8fff-ffffffffffff' }, 'no order of ours'],
    ['no order, such as a liquidation', { orderUuid: undefined, type: 'LIQUIDATED' }, 'no order of ours'],
  ];
  for (const [name, changes, reason, kind] of FOREIGN) {
    test(name, () => {
      const fill = fillOf(order, changes);
      const { incidents, ...rest } = report([order], [fill], 111);
      expect(rest).toEqual({ bookings: [], unexplained: [{ fill, reason }], settled: [] });
      // What names no order of ours is somebody else's business.
      expect(incidents.map((each) => [each.kind, each.subject])).toEqual(
        kind === undefined ? [] : [[kind, fill.id]],
      );
    });
  }

  const UNBOOKABLE: Readonly<Record<string, Partial<Fill>>> = {
    'a size of nothing': { size: '0' },
    'a negative size': { size: '-1' },
    'a size that is no number': { size: 'NaN' },
    'a size of 21 digits': { size: '100000000000000000000' },
    'a price of nothing': { price: '0' },
    'a negative price': { price: '-60000' },
    'a price with an exponent': { price: '6e4' },
    'a fee with a nineteenth place': { fee: '0.0000000000000000001' },
    'a fee of minus 21 digits': { fee: '-100000000000000000000' },
  };
  for (const [name, changes] of Object.entries(UNBOOKABLE)) {
    test(`${name} stops no other fill of the order`, () => {
      const odd = fillOf(order, changes);
      const { bookings, unexplained } = report([order], [odd, fillOf(order)]);
      expect(unexplained).toEqual([
        {
          fill: odd,
          reason: `figures that cannot be booked: size ${odd.size}, price ${odd.price}, fee ${odd.fee}`,
        },
      ]);
      expect(bookings.map(({ filledSize }) => filledSize)).toEqual(['1']);
    });
  }

  test('figures of any length are quoted in at most 200 characters', () => {
    const [entry] = report([order], [fillOf(order, { size: '9'.repeat(5_000) })]).unexplained;
    expect(entry?.reason).toMatch(/^figures that cannot be booked: size 9+$/);
    expect(entry?.reason).toHaveLength(200);
  });

  test('the window includes the first signed height and the good-til-block', () => {
    const fills = [fillOf(order, { height: 100 }), fillOf(order, { height: 110 })];
    expect(report([order], fills).bookings).toHaveLength(2);
  });

  test('an overfill does not keep a smaller fill after it from being booked', () => {
    const fills = [fillOf(order, { size: '8' }), fillOf(order, { size: '3' }), fillOf(order, { size: '2' })];
    const result = report([order], fills);
    expect(result.bookings.map(({ filledSize }) => filledSize)).toEqual(['8', '10']);
    expect(result.unexplained).toHaveLength(1);
  });

  test('fills of orders that we do not have are older than this database up to the start height', () => {
    const stranger = (height: number) => fillOf(order, { orderUuid: undefined, height });
    expect(report([], [stranger(START)]).unexplained).toEqual([]);
    expect(report([], [stranger(START + 1)]).unexplained).toHaveLength(1);
  });

  test('between any fills of ours', () => {
    fc.assert(
      fc.property(
        histories,
        fc.array(fc.tuple(fc.nat(12), fc.nat(FOREIGN.length - 1)), { maxLength: 5 }),
        ({ orders, fills }, extras) => {
          const [target = order] = orders;
          const mixed = [...fills];
          for (const [index, kind] of extras) {
            const changes = { ...FOREIGN[kind]?.[1], ...(kind === 4 ? { size: '1000' } : {}) };
            mixed.splice(
              Math.min(index, mixed.length),
              0,
              fillOf(target, kind === 3 ? { height: 99 } : changes),
            );
          }
          const clean = report(orders, fills, 115);
          const dirty = report(orders, mixed, 115);
          expect(ends(applied(orders, dirty))).toEqual(ends(applied(orders, clean)));
          expect(dirty.bookings).toEqual(clean.bookings);
          expect(dirty.unexplained).toHaveLength(clean.unexplained.length + extras.length);
        },
      ),
    );
  });
});
