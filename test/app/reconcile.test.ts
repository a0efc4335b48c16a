// A list of fills into which others are put while it is read: none of them is passed over for good. (Found by the
// simulation.)
import { afterAll, expect, test } from 'vitest';
import { type ReconcileDeps, reconcileSubaccount } from '../../src/app/reconcile.ts';
import type { Fill } from '../../src/core/ports.ts';
import { noTelemetry } from '../../src/core/telemetry.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { cursorOf, fillOf, fillsOf, newCursor, nextName, signed } from '../store/builders.ts';
import { createDatabase } from '../support/databases.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const PAGE_SIZE = 2;
const HEIGHT = 115;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** @param listAt what the venue shows to the n-th question */
async function subaccount(listAt: (question: number, fills: readonly Fill[]) => readonly Fill[]) {
  const owner = nextName('dydx1s');
  await newCursor(db, owner);
  const order = await signed(db, { size: '10' }, { owner });
  const fills = Array.from({ length: 7 }, (_, index) => fillOf(order, { height: 103 + index }));
  let question = 0;
  const deps: ReconcileDeps = {
    indexer: {
      height: async () => HEIGHT,
      fills: async (_owner, _number, page, limit) => {
        const list = listAt(question++, fills);
        return { fills: list.slice((page - 1) * limit, page * limit), totalResults: list.length };
      },
      orders: async () => [],
    },
    claim: async () => [],
    release: async () => {},
    mayAsk: async () => true,
    book: (report) => bookReport(db, report, 1),
    compare: async () => ({ unexplained: [], incidents: [] }),
    recordIncidents: async () => [],
    chainHeight: () => HEIGHT,
    pageSize: PAGE_SIZE,
    catchUpSize: PAGE_SIZE,
    marginBlocks: 1,
    intervalMs: 1_000,
    maxIdleMs: 60_000,
    log: silent,
    telemetry: noTelemetry,
  };
  return {
    run: async () => reconcileSubaccount(deps, await cursorOf(db, owner), HEIGHT),
    booked: async () => (await fillsOf(db, order)).map(({ id }) => id).toSorted(),
    all: fills.map(({ id }) => id).toSorted(),
  };
}

test('a fill that is put in before what was read, between two pages, is booked all the same', async () => {
  const { run, booked, all } = await subaccount((question, fills) =>
    question < 2 ? fills.toSpliced(1, 1) : fills,
  );
  const runs = [await run(), await run()];
  expect(await booked()).toEqual(all);
  // Told once each, also those of the page that was shifted: a late one is an error line.
  expect(runs.reduce((sum, { fills }) => sum + fills, 0)).toBe(all.length);
});

test('also when more are put in while the list is read again', async () => {
  // The third run finds another list, and while it reads that again the first fill of all turns up.
  const { run, booked, all } = await subaccount((question, fills) => {
    if (question < 4) return fills.slice(2);
    return question < 6 ? fills.slice(1) : fills;
  });
  for (let pass = 0; pass < 5; pass++) await run();
  expect(await booked()).toEqual(all);
});
