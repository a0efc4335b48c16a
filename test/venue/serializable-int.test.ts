// The chain's big integers, with vectors of Go's big.Int.GobEncode.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readSerializableInt } from '../../src/venue/serializable-int.ts';

test.each([
  ['', 0n],
  ['02', 0n],
  ['0201', 1n],
  ['02ff', 255n],
  ['020100', 256n],
  ['0201312d00', 20_000_000n],
  ['02174876e800', 100_000_000_000n],
  ['02ffffffffffffffffffff', 2n ** 80n - 1n],
  ['0301', -1n],
  ['030100', -256n],
] as const)('%s is %s', (hex, value) => {
  expect(readSerializableInt(Buffer.from(hex, 'hex'))).toBe(value);
});

test('another first byte is no integer', () => {
  for (const hex of ['00', '01', '04', '0401', 'ff']) {
    expect(readSerializableInt(Buffer.from(hex, 'hex'))).toBeUndefined();
  }
});

test('any integer is read back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 2n ** 128n }), fc.boolean(), (magnitude, isNegative) => {
      const hex = magnitude.toString(16);
      const bytes = Buffer.from(`${isNegative ? '03' : '02'}${hex.length % 2 === 0 ? '' : '0'}${hex}`, 'hex');
      expect(readSerializableInt(bytes)).toBe(isNegative ? -magnitude : magnitude);
    }),
  );
});
