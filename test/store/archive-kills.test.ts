// Twenty SIGKILLs of an archiving process, at random moments by a seed: after each one every row is in exactly one place.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { seedOrders } from '../../src/kit/bench/seed-orders.ts';
import type { Database } from '../../src/store/database.ts';
import { bareEnvironment } from '../support/child-environment.ts';
import { createDatabase } from '../support/databases.ts';
import { randomBySeed } from '../support/intents.ts';
import { booksOf, countOf, runArchive, runsOf } from './old-orders.ts';

const KILLS = 20;
const SEED = 11;
const ORDERS = 8_000;
/** About three batches. */
const MAX_DELAY_MS = 120;
const VICTIM = join(import.meta.dirname, '..', 'support', 'killable-archiver.ts');

async function kill(url: string, delayMs: number): Promise<void> {
  const child = spawn(process.execPath, [VICTIM, url, String(delayMs)], {
    env: bareEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
}

/** The server carries the statement of a dead client to its end. */
async function untilSessionIsGone(db: Database): Promise<void> {
  const sessions = sql<{ count: number }>`SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'dydx-order-router archive'`;
  await expect.poll(async () => (await sessions.execute(db)).rows[0]?.count, { interval: 10 }).toBe(0);
}

test(`${KILLS} kills of the archiving process lose and double nothing`, { timeout: 240_000 }, async () => {
  await using database = await createDatabase();
  const { db, url } = database;
  await seedOrders(url, { orders: ORDERS, seed: SEED });
  const before = await booksOf(db);
  const random = randomBySeed(SEED);
  const moved: number[] = [];
  for (let turn = 0; turn < KILLS; turn++) {
    const delayMs = Math.round(random() * MAX_DELAY_MS);
    await kill(url, delayMs);
    await untilSessionIsGone(db);
    expect(await booksOf(db), `kill ${turn} of seed ${SEED}, after ${delayMs} ms`).toEqual(before);
    const { rows: halves } = await sql`SELECT FROM order_status_history_archive h
      WHERE NOT EXISTS (SELECT FROM orders_archive o WHERE o.id = h.order_id)`.execute(db);
    expect(halves).toEqual([]);
    moved.push(await countOf(db, 'orders_archive'));
  }
  // The kills have come amid the work: some moved orders, and orders were left for the last one.
  expect(new Set(moved).size).toBeGreaterThan(KILLS / 4);
  const run = await runArchive(database);
  if (run.outcome === 'busy') throw new Error('a dead process has the turn');
  expect(run.counts['orders']).toBeGreaterThan(0);
  expect(await booksOf(db)).toEqual(before);
  const ended = await runsOf(db);
  expect(ended.map(({ outcome }) => outcome)).toEqual([...Array(KILLS).fill('failed'), 'done']);
  expect(ended[0]?.error).toBe('its process ended without a word');
});
