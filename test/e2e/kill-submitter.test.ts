import { test } from 'vitest';
import { killAndCompare, seedsFrom } from './kills.ts';

test('kills of the submitter between commit and send lose nothing and double nothing', async () => {
  await killAndCompare('before_send', seedsFrom(100, 18));
}, 300_000);
