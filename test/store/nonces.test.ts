// The allocator of timestamp nonces: whoever asks at once, each nonce is given once, above all before, near the chain's
// time, and only so many are in doubt as the chain remembers.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { settleNonce, takeNonce } from '../../src/store/stateful.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { nextName, openSession, untilBlocked } from './builders.ts';

const database = await createDatabase();
const { db } = database;
/** As many workers, each with a connection of its own. */
const workers = Array.from({ length: 8 }, () =>
  openDatabase({ url: asLogin(database.url, 'worker'), maxConnections: 1 }),
);
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.destroy()));
  await database[Symbol.asyncDispose]();
});

const BLOCK_MS = Date.UTC(2026, 2, 4);
const MAX_IN_DOUBT = 10;

// Asked where no other transaction can come between: what breaks the rule fails the statement that breaks it.
beforeAll(async () => {
  await sql`CREATE FUNCTION watch_nonces() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (SELECT count(*) FROM nonces_in_doubt WHERE owner = NEW.owner) > ${sql.lit(MAX_IN_DOUBT)} THEN
        RAISE EXCEPTION 'too many in doubt';
      END IF;
      IF EXISTS (SELECT FROM nonces_in_doubt WHERE owner = NEW.owner AND nonce > NEW.nonce)
        OR NEW.nonce <= (SELECT last_nonce FROM signer_nonces WHERE owner = NEW.owner) THEN
        RAISE EXCEPTION 'not above all before';
      END IF;
      RETURN NULL;
    END $$`.execute(db);
  // Rows of one statement each by itself: the second is above the first.
  await sql`CREATE TRIGGER watch_nonces AFTER INSERT ON nonces_in_doubt FOR EACH ROW EXECUTE FUNCTION watch_nonces()`.execute(
    db,
  );
  await sql`ALTER FUNCTION watch_nonces() SECURITY DEFINER`.execute(db);
});

const at = (ms: number) => new Date(BLOCK_MS + ms);
const newOwner = () => nextName('dydx1nonce');
const take = (owner: string, ms = 0, on: Database = db) => takeNonce(on, owner, at(ms));

async function takeMany(owner: string, wanted: number, ms = 0): Promise<number[]> {
  const { rows } = await sql<{ nonce: string }>`
    SELECT take_nonces(${owner}, ${BLOCK_MS + ms}, ${wanted}) AS nonce`.execute(db);
  return rows.map(({ nonce }) => Number(nonce) - BLOCK_MS);
}

const inDoubt = async (owner: string) =>
  (
    await db
      .selectFrom('nonces_in_doubt')
      .select('nonce')
      .where('owner', '=', owner)
      .orderBy('nonce')
      .execute()
  ).map(({ nonce }) => Number(nonce) - BLOCK_MS);

describe('200 nonces asked for by eight connections at once', () => {
  test('are unique, each worker’s increase, never more than 10 are in doubt, none is more than 20 s ahead', async () => {
    const owner = newOwner();
    const taken: number[] = [];
    let blocks = 0;
    let refusals = 0;
    const work = async (worker: Database) => {
      const own: number[] = [];
      const held: number[] = [];
      while (taken.length < 200) {
        const blockTime = at(blocks * 20);
        const nonce = await takeNonce(worker, owner, blockTime);
        if (nonce !== undefined) {
          expect(nonce - blockTime.getTime()).toBeLessThanOrEqual(20_000);
          expect(nonce).toBeGreaterThanOrEqual(blockTime.getTime());
          taken.push(nonce);
          own.push(nonce);
          held.push(nonce);
          continue;
        }
        // A block later those of this worker are on chain.
        refusals += 1;
        blocks += 1;
        for (const settled of held.splice(0)) await settleNonce(worker, owner, settled);
      }
      expect(own).toEqual(own.toSorted((a, b) => a - b));
      return own.length;
    };
    const counts = await Promise.all(workers.map(work));
    expect(new Set(taken).size).toBe(taken.length);
    expect(refusals).toBeGreaterThan(0);
    expect(counts.filter((count) => count > 0).length).toBeGreaterThan(1);
  });

  test('of an owner that nobody has heard of are ten, to whomever', async () => {
    const owner = newOwner();
    const asked = Array.from({ length: 25 }, () => workers.map((worker) => take(owner, 0, worker)));
    const taken = (await Promise.all(asked.flat())).flatMap((nonce) => nonce ?? []);
    expect(taken.map((nonce) => nonce - BLOCK_MS).toSorted((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
  });
});

describe('a nonce', () => {
  test('is the time of the block, or one above the last', async () => {
    const owner = newOwner();
    expect(await takeMany(owner, 3)).toEqual([0, 1, 2]);
    expect(await takeMany(owner, 2, 1_000)).toEqual([1_000, 1_001]);
    // Who knows an older block only gets none that is below.
    expect(await takeMany(owner, 2, 500)).toEqual([1_002, 1_003]);
  });

  test('lies at most 20 s above the block, whatever was given before', async () => {
    const owner = newOwner();
    await db
      .insertInto('signer_nonces')
      .values({ owner, last_nonce: BLOCK_MS + 19_997 })
      .execute();
    expect(await takeMany(owner, 5)).toEqual([19_998, 19_999, 20_000]);
    expect(await take(owner)).toBeUndefined();
    expect(await takeMany(owner, 5, 1)).toEqual([20_001]);
    expect(await takeMany(owner, 5, 20_001)).toEqual([20_002, 20_003, 20_004, 20_005, 20_006]);
  });

  test('is asked for by number: no more are given than are wanted, and none for none', async () => {
    const owner = newOwner();
    expect(await takeMany(owner, 0)).toEqual([]);
    expect(await takeMany(owner, -1)).toEqual([]);
    expect(await inDoubt(owner)).toEqual([]);
    expect(await takeMany(owner, 200)).toHaveLength(MAX_IN_DOUBT);
    expect(await take(owner)).toBeUndefined();
  });

  test('of a transaction that is rolled back is nobody’s, and in no doubt', async () => {
    const owner = newOwner();
    const rolledBack = db.transaction().execute(async (trx) => {
      expect(await take(owner, 0, trx)).toBe(BLOCK_MS);
      throw new Error('rolled back');
    });
    await expect(rolledBack).rejects.toThrow('rolled back');
    expect(await inDoubt(owner)).toEqual([]);
  });
});

describe('ten in doubt', () => {
  test('make room one by one, as they are settled', async () => {
    const owner = newOwner();
    await takeMany(owner, MAX_IN_DOUBT);
    await settleNonce(db, owner, BLOCK_MS + 4);
    expect(await takeMany(owner, 5)).toEqual([10]);
    expect(await inDoubt(owner)).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9, 10]);
  });

  test('make room when the chain would not take them any more, and not a millisecond before', async () => {
    const owner = newOwner();
    await takeMany(owner, MAX_IN_DOUBT);
    expect(await takeMany(owner, 1, 30_000)).toEqual([]);
    expect(await takeMany(owner, 5, 30_001)).toEqual([30_001]);
    expect(await inDoubt(owner)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 30_001]);
    expect(await takeMany(owner, 200, 30_010)).toHaveLength(9);
  });
});

describe('two owners', () => {
  test('do not wait for each other, and two workers of one owner do', async () => {
    const [one, two] = [newOwner(), newOwner()];
    await take(one);
    await take(two);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('SELECT take_nonces($1, $2, 1)', [one, BLOCK_MS]);
    expect(await take(two)).toBe(BLOCK_MS + 1);
    const waiting = take(one);
    await untilBlocked(db);
    await session.query('COMMIT');
    expect(await waiting).toBe(BLOCK_MS + 2);
  });

  test('have ten each', async () => {
    const [one, two] = [newOwner(), newOwner()];
    expect(await takeMany(one, 20)).toHaveLength(MAX_IN_DOUBT);
    expect(await takeMany(two, 20)).toHaveLength(MAX_IN_DOUBT);
  });
});
