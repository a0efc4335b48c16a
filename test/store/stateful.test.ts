// What was shown of stateful orders: each finding is stored with its evidence and by who saw the order as it is; whoever
// comes late changes nothing, and a death without its evidence is refused by the tables.
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import type { Death } from '../../src/core/proof.ts';
import { isFinal, STATUSES } from '../../src/core/status.ts';
import { storeCancel } from '../../src/store/cancels.ts';
import { openDatabase } from '../../src/store/database.ts';
import { noteAbsent, noteDeath, noteFailed, noteIncluded, settleNonce } from '../../src/store/stateful.ts';
import { createDatabase } from '../support/databases.ts';
import {
  absenceOf,
  attemptsOf,
  cancelOrder,
  historyOf,
  include,
  inMs,
  longTerm,
  nextName,
  nextNonce,
  openSession,
  orderRow,
  type SignedStateful,
  STATE_OF,
  setStatus,
  siblingOf,
  signedStateful,
  signSibling,
  unsigned,
  untilBlocked,
} from './builders.ts';

const database = await createDatabase();
const { db } = database;
const other = openDatabase({ url: database.url });
afterAll(async () => {
  await other.destroy();
  await database[Symbol.asyncDispose]();
});

const whole = async (order: { readonly id: string }) => ({
  row: await orderRow(db, order),
  attempts: await attemptsOf(db, order),
  history: await historyOf(db, order),
  doubt: await db.selectFrom('nonces_in_doubt').selectAll().execute(),
});

/** Its nonce is in doubt. */
async function inDoubt(
  ...args: Parameters<typeof signedStateful> extends [unknown, ...infer Rest] ? Rest : never
) {
  const order = await signedStateful(db, ...args);
  const { owner } = order.attempt.order.id;
  await db.insertInto('nonces_in_doubt').values({ owner, nonce: order.attempt.nonce }).execute();
  return order;
}

const isInDoubt = async (order: SignedStateful) =>
  (await whole(order)).doubt.some(({ nonce }) => nonce === String(order.attempt.nonce));

/** Ended, with what an end of a stateful order asks for. */
async function ended(status: (typeof STATUSES)[number]): Promise<SignedStateful> {
  const order = await inDoubt();
  await noteAbsent(db, absenceOf(order, 1));
  await noteDeath(db, order.id, 1, { cause: 'never_included', height: 200, block_time_ms: 1 });
  const resolution = JSON.stringify({ ...JSON.parse(STATE_OF[status].resolution ?? '{}'), height: 500 });
  await setStatus(db, order, status, { resolution });
  return order;
}
const ENDS = STATUSES.filter(isFinal);

describe('an order that is on chain', () => {
  test('is OPEN from there on, with the block of the transaction that was carried out', async () => {
    const order = await inDoubt();
    await signSibling(db, order, 2);
    const wakeAt = inMs(9_000);
    await noteIncluded(db, { id: order.id, hash: siblingOf(order, 2).tx.hash, height: 105, wakeAt });
    const { row, attempts, history } = await whole(order);
    expect(row).toMatchObject({
      ...{ status: 'OPEN', status_reason: 'on chain', included_height: '105', next_wake_at: wakeAt },
      placed_at: expect.any(Date),
    });
    expect(attempts.map((attempt) => [attempt.included_height, attempt.included_code])).toEqual([
      [null, null],
      ['105', '0'],
    ]);
    expect(history.at(-1)).toMatchObject({ old_status: 'PENDING', new_status: 'OPEN', reason: 'on chain' });
    expect(await isInDoubt(order)).toBe(false);
  });

  test.each(['OPEN', 'PARTIALLY_FILLED'] as const)('stays %s, and keeps its reason', async (status) => {
    const order = await signedStateful(db);
    await setStatus(db, order, status, { status_reason: 'as it was' });
    await include(db, order);
    expect(await orderRow(db, order)).toMatchObject({
      status,
      status_reason: 'as it was',
      included_height: '105',
    });
  });

  test('is so once: the first block is kept', async () => {
    const order = await signedStateful(db);
    await include(db, order, 105);
    const before = await whole(order);
    await include(db, order, 106);
    expect(await whole(order)).toEqual(before);
  });

  test('is so by one of its own transactions: by another nothing changes, its nonce stays in doubt', async () => {
    const [order, stranger] = [await inDoubt(), await signedStateful(db)];
    const before = await whole(order);
    const { hash } = stranger.attempt.tx;
    await noteIncluded(db, { id: order.id, hash, height: 105, wakeAt: inMs(1) });
    expect(await whole(order)).toEqual(before);
  });

  test.each(ENDS)('changes nothing of one that is %s', async (status) => {
    const order = await ended(status);
    const before = await whole(order);
    await include(db, order);
    expect(await whole(order)).toEqual(before);
  });

  test('and to be cancelled is looked at when the cancel says, or sooner', async () => {
    const order = await signedStateful(db);
    await cancelOrder(db, order);
    const due = (await orderRow(db, order)).next_wake_at;
    await noteIncluded(db, { id: order.id, hash: order.attempt.tx.hash, height: 105, wakeAt: inMs(600_000) });
    expect((await orderRow(db, order)).next_wake_at).toEqual(due);
  });

  test('cannot be there and absent as well', async () => {
    const order = await signedStateful(db);
    await noteAbsent(db, absenceOf(order, 1));
    await expect(include(db, order)).rejects.toMatchObject({ constraint: 'order_attempts_absent' });
    expect(await orderRow(db, order)).toMatchObject({ status: 'PENDING', included_height: null });
  });
});

describe('absence', () => {
  test('is stored with each transaction that was looked for, and the nonce is dead', async () => {
    const order = await signedStateful(db);
    await signSibling(db, order, 2);
    const absence = absenceOf(order, 2);
    expect(await noteAbsent(db, absence)).toBe(true);
    const { row, attempts } = await whole(order);
    expect(row).toMatchObject({ dead_nonce: String(order.attempt.nonce), status: 'PENDING' });
    const evidence = { absent_height: '200', absent_time: absence.time };
    expect(attempts).toMatchObject([evidence, evidence]);
    // Whoever finds it once more is told that it is so; the first evidence is kept.
    const before = await whole(order);
    expect(await noteAbsent(db, { ...absence, height: 201 })).toBe(true);
    expect(await whole(order)).toEqual({ ...before, row: { ...before.row, updated_at: expect.any(Date) } });
  });

  test.each([
    ['a sibling was signed since', { attemptCount: 1 }],
    ['more was looked for than was signed', { attemptCount: 3 }],
    ['the nonce is another one by now', { nonce: 5 }],
  ])('is not believed when %s', async (_what, changes) => {
    const order = await signedStateful(db);
    await signSibling(db, order, 2);
    const before = await whole(order);
    expect(await noteAbsent(db, { ...absenceOf(order, 2), ...changes })).toBe(false);
    expect(await whole(order)).toEqual(before);
  });

  test.each([0, -1])('in a block %i ms beyond the end of the window shows nothing', async (byMs) => {
    const order = await signedStateful(db);
    const before = await whole(order);
    const early = { ...absenceOf(order, 1), time: new Date(order.attempt.nonce + 30_000 + byMs) };
    await expect(noteAbsent(db, early)).rejects.toMatchObject({ constraint: 'order_attempts_absent' });
    expect(await whole(order)).toEqual(before);
  });

  test('is nothing to an order that is on chain, or has ended', async () => {
    const order = await signedStateful(db);
    await include(db, order);
    expect(await noteAbsent(db, absenceOf(order, 1))).toBe(false);
    for (const status of ENDS) expect(await noteAbsent(db, absenceOf(await ended(status), 1))).toBe(false);
  });

  test('of the second nonce leaves what was shown of the first', async () => {
    const order = await signedStateful(db);
    await noteAbsent(db, absenceOf(order, 1));
    const second = nextNonce();
    await signSibling(db, order, 2, second);
    expect(await noteAbsent(db, { ...absenceOf(order, 2, second), height: 300 })).toBe(true);
    expect((await attemptsOf(db, order)).map(({ absent_height }) => absent_height)).toEqual(['200', '300']);
    expect(await orderRow(db, order)).toMatchObject({ dead_nonce: String(second) });
  });
});

/** Each cause with what it asks for, and the order that has it. */
const goodTilMs = async (order: { readonly id: string }) =>
  (await orderRow(db, order)).good_til_time?.getTime() ?? 0;
const CAUSES: Readonly<Record<Death['cause'], () => Promise<readonly [SignedStateful, Death]>>> = {
  expired: async () => {
    const order = await inDoubt();
    return [order, { cause: 'expired', height: 300, block_time_ms: await goodTilMs(order) }];
  },
  removed: async () => {
    const order = await inDoubt();
    await include(db, order);
    return [order, { cause: 'removed', height: 300 }];
  },
  failed: async () => {
    const order = await inDoubt();
    const failure = {
      codespace: 'clob',
      code: 45,
      log: 'would not be filled',
      tx_hash: order.attempt.tx.hash,
    };
    return [order, { cause: 'failed', height: 300, ...failure }];
  },
  never_included: async () => {
    const order = await inDoubt();
    await noteAbsent(db, absenceOf(order, 1));
    return [order, { cause: 'never_included', height: 300, block_time_ms: 1 }];
  },
};

describe.each(Object.entries(CAUSES))('a death by the cause %s', (cause, make) => {
  test('is stored with its block, once, and nothing is due any more', async () => {
    const [order, death] = await make();
    expect(await noteDeath(db, order.id, 1, death)).toBe(true);
    const { row } = await whole(order);
    expect(row).toMatchObject({ death, dead_height: '300', next_wake_at: null, resolution: null });
    expect(row.status).toBe(cause === 'removed' ? 'OPEN' : 'PENDING');
    expect(await isInDoubt(order)).toBe(false);
    expect(await noteDeath(db, order.id, 1, { ...death, height: 301 })).toBe(false);
    expect(await orderRow(db, order)).toEqual(row);
  });

  test('is nothing to who counts other attempts', async () => {
    const [order, death] = await make();
    const before = await whole(order);
    for (const attemptCount of [0, 2]) expect(await noteDeath(db, order.id, attemptCount, death)).toBe(false);
    expect(await whole(order)).toEqual(before);
  });

  test('is nothing when a signature commits while it waits for the row', async () => {
    const [order, death] = await make();
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('UPDATE orders SET attempt_count = attempt_count + 1 WHERE id = $1', [order.id]);
    const noting = noteDeath(other, order.id, 1, death);
    await untilBlocked(db);
    await session.query('COMMIT');
    expect(await noting).toBe(false);
    expect(await orderRow(db, order)).toMatchObject({ death: null, dead_height: null });
  });

  test('is nothing to an order that has ended', async () => {
    const [, death] = await make();
    for (const status of ENDS) {
      const order = await ended(status);
      const before = await whole(order);
      expect(await noteDeath(db, order.id, 1, death)).toBe(false);
      expect(await whole(order)).toEqual(before);
    }
  });

  test('is kept for good', async () => {
    const [order, death] = await make();
    await noteDeath(db, order.id, 1, death);
    for (const change of [
      'death = NULL, dead_height = NULL',
      `dead_height = 301, death = death || '{"height": 301}'`,
    ]) {
      await expect(
        sql.raw(`UPDATE orders SET ${change} WHERE id = '${order.id}'`).execute(db),
      ).rejects.toMatchObject({
        code: '42501',
      });
    }
  });
});

describe('a death without its evidence is refused', () => {
  const refused = { code: '23514', constraint: 'orders_death_by_cause' };
  async function refuses(make: () => Promise<readonly [SignedStateful, Death]>, why: object): Promise<void> {
    const [order, death] = await make();
    const before = await whole(order);
    await expect(noteDeath(db, order.id, 1, death)).rejects.toMatchObject(why);
    expect(await whole(order)).toEqual(before);
  }

  test('expired a millisecond before its time', () =>
    refuses(async () => {
      const order = await inDoubt();
      return [order, { cause: 'expired', height: 300, block_time_ms: (await goodTilMs(order)) - 1 }];
    }, refused));

  test('removed, but nothing shows that it was there', () =>
    refuses(async () => [await inDoubt(), { cause: 'removed', height: 300 }], refused));

  test('removed before it was there', () =>
    refuses(async () => {
      const [order] = await CAUSES.removed();
      return [order, { cause: 'removed', height: 104 }];
    }, refused));

  const failed = (order: SignedStateful, changes: object): Death => ({
    ...{ cause: 'failed', height: 300, codespace: 'clob', code: 45, log: '', tx_hash: order.attempt.tx.hash },
    ...changes,
  });

  test('failed with code 0', () =>
    refuses(async () => {
      const order = await inDoubt();
      return [order, failed(order, { code: 0 })];
    }, refused));

  test('failed, but it was carried out', () =>
    refuses(async () => {
      const order = await inDoubt();
      await include(db, order);
      return [order, failed(order, {})];
    }, refused));

  test('failed by a transaction of another order', () =>
    refuses(async () => [await inDoubt(), failed(await signedStateful(db), {})], {
      constraint: 'orders_shown_by_attempts',
    }));

  test('never included, with a living nonce', () =>
    refuses(
      async () => [await inDoubt(), { cause: 'never_included', height: 300, block_time_ms: 1 }],
      refused,
    ));

  test('never included, with a second nonce that lives', async () => {
    const order = await signedStateful(db);
    await noteAbsent(db, absenceOf(order, 1));
    await signSibling(db, order, 2, nextNonce());
    const death = { cause: 'never_included', height: 300, block_time_ms: 1 } as const;
    await expect(noteDeath(db, order.id, 2, death)).rejects.toMatchObject(refused);
  });
});

describe('a transaction that the chain refused in its block, before its messages', () => {
  const failure = (order: SignedStateful, attempt: number, nonce?: number) => ({
    ...{ id: order.id, hash: siblingOf(order, attempt, nonce).tx.hash, height: 300, code: 32 },
  });
  const failedBy = (order: SignedStateful, attempt: number, codespace: string): Death => ({
    ...{ cause: 'failed', height: 300, codespace, code: 32, log: 'account sequence mismatch' },
    tx_hash: siblingOf(order, attempt).tx.hash,
  });

  test('is noted with its block and its code, and the order goes on', async () => {
    const order = await inDoubt();
    await signSibling(db, order, 2);
    const before = await whole(order);
    await noteFailed(db, failure(order, 2));
    const { row, attempts } = await whole(order);
    expect(row).toEqual(before.row);
    expect(attempts.map(({ included_code }) => included_code)).toEqual([null, '32']);
    expect(await isInDoubt(order)).toBe(true);
    // Once, and by its own hash.
    await noteFailed(db, { ...failure(order, 2), height: 301, code: 5 });
    await noteFailed(db, { ...failure(order, 1), hash: 'A'.repeat(64) });
    expect((await whole(order)).attempts).toEqual(attempts);
  });

  test('is no end while a sibling may have taken the nonce', async () => {
    const order = await inDoubt();
    await signSibling(db, order, 2);
    const before = await whole(order);
    await expect(noteDeath(db, order.id, 2, failedBy(order, 2, 'sdk'))).rejects.toMatchObject({
      ...{ code: '23514', constraint: 'orders_shown_by_attempts' },
    });
    expect(await whole(order)).toEqual(before);
    // What failed in its messages has taken the nonce itself.
    expect(await noteDeath(db, order.id, 2, failedBy(order, 2, 'clob'))).toBe(true);
  });

  test('does not keep the sibling that was carried out from being noted', async () => {
    const order = await inDoubt();
    await signSibling(db, order, 2);
    await noteFailed(db, failure(order, 2));
    await include(db, order);
    expect(await orderRow(db, order)).toMatchObject({ status: 'OPEN', included_height: '105' });
    expect(await isInDoubt(order)).toBe(false);
  });

  test('needs not be absent for its nonce to be dead, and its siblings do', async () => {
    const order = await signedStateful(db);
    await signSibling(db, order, 2);
    await noteFailed(db, failure(order, 2));
    expect(await noteAbsent(db, absenceOf(order, 2))).toBe(true);
    const { row, attempts } = await whole(order);
    expect(row).toMatchObject({ dead_nonce: String(order.attempt.nonce) });
    expect(attempts.map(({ absent_height, included_code }) => [absent_height, included_code])).toEqual([
      ['200', null],
      [null, '32'],
    ]);
    const second = nextNonce();
    expect(await signSibling(db, order, 3, second)).toBe(true);
    await noteFailed(db, failure(order, 3, second));
    expect(await noteAbsent(db, absenceOf(order, 3, second))).toBe(true);
    const death = { cause: 'never_included', height: 300, block_time_ms: 1 } as const;
    expect(await noteDeath(db, order.id, 3, death)).toBe(true);
  });
});

test('a death frees the nonces of its cancels as well', async () => {
  const order = await inDoubt();
  const { owner } = order.attempt.order.id;
  const nonces = [nextNonce(), nextNonce()];
  for (const nonce of nonces) await db.insertInto('nonces_in_doubt').values({ owner, nonce }).execute();
  await storeCancel(db, {
    ...{ tenantId: 'default', owner, orderIds: [order.id], goodTilBlock: undefined, nonce: nonces[0] },
    tx: { hash: `${nonces[0]}`.padStart(64, '0'), bytes: Buffer.of(1) },
  });
  const block_time_ms = await goodTilMs(order);
  expect(await noteDeath(db, order.id, 1, { cause: 'expired', height: 300, block_time_ms })).toBe(true);
  const { doubt } = await whole(order);
  const left = doubt.map(({ nonce }) => Number(nonce));
  expect(nonces.map((nonce) => left.includes(nonce))).toEqual([false, true]);
});

test.each([
  ['NUL bytes', 'a\0b'],
  ['ten megabytes', 'x'.repeat(10_000_000)],
  ['half a character', 'a\ud800b'],
])(
  'what a node says of a failure, with %s, does not keep the order from being shown dead',
  async (_what, text) => {
    const order = await signedStateful(db);
    const tx_hash = order.attempt.tx.hash;
    const death = {
      cause: 'failed',
      height: 300,
      tx_hash,
      codespace: text,
      code: 4_294_967_295,
      log: text,
    } as const;
    expect(await noteDeath(db, order.id, 1, death)).toBe(true);
    expect(JSON.stringify((await orderRow(db, order)).death).length).toBeLessThan(5_000);
  },
);

describe('past the statements of the store', () => {
  const set = (table: string, change: string, { id }: { readonly id: string }) =>
    sql
      .raw(`UPDATE ${table} SET ${change} WHERE ${table === 'orders' ? 'id' : 'order_id'} = '${id}'`)
      .execute(db);
  const unshown = { code: '23514', constraint: 'orders_shown_by_attempts' };

  test('on chain is only what an attempt is, carried out and in that block', async () => {
    const order = await signedStateful(db);
    await expect(set('orders', 'included_height = 105', order)).rejects.toMatchObject(unshown);
    await set('order_attempts', 'included_height = 105, included_code = 5', order);
    await expect(set('orders', 'included_height = 105', order)).rejects.toMatchObject(unshown);
    const carriedOut = await signedStateful(db);
    await set('order_attempts', 'included_height = 105, included_code = 0', carriedOut);
    await expect(set('orders', 'included_height = 106', carriedOut)).rejects.toMatchObject(unshown);
    await set('orders', 'included_height = 105', carriedOut);
  });

  test('failed is only what an attempt did, with that code and in that block', async () => {
    const order = await signedStateful(db);
    const tx_hash = order.attempt.tx.hash;
    const death = JSON.stringify({ cause: 'failed', height: 300, tx_hash, codespace: 'clob', code: 45 });
    const die = () => set('orders', `death = '${death}', dead_height = 300`, order);
    await expect(die()).rejects.toMatchObject(unshown);
    await set('order_attempts', 'included_height = 300, included_code = 45', order);
    await die();
  });

  test.each([
    ['on chain', 'included_height = 106', include],
    ['on chain', 'included_height = NULL, included_code = NULL', include],
    [
      'absent',
      'absent_height = 201',
      (on: typeof db, order: SignedStateful) => noteAbsent(on, absenceOf(order, 1)),
    ],
    [
      'absent',
      'absent_height = NULL, absent_time = NULL',
      (on: typeof db, order: SignedStateful) => noteAbsent(on, absenceOf(order, 1)),
    ],
  ] as const)('what was shown %s stays so: %s', async (_what, change, show) => {
    const order = await signedStateful(db);
    await show(db, order);
    await expect(set('order_attempts', change, order)).rejects.toMatchObject({ code: '42501' });
  });

  test('an order does not lose what was shown of it', async () => {
    const [included, absent] = [await signedStateful(db), await signedStateful(db)];
    await include(db, included);
    await noteAbsent(db, absenceOf(absent, 1));
    for (const change of ['included_height = NULL', 'included_height = 106']) {
      await expect(set('orders', change, included)).rejects.toMatchObject({ code: '42501' });
    }
    for (const change of ['dead_nonce = NULL', 'dead_nonce = dead_nonce - 1']) {
      await expect(set('orders', change, absent)).rejects.toMatchObject({ code: '42501' });
    }
  });

  test('a table of the same name does not show it', async () => {
    const order = await signedStateful(db);
    await using session = await openSession(database.url);
    await session.query('BEGIN; CREATE TEMPORARY TABLE order_attempts (LIKE public.order_attempts)');
    await expect(
      session.query('UPDATE public.orders SET dead_nonce = nonce WHERE id = $1', [order.id]),
    ).rejects.toMatchObject(unshown);
  });
});

test('a nonce that is settled is in doubt no longer, and no other one', async () => {
  const owner = nextName('dydx1settle');
  const [one, two] = [await inDoubt({ owner }), await inDoubt({ owner })];
  await settleNonce(db, owner, one.attempt.nonce);
  expect([await isInDoubt(one), await isInDoubt(two)]).toEqual([false, true]);
  await settleNonce(db, owner, one.attempt.nonce);
});

test('an order that was never signed is neither on chain, absent nor dead', async () => {
  const order = await unsigned(db, longTerm());
  const before = await whole(order);
  await noteIncluded(db, { id: order.id, hash: 'A'.repeat(64), height: 105, wakeAt: inMs(1) });
  expect(
    await noteAbsent(db, { id: order.id, nonce: 1, attemptCount: 0, height: 200, time: new Date() }),
  ).toBe(false);
  await expect(noteDeath(db, order.id, 0, { cause: 'removed', height: 300 })).rejects.toMatchObject({
    constraint: 'orders_death_by_cause',
  });
  expect(await whole(order)).toEqual(before);
});
