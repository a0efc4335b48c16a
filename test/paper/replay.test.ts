// Replay protection: the rules by themselves, one row each, and the same over HTTP, where a node's mempool lies on top
// of the state.
import { expect, test } from 'vitest';
import { FRESH, type Replay, takeNonce } from '../../src/paper/state/replay.ts';
import { blockTimeMs } from './ask.ts';
import { createClock, createTrader, LONG_TERM, LOW, startTestPaper } from './trader.ts';

const NOW = 1_800_000_000_000;
const TWENTY = Array.from({ length: 20 }, (_, index) => NOW - 100 + index);

type Row = readonly [name: string, replay: Replay, nonce: number, expected: Replay | RegExp];

const ROWS: readonly Row[] = [
  ['the next sequence', FRESH, 0, { ...FRESH, sequence: 1 }],
  ['a sequence ahead', FRESH, 1, /expected 0, got 1/],
  ['a sequence that was used', { ...FRESH, sequence: 5 }, 4, /expected 5, got 4/],
  ['a first timestamp', FRESH, NOW, { ...FRESH, nonces: [NOW] }],
  ['the oldest timestamp that is allowed', FRESH, NOW - 30_000, { ...FRESH, nonces: [NOW - 30_000] }],
  ['a timestamp that is too old', FRESH, NOW - 30_001, /not within valid time window/],
  ['the newest timestamp that is allowed', FRESH, NOW + 30_000, { ...FRESH, nonces: [NOW + 30_000] }],
  ['a timestamp that is too new', FRESH, NOW + 30_001, /not within valid time window/],
  ['a timestamp that was used', { ...FRESH, nonces: [NOW] }, NOW, /rejected/],
  ['a timestamp at the ejected ones', { ...FRESH, maxEjected: NOW }, NOW, /rejected/],
  [
    'a timestamp after the ejected ones',
    { ...FRESH, maxEjected: NOW },
    NOW + 1,
    { ...FRESH, maxEjected: NOW, nonces: [NOW + 1] },
  ],
  [
    'a stale one leaves at the next use',
    { ...FRESH, nonces: [NOW - 30_001, NOW - 30_000] },
    NOW,
    { ...FRESH, nonces: [NOW - 30_000, NOW], maxEjected: NOW - 30_001 },
  ],
  [
    'the twenty-first ejects the smallest',
    { ...FRESH, nonces: TWENTY },
    NOW,
    { ...FRESH, nonces: [...TWENTY.slice(1), NOW], maxEjected: NOW - 100 },
  ],
  ['a twenty-first below the smallest', { ...FRESH, nonces: TWENTY }, NOW - 101, /rejected/],
];

test.each(ROWS)('%s', (_name, replay, nonce, expected) => {
  const taken = takeNonce(replay, nonce, NOW);
  if (expected instanceof RegExp) expect(taken.reason).toMatch(expected);
  else expect(taken.replay).toEqual(expected);
});

const rests = { flags: LONG_TERM, subticks: LOW };

test('plain sequences go on in the mempool, are taken by the block and are shown by the account', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'plain');
  expect((await trader.place({ ...rests, sequence: 1 })).code).toBe(32);
  expect((await trader.place({ ...rests, sequence: 0 })).code).toBe(0);
  expect((await trader.place({ ...rests, sequence: 1 }, 'next')).code).toBe(0);
  expect(await trader.place({ ...rests, sequence: 1 }, 'again')).toMatchObject({
    codespace: 'sdk',
    code: 32,
    log: 'account sequence mismatch, expected 2, got 1',
  });
  expect(await trader.accountSequence()).toBe(0);
  paper.produceBlock();
  expect(await trader.accountSequence()).toBe(2);
  expect(paper.truth().transactions.map(({ nonce, code }) => [nonce, code])).toEqual([
    [0, 0],
    [1, 0],
  ]);
});

test('a refusal by the clob takes no sequence', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'refused');
  expect((await trader.place({ ...rests, pair: 4_000, sequence: 0 })).code).toBe(8);
  expect((await trader.place({ ...rests, sequence: 0 })).code).toBe(0);
});

test('timestamp nonces leave the sequence alone and are used once each', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'stamped');
  const nonce = await blockTimeMs(paper.url);
  expect((await trader.place({ ...rests, sequence: nonce })).code).toBe(0);
  expect((await trader.place({ ...rests, sequence: nonce }, 'sibling')).code).toBe(32);
  paper.produceBlock();
  expect((await trader.place({ ...rests, sequence: nonce }, 'late sibling')).code).toBe(32);
  expect(await trader.accountSequence()).toBe(0);
});

test('of twenty-one nonces in one window the smallest is ejected, and no older one is taken again', async () => {
  await using paper = await startTestPaper({ statefulRateLimits: [] });
  const trader = await createTrader(paper, 'burst');
  const first = await blockTimeMs(paper.url);
  for (let index = 1; index <= 21; index++) {
    expect((await trader.place({ ...rests, sequence: first + index })).code).toBe(0);
  }
  paper.produceBlock();
  expect((await trader.place({ ...rests, sequence: first + 1 })).code).toBe(32);
  expect((await trader.place({ ...rests, sequence: first })).code).toBe(32);
  expect((await trader.place({ ...rests, sequence: first + 22 })).code).toBe(0);
});

test('a nonce that is too old when its block comes fails there', async () => {
  const clock = createClock();
  await using paper = await startTestPaper({ now: clock.now });
  const trader = await createTrader(paper, 'slow');
  const nonce = (await blockTimeMs(paper.url)) - 30_000;
  const { hash, id } = await trader.place({ ...rests, sequence: nonce });
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({
    transactions: [{ hash, height: 2, code: 32, codespace: 'sdk', nonce, order_ids: [id] }],
    orders: [{ id, live: false, accepted: 1 }],
  });
});

test('short-term transactions are not asked for a nonce', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'anything');
  expect((await trader.place({ subticks: LOW, sequence: 77 })).code).toBe(0);
  expect((await trader.place({ subticks: LOW, sequence: 1 })).code).toBe(0);
});
