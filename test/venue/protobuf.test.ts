// The wire format: what is written is read back, and no input makes the reader throw or hang.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesField, readMessage, uint64Field } from '../../src/venue/protobuf.ts';

test('fields are read back as they were written', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
      fc.uint8Array({ minLength: 1 }),
      (number, bytes) => {
        const message = readMessage(Buffer.concat([uint64Field(4, number), bytesField(1, bytes)]));
        expect(message?.uint64(4)).toBe(number);
        expect(Buffer.from(message?.bytes(1) ?? []).equals(bytes)).toBe(true);
      },
    ),
  );
});

test('of a repeated field all values are there in order; of one that must not repeat the last one counts', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1 }), { minLength: 1 }), fc.nat(), (values, number) => {
      const message = readMessage(
        Buffer.concat([...values.map((value) => bytesField(2, value)), uint64Field(3, BigInt(number))]),
      );
      expect(message?.everyBytes(2).map((value) => Buffer.from(value))).toEqual(
        values.map((v) => Buffer.from(v)),
      );
      expect(Buffer.from(message?.bytes(2) ?? []).equals(values.at(-1) ?? new Uint8Array(0))).toBe(true);
      expect(message?.everyBytes(9)).toEqual([]);
    }),
  );
});

test('empty fields are left out', () => {
  expect(uint64Field(4, 0n)).toHaveLength(0);
  expect(bytesField(1, new Uint8Array(0))).toHaveLength(0);
});

test('fixed-width fields are passed over', () => {
  const fixed = Uint8Array.of((1 << 3) | 5, 1, 2, 3, 4, (2 << 3) | 1, 1, 2, 3, 4, 5, 6, 7, 8, 3 << 3, 9);
  expect(readMessage(fixed)?.uint64(3)).toBe(9n);
});

test('what is cut off or no message is undefined', () => {
  for (const bytes of [[0x0a, 5, 1], [0x08], [0x08, 0xff], [0x0b], [0x0d, 1, 2], Array(11).fill(0xff)]) {
    expect(readMessage(Uint8Array.from(bytes))).toBeUndefined();
  }
});

test('any bytes end in a message or undefined', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const message = readMessage(bytes);
      expect(message === undefined || typeof message === 'object').toBe(true);
    }),
  );
});
