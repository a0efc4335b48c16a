// The average is Σ size × price / Σ size of whole numbers, whatever floats make of them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { averageFillPrice } from '../../src/core/average-fill-price.ts';
import { fromAtoms, toAtoms } from '../../src/core/decimal.ts';

const CASES: readonly (readonly [string, readonly (readonly [string, string])[], string | null])[] = [
  ['no fill has none', [], null],
  ['one fill has its price', [['0.1', '60000.5']], '60000.5'],
  [
    'sizes weigh',
    [
      ['3', '100'],
      ['1', '200'],
    ],
    '125',
  ],
  [
    'floats would say 0.30000000000000004',
    [
      ['1', '0.1'],
      ['1', '0.5'],
    ],
    '0.3',
  ],
  [
    'a quotient without an end is rounded',
    [
      ['1', '1'],
      ['2', '0'],
    ],
    '0.333333333333333333',
  ],
  [
    'above a half goes up',
    [
      ['1', '2'],
      ['2', '0.000000000000000000'],
    ],
    '0.666666666666666667',
  ],
  [
    'a half goes to the even digit below',
    [
      ['1', '0.000000000000000001'],
      ['1', '0'],
    ],
    '0',
  ],
  [
    'and to the even digit above',
    [
      ['1', '0.000000000000000003'],
      ['1', '0'],
    ],
    '0.000000000000000002',
  ],
  [
    'as many digits as are stored',
    [['99999999999999999999.999999999999999999', '99999999999999999999.999999999999999999']],
    '99999999999999999999.999999999999999999',
  ],
];

test.each(CASES)('%s', (_, fills, average) => {
  expect(averageFillPrice(fills.map(([size, price]) => ({ size, price })))).toBe(average);
});

const atoms = fc.bigInt({ min: 1n, max: 10n ** 38n - 1n });

test('it is no further than half a digit from the exact one, and between the lowest price and the highest', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ size: atoms, price: atoms }), { minLength: 1, maxLength: 8 }),
      (rows) => {
        const fills = rows.map(({ size, price }) => ({ size: fromAtoms(size), price: fromAtoms(price) }));
        const average = toAtoms(averageFillPrice(fills) ?? '');
        const size = rows.reduce((sum, row) => sum + row.size, 0n);
        const value = rows.reduce((sum, row) => sum + row.size * row.price, 0n);
        const off = 2n * (average * size - value);
        expect((off < 0n ? -off : off) <= size).toBe(true);
        const prices = rows.map(({ price }) => price);
        expect(prices.some((price) => price <= average) && prices.some((price) => price >= average)).toBe(
          true,
        );
      },
    ),
  );
});
