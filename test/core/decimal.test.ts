// Decimals are exact in both directions, and what would lose a digit is undefined.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromAtoms, fromScaled, normalizeDecimal, toAtoms, toScaled } from '../../src/core/decimal.ts';

test('a value is scaled by moving its point', () => {
  expect(toScaled('1.5', 1)).toBe(15n);
  expect(toScaled('1.5', 3)).toBe(1500n);
  expect(toScaled('1.50', 1)).toBe(15n);
  expect(toScaled('007.5', 1)).toBe(75n);
  expect(toScaled('-0.000001', 6)).toBe(-1n);
  expect(toScaled('1200', -2)).toBe(12n);
  expect(toScaled('0', -2)).toBe(0n);
});

test('what would lose digits is undefined', () => {
  expect(toScaled('1.55', 1)).toBeUndefined();
  expect(toScaled('1250', -2)).toBeUndefined();
  expect(toScaled('0.0000000000000000001', 18)).toBeUndefined();
});

for (const text of [
  '',
  ' ',
  '1e3',
  '1E-7',
  'NaN',
  'Infinity',
  '+1',
  '.5',
  '5.',
  '1,5',
  '1_000',
  ' 1',
  '1\n',
  '0x1',
  '--1',
  '١',
]) {
  test(`${JSON.stringify(text)} is no plain decimal`, () => {
    expect(toScaled(text, 0)).toBeUndefined();
    expect(toScaled(text, 18)).toBeUndefined();
    expect(() => toAtoms(text)).toThrow('not a decimal');
  });
}

test('an integer is written as the shortest decimal', () => {
  expect(fromScaled(15n, 1)).toBe('1.5');
  expect(fromScaled(1500n, 3)).toBe('1.5');
  expect(fromScaled(-5n, 3)).toBe('-0.005');
  expect(fromScaled(0n, 10)).toBe('0');
  expect(fromScaled(12n, -2)).toBe('1200');
  expect(fromScaled(12n, 0)).toBe('12');
});

test('integer → decimal → integer is the identity, far beyond the precision of a float', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
      fc.integer({ min: -20, max: 30 }),
      (n, exponent) => {
        expect(toScaled(fromScaled(n, exponent), exponent)).toBe(n);
      },
    ),
  );
});

test('a scaled decimal has no exponent, no trailing zeros and no bare point', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
      fc.integer({ min: 0, max: 30 }),
      (n, exponent) => {
        expect(fromScaled(n, exponent)).toMatch(/^-?(0|[1-9]\d*)(\.\d*[1-9])?$/);
      },
    ),
  );
});

test('stored decimals add up exactly where floats do not', () => {
  expect(fromAtoms(toAtoms('0.1') + toAtoms('0.2'))).toBe('0.3');
  expect(fromAtoms(toAtoms('123456789012345678.123456789') + toAtoms('0.000000000000000001'))).toBe(
    '123456789012345678.123456789000000001',
  );
});

test('a decimal of more than 18 places cannot have come from the database', () => {
  expect(toAtoms('0.000000000000000001')).toBe(1n);
  expect(() => toAtoms('0.0000000000000000001')).toThrow('at most 18 places');
});

test('one number has one normal form', () => {
  for (const text of ['1', '1.0', '01', '1.000000000000000000']) expect(normalizeDecimal(text)).toBe('1');
  expect(normalizeDecimal('-0.10')).toBe('-0.1');
});
