// Who reads a subaccount, and when: one reader at a time, those with something to settle first, idle ones seldom.
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { type ClaimOptions, claimCursors, ensureCursor, releaseCursors } from '../../src/store/cursors.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createDatabase } from '../support/databases.ts';
import { cursorOf, newCursor, nextName, reportOf, signed } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const LEASE_MS = 10_000;
/** No block is known to be past. */
const NOTHING_DEAD = -1;

/** @returns subaccount numbers of one owner, in the order of their urgency */
async function claim(owner: string, options: Partial<ClaimOptions> = {}) {
  const claimed = await claimCursors(db, {
    limit: 10,
    deadAt: NOTHING_DEAD,
    leaseMs: LEASE_MS,
    owner,
    ...options,
  });
  return claimed.map(({ subaccountNumber }) => subaccountNumber).toSorted();
}

/** Subaccounts 0, 1, … of an owner; those of `active` have an order with good-til-block 110 plus its number. */
async function ownerWith(count: number, active: readonly number[] = []): Promise<string> {
  const owner = nextName('dydx1c');
  for (let subaccountNumber = 0; subaccountNumber < count; subaccountNumber++)
    await ensureCursor(db, { owner, subaccountNumber }, 90);
  for (const subaccount_number of active)
    await signed(db, { subaccount_number }, { owner, goodTilBlock: 110 + subaccount_number });
  return owner;
}

const release = (owner: string, subaccountNumber: number, dueInMs: number, idlePasses = 0) =>
  releaseCursors(db, [{ owner, subaccountNumber, dueInMs, idlePasses }]);

async function lapse(owner: string): Promise<void> {
  await sql`UPDATE reconcile_cursors SET claimed_until = claimed_until - interval '1 hour'
    WHERE owner = ${owner}`.execute(db);
}

test('a new subaccount is due at once, and what one reader has claimed no other gets', async () => {
  const owner = await ownerWith(3);
  const readers = await Promise.all(Array.from({ length: 6 }, () => claim(owner, { limit: 1 })));
  const later = await claim(owner);
  expect([...readers.flat(), ...later].toSorted()).toEqual([0, 1, 2]);
  expect(await claim(owner)).toEqual([]);
});

test('a reader that has died is followed by another when its claim has lapsed', async () => {
  const owner = await ownerWith(1);
  expect(await claim(owner)).toEqual([0]);
  expect(await claim(owner)).toEqual([]);
  await lapse(owner);
  expect(await claim(owner)).toEqual([0]);
});

test('what was released is due again after its time, not before', async () => {
  const owner = await ownerWith(2);
  await claim(owner);
  await release(owner, 0, 60_000);
  await release(owner, 1, 0);
  expect(await claim(owner)).toEqual([1]);
});

test('orders to settle, a nudge and the first order of an idle subaccount do not wait', async () => {
  const owner = await ownerWith(4, [0]);
  await claim(owner);
  for (const number of [0, 1, 2, 3]) await release(owner, number, 60_000, number === 0 ? 0 : 3);
  expect(await claim(owner)).toEqual([]);
  expect(await claim(owner, { deadAt: 109 })).toEqual([]);
  expect(await claim(owner, { deadAt: 110 })).toEqual([0]);
  expect(await claim(owner, { nudged: [{ owner, subaccountNumber: 1 }] })).toEqual([1]);
  await signed(db, { subaccount_number: 2 }, { owner });
  expect(await claim(owner)).toEqual([2]);
});

test('when not all can be read, those with orders to settle come first, then those with orders', async () => {
  const owner = await ownerWith(4, [1, 3]);
  expect(await claim(owner, { limit: 1, deadAt: 111 })).toEqual([1]);
  expect(await claim(owner, { limit: 1, deadAt: 111 })).toEqual([3]);
  expect(await claim(owner, { limit: 2, deadAt: 111 })).toEqual([0, 2]);
});

test('an idle subaccount that nobody read for ten minutes does not wait for active ones', async () => {
  const owner = await ownerWith(2, [0]);
  await sql`UPDATE reconcile_cursors SET due_at = clock_timestamp() - interval '1 hour'
    WHERE owner = ${owner} AND subaccount_number = 1`.execute(db);
  await release(owner, 0, 0);
  expect(await claim(owner, { limit: 1 })).toEqual([1]);
});

test('a page that was booked renews the claim of its reader, and makes none', async () => {
  const owner = nextName('dydx1c');
  const cursor = await newCursor(db, owner);
  await bookReport(db, reportOf(cursor, [], 100), 1);
  expect(await claim(owner)).toEqual([0]);
  await sql`UPDATE reconcile_cursors SET claimed_until = clock_timestamp() + interval '1 second'
    WHERE owner = ${owner}`.execute(db);
  await bookReport(db, reportOf(await cursorOf(db, owner), [], 101), 1);
  const { rows } = await sql<{ is_renewed: boolean }>`
    SELECT claimed_until > clock_timestamp() + interval '1.5 seconds' AS is_renewed FROM reconcile_cursors
    WHERE owner = ${owner}`.execute(db);
  expect(rows).toEqual([{ is_renewed: true }]);
});
