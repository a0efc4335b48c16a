// The allocator of timestamp nonces: whoever asks at once, each nonce is given once, above all before, near the chain's
// time, and only so many are in doubt as the chain remembers: none that is still on its way is thrown out there.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { type NonceUse, settleNonce, takeNonce } from '../../src/store/stateful.ts';
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
/** The others are for cancels. */
const MAX_PLACEMENTS = 8;

// Asked where no other transaction can come between: what breaks the rule fails the statement that breaks it.
beforeAll(async () => {
  await sql`CREATE FUNCTION watch_nonces() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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
  await sql`CREATE TRIGGER watch_nonces AFTER INSERT ON nonces_in_doubt FOR EACH ROW
    EXECUTE FUNCTION watch_nonces()`.execute(db);
});

const at = (ms: number) => new Date(BLOCK_MS + ms);
const newOwner = () => nextName('dydx1nonce');
const take = (owner: string, ms = 0, on: Database = db, use: NonceUse = 'place') =>
  takeNonce(on, owner, at(ms), use);

/** @returns them as ms after the block */
async function takeMany(owner: string, wanted: number, ms = 0, use: NonceUse = 'place'): Promise<number[]> {
  const { rows } = await sql<{ nonce: string }>`
    SELECT take_nonces(${owner}, ${BLOCK_MS + ms}, ${wanted}, ${use === 'cancel'}) AS nonce`.execute(db);
  return rows.map(({ nonce }) => Number(nonce) - BLOCK_MS);
}

async function inDoubt(owner: string): Promise<number[]> {
  const rows = await db
    .selectFrom('nonces_in_doubt')
    .select('nonce')
    .where('owner', '=', owner)
    .orderBy('nonce')
    .execute();
  return rows.map(({ nonce }) => Number(nonce) - BLOCK_MS);
}

const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index);
const settle = (owner: string, ...ms: readonly number[]) =>
  Promise.all(ms.map((each) => settleNonce(db, owner, BLOCK_MS + each)));

describe('200 nonces asked for by eight connections at once', () => {
  test('are unique, each worker’s increase, never more than 10 are in doubt, none is more than 20 s ahead', async () => {
    const owner = newOwner();
    const taken: number[] = [];
    let blocks = 0;
    let refusals = 0;
    const work = async (worker: Database, index: number) => {
      const own: number[] = [];
      const held: number[] = [];
      while (taken.length < 200) {
        const blockTime = at(blocks * 20);
        const nonce = await takeNonce(worker, owner, blockTime, index % 4 === 0 ? 'cancel' : 'place');
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

  test('of an owner that nobody has heard of are eight, to whomever', async () => {
    const owner = newOwner();
    const asked = Array.from({ length: 25 }, () => workers.map((worker) => take(owner, 0, worker)));
    const taken = (await Promise.all(asked.flat())).flatMap((nonce) => nonce ?? []);
    expect(taken.map((nonce) => nonce - BLOCK_MS).toSorted((a, b) => a - b)).toEqual(upTo(MAX_PLACEMENTS));
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
    expect(await takeMany(owner, 4, 20_001)).toEqual(upTo(4, 20_002));
  });

  test('is near the time of the database, whatever a node calls the time of its block', async () => {
    const owner = newOwner();
    const nonce = (await takeNonce(db, owner, new Date(Date.now() + 86_400_000), 'place')) ?? 0;
    expect(nonce - Date.now()).toBeLessThan(15_000);
    // And the owner goes on when that node is gone.
    expect(await takeNonce(db, owner, new Date(), 'place')).toBe(nonce + 1);
  });

  test('is asked for by number: no more are given than are wanted, and none for none', async () => {
    const owner = newOwner();
    for (const wanted of [0, -1]) expect(await takeMany(owner, wanted)).toEqual([]);
    expect(await inDoubt(owner)).toEqual([]);
    expect(await takeMany(owner, 200)).toHaveLength(MAX_PLACEMENTS);
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

describe('with eight in doubt', () => {
  test('two are left for cancels, and none beyond them', async () => {
    const owner = newOwner();
    expect(await takeMany(owner, 20)).toHaveLength(MAX_PLACEMENTS);
    expect(await takeMany(owner, 20, 0, 'cancel')).toEqual([8, 9]);
    expect(await takeMany(owner, 20, 0, 'cancel')).toEqual([]);
    await settle(owner, 0);
    // The place of a placement is that of a cancel first.
    expect(await take(owner)).toBeUndefined();
    expect(await takeMany(owner, 20, 0, 'cancel')).toEqual([10]);
  });

  test('cancels alone may have all ten', async () => {
    expect(await takeMany(newOwner(), 20, 0, 'cancel')).toHaveLength(MAX_IN_DOUBT);
  });

  test('placements have room one by one, as they are settled', async () => {
    const owner = newOwner();
    await takeMany(owner, MAX_PLACEMENTS);
    await settle(owner, 4);
    expect(await takeMany(owner, 5)).toEqual([8]);
    expect(await inDoubt(owner)).toEqual([0, 1, 2, 3, 5, 6, 7, 8]);
  });

  test('placements have room when the chain would not take those any more, and not a millisecond before', async () => {
    const owner = newOwner();
    await takeMany(owner, MAX_PLACEMENTS);
    expect(await takeMany(owner, 1, 30_000)).toEqual([]);
    expect(await takeMany(owner, 5, 30_001)).toEqual([30_001]);
    expect(await inDoubt(owner)).toEqual([...upTo(7, 1), 30_001]);
    expect(await takeMany(owner, 200, 30_008)).toHaveLength(7);
  });
});

/** The memory of an account on chain, within one window of time. Source: v4-chain accountplus timestampnonce.go. */
function chainMemory() {
  const kept: number[] = [];
  let maxEjected = 0;
  return {
    /** false: sdk/32 */
    take: (nonce: number): boolean => {
      if (nonce <= maxEjected || kept.includes(nonce)) return false;
      if (kept.length === 20) {
        kept.sort((a, b) => a - b);
        const [smallest = 0] = kept;
        if (nonce <= smallest) return false;
        maxEjected = smallest;
        kept.shift();
      }
      kept.push(nonce);
      return true;
    },
  };
}

describe('the chain, which keeps the newest 20 of an account', () => {
  test('takes a nonce that was in doubt while others came and went, for no others are given when it would not', async () => {
    const owner = newOwner();
    const chain = chainMemory();
    const [slow = -1] = await takeMany(owner, 1);
    let given = 0;
    for (;;) {
      const [next] = await takeMany(owner, 1);
      if (next === undefined) break;
      expect(chain.take(BLOCK_MS + next)).toBe(true);
      await settle(owner, next);
      given += 1;
    }
    expect(given).toBe(19);
    expect(chain.take(BLOCK_MS + slow)).toBe(true);
    await settle(owner, slow);
    expect(await takeMany(owner, 30)).toHaveLength(MAX_PLACEMENTS);
  });

  test('refuses none that was given out, in whatever order they come', async () => {
    type Move = { readonly does: 'place' | 'cancel' | 'deliver'; readonly which: number };
    const moves: fc.Arbitrary<Move[]> = fc.array(
      fc.record({
        does: fc.constantFrom('place' as const, 'cancel' as const, 'deliver' as const, 'deliver' as const),
        which: fc.nat({ max: MAX_IN_DOUBT }),
      }),
      { minLength: 60, maxLength: 120 },
    );
    let delivered = 0;
    await fc.assert(
      fc.asyncProperty(moves, async (made) => {
        const owner = newOwner();
        const chain = chainMemory();
        const underWay: number[] = [];
        for (const { does, which } of made) {
          if (does === 'deliver') {
            const [nonce] = underWay.splice(which % Math.max(1, underWay.length), 1);
            if (nonce === undefined) continue;
            expect(chain.take(BLOCK_MS + nonce)).toBe(true);
            delivered += 1;
            await settle(owner, nonce);
          } else underWay.push(...(await takeMany(owner, 1, 0, does)));
        }
        for (const nonce of underWay) expect(chain.take(BLOCK_MS + nonce)).toBe(true);
      }),
      { numRuns: 15, interruptAfterTimeLimit: 20_000 },
    );
    expect(delivered).toBeGreaterThan(200);
  });
});

describe('two owners', () => {
  test('do not wait for each other, and two workers of one owner do', async () => {
    const [one, two] = [newOwner(), newOwner()];
    await take(one);
    await take(two);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('SELECT take_nonces($1, $2, 1, false)', [one, BLOCK_MS]);
    expect(await take(two)).toBe(BLOCK_MS + 1);
    const waiting = take(one);
    await untilBlocked(db);
    await session.query('COMMIT');
    expect(await waiting).toBe(BLOCK_MS + 2);
  });

  test('have eight each', async () => {
    const [one, two] = [newOwner(), newOwner()];
    expect(await takeMany(one, 20)).toHaveLength(MAX_PLACEMENTS);
    expect(await takeMany(two, 20)).toHaveLength(MAX_PLACEMENTS);
  });
});
