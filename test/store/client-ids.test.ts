// The venue's client ids: no two allocators ever hand out the same one, also where the range ends.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createClientIds } from '../../src/store/client-ids.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrator.ts';
import { createDatabase } from '../support/databases.ts';

const MAX_UINT32 = 4_294_967_295;

async function take(ids: { next: () => Promise<number> }, count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, () => ids.next()));
}

async function setSequence(db: Database, value: number): Promise<void> {
  await sql`SELECT setval('dydx_client_id_blocks', ${value})`.execute(db);
}

test('twenty allocators of several processes never hand out one id twice', async () => {
  await using database = await createDatabase();
  const pools = Array.from({ length: 4 }, () => openDatabase({ url: database.url, maxConnections: 2 }));
  const allocators = Array.from({ length: 20 }, (_, index) =>
    createClientIds(pools[index % pools.length] ?? database.db),
  );
  const ids = (await Promise.all(allocators.map((allocator) => take(allocator, 2_500)))).flat();
  await Promise.all(pools.map((pool) => pool.destroy()));
  expect(new Set(ids).size).toBe(50_000);
  expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id <= MAX_UINT32)).toBe(true);
});

test('one allocator takes one block for a thousand ids, also when all ask at once', async () => {
  await using database = await createDatabase();
  await setSequence(database.db, 7_000);
  const ids = await take(createClientIds(database.db), 1_000);
  expect(ids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, index) => 8_000 + index));
  const { rows } = await sql<{ last: string }>`SELECT last_value AS last FROM dydx_client_id_blocks`.execute(
    database.db,
  );
  expect(rows[0]?.last).toBe('8000');
});

test('at its end the range is cut, and goes on from 0 without an id twice', async () => {
  await using database = await createDatabase();
  await setSequence(database.db, 4_294_965_000);
  const ids = await take(createClientIds(database.db), 3_296);
  expect(ids.slice(0, 2)).toEqual([4_294_966_000, 4_294_966_001]);
  expect(ids[1_000]).toBe(4_294_967_000);
  expect(ids[1_295]).toBe(MAX_UINT32);
  expect(ids[1_296]).toBe(0);
  expect(ids.at(-1)).toBe(1_999);
  expect(Math.max(...ids)).toBe(MAX_UINT32);
  expect(new Set(ids).size).toBe(ids.length);
});

test('an allocator that found no database goes on when it is back', async () => {
  await using database = await createDatabase();
  const { db } = database;
  const ids = createClientIds(db);
  await sql`ALTER SEQUENCE dydx_client_id_blocks RENAME TO away`.execute(db);
  const failed = await Promise.allSettled([ids.next(), ids.next()]);
  expect(failed.map((result) => result.status)).toEqual(['rejected', 'rejected']);
  await sql`ALTER SEQUENCE away RENAME TO dydx_client_id_blocks`.execute(db);
  expect(await ids.next()).toBeGreaterThanOrEqual(0);
});

test('fresh databases start at different places, on whole blocks', async () => {
  const starts = await Promise.all(
    Array.from({ length: 4 }, async () => {
      await using empty = await createDatabase('empty');
      await migrate(empty.db);
      return await createClientIds(empty.db).next();
    }),
  );
  expect(new Set(starts).size).toBe(4);
  expect(starts.filter((start) => start % 1_000 !== 0)).toEqual([]);
});
