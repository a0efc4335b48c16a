// A simulation that passes proves something only if it fails when a fault is handled wrongly: each way of doing so is
// caught by a seed that the router as it is passes.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MUTATIONS, type MutationName, mutate } from '../../support/mutations.ts';
import { simulate } from './seeds.ts';

/** One of them catches each mutation, most of them several do (measured: the tenth at the latest). */
const SEEDS = Array.from({ length: 25 }, (_, index) => index + 1);

const names = Object.keys(MUTATIONS) as MutationName[];

test.each(names)('the source holds what %s changes, once', (name) => {
  for (const file of new Set(MUTATIONS[name].patches.map((patch) => patch.file))) {
    const source = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
    expect(mutate(name, file, source)).not.toBe(source);
  }
});

test('the router as it is passes these seeds', { timeout: 240_000 }, async () => {
  const results = await simulate(SEEDS);
  expect(results.filter(({ wrong }) => wrong.length > 0)).toEqual([]);
  expect(results).toHaveLength(SEEDS.length);
});

test.each(names)('%s is caught by one of them', { timeout: 240_000 }, async (name) => {
  const results = await simulate(SEEDS, name);
  expect(results.at(-1)?.wrong).not.toEqual([]);
});
