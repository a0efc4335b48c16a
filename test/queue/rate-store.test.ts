// What the counts leave behind: the table is pruned, a bounded number of rows at a time, and keys stay in the queue's slot.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { expect, test } from 'vitest';
import { memoryRateStore, postgresRateStore } from '../../src/queue/rate-store.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';

test('rows that nobody asks for any more are deleted by whoever takes, once a minute', async () => {
  await using database = await createDatabase();
  const pool = new pg.Pool({
    connectionString: asLogin(database.url, 'worker'),
    options: '-c search_path=bullmq',
  });
  // Before the database that it is connected to goes.
  await using ending = new AsyncDisposableStack();
  ending.defer(() => pool.end());
  let nowMs = Date.now();
  const store = postgresRateStore(pool, () => nowMs);
  const rows = async () =>
    (await sql<{ key: string }>`SELECT key FROM rate_limits ORDER BY key`.execute(database.db)).rows.map(
      ({ key }) => key,
    );
  await sql`INSERT INTO rate_limits SELECT 'old-' || n, 1, ${nowMs - 1} FROM generate_series(1, 10500) n`.execute(
    database.db,
  );
  const take = () => store.take({ key: randomUUID(), points: 5, lifeS: 3_600 }, 1);
  await take();
  await expect.poll(async () => (await rows()).length).toBe(501);
  await take();
  nowMs += 61_000;
  await take();
  await expect.poll(async () => (await rows()).filter((key) => key.startsWith('old-'))).toEqual([]);
  expect(await rows()).toHaveLength(3);
});

test('a store in memory counts as the shared ones do', async () => {
  const store = memoryRateStore();
  const bucket = { key: 'a', points: 10, lifeS: 60 };
  expect([await store.take(bucket, 7), await store.take(bucket, 7), await store.take(bucket, 7)]).toEqual([
    7, 3, 0,
  ]);
  expect(await store.take({ ...bucket, key: 'b' }, 1)).toBe(1);
});
