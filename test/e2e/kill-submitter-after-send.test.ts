import { test } from 'vitest';
import { killAndCompare, seedsFrom } from './kills.ts';

test('kills of the submitter between send and commit lose nothing and double nothing', async () => {
  await killAndCompare('after_send', seedsFrom(200, 18));
}, 300_000);
