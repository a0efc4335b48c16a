// What is open and held, counted from the first signature until the end, and which of what was let through is counted.
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { fromAtoms } from '../../src/core/decimal.ts';
import type { IntentInput } from '../../src/core/intent.ts';
import { openDatabase } from '../../src/store/database.ts';
import { readExposures } from '../../src/store/exposures.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { insertRow, nextName, setStatus, signed, signedColumns, unsigned } from './builders.ts';

const database = await createDatabase();
const { db } = database;
const worker = openDatabase({ url: asLogin(database.url, 'worker') });
afterAll(async () => {
  await worker.destroy();
  await database[Symbol.asyncDispose]();
});

async function standingOf(owner: string, market = 'BTC-USD') {
  const { markets } = await readExposures(worker, []);
  const found = markets.find((each) => each.owner === owner && each.market === market);
  if (found === undefined) return undefined;
  const { openOrders, position, openBuys, openSells } = found;
  return {
    openOrders,
    position: fromAtoms(position),
    openBuys: fromAtoms(openBuys),
    openSells: fromAtoms(openSells),
  };
}

const hold = (owner: string, subaccount_number: number, market: string, size: string) =>
  db.insertInto('positions').values({ owner, subaccount_number, market, size }).execute();

test('orders in doubt, open and partly filled ones count by side with what remains of them; ended ones do not', async () => {
  const owner = nextName('dydx1open');
  const place = (changes: Partial<IntentInput> = {}) => signed(db, changes, { owner });
  await place();
  await setStatus(db, await place(), 'OPEN');
  await setStatus(db, await place({ side: 'SELL' }), 'PARTIALLY_FILLED');
  for (const end of ['FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'] as const)
    await setStatus(db, await place(), end);
  expect(await standingOf(owner)).toEqual({ openOrders: 3, position: '0', openBuys: '20', openSells: '6' });
});

test('a row of which nothing is signed does not count: it is asked about when it is its turn', async () => {
  const before = await readExposures(db, []);
  await unsigned(db);
  expect((await readExposures(db, [])).markets).toEqual(before.markets);
});

test('positions of all subaccounts of an owner are one, with or without open orders', async () => {
  const owner = nextName('dydx1held');
  await hold(owner, 0, 'ETH-USD', '-3.5');
  await hold(owner, 1, 'ETH-USD', '1.25');
  await hold(owner, 0, 'BTC-USD', '0');
  expect(await standingOf(owner, 'ETH-USD')).toEqual({
    openOrders: 0,
    position: '-2.25',
    openBuys: '0',
    openSells: '0',
  });
  expect(await standingOf(owner)).toBeUndefined();
  await signed(db, { market: 'ETH-USD', side: 'SELL', size: '0.000000000000000001' }, { owner });
  expect(await standingOf(owner, 'ETH-USD')).toMatchObject({
    openOrders: 1,
    position: '-2.25',
    openSells: '0.000000000000000001',
  });
});

test('stateful orders are counted by subaccount', async () => {
  const owner = nextName('dydx1stateful');
  const stateful = (subaccount_number: number, nonce: number, changes = {}) =>
    insertRow(db, {
      ...signedColumns(),
      owner,
      subaccount_number,
      order_flags: 64,
      first_good_til_block: null,
      good_til_block: null,
      good_til_blocks: null,
      good_til_time: new Date(Date.now() + 86_400_000),
      nonce,
      ...changes,
    });
  await stateful(0, 1);
  await stateful(0, 2);
  await stateful(1, 3);
  await signed(db, {}, { owner });
  const { subaccounts } = await readExposures(worker, []);
  expect(
    subaccounts
      .filter((each) => each.owner === owner)
      .toSorted((a, b) => a.subaccountNumber - b.subaccountNumber),
  ).toEqual([
    { owner, subaccountNumber: 0, openStateful: 2 },
    { owner, subaccountNumber: 1, openStateful: 1 },
  ]);
});

test('of what was let through, the signed, the ended and the archived are told, the others wait', async () => {
  const keyOf = ({
    intent,
  }: {
    readonly intent: { readonly tenant_id: string; readonly client_id: string };
  }) => ({
    tenant_id: intent.tenant_id,
    client_id: intent.client_id,
  });
  const open = await signed(db);
  const waiting = await unsigned(db);
  const refused = await unsigned(db);
  await db
    .updateTable('orders')
    .set({
      status: 'REJECTED',
      status_reason: 'x',
      next_wake_at: null,
      resolution: JSON.stringify({ rule: 'never_sent', cause: 'x', at: 'now' }),
    })
    .where('id', '=', refused.id)
    .execute();
  const archived = await signed(db);
  await setStatus(db, archived, 'FILLED');
  await sql`SELECT archive_orders(${[archived.id]}::uuid[])`.execute(db);
  const unknown = { tenant_id: 'default', client_id: nextName('unknown') };
  const pending = [...[open, waiting, refused, archived].map(keyOf), unknown];
  const { counted } = await readExposures(worker, pending);
  expect(counted.map(({ client_id }) => client_id).toSorted()).toEqual(
    [open, refused, archived].map(({ intent }) => intent.client_id).toSorted(),
  );
});
