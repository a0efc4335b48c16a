import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { listHeartbeats, recordHeartbeat } from '../../src/store/queue-heartbeats.ts';
import { takeTurn } from '../../src/store/timer-turns.ts';
import { createDatabase } from '../support/databases.ts';

const HOUR_MS = 3_600_000;

test('of many processes one gets the turn, and the next only after the interval', async () => {
  await using database = await createDatabase();
  const { db } = database;
  const turns = await Promise.all(Array.from({ length: 20 }, () => takeTurn(db, 'sweep', HOUR_MS)));
  expect(turns.filter((turn) => turn !== undefined)).toHaveLength(1);
  expect(await takeTurn(db, 'sweep', HOUR_MS)).toBeUndefined();
  expect(await takeTurn(db, 'heartbeats', HOUR_MS)).toBeInstanceOf(Date);
  await sql`UPDATE timer_turns SET taken_at = taken_at - interval '61 minutes' WHERE timer = 'sweep'`.execute(
    db,
  );
  expect(await takeTurn(db, 'sweep', HOUR_MS)).toBeInstanceOf(Date);
  expect(await takeTurn(db, 'sweep', HOUR_MS)).toBeUndefined();
});

test('a turn that was taken in the future, before the clock was set back, holds nobody up', async () => {
  await using database = await createDatabase();
  const { db } = database;
  await takeTurn(db, 'sweep', HOUR_MS);
  await sql`UPDATE timer_turns SET taken_at = taken_at + interval '1 day'`.execute(db);
  expect(await takeTurn(db, 'sweep', HOUR_MS)).toBeInstanceOf(Date);
});

test('of heartbeats the newest counts, whatever order they come in', async () => {
  await using database = await createDatabase();
  const { db } = database;
  expect(await listHeartbeats(db)).toEqual([]);
  const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(db);
  const now = rows[0]?.now ?? new Date(0);
  await recordHeartbeat(db, 'orders', new Date(now.getTime() - 1_000));
  const [first] = await listHeartbeats(db);
  expect(first?.transitMs).toBeGreaterThanOrEqual(1_000);
  await recordHeartbeat(db, 'orders', new Date(now.getTime() - 60_000));
  const [same] = await listHeartbeats(db);
  expect(same?.transitMs).toBe(first?.transitMs);
  await recordHeartbeat(db, 'orders', now);
  const [newer] = await listHeartbeats(db);
  expect(newer?.transitMs).toBeLessThan(1_000 + (first?.transitMs ?? 0));
  await recordHeartbeat(db, 'maintenance', now);
  expect((await listHeartbeats(db)).map(({ queue }) => queue)).toEqual(['maintenance', 'orders']);
});
