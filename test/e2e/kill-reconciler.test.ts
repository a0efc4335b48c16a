import { test } from 'vitest';
import { killAndCompare, seedsFrom } from './kills.ts';

test('kills of the reconciler in the middle of a page lose no fill and book none twice', async () => {
  await killAndCompare('mid_page', seedsFrom(300, 14));
}, 300_000);
