// Text for people: columns that stand under each other, decimals without the database's zeros.
import { expect, test } from 'vitest';
import { short, table, time } from '../../src/cli/output.ts';

test('columns are as wide as their widest cell, and lines end with their last word', () => {
  const rows = [
    ['id', 'status', ''],
    ['order-1', 'OPEN', 'x'],
    ['o', 'PARTIALLY_FILLED'],
  ];
  expect(table(rows).split('\n')).toEqual([
    'id       status',
    'order-1  OPEN              x',
    'o        PARTIALLY_FILLED',
  ]);
  expect(table([])).toBe('');
});

test.each([
  ['1.500000000000000000', '1.5'],
  ['10.000000000000000000', '10'],
  ['100', '100'],
  ['0.000000000000000001', '0.000000000000000001'],
  ['-0.010', '-0.01'],
  [null, '-'],
])('%s is written %s', (decimal, expected) => {
  expect(short(decimal)).toBe(expected);
});

test('a time is UTC to the millisecond', () => {
  expect(time(new Date('2026-03-04T05:06:07.089Z'))).toBe('2026-03-04 05:06:07.089');
  expect(time(null)).toBe('-');
});
