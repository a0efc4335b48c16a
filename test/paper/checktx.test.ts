// One row per verdict of CheckTx: (codespace, code) and what brings it about, over real HTTP with real signatures.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import type { Paper } from '../../src/paper/paper.ts';
import { type Answer, broadcast } from './ask.ts';
import {
  createTrader,
  dollars,
  HIGH,
  IOC,
  LOW,
  type OrderDraft,
  POST_ONLY,
  startTestPaper,
  steps,
  type Trader,
} from './trader.ts';

type Case = readonly [
  name: string,
  codespace: string,
  code: number,
  act: (trader: Trader, paper: Paper) => Promise<Answer>,
];

const place = (draft: OrderDraft) => (trader: Trader) => trader.place(draft);
const FOK = 3;

const CASES: readonly Case[] = [
  ['an ordinary order', '', 0, place({})],
  ['fill-or-kill', 'clob', 48, place({ timeInForce: FOK })],
  ['no quantums', 'clob', 4, place({ quantums: 0n })],
  ['good-til-block 0', 'clob', 5, place({ goodTilBlock: 0 })],
  ['no subticks', 'clob', 6, place({ subticks: 0n })],
  ['an unknown time in force', 'clob', 44, place({ timeInForce: 9 })],
  ['an unknown order flag', 'clob', 3000, place({ flags: 5 })],
  ['a long-term IOC', 'clob', 3002, place({ flags: 64, goodTilBlockTime: 4_000_000_000, timeInForce: IOC })],
  ['a stateful order without time', 'clob', 3001, place({ flags: 64, goodTilBlockTime: 0 })],
  ['a condition on a short-term order', 'clob', 6000, place({ conditionType: 1 })],
  ['reduce-only without IOC', 'clob', 9003, place({ reduceOnly: true })],
  ['a subaccount number above 128000', 'subaccounts', 200, place({ subaccount: 128_001 })],
  ['an owner that is no address', 'subaccounts', 201, place({ owner: 'dydx1nobody' })],
  ['an unknown clob pair', 'clob', 8, place({ pair: 4_000 })],
  ['a size off the step', 'clob', 12, place({ quantums: 1_500_000n })],
  ['a price off the tick', 'clob', 12, place({ subticks: HIGH + 1n })],
  ['a paused market', 'clob', 34, place({ pair: 20, subticks: steps(1) })],
  [
    'a good-til-block of the past',
    'clob',
    10,
    (trader, paper) => trader.place({ goodTilBlock: paper.height() }),
  ],
  ['the first good-til-block', '', 0, (trader, paper) => trader.place({ goodTilBlock: paper.height() + 1 })],
  ['the last good-til-block', '', 0, (trader, paper) => trader.place({ goodTilBlock: paper.height() + 41 })],
  [
    'a good-til-block too far',
    'clob',
    11,
    (trader, paper) => trader.place({ goodTilBlock: paper.height() + 42 }),
  ],
  ['reduce-only without a position', 'clob', 2001, place({ reduceOnly: true, timeInForce: IOC })],
  ['post-only into the book', 'clob', 2003, place({ timeInForce: POST_ONLY, subticks: HIGH })],
  ['post-only beside the book', '', 0, place({ timeInForce: POST_ONLY, subticks: LOW })],
  [
    'an order behind its cancel',
    'clob',
    7,
    async (trader) => {
      await trader.cancel(50, 20);
      return trader.place({ clientId: 50, goodTilBlock: 20 });
    },
  ],
  [
    'an order that outlives its cancel',
    '',
    0,
    async (trader) => {
      await trader.cancel(50, 20);
      return trader.place({ clientId: 50, goodTilBlock: 21 });
    },
  ],
  [
    'a cancel that is known already',
    'clob',
    9,
    async (trader) => {
      await trader.cancel(50, 20);
      return trader.cancel(50, 19);
    },
  ],
  ['a cancel too far', 'clob', 11, (trader, paper) => trader.cancel(50, paper.height() + 42)],
  ['a cancel for an unknown pair', 'clob', 8, (trader) => trader.cancel(50, 20, { pair: 4_000 })],
  ['an empty batch cancel', 'clob', 45, (trader) => trader.batchCancel(20, [])],
  [
    'a batch cancel with a duplicate',
    'clob',
    45,
    (trader) => trader.batchCancel(20, [{ clobPairId: 0, clientIds: [1, 1] }]),
  ],
  [
    'a batch cancel of an unknown pair',
    '',
    0,
    (trader) => trader.batchCancel(20, [{ clobPairId: 4_000, clientIds: [1] }]),
  ],
  [
    'the same content again in other bytes',
    'clob',
    20,
    async (trader) => {
      await trader.place({ clientId: 60, subticks: LOW });
      return trader.place({ clientId: 60, subticks: LOW }, 'again');
    },
  ],
  [
    'a replacement that lives shorter',
    'clob',
    20,
    async (trader, paper) => {
      await trader.place({ clientId: 60, subticks: LOW, goodTilBlock: paper.height() + 10 });
      return trader.place({ clientId: 60, subticks: LOW, goodTilBlock: paper.height() + 9 });
    },
  ],
  [
    'a replacement that lives longer',
    '',
    0,
    async (trader, paper) => {
      await trader.place({ clientId: 60, subticks: LOW, goodTilBlock: paper.height() + 10 });
      return trader.place({ clientId: 60, subticks: LOW + dollars(1), goodTilBlock: paper.height() + 11 });
    },
  ],
  [
    'a replacement of the other side',
    'clob',
    20,
    async (trader, paper) => {
      await trader.place({ clientId: 60, subticks: LOW });
      return trader.place({ clientId: 60, side: 'SELL', subticks: HIGH, goodTilBlock: paper.height() + 20 });
    },
  ],
  [
    'a filled order again',
    'clob',
    24,
    async (trader, paper) => {
      await trader.place({ clientId: 60 });
      paper.produceBlock();
      return trader.place({ clientId: 60, goodTilBlock: paper.height() + 20 });
    },
  ],
  [
    'an IOC after its partial execution',
    'clob',
    2004,
    async (trader, paper) => {
      // More than all levels together hold, so that it fills in part.
      const draft = { clientId: 60, quantums: steps(1_000_000), timeInForce: IOC };
      await trader.place(draft);
      paper.produceBlock();
      return trader.place({ ...draft, goodTilBlock: paper.height() + 20 });
    },
  ],
  [
    'an IOC again that matched nothing',
    '',
    0,
    async (trader) => {
      const draft = { clientId: 60, subticks: LOW, timeInForce: IOC };
      await trader.place(draft);
      return trader.place(draft, 'again');
    },
  ],
  [
    'two messages',
    'sdk',
    18,
    (trader) => trader.send([trader.placement({ clientId: 1 }), trader.placement({ clientId: 2 })]),
  ],
  ['a memo of 257 characters', 'sdk', 12, (trader) => trader.place({}, 'x'.repeat(257))],
];

test.each(CASES)('%s is answered with %s/%i', async (_name, codespace, code, act) => {
  await using paper = await startTestPaper();
  const answer = await act(await createTrader(paper, 'checktx'), paper);
  expect({ codespace: answer.codespace, code: answer.code }, answer.log).toEqual({ codespace, code });
});

test('an equal good-til-block replaces only if the hash of the content is greater', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'tie');
  const goodTilBlock = paper.height() + 10;
  const hashOf = (subticks: bigint): string => {
    const { value } = trader.placement({ clientId: 1, subticks, goodTilBlock });
    const order = (value as ReturnType<typeof dydx.MsgPlaceOrder.fromPartial>).order;
    return createHash('sha256')
      .update(dydx.Order.encode(order as never).finish())
      .digest('hex');
  };
  const [lesser = 0n, greater = 0n] = [LOW, LOW + dollars(1)].sort((left, right) =>
    hashOf(left) < hashOf(right) ? -1 : 1,
  );
  expect((await trader.place({ clientId: 1, subticks: lesser, goodTilBlock })).code).toBe(0);
  expect((await trader.place({ clientId: 1, subticks: greater, goodTilBlock })).code).toBe(0);
  expect((await trader.place({ clientId: 1, subticks: lesser, goodTilBlock }, 'x')).code).toBe(20);
});

test('bytes that were seen are answered by the cache, also when they were refused', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'seen');
  const good = await trader.signed([trader.placement({ clientId: 1 })]);
  const bad = await trader.signed([trader.placement({ clientId: 2, goodTilBlock: 1 })]);
  const seen = { error: { code: -32603, message: 'Internal error', data: 'tx already exists in cache' } };

  expect(await broadcast(paper.url, good)).toMatchObject({
    result: { code: 0, log: '[]', hash: createHash('sha256').update(good).digest('hex').toUpperCase() },
  });
  expect(await broadcast(paper.url, good)).toMatchObject(seen);
  expect(await broadcast(paper.url, bad)).toMatchObject({ result: { code: 10, codespace: 'clob' } });
  expect(await broadcast(paper.url, bad)).toMatchObject(seen);
  expect(paper.truth().orders.map((order) => order.deliveries)).toEqual([1, 1]);
});

test('a wrong chain id, account number, key or byte is unauthorized or no transaction', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'signer');
  const other = await createTrader(paper, 'somebody else');
  const message = [trader.placement({ clientId: 1 })];
  const unauthorized = { result: { codespace: 'sdk', code: 4 } };
  expect(
    await broadcast(paper.url, await trader.signed(message, { chainId: 'dydx-mainnet-1' })),
  ).toMatchObject(unauthorized);
  expect(await broadcast(paper.url, await trader.signed(message, { accountNumber: 3 }))).toMatchObject(
    unauthorized,
  );
  expect(await broadcast(paper.url, await other.signed(message))).toMatchObject(unauthorized);
  expect(await broadcast(paper.url, Buffer.from('hello'))).toMatchObject({
    result: { codespace: 'sdk', code: 2 },
  });
  // What nobody signed is no delivery of the owner's order.
  expect(paper.truth().orders).toEqual([]);
});

test('in the mode for load tests a wrong signature passes, a foreign key does not', async () => {
  await using paper = await startTestPaper({ trustsSignatures: true });
  const trader = await createTrader(paper, 'believed');
  const other = await createTrader(paper, 'somebody else');
  const message = [trader.placement({ clientId: 1 })];
  expect(await broadcast(paper.url, await trader.signed(message, { accountNumber: 3 }))).toMatchObject({
    result: { code: 0 },
  });
  expect(await broadcast(paper.url, await other.signed(message))).toMatchObject({
    result: { codespace: 'sdk', code: 4 },
  });
});

test('the block rate limit counts refused attempts and lets go after its window', async () => {
  await using paper = await startTestPaper({ rateLimit: { limit: 4, blocks: 2 } });
  const trader = await createTrader(paper, 'fast');
  const codes: number[] = [];
  for (let index = 0; index < 6; index++) codes.push((await trader.place({ subticks: LOW })).code);
  expect(codes).toEqual([0, 0, 0, 0, 5001, 5001]);
  paper.produceBlock();
  expect((await trader.place({ subticks: LOW })).code).toBe(5001);
  paper.produceBlock();
  // Six of the first block are gone; one of the second is left, and a batch cancel weighs two.
  expect((await trader.batchCancel(paper.height() + 5, [{ clobPairId: 0, clientIds: [1] }])).code).toBe(0);
  expect((await trader.place({ subticks: LOW })).code).toBe(0);
  expect((await trader.place({ subticks: LOW })).code).toBe(5001);
});
