// What the figures count, one order of each kind at a time.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { ensureCursor } from '../../src/store/cursors.ts';
import { databaseTime, readFigures } from '../../src/store/figures.ts';
import { recordOutcomes } from '../../src/store/outcomes.ts';
import { createDatabase } from '../support/databases.ts';
import { answerOf, refusalOf, signed, unsigned } from './builders.ts';

async function openDb() {
  const database = await createDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  return database.db;
}

test('an empty database has nothing of anything, and no age', async () => {
  const db = await openDb();
  const { connections, maxConnections, ...figures } = await readFigures(db);
  expect(figures).toEqual({
    activeByStatus: { PENDING: 0, OPEN: 0, PARTIALLY_FILLED: 0 },
    inDoubt: 0,
    oldestDoubtSeconds: 0,
    dueRows: 0,
    oldestDueSeconds: 0,
    unexplainedFills: 0,
    unexplainedOrders: 0,
    openIncidents: 0,
    oldestReconcileSeconds: 0,
  });
  expect(connections).toBeGreaterThan(0);
  expect(maxConnections).toBeGreaterThan(connections);
});

test('in doubt is what was sent and has no answer, or one that says nothing; what has an answer is not', async () => {
  const db = await openDb();
  await unsigned(db);
  const silent = await signed(db);
  const doubted = await signed(db);
  const deferred = await signed(db);
  const accepted = await signed(db);
  const refused = await signed(db);
  await recordOutcomes(db, [
    answerOf(doubted, { outcome: 'doubt', code: null }),
    answerOf(deferred, { outcome: 'deferred', codespace: 'clob', code: 11 }),
    answerOf(accepted),
    refusalOf(refused),
  ]);
  await db.transaction().execute(async (trx) => {
    await sql`SET LOCAL session_replication_role = replica`.execute(trx);
    await sql`UPDATE order_attempts SET created_at = created_at - interval '1 hour' WHERE order_id = ${doubted.id}`.execute(
      trx,
    );
  });
  const figures = await readFigures(db);
  expect(figures.activeByStatus).toEqual({ PENDING: 4, OPEN: 1, PARTIALLY_FILLED: 0 });
  expect(figures.inDoubt).toBe(2);
  expect(Math.floor(figures.oldestDoubtSeconds / 3600)).toBe(1);
  await recordOutcomes(db, [answerOf(silent), answerOf(doubted)]);
  expect(await readFigures(db)).toMatchObject({ inDoubt: 0, oldestDoubtSeconds: 0 });
});

test('due rows, unexplained fills and the subaccount that waits longest have their ages', async () => {
  const db = await openDb();
  const order = await signed(db, {}, { owner: 'dydx1waits' });
  for (const owner of ['dydx1waits', 'dydx1idle']) await ensureCursor(db, { owner, subaccountNumber: 0 }, 1);
  await sql`UPDATE orders SET next_wake_at = now() - interval '2 hours' WHERE id = ${order.id}`.execute(db);
  // The idle one was reconciled longer ago, but nobody waits for it.
  await sql`UPDATE reconcile_cursors SET updated_at = now() -
    CASE owner WHEN 'dydx1idle' THEN interval '9 hours' ELSE interval '3 hours' END`.execute(db);
  await sql`INSERT INTO unexplained_fills (id, owner, subaccount_number, reason, fill)
    VALUES (${randomUUID()}, 'dydx1waits', 0, 'no order of ours', '{}')`.execute(db);
  const figures = await readFigures(db);
  expect(figures).toMatchObject({ dueRows: 1, unexplainedFills: 1 });
  const hours = [figures.oldestDueSeconds, figures.oldestReconcileSeconds].map((age) =>
    Math.floor(age / 3600),
  );
  expect(hours).toEqual([2, 3]);
});

test('the database tells its own time', async () => {
  const db = await openDb();
  const before = await databaseTime(db);
  expect((await databaseTime(db)).getTime()).toBeGreaterThanOrEqual(before.getTime());
});
