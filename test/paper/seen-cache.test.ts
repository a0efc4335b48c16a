// The cache of seen transactions forgets the oldest first, and only when it is full.
import { expect, test } from 'vitest';
import { createSeenCache } from '../../src/paper/node/seen-cache.ts';

test('the oldest hash leaves first, and a hash that is asked again does not become younger', () => {
  const cache = createSeenCache(3);
  expect(['a', 'b', 'c'].map(cache.add)).toEqual([true, true, true]);
  expect(['a', 'b', 'c'].map(cache.add)).toEqual([false, false, false]);
  expect(cache.add('d')).toBe(true);
  expect(['b', 'c', 'd'].map(cache.add)).toEqual([false, false, false]);
  expect(cache.add('a')).toBe(true);
  expect(cache.add('b')).toBe(true);
});
