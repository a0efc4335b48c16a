import { expect, test } from 'vitest';
import { wholeNumber } from '../../src/cli/whole-number.ts';

test('a number within the limits is read, and the limits are told of every other text', () => {
  const parse = wholeNumber(1, 10);
  expect([parse('1'), parse('10')]).toEqual([1, 10]);
  for (const text of ['0', '11', '-1', '1.5', '1e1', ' 1', '', 'one']) {
    expect(() => parse(text)).toThrow('must be a whole number between 1 and 10');
  }
});
