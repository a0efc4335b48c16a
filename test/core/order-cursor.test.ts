import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatCursor, parseCursor } from '../../src/core/order-cursor.ts';

test('a cursor is read as it was written, to the microsecond', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 16n - 1n }), fc.uuid(), (micros, id) => {
      const cursor = { createdAtMicros: String(micros), id };
      expect(parseCursor(formatCursor(cursor))).toEqual(cursor);
    }),
  );
});

test.each([
  '',
  '42',
  '1_2',
  '1_00000000-0000-0000-0000-00000000000g',
  '-1_00000000-0000-0000-0000-000000000000',
])('%j is no cursor', (text) => {
  expect(parseCursor(text)).toBeUndefined();
});
