// Each limit refuses what is beyond it, in words with limit, value and setting, and lets what is at it pass.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromAtoms, toAtoms } from '../../src/core/decimal.ts';
import {
  exposureOf,
  type Limits,
  limitsSchema,
  NO_STANDING,
  needsOracle,
  needsStanding,
  type Standing,
  strictest,
  tooManyIntents,
  whyBeyondAlone,
  whyBeyondOpen,
  withOrder,
} from '../../src/core/limits.ts';
import { BTC_USD } from './builders.ts';

const from = (limits: Limits, nameOf = (limit: string) => `${limit} of market BTC-USD`) => [
  { limits, nameOf },
];
type Order = Parameters<typeof whyBeyondOpen>[0];
/** An order of 2 BTC at 60000, the oracle's price. */
const order: Order = {
  account: 'default',
  market: 'BTC-USD',
  side: 'BUY',
  type: 'LIMIT',
  size: '2',
  price: '60000',
  triggerPrice: undefined,
  reduceOnly: false,
};
const sell: Order = { ...order, side: 'SELL' };
const refusal = (field: string, reason: string) => ({ field, code: 'limit', reason });

test('of several limits the lowest holds, and is named', () => {
  const sources = [
    ...from({ max_order_notional: '300' }, () => 'MAX_ORDER_NOTIONAL'),
    ...from({ max_order_notional: '99.5' }),
    ...from({ max_order_notional: '100', max_open_orders: 1 }, () => 'other'),
  ];
  expect(strictest(sources, 'max_order_notional')).toEqual({
    shown: '99.5',
    atoms: toAtoms('99.5'),
    setting: 'max_order_notional of market BTC-USD',
  });
  expect(strictest(sources, 'max_open_orders')?.shown).toBe('1');
  expect(strictest(sources, 'max_exposure')).toBeUndefined();
});

test('no limit, no refusal, and nothing has to be known', () => {
  const none = from({});
  expect(whyBeyondAlone(order, BTC_USD, none)).toBeUndefined();
  expect(whyBeyondOpen(order, BTC_USD, { ...NO_STANDING, openOrders: 1_000_000 }, none)).toBeUndefined();
  expect([needsOracle(sell, none), needsStanding(order, none)]).toEqual([false, false]);
});

test('max_order_size', () => {
  expect(whyBeyondAlone(order, BTC_USD, from({ max_order_size: '2' }))).toBeUndefined();
  expect(whyBeyondAlone(order, BTC_USD, from({ max_order_size: '1.999999' }))).toEqual(
    refusal('size', 'size 2 is above 1.999999 (max_order_size of market BTC-USD)'),
  );
});

describe('max_order_notional', () => {
  test('of a control, and of a setting', () => {
    expect(whyBeyondAlone(order, BTC_USD, from({ max_order_notional: '120000' }))).toBeUndefined();
    expect(whyBeyondAlone(order, BTC_USD, from({ max_order_notional: '100000' }))).toEqual(
      refusal('size', 'notional 120000 USD is above 100000 (max_order_notional of market BTC-USD)'),
    );
    const setting = from({ max_order_notional: '119999.99' }, () => 'MAX_ORDER_NOTIONAL');
    expect(whyBeyondAlone(order, BTC_USD, setting)?.reason).toBe(
      'notional 120000 USD is above 119999.99 (MAX_ORDER_NOTIONAL)',
    );
  });

  test('a SELL far below the market is worth what the market pays', () => {
    const cheap = { ...sell, price: '1' };
    expect(whyBeyondAlone(cheap, BTC_USD, from({ max_order_notional: '119999' }))?.reason).toMatch(
      /^notional 120000 USD/,
    );
    expect(
      whyBeyondAlone({ ...order, price: '1' }, BTC_USD, from({ max_order_notional: '2' })),
    ).toBeUndefined();
  });

  test.each([
    ['a TAKE_PROFIT_LIMIT whose trigger is met, by the oracle', 'TAKE_PROFIT_LIMIT', '100', '120000'],
    ['a STOP_LIMIT far below the market, by the oracle', 'STOP_LIMIT', '100', '120000'],
    ['a TAKE_PROFIT_LIMIT that waits, by its trigger', 'TAKE_PROFIT_LIMIT', '80000', '160000'],
  ] as const)('a conditional SELL is worth what it may bring: %s', (_, type, triggerPrice, worth) => {
    const placement: Order = { ...sell, type, triggerPrice, price: '95' };
    expect(whyBeyondAlone(placement, BTC_USD, from({ max_order_notional: worth }))).toBeUndefined();
    const less = from({ max_order_notional: String(Number(worth) - 1) });
    expect(whyBeyondAlone(placement, BTC_USD, less)?.reason).toContain(`notional ${worth} USD`);
  });

  test('a conditional BUY costs its own price at most', () => {
    const placement: Order = { ...order, type: 'TAKE_PROFIT_LIMIT', triggerPrice: '90000', price: '50' };
    expect(whyBeyondAlone(placement, BTC_USD, from({ max_order_notional: '100' }))).toBeUndefined();
  });

  test('a SELL above the market, or without an oracle price, is worth its own price', () => {
    const dear = { ...sell, price: '70000' };
    const limit = from({ max_order_notional: '139999' });
    expect(whyBeyondAlone(dear, BTC_USD, limit)?.reason).toMatch(/^notional 140000 USD/);
    expect(whyBeyondAlone(dear, { ...BTC_USD, oraclePrice: '' }, limit)?.reason).toMatch(/^notional 140000/);
  });
});

describe('price_collar_ppm', () => {
  const collar = from({ price_collar_ppm: 50_000 });

  test.each([
    ['BUY', 'LIMIT', '63000', '63000.1', 'above 63000'],
    ['SELL', 'LIMIT', '57000', '56999.9', 'below 57000'],
    ['BUY', 'MARKET', '63000', '63000.1', 'above 63000'],
    ['SELL', 'MARKET', '57000', '56999.9', 'below 57000'],
  ] as const)('a %s %s at most so far from the oracle price', (side, type, at, beyond, where) => {
    expect(whyBeyondAlone({ ...order, side, type, price: at }, BTC_USD, collar)).toBeUndefined();
    expect(whyBeyondAlone({ ...order, side, type, price: beyond }, BTC_USD, collar)).toEqual(
      refusal(
        'price',
        `price ${beyond} is ${where}, 50000 ppm from the oracle price 60000 (price_collar_ppm of market BTC-USD)`,
      ),
    );
  });

  test.each([
    ['STOP_MARKET', 'SELL', '40000', '38000', '37999', 'below 38000'],
    ['STOP_LIMIT', 'SELL', '59999.9', '56999.905', '56999.9', 'below 56999.905'],
    ['TAKE_PROFIT_MARKET', 'SELL', '60000.1', '57000.095', '57000.09', 'below 57000.095'],
    ['TAKE_PROFIT_LIMIT', 'SELL', '80000', '76000', '75999', 'below 76000'],
    ['STOP_MARKET', 'BUY', '80000', '84000', '84000.1', 'above 84000'],
    ['STOP_LIMIT', 'BUY', '60000.1', '63000.105', '63000.2', 'above 63000.105'],
    ['TAKE_PROFIT_MARKET', 'BUY', '59999.9', '62999.895', '62999.9', 'above 62999.895'],
    ['TAKE_PROFIT_LIMIT', 'BUY', '40000', '42000', '42000.1', 'above 42000'],
  ] as const)(
    'a %s %s that waits for %s at most so far from that, wherever the oracle is',
    (type, side, triggerPrice, at, beyond, where) => {
      const conditional: Order = { ...order, side, type, triggerPrice };
      expect(whyBeyondAlone({ ...conditional, price: at }, BTC_USD, collar)).toBeUndefined();
      expect(whyBeyondAlone({ ...conditional, price: beyond }, BTC_USD, collar)?.reason).toContain(
        `price ${beyond} is ${where}, 50000 ppm from the trigger price ${triggerPrice} (`,
      );
    },
  );

  test.each([
    ['STOP_MARKET', 'SELL', '60000', '56999.9'],
    ['STOP_LIMIT', 'SELL', '90000', '56999.9'],
    ['TAKE_PROFIT_MARKET', 'SELL', '60000', '56999.9'],
    ['TAKE_PROFIT_LIMIT', 'SELL', '100', '95'],
    ['STOP_MARKET', 'BUY', '60000', '63000.1'],
    ['STOP_LIMIT', 'BUY', '100', '63000.1'],
    ['TAKE_PROFIT_MARKET', 'BUY', '126000', '126000'],
    ['TAKE_PROFIT_LIMIT', 'BUY', '60000', '63000.1'],
  ] as const)(
    'a %s %s whose trigger price %s is met at most so far from the oracle price',
    (type, side, triggerPrice, beyond) => {
      const conditional: Order = { ...order, side, type, triggerPrice };
      const edge = side === 'BUY' ? '63000' : '57000';
      expect(whyBeyondAlone({ ...conditional, price: edge }, BTC_USD, collar)).toBeUndefined();
      expect(whyBeyondAlone({ ...conditional, price: beyond }, BTC_USD, collar)?.reason).toMatch(
        /ppm from the oracle price 60000 /,
      );
    },
  );

  test('better prices always pass', () => {
    expect(whyBeyondAlone({ ...order, price: '1' }, BTC_USD, collar)).toBeUndefined();
    expect(whyBeyondAlone({ ...sell, price: '900000' }, BTC_USD, collar)).toBeUndefined();
  });

  test('without a price to hold it against nothing passes', () => {
    for (const oraclePrice of ['', '0', '-1', '1e3']) {
      const stop: Order = { ...order, type: 'STOP_LIMIT', triggerPrice: '60000' };
      expect(whyBeyondAlone(stop, { ...BTC_USD, oraclePrice }, collar)?.reason).toMatch(/no usable oracle/);
      expect(whyBeyondAlone(order, { ...BTC_USD, oraclePrice }, collar)).toEqual(
        refusal(
          'price',
          `there is no usable oracle price ${oraclePrice} to hold it against (price_collar_ppm of market BTC-USD)`,
        ),
      );
    }
    const unset: Order = { ...order, type: 'STOP_LIMIT' };
    expect(whyBeyondAlone(unset, BTC_USD, collar)?.reason).toMatch(/no usable trigger price/);
  });
});

const standing = (changes: Partial<Record<'position' | 'openBuys' | 'openSells', string>>): Standing => ({
  openOrders: 0,
  position: toAtoms(changes.position ?? '0'),
  openBuys: toAtoms(changes.openBuys ?? '0'),
  openSells: toAtoms(changes.openSells ?? '0'),
});

test('max_open_orders', () => {
  const limit = from({ max_open_orders: 10 }, () => 'MAX_OPEN_ORDERS');
  expect(needsStanding(order, limit)).toBe(true);
  expect(whyBeyondOpen(order, BTC_USD, { ...NO_STANDING, openOrders: 9 }, limit)).toBeUndefined();
  const full = { ...NO_STANDING, openOrders: 10 };
  expect(whyBeyondOpen(order, BTC_USD, full, limit)).toEqual(
    refusal('market', 'account default has 10 open orders in BTC-USD, the limit is 10 (MAX_OPEN_ORDERS)'),
  );
  const reduceOnly = { ...order, reduceOnly: true };
  expect([needsStanding(reduceOnly, limit), whyBeyondOpen(reduceOnly, BTC_USD, full, limit)]).toEqual([
    false,
    undefined,
  ]);
});

describe('max_exposure', () => {
  const limit = from({ max_exposure: '600000' });
  const beyond = (placement: Order, now: Standing) => whyBeyondOpen(placement, BTC_USD, now, limit);

  test('counts what is held, and all that is open on one side', () => {
    expect(beyond(order, standing({ position: '5', openBuys: '3' }))).toBeUndefined();
    expect(beyond(order, standing({ position: '5', openBuys: '3.5' }))).toEqual(
      refusal(
        'size',
        'exposure of account default in BTC-USD would be 630000 USD, above 600000 (max_exposure of market BTC-USD)',
      ),
    );
    expect(beyond(sell, standing({ position: '-5', openSells: '3.5' }))?.reason).toMatch(/630000 USD/);
    expect(beyond(sell, standing({ position: '1', openSells: '10' }))?.reason).toMatch(/660000 USD/);
  });

  test('an order that makes it smaller passes, however large it is', () => {
    const long = standing({ position: '50' });
    expect(beyond(sell, long)).toBeUndefined();
    expect(beyond({ ...sell, size: '100' }, long)).toBeUndefined();
    expect(beyond({ ...sell, size: '100.1' }, long)?.reason).toMatch(/3006000 USD/);
    expect(beyond(order, long)?.reason).toMatch(/3120000 USD/);
  });

  test('without an oracle price nothing that adds to it passes', () => {
    const blind = whyBeyondOpen(order, { ...BTC_USD, oraclePrice: '0' }, NO_STANDING, limit);
    expect(blind?.reason).toMatch(/^there is no usable oracle price to value it by \(max_exposure/);
  });
});

test('an oracle price of long ago decides about what is held against it, and nothing else', () => {
  const stop: Order = { ...sell, type: 'STOP_LIMIT', triggerPrice: '59000' };
  const reduceOnly = { ...order, reduceOnly: true };
  const asked = (limits: Limits) =>
    [order, sell, stop, reduceOnly].map((placement) => needsOracle(placement, from(limits)));
  expect(asked({ max_order_size: '1', max_open_orders: 1 })).toEqual([false, false, false, false]);
  expect(asked({ max_exposure: '1' })).toEqual([true, true, true, false]);
  expect(asked({ price_collar_ppm: 1 })).toEqual([true, true, true, true]);
  expect(asked({ max_order_notional: '1' })).toEqual([false, true, true, false]);
});

test('too many intents are told how many, and by what', () => {
  const bound = strictest(
    from({ intents_per_second: 5 }, () => 'MAX_INTENTS_PER_SECOND'),
    'intents_per_second',
  );
  if (bound === undefined) throw new Error('no bound');
  expect(tooManyIntents('t', 7, bound)).toEqual(
    refusal(
      'tenant_id',
      'tenant t offers more than 5 intents a second, 7 of them at once (MAX_INTENTS_PER_SECOND)',
    ),
  );
});

test('whatever is let through one after another, exposure and count never pass their limits', () => {
  const size = fc.bigInt({ min: 1n, max: 5n * 10n ** 18n }).map(fromAtoms);
  const orders = fc.array(fc.record({ side: fc.constantFrom('BUY', 'SELL'), size }), { maxLength: 60 });
  fc.assert(
    fc.property(
      orders,
      fc.bigInt(0n, 20n * 10n ** 18n),
      fc.nat(30),
      (placements, maxUnits, max_open_orders) => {
        const max_exposure = fromAtoms(maxUnits * 60_000n);
        let now = NO_STANDING;
        for (const each of placements) {
          const placement = { ...order, ...each };
          if (whyBeyondOpen(placement, BTC_USD, now, from({ max_exposure, max_open_orders })) === undefined) {
            now = withOrder(now, placement);
          }
        }
        expect(exposureOf(now)).toBeLessThanOrEqual(maxUnits);
        expect(now.openOrders).toBeLessThanOrEqual(max_open_orders);
      },
    ),
  );
});

test('taking an order out again leaves what was before', () => {
  const before = standing({ position: '1', openBuys: '2', openSells: '3' });
  for (const placement of [order, sell]) {
    expect(withOrder(withOrder(before, placement), placement, -1)).toEqual(before);
  }
});

test('limits are decimals and counts, and nothing else', () => {
  const good = {
    max_order_size: '0.5',
    max_order_notional: '100000',
    max_open_orders: 0,
    max_exposure: '0',
    price_collar_ppm: 50_000,
    intents_per_second: 1,
  };
  expect(limitsSchema.parse(good)).toEqual(good);
  for (const bad of [
    { max_exposure: 5 },
    { max_open_orders: 1.5 },
    { intents_per_second: 0 },
    { other: 1 },
  ]) {
    expect(limitsSchema.safeParse(bad).success).toBe(false);
  }
});
