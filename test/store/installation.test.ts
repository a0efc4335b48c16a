// A database belongs to the first chain that asks, and to no other.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { readableError } from '../../src/ops/readable-error.ts';
import { openDatabase } from '../../src/store/database.ts';
import { highestKnownBlock, requireChain, requireKnownServer } from '../../src/store/installation.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { finishRecovery } from '../../src/store/recovery.ts';
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

test('on another server, or another timeline, no connection of those who sign and settle does anything until a recovery is finished', async () => {
  await using database = await createDatabase();
  const { db, url } = database;
  await requireChain(db, 'dydx-testnet-4');
  const { server } = await db.selectFrom('installation').select('server').executeTakeFirstOrThrow();
  expect(server).toMatch(/^\d{15,20}\/1$/);
  const ask = async () => {
    await using trader = openDatabase({ url, mustKnowServer: true });
    return await sql`SELECT 1 AS one`.execute(trader).then(
      ({ rows }) => rows,
      (error: unknown) => readableError(error),
    );
  };
  expect(await ask()).toEqual([{ one: 1 }]);
  for (const other of [`7${server}`, `${server}0`]) {
    await db.updateTable('installation').set({ server: other }).execute();
    expect(await ask()).toMatch(
      /^the database was on server \d+, timeline 10?, and is on .*: router recovered, or/,
    );
    await expect(requireKnownServer(db)).rejects.toThrow('nothing is signed and nothing settled');
  }
  await finishRecovery(db, { reason: 'promoted', setBy: 'test', isNothingLost: true });
  expect(await ask()).toEqual([{ one: 1 }]);
  // A server that does not tell is taken as it is.
  await db.updateTable('installation').set({ server: null }).execute();
  expect(await ask()).toEqual([{ one: 1 }]);
});
