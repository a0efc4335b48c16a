// incidents, unexplained and stuck as they are typed: what they list, and how they end.
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { recordIncidents } from '../../src/store/incidents.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { fillOf, newCursor, nextName, reportOf, signed } from '../store/builders.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { runRouter } from '../support/run-router.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());
const router = (...args: readonly string[]) => runRouter(asLogin(database.url, 'worker'), ...args);

test('nothing to look at ends with 0 and says so', async () => {
  expect(await router('incidents')).toEqual({ code: 0, stdout: 'no incidents\n', stderr: '' });
  expect((await router('unexplained')).stdout).toMatch(/^every fill and every order .* is one of ours\n$/);
  expect((await router('stuck')).stdout).toBe('no order stands still for more than 60 s\n');
});

test('an incident is listed with its evidence until it is closed', async () => {
  const order = await signed(db);
  const details = { height: 5, was: 9 };
  await recordIncidents(db, [
    { kind: 'height_backwards', subject: 'dydx1a/0', details },
    { kind: 'overfill', subject: 'fill', orderId: order.id, details },
  ]);
  const listed = await router('incidents');
  expect(listed.code).toBe(1);
  expect(listed.stdout).toMatch(/height_backwards +dydx1a\/0 .*\{"was":9,"height":5\}/);
  expect(listed.stdout).toContain(order.intent.client_id);
  const [first, second] = (await router('incidents', '--json')).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect([first.kind, second.kind]).toEqual(['overfill', 'height_backwards']);
  for (const { id } of [first, second])
    expect((await router('incidents', 'close', id, '--by', 'alice')).stdout).toBe(
      `incident ${id} is closed\n`,
    );
  expect(await router('incidents')).toMatchObject({ code: 0, stdout: 'no incidents\n' });
  expect((await router('incidents', '--all')).stdout).toMatch(/height_backwards .* alice /);
  expect(await router('incidents', 'close', first.id)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`there is no open incident ${first.id}`),
  });
  expect(await router('incidents', 'close', 'one')).toMatchObject({ code: 1, stdout: '' });
});

test('a fill that no intent explains is listed with its reason', async () => {
  const owner = nextName('dydx1t');
  const order = await signed(db, {}, { owner });
  const fill = fillOf(order, { market: 'ETH-USD' });
  await bookReport(db, reportOf(await newCursor(db, owner), [fill]), 1);
  const listed = await router('unexplained');
  expect(listed.code).toBe(1);
  expect(listed.stdout).toMatch(new RegExp(`fill +${owner}/0 .* market ETH-USD, the order is on BTC-USD`));
  expect(JSON.parse((await router('unexplained', '--json')).stdout)).toMatchObject({
    what: 'fill',
    id: fill.id,
  });
});

test('an order that was sent without an answer, and one that nobody took, stand still', async () => {
  const order = await signed(db, { market: 'ETH-USD' });
  await db.transaction().execute(async (trx) => {
    await sql`SET LOCAL session_replication_role = replica`.execute(trx);
    await sql`UPDATE order_attempts SET created_at = created_at - interval '1 hour' WHERE order_id = ${order.id}`.execute(
      trx,
    );
    await sql`UPDATE orders SET next_wake_at = NULL WHERE id = ${order.id}`.execute(trx);
  });
  const stuck = await router('stuck', '--older-than', '600');
  expect(stuck.code).toBe(1);
  expect(stuck.stdout).toMatch(new RegExp(`${order.intent.client_id} .* neither an answer nor proof came`));
  const listed = (await router('stuck', '--older-than', '600', '--json')).stdout.trim().split('\n');
  expect(listed.map((line) => JSON.parse(line))).toMatchObject([
    { client_id: order.intent.client_id, why: 'doubt', status: 'PENDING' },
  ]);
});
