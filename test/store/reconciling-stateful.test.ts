// Booking stateful orders (P3, P5): they end by a death that was shown and has been read, each cause in its own way; what a
// fill proves frees their nonces; a fill that contradicts a death is taken, late.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { whyHistoryUnlike, whyUnprovenOrder } from '../../src/app/audit.ts';
import { toAtoms } from '../../src/core/decimal.ts';
import type { IntentInput } from '../../src/core/intent.ts';
import type { Death } from '../../src/core/proof.ts';
import { STATUSES } from '../../src/core/status.ts';
import { storeCancel } from '../../src/store/cancels.ts';
import { openDatabase } from '../../src/store/database.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { noteAbsent, noteDeath, noteIncluded, takeNonce } from '../../src/store/stateful.ts';
import { createDatabase } from '../support/databases.ts';
import {
  absenceOf,
  answerOf,
  cancelOrder,
  cursorOf,
  fillOf,
  include,
  newCursor,
  nextName,
  nextNonce,
  openSession,
  orderRow,
  reportOf,
  type SignedStateful,
  siblingOf,
  signed,
  signedStateful,
  signSibling,
  untilBlocked,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
const other = openDatabase({ url: database.url });
afterAll(async () => {
  await other.destroy();
  await database[Symbol.asyncDispose]();
});

const MARGIN = 2;
const DEAD_HEIGHT = 200;

/** A subaccount of its own, so that no test settles another one's orders. */
async function subaccount() {
  const owner = nextName('dydx1s');
  await newCursor(db, owner);
  return {
    owner,
    signed: (changes: Partial<IntentInput> = {}, nonce?: number) =>
      signedStateful(db, nonce === undefined ? { owner } : { owner, nonce }, changes),
    /** MARKET in the end: an IOC. */
    stop: () =>
      signedStateful(
        db,
        { owner, triggerSubticks: 5_900_000_000n },
        { type: 'STOP_MARKET', trigger_price: '59000', price: undefined },
      ),
    /** read from the stored cursor */
    book: async (fills: Parameters<typeof reportOf>[1], height?: number) =>
      bookReport(db, reportOf(await cursorOf(db, owner), fills, height), MARGIN),
    inDoubt: async () =>
      (await db.selectFrom('nonces_in_doubt').select('nonce').where('owner', '=', owner).execute()).length,
  };
}

async function die(order: SignedStateful, cause: Death['cause'], code = 45): Promise<Death> {
  const height = DEAD_HEIGHT;
  const { good_til_time } = await orderRow(db, order);
  if (cause === 'removed') await include(db, order);
  if (cause === 'never_included') await noteAbsent(db, absenceOf(order, 1));
  const death = {
    expired: { cause: 'expired', height, block_time_ms: good_til_time?.getTime() ?? 0 },
    removed: { cause: 'removed', height },
    failed: { cause: 'failed', height, codespace: 'clob', code, log: 'why', tx_hash: order.attempt.tx.hash },
    never_included: { cause: 'never_included', height, block_time_ms: order.attempt.nonce + 40_000 },
  }[cause] as Death;
  expect(await noteDeath(db, order.id, 1, death)).toBe(true);
  return death;
}

const stateOf = async (order: { readonly id: string }) => {
  const { status, status_reason } = await orderRow(db, order);
  return [status, status_reason];
};

/** What must hold at every commit. */
async function expectSound(order: SignedStateful): Promise<void> {
  const story = await findOrder(db, order.intent.tenant_id, order.intent.client_id);
  if (story === undefined) throw new Error('no such order');
  expect(whyHistoryUnlike(story)).toBeUndefined();
  if (story.order.resolution !== null) expect(whyUnprovenOrder(story)).toBeUndefined();
}

describe.each([
  ['expired', 'EXPIRED', 'good_til_time reached'],
  ['removed', 'CANCELLED', 'removed_by_venue'],
  ['failed', 'REJECTED', 'clob/45'],
  ['never_included', 'EXPIRED', 'never on chain'],
] as const)('a death by the cause %s', (cause, status, reason) => {
  test(`ends the order as ${status}, with the death as evidence`, async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    const death = await die(order, cause);
    await book([], 1_000);
    expect(await orderRow(db, order)).toMatchObject({
      ...{ status, status_reason: reason, next_wake_at: null, block_height: '1000' },
      resolution: { rule: 'dead', height: 1_000, death, fills: 0 },
    });
    await expectSound(order);
  });

  test.each([
    [DEAD_HEIGHT - 1, false],
    [DEAD_HEIGHT, false],
    [DEAD_HEIGHT + MARGIN - 1, false],
    [DEAD_HEIGHT + MARGIN, true],
  ])('at block 200 has been read, margin included, at height %i: %s', async (height, isSettled) => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await die(order, cause);
    const booked = await book([], height);
    expect(booked?.settled).toHaveLength(isSettled ? 1 : 0);
    expect((await stateOf(order))[0] === status).toBe(isSettled);
  });

  test('after a cancel is CANCELLED', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await cancelOrder(db, order);
    await die(order, cause);
    await book([], 1_000);
    expect(await stateOf(order)).toEqual(['CANCELLED', 'cancelled']);
    await expectSound(order);
  });
});

test.each([
  ['expired', 'EXPIRED'],
  ['removed', 'CANCELLED'],
] as const)(
  'an order that was filled in part and %s is %s, and its evidence counts the fill',
  async (cause, status) => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await die(order, cause);
    await book([fillOf(order, { size: '4', height: 150 })], 1_000);
    expect(await orderRow(db, order)).toMatchObject({ status, resolution: { fills: 1 }, late_fill_at: null });
    await expectSound(order);
  },
);

describe('an order that is not shown dead', () => {
  test('is ended by no height: neither unknown, on chain, absent, nor past its time', async () => {
    const { signed, book } = await subaccount();
    const [unknown, onChain, absent] = [await signed(), await signed(), await signed()];
    await include(db, onChain);
    await noteAbsent(db, absenceOf(absent, 1));
    expect((await book([], 2_000_000_000))?.settled).toEqual([]);
    expect((await stateOf(unknown))[0]).toBe('PENDING');
    expect((await stateOf(onChain))[0]).toBe('OPEN');
    expect((await stateOf(absent))[0]).toBe('PENDING');
  });

  test('is not ended when its death is noted while the settlement of others waits', async () => {
    const account = await subaccount();
    const [dead, dying] = [await account.signed(), await account.signed()];
    await die(dead, 'expired');
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('SELECT 1 FROM orders WHERE id = $1 FOR NO KEY UPDATE', [dead.id]);
    const report = reportOf(await cursorOf(db, account.owner), [], 1_000);
    const booking = bookReport(other, report, MARGIN);
    await untilBlocked(db);
    await die(dying, 'expired');
    await session.query('COMMIT');
    expect((await booking)?.settled.map(({ order }) => order.id)).toEqual([dead.id]);
    await account.book([], 1_000);
    for (const order of [dead, dying]) await expectSound(order);
  });

  test('ends beside short-term orders, each by its own rule', async () => {
    const account = await subaccount();
    const [dead, alive] = [await account.signed(), await account.signed()];
    const short = await signed(db, {}, { owner: account.owner });
    await die(dead, 'removed');
    const booked = await account.book([], 500);
    expect(booked?.settled.map(({ order }) => order.id).toSorted()).toEqual([dead.id, short.id].toSorted());
    expect((await stateOf(alive))[0]).toBe('PENDING');
  });

  test('of another subaccount is left alone', async () => {
    const [ours, theirs] = [await subaccount(), await subaccount()];
    const order = await theirs.signed();
    await die(order, 'expired');
    await ours.book([], 1_000);
    expect((await stateOf(order))[0]).toBe('PENDING');
  });
});

describe('a conditional order that ends as an IOC', () => {
  test.each([
    ['0', 'ioc_no_match'],
    ['4', 'ioc_remainder'],
  ])('with %s filled and the rest removed is CANCELLED: %s', async (size, reason) => {
    const { stop, book } = await subaccount();
    const order = await stop();
    await die(order, 'removed');
    await book(size === '0' ? [] : [fillOf(order, { size, height: 150 })], 1_000);
    expect(await stateOf(order)).toEqual(['CANCELLED', reason]);
    await expectSound(order);
  });

  test('and was never triggered in its time is EXPIRED', async () => {
    const { stop, book } = await subaccount();
    const order = await stop();
    await include(db, order);
    await die(order, 'expired');
    await book([], 1_000);
    expect(await stateOf(order)).toEqual(['EXPIRED', 'good_til_time reached']);
    await expectSound(order);
  });
});

test('an order that a node refused and that never came on chain is REJECTED with the code', async () => {
  const { signed, book } = await subaccount();
  const order = await signed();
  await recordOutcomes(db, [
    answerOf(order, { outcome: 'refused', codespace: 'clob', code: 20, log: 'why' }),
  ]);
  await die(order, 'never_included');
  await book([], 1_000);
  expect(await stateOf(order)).toEqual(['REJECTED', 'clob/20']);
  expect((await orderRow(db, order)).resolution).toMatchObject({ rule: 'dead', codespace: 'clob', code: 20 });
  await expectSound(order);
});

test('an order that a node took and that failed in its block goes from OPEN to REJECTED', async () => {
  const { signed, book } = await subaccount();
  const order = await signed();
  await recordOutcomes(db, [answerOf(order)]);
  await die(order, 'failed');
  await book([], 1_000);
  expect(await stateOf(order)).toEqual(['REJECTED', 'clob/45']);
  await expectSound(order);
});

describe('a fill', () => {
  test('may come at any height from the first signature on: there is no last block', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await book(
      [fillOf(order, { size: '4', height: 100 }), fillOf(order, { size: '6', height: 9_000_000 })],
      9_000_001,
    );
    expect(await orderRow(db, order)).toMatchObject({
      ...{ status: 'FILLED', resolution: { rule: 'filled', fills: 2 }, late_fill_at: null },
    });
    const early = await signed();
    const booked = await book([fillOf(early, { height: 99 })]);
    expect(booked).toMatchObject({
      bookings: [],
      unexplained: [{ reason: expect.stringContaining('block 99') }],
    });
    await expectSound(order);
  });

  test('above the block of its death is booked late, once the order has ended', async () => {
    const { signed, book } = await subaccount();
    const order = await signed();
    await die(order, 'removed');
    await book([], 1_000);
    const before = await orderRow(db, order);
    const booked = await book([fillOf(order, { size: '4', height: DEAD_HEIGHT + 50 })], 1_001);
    expect(booked?.bookings).toMatchObject([{ isLate: true }]);
    expect(await orderRow(db, order)).toMatchObject({
      ...{ status: 'CANCELLED', resolution: before.resolution, late_fill_at: expect.any(Date) },
      ...{ status_reason: 'partially filled, after the end' },
    });
    await expectSound(order);
    await book([fillOf(order, { size: '6', height: DEAD_HEIGHT + 60 })], 1_002);
    expect(await orderRow(db, order)).toMatchObject({ status: 'FILLED', late_fill_at: expect.any(Date) });
    await expectSound(order);
  });
});

describe('what is proven frees the nonce: another order may go', () => {
  const MAX_PLACEMENTS = 8;
  /** As many orders as may be under way, whose nonces are all in doubt. */
  async function full() {
    const account = await subaccount();
    const blockTime = new Date();
    const take = () => takeNonce(db, account.owner, blockTime, 'place');
    const orders: SignedStateful[] = [];
    for (let n = 0; n < MAX_PLACEMENTS; n++) orders.push(await account.signed({}, await take()));
    expect(await take()).toBeUndefined();
    return { ...account, take, orders };
  }

  test('a fill is of what is on chain', async () => {
    const { orders, book, take, inDoubt } = await full();
    const [one, two] = orders;
    if (!one || !two) throw new Error('eight orders');
    await book([fillOf(one, { size: '10' }), fillOf(two, { size: '1' })], 150);
    expect(await inDoubt()).toBe(MAX_PLACEMENTS - 2);
    expect(await take()).toBeDefined();
  });

  test('an end is of what can never be on chain', async () => {
    const { orders, book, inDoubt } = await full();
    const [one, two] = orders;
    if (!one || !two) throw new Error('eight orders');
    await die(one, 'expired');
    // As one whose worker died between its commits.
    const { owner } = one.attempt.order.id;
    await db.insertInto('nonces_in_doubt').values({ owner, nonce: one.attempt.nonce }).execute();
    await book([], 1_000);
    expect(await inDoubt()).toBe(MAX_PLACEMENTS - 1);
  });

  test('the cancels of what has ended have nothing more to do, those of what was filled in part have', async () => {
    const { orders, owner, book, inDoubt } = await full();
    const [filled, partly] = orders;
    if (!filled || !partly) throw new Error('eight orders');
    for (const order of [filled, partly]) {
      const nonce = (await takeNonce(db, owner, new Date(), 'cancel')) ?? 0;
      await storeCancel(db, {
        ...{ tenantId: 'default', owner, orderIds: [order.id], goodTilBlock: undefined, nonce },
        tx: { hash: `${nonce}`.padStart(64, '0'), bytes: Buffer.of(1) },
      });
    }
    expect(await inDoubt()).toBe(MAX_PLACEMENTS + 2);
    await book([fillOf(filled, { size: '10' }), fillOf(partly)], 150);
    expect(await inDoubt()).toBe(MAX_PLACEMENTS - 1);
  });

  test('what is not booked frees nothing', async () => {
    const { orders, book, inDoubt } = await full();
    const [one] = orders;
    if (!one) throw new Error('eight orders');
    await book([fillOf(one, { market: 'ETH-USD' }), fillOf(one, { size: '11' })], 1_000);
    expect(await inDoubt()).toBe(MAX_PLACEMENTS);
  });

  test('one that somebody else settles at this moment is not waited for', async () => {
    const { orders, owner, book, inDoubt } = await full();
    const [one, two] = orders;
    if (!one || !two) throw new Error('eight orders');
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('DELETE FROM nonces_in_doubt WHERE owner = $1 AND nonce = $2', [
      owner,
      one.attempt.nonce,
    ]);
    await book([fillOf(one), fillOf(two)], 150);
    await session.query('COMMIT');
    expect(await inDoubt()).toBe(MAX_PLACEMENTS - 2);
  });
});

type Fate = 'carried out' | 'failed' | 'never on chain';
type Step =
  | { readonly does: 'cancel' | 'sibling' | 'look' | 'next nonce' | 'expire' | 'remove' }
  | { readonly does: 'answer'; readonly outcome: 'accepted' | 'doubt' | 'deferred' | 'refused' }
  /** read up to a height, with fills where there can be any */
  | { readonly does: 'report'; readonly sizes: readonly number[]; readonly height: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ does: fc.constantFrom('sibling', 'look', 'next nonce') }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom('cancel', 'expire', 'remove') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('answer'),
      outcome: fc.constantFrom('accepted', 'doubt', 'deferred', 'refused'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant('report'),
      sizes: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
      height: fc.integer({ min: 150, max: 400 }),
    }),
  },
);

/** Looks at the chain, where the newest attempt has met its fate, and notes what it shows. */
async function look(order: SignedStateful, fate: Fate): Promise<unknown> {
  const { id } = order;
  const { attempt_count: count, nonce } = await orderRow(db, order);
  const newest = siblingOf(order, count, Number(nonce)).tx.hash;
  const hash = count === 1 ? order.attempt.tx.hash : newest;
  switch (fate) {
    case 'carried out':
      return noteIncluded(db, { id, hash, height: 105, wakeAt: new Date() });
    case 'failed': {
      const failure = { height: DEAD_HEIGHT, codespace: 'clob', code: 45, log: 'why', tx_hash: hash };
      return noteDeath(db, id, count, { cause: 'failed', ...failure });
    }
    case 'never on chain':
      if (!(await noteAbsent(db, absenceOf(order, count, Number(nonce))))) return;
      if ((await orderRow(db, order)).cancel_requested_at === null) return;
      return noteDeath(db, id, count, { cause: 'never_included', height: DEAD_HEIGHT, block_time_ms: 1 });
  }
}

const read = (...sizes: number[]): Step => ({ does: 'report', sizes, height: 400 });
/** Every end, so that none is left to chance. */
const KNOWN_LIVES: [Step[], Fate][] = [
  [[{ does: 'look' }, read(4), read(6)], 'carried out'],
  [[{ does: 'expire' }, read()], 'never on chain'],
  [[{ does: 'look' }, { does: 'remove' }, read()], 'carried out'],
  [[{ does: 'sibling' }, { does: 'look' }, read()], 'failed'],
];

test('whatever happens to a stateful order, its history replays, its fills add up, and its end has proof', async () => {
  const ends = new Set<string>();
  const fates = fc.constantFrom<Fate>('carried out', 'failed', 'never on chain');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), fates, async (life, fate) => {
      const { signed, book } = await subaccount();
      const order = await signed();
      let height = 150;
      for (const act of life) {
        const row = await orderRow(db, order);
        switch (act.does) {
          case 'cancel':
            await cancelOrder(db, order);
            break;
          case 'sibling':
            await signSibling(db, order, row.attempt_count + 1, Number(row.nonce));
            break;
          case 'next nonce':
            await signSibling(db, order, row.attempt_count + 1, nextNonce());
            break;
          case 'look':
            await look(order, fate);
            break;
          case 'expire': {
            const block_time_ms = row.good_til_time?.getTime() ?? 0;
            await noteDeath(db, order.id, row.attempt_count, {
              cause: 'expired',
              height: DEAD_HEIGHT,
              block_time_ms,
            });
            break;
          }
          case 'remove':
            if (row.included_height === null) break;
            await noteDeath(db, order.id, row.attempt_count, { cause: 'removed', height: DEAD_HEIGHT });
            break;
          case 'answer':
            await recordOutcomes(db, [
              answerOf(order, {
                attempt: row.attempt_count,
                outcome: act.outcome,
                codespace: 'clob',
                code: 20,
              }),
            ]);
            break;
          case 'report': {
            height = Math.max(height, act.height);
            const sizes = fate === 'carried out' ? act.sizes : [];
            await book(
              sizes.map((size) => fillOf(order, { size: `${size}`, height: 140 })),
              height,
            );
            break;
          }
        }
        await expectSound(order);
        ends.add((await orderRow(db, order)).status);
      }
    }),
    { numRuns: 80, interruptAfterTimeLimit: 25_000, examples: KNOWN_LIVES },
  );
  // The lives have to be rich enough to mean something.
  expect([...ends].toSorted()).toEqual([...STATUSES].toSorted());
});

const heldBy = async (owner: string) =>
  Object.fromEntries(
    (
      await db
        .selectFrom('positions')
        .select(['market', 'size'])
        .where('owner', '=', owner)
        .orderBy('market')
        .execute()
    ).map(({ market, size }) => [market, toAtoms(size)]),
  );
const atoms = (sizes: Record<string, string>) =>
  Object.fromEntries(Object.entries(sizes).map(([market, size]) => [market, toAtoms(size)]));

describe('a position', () => {
  test('is what was bought less what was sold, of short-term and stateful orders, by market', async () => {
    const { owner, signed: stateful, book } = await subaccount();
    const buy = await stateful();
    const sell = await signed(db, { side: 'SELL', size: '20' }, { owner });
    const eth = await signed(db, { market: 'ETH-USD', side: 'SELL' }, { owner });
    await book([
      fillOf(buy, { size: '4' }),
      fillOf(sell, { size: '1.5' }),
      fillOf(eth, { size: '0.000000000000000001' }),
    ]);
    expect(await heldBy(owner)).toEqual(atoms({ 'BTC-USD': '2.5', 'ETH-USD': '-0.000000000000000001' }));
    await book([fillOf(sell, { size: '7' }), fillOf(buy, { size: '3' })]);
    expect(await heldBy(owner)).toEqual(atoms({ 'BTC-USD': '-1.5', 'ETH-USD': '-0.000000000000000001' }));
    await book([fillOf(sell, { size: '1' }), fillOf(buy, { size: '2.5' })]);
    expect((await heldBy(owner))['BTC-USD']).toBe(0n);
  });

  test('moves with late fills as well, once with each fill, and with nothing that is not ours', async () => {
    const { owner, signed, book } = await subaccount();
    const order = await signed();
    await die(order, 'removed');
    await book([], 1_000);
    const fill = fillOf(order, { size: '4', height: 300 });
    await book([fill, fill], 1_001);
    await book([fill], 1_002);
    const foreign = [
      fillOf(order, { market: 'ETH-USD' }),
      fillOf(order, { side: 'SELL' }),
      fillOf(order, { size: '7' }),
    ];
    expect((await book(foreign, 1_003))?.unexplained).toHaveLength(3);
    expect(await heldBy(owner)).toEqual(atoms({ 'BTC-USD': '4' }));
  });

  test('is a subaccount’s', async () => {
    const [one, two] = [await subaccount(), await subaccount()];
    const [first, second] = [await one.signed(), await two.signed()];
    await Promise.all([one.book([fillOf(first, { size: '4' })]), two.book([fillOf(second, { size: '5' })])]);
    expect([await heldBy(one.owner), await heldBy(two.owner)]).toEqual([
      atoms({ 'BTC-USD': '4' }),
      atoms({ 'BTC-USD': '5' }),
    ]);
  });

  test('is rolled back with the fills that moved it', async () => {
    const { owner, signed, book } = await subaccount();
    const order = await signed();
    await book([fillOf(order, { size: '1' })]);
    const report = reportOf(await cursorOf(db, owner), [fillOf(order, { size: '2' })], 110);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('LOCK TABLE order_status_history IN SHARE MODE');
    const cutOff = bookReport(other, report, MARGIN).then(
      () => 'booked',
      () => 'cut off',
    );
    // It waits for the history, with its fills and its positions written.
    const [pid] = await untilBlocked(db);
    await session.query('SELECT pg_terminate_backend($1)', [pid]);
    expect(await cutOff).toBe('cut off');
    await session.query('ROLLBACK');
    expect(await heldBy(owner)).toEqual(atoms({ 'BTC-USD': '1' }));
    await bookReport(db, report, MARGIN);
    expect(await heldBy(owner)).toEqual(atoms({ 'BTC-USD': '3' }));
  });
});
