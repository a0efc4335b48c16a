// Our books against the venue's truth: what agrees is silent, and every single difference is named.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareWithTruth, type OurOrder, type VenueTruth } from '../../src/core/compare.ts';
import { isFinal, STATUSES } from '../../src/core/status.ts';

type TheirOrder = VenueTruth['orders'][number];
type TheirFill = VenueTruth['fills'][number];

const fill = { id: 'fill-1', size: '1.5', price: '60000', fee: '-0.01', height: 105 };

/** Ended with one fill, and known to the venue as `their`. */
function our(changes: Partial<OurOrder> = {}): OurOrder {
  return {
    id: 'order-1',
    orderUuid: 'uuid-1',
    market: 'BTC-USD',
    side: 'BUY',
    quantums: '2500000000',
    subticks: '5900000000',
    goodTilBlock: 110,
    status: 'EXPIRED',
    filledSize: '1.5',
    fills: [fill],
    ...changes,
  };
}
function their(changes: Partial<TheirOrder> = {}): TheirOrder {
  return {
    id: 'uuid-1',
    market: 'BTC-USD',
    side: 'BUY',
    quantums: '2500000000',
    subticks: '5900000000',
    good_til_block: 110,
    live: false,
    ...changes,
  };
}
const theirFill = (changes: Partial<TheirFill> = {}): TheirFill => ({
  ...fill,
  order_id: 'uuid-1',
  ...changes,
});
const NOTHING: VenueTruth = { orders: [], fills: [] };
const truth = (order: TheirOrder, ...fills: TheirFill[]): VenueTruth => ({ orders: [order], fills });

/** What is said of order-1; undefined when the books agree. */
function difference(order: OurOrder, venue: VenueTruth): string | undefined {
  const [mismatch, ...more] = compareWithTruth([order], venue);
  expect(more).toEqual([]);
  if (mismatch !== undefined) expect(mismatch.order).toBe('order-1');
  return mismatch?.what;
}

describe('the books agree', () => {
  test('when every order and every fill is the same', () => {
    expect(compareWithTruth([our()], truth(their(), theirFill()))).toEqual([]);
  });

  test('when the figures are the same numbers in another writing', () => {
    const written = theirFill({ size: '1.50', price: '60000.0', fee: '-0.010' });
    expect(difference(our(), truth(their(), written))).toBeUndefined();
  });

  test('when the venue accepted an earlier signature than the last one', () => {
    expect(difference(our(), truth(their({ good_til_block: 105 }), theirFill()))).toBeUndefined();
  });

  test('about a stateful order, which ends with no block, here and there', () => {
    const venue = truth(their({ good_til_block: 0 }), theirFill());
    expect(difference(our({ goodTilBlock: null }), venue)).toBeUndefined();
  });

  test('about an order that never reached the venue', () => {
    for (const status of STATUSES.filter((other) => other !== 'OPEN')) {
      const unfilled = our({ status, filledSize: '0', fills: [] });
      expect(difference(unfilled, NOTHING), status).toBeUndefined();
      expect(difference({ ...unfilled, orderUuid: null }, NOTHING), status).toBeUndefined();
    }
  });

  test('about a live order that is active here, or FILLED and merely not removed yet', () => {
    const live = truth(their({ live: true }), theirFill());
    for (const status of STATUSES.filter((other) => !isFinal(other) || other === 'FILLED')) {
      expect(difference(our({ status }), live), status).toBeUndefined();
    }
  });

  test("while an active order's newest fills are on their way", () => {
    const both = truth(their({ live: true }), theirFill(), theirFill({ id: 'fill-2' }));
    expect(difference(our({ status: 'PARTIALLY_FILLED' }), both)).toBeUndefined();
  });
});

describe('the venue never had', () => {
  const missing = (changes: Partial<OurOrder>) => difference(our(changes), NOTHING);

  test('an order that we call OPEN', () => {
    expect(missing({ status: 'OPEN', filledSize: '0', fills: [] })).toBe('OPEN, but the venue never had it');
    expect(missing({ status: 'OPEN', filledSize: '0', fills: [], orderUuid: null })).toBe(
      'OPEN, but the venue never had it',
    );
  });

  test('an order that we call filled, in its size or by its fills', () => {
    expect(missing({ fills: [] })).toBe('EXPIRED, but the venue never had it');
    expect(missing({ filledSize: '0' })).toBe('EXPIRED, but the venue never had it');
  });
});

describe('a single difference is named:', () => {
  const ORDERS: readonly (readonly [string, Partial<TheirOrder>, string])[] = [
    ['market', { market: 'ETH-USD' }, 'another market or side'],
    ['side', { side: 'SELL' }, 'another market or side'],
    ['size', { quantums: '2500000001' }, 'another size or price'],
    ['price', { subticks: '5900000001' }, 'another size or price'],
    ['good-til-block', { good_til_block: 111 }, 'a good-til-block we never signed'],
    ['life', { live: true }, 'EXPIRED, but it may still fill'],
  ];
  for (const [name, changes, what] of ORDERS) {
    test(`the ${name} of the order`, () => {
      expect(difference(our(), truth(their(changes), theirFill()))).toBe(what);
    });
  }

  test('an order at the venue that we never signed', () => {
    const unsigned = our({ goodTilBlock: null });
    expect(difference(unsigned, truth(their(), theirFill()))).toBe('a good-til-block we never signed');
  });

  const FILLS: readonly (readonly [string, Partial<TheirFill>])[] = [
    ['size', { size: '1.500000000000000001' }],
    ['price', { price: '60000.1' }],
    ['fee', { fee: '0.01' }],
    ['height', { height: 106 }],
  ];
  for (const [name, changes] of FILLS) {
    test(`the ${name} of a fill`, () => {
      expect(difference(our(), truth(their(), theirFill(changes)))).toBe('fill fill-1 has other figures');
    });
  }

  test('a fill that never happened, also on an active order', () => {
    for (const status of ['EXPIRED', 'PARTIALLY_FILLED'] as const) {
      expect(difference(our({ status }), truth(their()))).toBe('fill fill-1 never happened');
    }
  });

  test('fills that we lack although the order has ended', () => {
    const three = [theirFill(), theirFill({ id: 'fill-2' }), theirFill({ id: 'fill-3' })];
    expect(difference(our(), truth(their(), ...three))).toBe('2 fills are missing');
  });

  test("another order's fill is not ours", () => {
    expect(difference(our(), truth(their(), theirFill({ order_id: 'uuid-2' })))).toBe(
      'fill fill-1 never happened',
    );
  });
});

describe('orders that the venue has and we do not', () => {
  test('are named by their own id', () => {
    const stranger = { order: 'uuid-9', what: 'the venue has an order that we do not know' };
    expect(compareWithTruth([], truth(their({ id: 'uuid-9' })))).toEqual([stranger]);
    expect(compareWithTruth([our({ orderUuid: null, filledSize: '0', fills: [] })], truth(their()))).toEqual([
      { ...stranger, order: 'uuid-1' },
    ]);
  });
});

test('of many orders, exactly those that differ are named, once each', () => {
  const row = fc.record({ isMissing: fc.boolean(), isMoved: fc.boolean(), hasOtherFee: fc.boolean() });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
      const ours = rows.map((_, n) => our({ id: `order-${n}`, orderUuid: `uuid-${n}` }));
      const kept = rows.flatMap((each, n) => (each.isMissing ? [] : [{ ...each, id: `uuid-${n}` }]));
      const venue = {
        orders: kept.map(({ id, isMoved }) => their({ id, ...(isMoved ? { side: 'SELL' } : {}) })),
        fills: kept.map(({ id, hasOtherFee }) =>
          theirFill({ order_id: id, ...(hasOtherFee ? { fee: '7' } : {}) }),
        ),
      };
      const differing = rows.flatMap((each, n) =>
        each.isMissing || each.isMoved || each.hasOtherFee ? [`order-${n}`] : [],
      );
      expect(compareWithTruth(ours, venue).map(({ order }) => order)).toEqual(differing);
    }),
  );
});
