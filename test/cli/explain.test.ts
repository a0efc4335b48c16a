// Every line of the status table in words: what happened, what the status rests on, and what would have to be true for it
// to be wrong. The orders have lived in a real database, so what is told of them is what can come about.
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { explain } from '../../src/cli/explain.ts';
import { storyAsJson, storyAsText } from '../../src/cli/show.ts';
import type { Death } from '../../src/core/proof.ts';
import { storeCancel } from '../../src/store/cancels.ts';
import { findOrder, type ToldOrder } from '../../src/store/order-story.ts';
import { endNeverSent, recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import type { NewOrder } from '../../src/store/recording.ts';
import { noteAbsent, noteDeath } from '../../src/store/stateful.ts';
import {
  absenceOf,
  answerOf,
  attemptOf,
  cancelOrder,
  cursorOf,
  fillOf,
  immediate,
  include,
  inMs,
  newCursor,
  nextName,
  orderRow,
  refusalOf,
  reportOf,
  resign,
  type SignedOrder,
  type SignedStateful,
  setStatus,
  signed,
  signedStateful,
  signSibling,
  unsigned,
} from '../store/builders.ts';
import { createDatabase } from '../support/databases.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

async function storyOf({ intent }: Pick<NewOrder, 'intent'>): Promise<ToldOrder> {
  const story = await findOrder(db, intent.tenant_id, intent.client_id);
  if (story === undefined) throw new Error(`no order ${intent.client_id}`);
  return story;
}

/** What differs from run to run has its kind in its place. */
const steady = (sentence: string) =>
  sentence
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC/g, 'TIME')
    .replaceAll(/\b[0-9A-F]{64}\b/g, 'HASH')
    .replaceAll(/\b\d{13}\b/g, 'NONCE');

async function toldOf(order: Pick<NewOrder, 'intent'>): Promise<string[]> {
  const { explanation } = storyAsJson(await storyOf(order)) as { readonly explanation: string[] };
  return explanation.map(steady);
}

/** Books fills, one of each size, and what the height proves. */
async function book(
  order: SignedOrder,
  owner: string,
  fills: Parameters<typeof fillOf>[1][],
  height?: number,
) {
  const made = fills.map((changes) => fillOf(order, changes));
  expect(await bookReport(db, reportOf(await cursorOf(db, owner), made, height), 2)).toBeDefined();
}

const ASKED = 'BUY 10 BTC-USD at 60000 was asked for at TIME and recorded at TIME.';
const AT_MARKET = 'BUY 10 BTC-USD at market was asked for at TIME and recorded at TIME.';
const ONCE = 'Signed once, at TIME after block 100, for blocks up to 120; sent 1 time';
const STATEFUL = 'Signed once, at TIME after block 100, until TIME, with nonce NONCE; sent 1 time';
const ACCEPTED = 'a node accepted the last one at TIME.';
const SILENT = 'no answer to the last one is recorded.';
const CANCEL = 'A cancel was requested at TIME; nothing was signed for it.';
const NONE = 'It has no fill.';
const WRONG_BLOCK =
  'Wrong only if the indexer, asked at block 131, left out a fill of a block up to 120, or more bytes were signed with a later good-til-block than the 1 attempt on record.';
const OPEN_END = 'Nothing is claimed of its end yet.';

type Case = {
  readonly make: (owner: string) => Promise<Pick<NewOrder, 'intent'>>;
  readonly told: readonly string[];
};

/** Accepted, with these fills, and dead at block 131 by a report of its own. */
const deadShortTerm =
  (changes: Parameters<typeof signed>[1], sizes: readonly string[]) => async (owner: string) => {
    const order = await signed(db, changes, { owner });
    await recordOutcomes(db, [answerOf(order)]);
    await book(
      order,
      owner,
      sizes.map((size) => ({ size })),
      131,
    );
    return order;
  };

const neverSent = (status: 'CANCELLED' | 'EXPIRED' | 'REJECTED', cause: string) => async () => {
  const order = await unsigned(db);
  const resolution = { rule: 'never_sent', cause, at: '2026-03-04T05:06:07Z' } as const;
  await endNeverSent(db, [{ id: order.id, status, reason: cause, resolution }]);
  return order;
};

const deadStateful =
  (cause: Death['cause'], before: (order: SignedStateful) => Promise<unknown> = async () => {}) =>
  async (owner: string) => {
    const order = await signedStateful(db, { owner });
    await before(order);
    const [height, tx_hash] = [200, order.attempt.tx.hash];
    const { good_til_time, attempt_count } = await orderRow(db, order);
    const deaths = {
      expired: { cause: 'expired', height, block_time_ms: good_til_time?.getTime() ?? 0 },
      removed: { cause: 'removed', height },
      failed: { cause: 'failed', height, codespace: 'clob', code: 45, log: 'why', tx_hash },
      never_included: { cause: 'never_included', height, block_time_ms: order.attempt.nonce + 40_000 },
    } as const satisfies Record<Death['cause'], Death>;
    expect(await noteDeath(db, order.id, attempt_count, deaths[cause])).toBe(true);
    await book(order, owner, [], 231);
    return order;
  };

const FINAL: Readonly<Record<string, Case>> = {
  'never sent, by a cancel': {
    make: neverSent('CANCELLED', 'cancelled before it was sent'),
    told: [
      ...[ASKED, 'Nothing was ever signed for it.', NONE],
      'CANCELLED since TIME, never sent: cancelled before it was sent.',
      'Wrong only if something was signed for it elsewhere: what is signed here is recorded before it leaves, and nothing is on record.',
    ],
  },
  'never sent, too late': {
    make: neverSent('EXPIRED', 'submit_by has passed'),
    told: [
      ...[ASKED, 'Nothing was ever signed for it.', NONE],
      'EXPIRED since TIME, never sent: submit_by has passed.',
      'Wrong only if something was signed for it elsewhere: what is signed here is recorded before it leaves, and nothing is on record.',
    ],
  },
  'never sent, halted': {
    make: neverSent('REJECTED', 'halted'),
    told: [
      ...[ASKED, 'Nothing was ever signed for it.', NONE],
      'REJECTED since TIME, never sent: halted.',
      'Wrong only if something was signed for it elsewhere: what is signed here is recorded before it leaves, and nothing is on record.',
    ],
  },
  filled: {
    make: deadShortTerm({}, ['4', '6']),
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`, 'It has 2 fills in block 110: 10 of 10, at 60000 on average.'],
      'FILLED since TIME: its fills add up to its size, the last one in block 110.',
      'Wrong only if the indexer listed a fill that the chain does not have, among the 2 on record.',
    ],
  },
  'refused at once': {
    make: async (owner) => {
      const order = await signed(db, {}, { owner });
      await recordOutcomes(db, [refusalOf(order)]);
      return order;
    },
    told: [
      ASKED,
      `${ONCE}; a node refused the last one at TIME: clob/2003 "post-only would cross".`,
      NONE,
      'REJECTED since TIME: its only transmission was answered with clob/2003 "post-only would cross", which no earlier delivery of it can have caused.',
      'Wrong only if the node that refused it has passed it on all the same, or its bytes were sent more often than the 1 time on record.',
    ],
  },
  'dead without a fill': {
    make: deadShortTerm({}, []),
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`, NONE],
      'EXPIRED since TIME: nothing that was signed for it can fill after block 120, and the indexer had shown every fill up to block 131.',
      'It is called EXPIRED because its time ran out, and no cancel was requested.',
      WRONG_BLOCK,
    ],
  },
  'dead with a fill': {
    make: deadShortTerm({}, ['4']),
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`, 'It has 1 fill in block 110: 4 of 10, at 60000.'],
      'EXPIRED since TIME: nothing that was signed for it can fill after block 120, and the indexer had shown every fill up to block 131.',
      'It is called EXPIRED because its time ran out, and no cancel was requested.',
      WRONG_BLOCK,
    ],
  },
  'dead after a cancel': {
    make: async (owner) => {
      const order = await signed(db, {}, { owner });
      await recordOutcomes(db, [answerOf(order)]);
      await cancelOrder(db, order);
      const { tx } = attemptOf({ owner });
      await storeCancel(db, {
        ...{ tenantId: 'default', owner, orderIds: [order.id], goodTilBlock: 120, nonce: undefined, tx },
      });
      await book(order, owner, [{ size: '4' }], 131);
      return order;
    },
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`],
      `A cancel was requested at TIME; signed 1 time; ${SILENT}`,
      'It has 1 fill in block 110: 4 of 10, at 60000.',
      'CANCELLED since TIME: nothing that was signed for it can fill after block 120, and the indexer had shown every fill up to block 131.',
      'It is called CANCELLED because a cancel was requested before its end was shown.',
      WRONG_BLOCK,
    ],
  },
  'dead, IOC': {
    make: deadShortTerm({ ...immediate }, []),
    told: [
      ...[AT_MARKET, `${ONCE}; ${ACCEPTED}`, NONE],
      'CANCELLED since TIME: nothing that was signed for it can fill after block 120, and the indexer had shown every fill up to block 131.',
      'It is called CANCELLED because it was IOC: what does not match at once is not left on the book.',
      WRONG_BLOCK,
    ],
  },
  'dead, refused, signed twice': {
    make: async (owner) => {
      const order = await signed(db, {}, { owner });
      await recordOutcomes(db, [answerOf(order, { outcome: 'deferred', codespace: 'clob', code: 10 })]);
      expect(await resign(db, order, 125)).toBe(true);
      await recordOutcomes(db, [
        answerOf(order, { attempt: 2, outcome: 'refused', codespace: 'clob', code: 2004, log: 'gone' }),
      ]);
      await book(order, owner, [], 131);
      return order;
    },
    told: [
      ASKED,
      'Signed 2 times, first at TIME after block 100, for blocks up to 125; sent 2 times; a node refused the last one at TIME: clob/2004 "gone".',
      NONE,
      'REJECTED since TIME: nothing that was signed for it can fill after block 125, and the indexer had shown every fill up to block 131.',
      'It is called REJECTED because no node ever took it, and one refused it with clob/2004 "gone".',
      'Wrong only if the indexer, asked at block 131, left out a fill of a block up to 125, or more bytes were signed with a later good-til-block than the 2 attempts on record.',
    ],
  },
  'stateful, expired': {
    make: deadStateful('expired'),
    told: [
      ...[ASKED, `${STATEFUL}; ${SILENT}`, NONE],
      "EXPIRED since TIME: its good_til_time, TIME, is past by the time of a block, and the chain's state of block 200 was without it, and the indexer had shown every fill up to block 231.",
      "Wrong only if a node showed a state of block 200 that is not the chain's, the indexer, asked at block 231, left out a fill of a block up to 200, or other bytes were signed for it than the 1 attempt on record.",
    ],
  },
  'stateful, removed': {
    make: deadStateful('removed', (order) => include(db, order)),
    told: [
      ...[ASKED, `${STATEFUL}; ${SILENT}`, 'Attempt 1 is on chain, carried out in block 105.', NONE],
      'CANCELLED since TIME: the chain had it from block 105 on, and its state of block 200 was without it, and the indexer had shown every fill up to block 231.',
      'It is called CANCELLED because the venue removed it before its time, and no cancel was requested.',
      "Wrong only if a node showed a state of block 200 that is not the chain's, the indexer, asked at block 231, left out a fill of a block up to 200, or other bytes were signed for it than the 1 attempt on record.",
    ],
  },
  'stateful, removed after a cancel': {
    make: deadStateful('removed', async (order) => {
      await include(db, order);
      await cancelOrder(db, order);
    }),
    told: [
      ...[ASKED, `${STATEFUL}; ${SILENT}`, 'Attempt 1 is on chain, carried out in block 105.', CANCEL, NONE],
      'CANCELLED since TIME: the chain had it from block 105 on, and its state of block 200 was without it, and the indexer had shown every fill up to block 231.',
      'It is called CANCELLED because a cancel was requested before its end was shown.',
      "Wrong only if a node showed a state of block 200 that is not the chain's, the indexer, asked at block 231, left out a fill of a block up to 200, or other bytes were signed for it than the 1 attempt on record.",
    ],
  },
  'stateful, failed': {
    make: deadStateful('failed'),
    told: [
      ...[ASKED, `${STATEFUL}; ${SILENT}`, 'Attempt 1 is on chain, refused with code 45 in block 200.', NONE],
      'REJECTED since TIME: its transaction HASH was refused on chain in block 200: clob/45 "why", and the indexer had shown every fill up to block 231.',
      "Wrong only if a node told of block 200 another result than the chain's, the indexer, asked at block 231, left out a fill of a block up to 200, or other bytes were signed for it than the 1 attempt on record.",
    ],
  },
  'stateful, never included': {
    make: deadStateful('never_included', async (order) => {
      expect(await signSibling(db, order, 2)).toBe(true);
      await noteAbsent(db, absenceOf(order, 2));
    }),
    told: [
      ASKED,
      `Signed 2 times, first at TIME after block 100, until TIME, with nonce NONCE; sent 2 times; ${SILENT}`,
      NONE,
      'EXPIRED since TIME: none of its 2 attempts is on chain up to block 200, when the windows of their nonces were past, and the indexer had shown every fill up to block 231.',
      "Wrong only if a node's list of transactions up to block 200 left out one of the 2 transactions, the chain took a nonce after its window of 30 s, the indexer, asked at block 231, left out a fill of a block up to 200, or other bytes were signed for it than the 2 attempts on record.",
    ],
  },
  'a late fill that keeps the status': {
    make: async (owner) => {
      const order = await deadShortTerm({}, [])(owner);
      await book(order, owner, [{ size: '1', height: 119 }], 140);
      return order;
    },
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`, 'It has 1 fill in block 119: 1 of 10, at 60000.'],
      'A fill came after the end, at TIME: the indexer, asked at block 131, had left it out; the status stays EXPIRED, and the fill was alarmed.',
      'EXPIRED since TIME: nothing that was signed for it can fill after block 120, and the indexer had shown every fill up to block 131.',
      'It is called EXPIRED because its time ran out, and no cancel was requested.',
      WRONG_BLOCK,
    ],
  },
  'a late fill that completes it': {
    make: async (owner) => {
      const order = await deadShortTerm({}, [])(owner);
      await book(order, owner, [{ size: '10', height: 119 }], 140);
      return order;
    },
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`, 'It has 1 fill in block 119: 10 of 10, at 60000.'],
      'It had ended otherwise before: a fill that came after that end, at TIME, was alarmed and made up its size.',
      'FILLED since TIME: its fills add up to its size, the last one in block 119.',
      'Wrong only if the indexer listed a fill that the chain does not have, among the 1 on record.',
    ],
  },
};

test.each(Object.entries(FINAL))('%s', async (_, { make, told }) => {
  const owner = nextName('dydx1words');
  await newCursor(db, owner);
  const order = await make(owner);
  expect(storyAsJson(await storyOf(order))).toMatchObject({ proof: { proven: true } });
  expect(await toldOf(order)).toEqual(told);
});

const MIGHT_END = (status: string) =>
  `Awaited are fills of its whole size, or that the indexer has shown every fill up to block 120, with a few blocks of margin: then it is dead, and ends as ${status}.`;
const PENDING = 'PENDING since TIME: not known to be with the venue, and not known not to be.';
const NO_MORE = 'Nothing more is sent for it: only what the indexer shows can end it.';
const IN_WINDOW =
  'Awaited is that it is found in a block, or that a block later than TIME, the end of the window of nonce NONCE, shows that it is in none.';
const ASK_AGAIN = 'Next, at TIME, the chain is asked for it again.';

const answered =
  (outcome: 'accepted' | 'doubt' | 'deferred' | 'refused', rest = {}) =>
  async (owner: string) => {
    const order = await signed(db, {}, { owner });
    await recordOutcomes(db, [answerOf(order, { outcome, ...rest })]);
    return order;
  };

const ACTIVE: Readonly<Record<string, Case>> = {
  'nothing signed yet': {
    make: () => unsigned(db),
    told: [
      ...[ASKED, 'Nothing is signed for it yet.', NONE, PENDING],
      'Awaited is its first signature, at the latest after TIME.',
      'After TIME it is not sent any more: it ends as EXPIRED.',
      OPEN_END,
    ],
  },
  'nothing signed yet, and set aside by a recovery': {
    make: async () => {
      const order = await unsigned(db);
      await sql`UPDATE orders SET next_wake_at = NULL WHERE id = ${order.id}`.execute(db);
      return order;
    },
    told: [
      ...[ASKED, 'Nothing is signed for it yet.', NONE, PENDING],
      'A recovery of the database has set it aside: it may have been sent by what was forgotten, under an id that nobody knows.',
      'It is not sent any more; compare it with router unexplained, then router cancel it.',
      OPEN_END,
    ],
  },
  'nothing signed yet, and cancelled': {
    make: async () => {
      const order = await unsigned(db);
      await cancelOrder(db, order);
      return order;
    },
    told: [
      ...[ASKED, 'Nothing is signed for it yet.', CANCEL, NONE, PENDING],
      'Awaited is only that its turn comes, at the latest after TIME: it ends as CANCELLED, never sent.',
      OPEN_END,
    ],
  },
  'signed, and nobody answered': {
    make: (owner) => signed(db, {}, { owner }),
    told: [
      ...[ASKED, `${ONCE}; ${SILENT}`, NONE, PENDING, MIGHT_END('EXPIRED')],
      'Next, at TIME, the same bytes are sent again, unless more is known by then, or its submit_by, TIME, or block 120 is over.',
      OPEN_END,
    ],
  },
  'in doubt': {
    make: answered('doubt', { code: null, wakeAt: inMs(2_000) }),
    told: [
      ASKED,
      `${ONCE}; no answer to the last one says what became of it (doubt).`,
      ...[NONE, PENDING, MIGHT_END('EXPIRED')],
      'Next, at TIME, the same bytes are sent again, unless more is known by then, or its submit_by, TIME, or block 120 is over.',
      OPEN_END,
    ],
  },
  'put off': {
    make: answered('deferred', { codespace: 'clob', code: 10, log: 'too early', wakeAt: inMs(2_000) }),
    told: [
      ASKED,
      `${ONCE}; a node put the last one off at TIME: clob/10 "too early".`,
      ...[NONE, PENDING, MIGHT_END('EXPIRED')],
      'Next, at TIME, it is signed again for a later block, if the venue and its submit_by, TIME, allow it.',
      OPEN_END,
    ],
  },
  'refused, by what may be its own': {
    make: answered('refused', { codespace: 'clob', code: 20 }),
    told: [
      ASKED,
      `${ONCE}; a node refused the last one at TIME: clob/20.`,
      ...[NONE, PENDING, MIGHT_END('REJECTED'), NO_MORE, OPEN_END],
    ],
  },
  open: {
    make: answered('accepted'),
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`, NONE],
      'OPEN since TIME: a node took it, which does not prove that it is on the book.',
      ...[MIGHT_END('EXPIRED'), NO_MORE, OPEN_END],
    ],
  },
  'open, and cancelled': {
    make: async (owner) => {
      const order = await answered('accepted')(owner);
      await cancelOrder(db, order);
      return order;
    },
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`, CANCEL, NONE],
      'OPEN since TIME: a node took it, which does not prove that it is on the book.',
      MIGHT_END('CANCELLED'),
      'Next, at TIME, its cancel is sent or sent again, while block 120 is not over.',
      OPEN_END,
    ],
  },
  'filled in part': {
    make: async (owner) => {
      const order = await answered('accepted')(owner);
      await book(order, owner, [{ height: 108, price: '59999' }, { height: 110 }], 112);
      return order;
    },
    told: [
      ...[ASKED, `${ONCE}; ${ACCEPTED}`, 'It has 2 fills in blocks 108–110: 2 of 10, at 59999.5 on average.'],
      'PARTIALLY_FILLED since TIME: wrong only if the indexer listed a fill that the chain does not have; 8 may still be filled.',
      ...[MIGHT_END('EXPIRED'), NO_MORE, OPEN_END],
    ],
  },
  'stateful, within its window': {
    make: (owner) => signedStateful(db, { owner }),
    told: [...[ASKED, `${STATEFUL}; ${SILENT}`, NONE, PENDING, IN_WINDOW, ASK_AGAIN, OPEN_END]],
  },
  'stateful, absent': {
    make: async (owner) => {
      const order = await signedStateful(db, { owner });
      await noteAbsent(db, absenceOf(order, 1));
      return order;
    },
    told: [
      ...[ASKED, `${STATEFUL}; ${SILENT}`, NONE, PENDING],
      'Nothing that was signed with nonce NONCE was carried out, and its window is past: it is signed with another nonce if it may still leave, and ends otherwise.',
      ...[ASK_AGAIN, OPEN_END],
    ],
  },
  'stateful, on chain': {
    make: async (owner) => {
      const order = await signedStateful(db, { owner });
      await include(db, order);
      return order;
    },
    told: [
      ...[ASKED, `${STATEFUL}; ${SILENT}`, 'Attempt 1 is on chain, carried out in block 105.', NONE],
      'OPEN since TIME: the chain took it, which does not prove that it is still on the book.',
      "It is in the chain's state since block 105: awaited are fills of its whole size, that it is removed, or its good_til_time, TIME.",
      ...[ASK_AGAIN, OPEN_END],
    ],
  },
  'stateful, shown dead': {
    make: async (owner) => {
      const order = await signedStateful(db, { owner });
      await include(db, order);
      await noteDeath(db, order.id, 1, { cause: 'removed', height: 200 });
      return order;
    },
    told: [
      ...[ASKED, `${STATEFUL}; ${SILENT}`, 'Attempt 1 is on chain, carried out in block 105.', NONE],
      'OPEN since TIME: the chain took it, which does not prove that it is still on the book.',
      'It was shown dead by block 200: awaited is that the indexer has shown every fill up to there, with a few blocks of margin.',
      OPEN_END,
    ],
  },
};

test.each(Object.entries(ACTIVE))('not ended: %s', async (_, { make, told }) => {
  const owner = nextName('dydx1words');
  await newCursor(db, owner);
  const order = await make(owner);
  expect(storyAsJson(await storyOf(order))).toMatchObject({ proof: null });
  expect(await toldOf(order)).toEqual(told);
});

test('an end that is not proven says why, and not what would make it wrong: anything may be true', async () => {
  const order = await signed(db);
  await setStatus(db, order, 'EXPIRED');
  expect((await toldOf(order)).slice(3)).toEqual([
    'EXPIRED since TIME, but what is stored does not prove it: fills add up to another size than 4.000000000000000000.',
    'Anything may be true of it: compare it with the venue before you rely on it.',
  ]);
});

test('an order whose history does not lead to it says so, also while it lives', async () => {
  const order = await signed(db);
  const told = explain(await storyOf(order), 'the history has no first row');
  expect(told.at(-2)).toBe('Its records contradict each other: the history has no first row.');
});

test('the words stand before the tables, and the average of the fills beside them', async () => {
  const owner = nextName('dydx1words');
  await newCursor(db, owner);
  const order = await answered('accepted')(owner);
  await book(order, owner, [{ price: '59999' }, { size: '2', price: '60000' }], 112);
  const story = await storyOf(order);
  const lines = storyAsText(story).split('\n');
  expect(lines).toContain('fills    2, average_fill_price 59999.666666666666666667');
  expect(lines.slice(lines.indexOf('in words') + 1, lines.indexOf('history') - 1)).toEqual(
    explain(story, undefined),
  );
  expect(storyAsJson(story)).toMatchObject({ average_fill_price: '59999.666666666666666667' });
  expect(storyAsJson(await storyOf(await unsigned(db)))).toMatchObject({ average_fill_price: null });
});
