// A database belongs to the first chain that asks, and to no other.
import { expect, test } from 'vitest';
import { highestKnownBlock, requireChain } from '../../src/store/installation.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createDatabase } from '../support/databases.ts';
import { newCursor, reportOf } from './builders.ts';

test('of many starters of one chain every one is let in, and all see the same installation', async () => {
  await using database = await createDatabase();
  const ids = await Promise.all(Array.from({ length: 8 }, () => requireChain(database.db, 'dydx-testnet-4')));
  expect(new Set(ids).size).toBe(1);
});

test('another chain is refused with both names and what to do', async () => {
  await using database = await createDatabase();
  await requireChain(database.db, 'dydx-testnet-4');
  await expect(requireChain(database.db, 'dydx-mainnet-1')).rejects.toThrow(
    /belongs to chain dydx-testnet-4, not dydx-mainnet-1: use another database/,
  );
});

test('the highest known block is that of the cursor that has read furthest', async () => {
  await using database = await createDatabase();
  const { db } = database;
  expect(await highestKnownBlock(db)).toBe(0);
  const [near, far] = [await newCursor(db, 'dydx1near'), await newCursor(db, 'dydx1far')];
  await bookReport(db, reportOf(near, [], 120), 1);
  await bookReport(db, reportOf(far, [], 240), 1);
  expect(await highestKnownBlock(db)).toBe(240);
});
