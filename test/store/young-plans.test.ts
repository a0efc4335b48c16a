// On a database that has just been made, nothing is known of its tables, and a prepared plan is kept when they have grown:
// the statements of submitter and reconciler must name their rows from the first one on.
import { afterAll, expect, test } from 'vitest';
import { capturing, planNodes } from '../../bench/explain.ts';
import { startAttempts, startResends } from '../../src/store/attempts.ts';
import { claimCursors } from '../../src/store/cursors.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { endNeverSent, recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { createDatabase } from '../support/databases.ts';
import { answerOf, attemptOf, fillOf, inMs, newCursor, reportOf, signed, unsigned } from './builders.ts';

const database = await createDatabase();
const byKey = openDatabase({ url: database.url, isByKey: true });
afterAll(async () => {
  await byKey.destroy();
  await database[Symbol.asyncDispose]();
});

/** What one order goes through, as the workers send it. */
async function liveOnce(db: Database): Promise<void> {
  const order = await signed(db);
  await startResends(db, [{ id: order.id, attempt: 1, retryCount: 0 }]);
  await recordOutcomes(db, [answerOf(order)]);
  const waiting = await unsigned(db);
  await startAttempts(db, [{ ...attemptOf(), id: waiting.id, wakeAt: inMs(9_000) }], 20);
  const late = await unsigned(db);
  const resolution = { rule: 'never_sent', cause: 'late', at: new Date().toISOString() } as const;
  await endNeverSent(db, [{ id: late.id, status: 'EXPIRED', reason: 'late', resolution }]);
  const cursor = await newCursor(db, order.attempt.order.id.owner);
  await claimCursors(db, { limit: 8, deadAt: 90, leaseMs: 1_000 });
  await bookReport(db, reportOf(cursor, [fillOf(order)], 101), 1);
}

/** Tables of orders that are read whole. */
async function scannedTables(db: Database): Promise<string[]> {
  const captured = capturing(db);
  await liveOnce(captured.db);
  const plans = await Promise.all(captured.queries.map((query) => planNodes(db, query)));
  return plans
    .flat()
    .filter((node) => node['Node Type'] === 'Seq Scan')
    .flatMap((node) => node['Relation Name'] ?? [])
    .filter((table) => table === 'orders' || table === 'order_attempts');
}

test('statements of the workers read no table of orders whole', async () => {
  expect(await scannedTables(byKey)).toEqual([]);
});

test('without isByKey they would', async () => {
  expect(await scannedTables(database.db)).toContain('orders');
});
