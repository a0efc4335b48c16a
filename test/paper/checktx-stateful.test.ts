// One row per verdict of CheckTx on stateful orders and cancels, over real HTTP with real signatures.
import { expect, test } from 'vitest';
import type { Paper, PaperOptions } from '../../src/paper/paper.ts';
import { type Answer, findStateful } from './ask.ts';
import {
  CONDITIONAL,
  createTrader,
  dollars,
  HIGH,
  IOC,
  inSeconds,
  LONG_TERM,
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
  options?: PaperOptions,
];

const DAYS = 24 * 60 * 60;
const STOP_LOSS = 1;
const rests: OrderDraft = { flags: LONG_TERM, subticks: LOW };
const stop: OrderDraft = {
  flags: CONDITIONAL,
  side: 'SELL',
  subticks: LOW,
  conditionType: STOP_LOSS,
  triggerSubticks: LOW,
};

const place = (draft: OrderDraft) => (trader: Trader) => trader.place(draft);

/** An order in state, then the act. */
const onceInState =
  (act: (trader: Trader, clientId: number, paper: Paper) => Promise<Answer>) =>
  async (trader: Trader, paper: Paper): Promise<Answer> => {
    const { clientId } = await trader.place({ ...rests, goodTilBlockTime: inSeconds(600) });
    paper.produceBlock();
    return act(trader, clientId, paper);
  };

const CASES: readonly Case[] = [
  ['a long-term order', '', 0, place(rests)],
  ['a conditional order', '', 0, place(stop)],
  ['a long-term order without time', 'clob', 3001, place({ ...rests, goodTilBlockTime: 0 })],
  ['a long-term IOC', 'clob', 3002, place({ ...rests, timeInForce: IOC })],
  ['a long-term fill-or-kill', 'clob', 48, place({ ...rests, timeInForce: 3 })],
  ['a conditional order without condition', 'clob', 6000, place({ ...stop, conditionType: 0 })],
  ['a conditional order without trigger', 'clob', 6001, place({ ...stop, triggerSubticks: 0n })],
  ['a long-term order with a condition', 'clob', 6000, place({ ...rests, conditionType: STOP_LOSS })],
  ['a long-term order with a trigger', 'clob', 6001, place({ ...rests, triggerSubticks: LOW })],
  ['a long-term reduce-only order', 'clob', 9003, place({ ...rests, reduceOnly: true })],
  ['a conditional reduce-only order that may rest', 'clob', 9003, place({ ...stop, reduceOnly: true })],
  ['a conditional reduce-only IOC', '', 0, place({ ...stop, reduceOnly: true, timeInForce: IOC })],
  [
    'a TWAP order without parameters',
    'clob',
    12,
    place({ ...rests, flags: 128, goodTilBlockTime: inSeconds(60) }),
  ],
  ['a wrong sequence', 'sdk', 32, place({ ...rests, sequence: 9 })],
  ['an unknown clob pair', 'clob', 8, place({ ...rests, pair: 4_000 })],
  ['a size off the step', 'clob', 12, place({ ...rests, quantums: 1_500_000n })],
  ['a price off the tick', 'clob', 12, place({ ...rests, subticks: LOW + 1n })],
  ['a trigger off the tick', 'clob', 12, place({ ...stop, triggerSubticks: LOW + 1n })],
  ['a paused market', 'clob', 34, place({ ...rests, pair: 20, subticks: steps(1) })],
  ['a time of the past', 'clob', 3003, place({ ...rests, goodTilBlockTime: inSeconds(-1) })],
  ['a time within 95 days', '', 0, place({ ...rests, goodTilBlockTime: inSeconds(95 * DAYS - 60) })],
  ['a time beyond 95 days', 'clob', 3004, place({ ...rests, goodTilBlockTime: inSeconds(95 * DAYS + 60) })],
  ['post-only into the book', '', 0, place({ ...rests, timeInForce: POST_ONLY, subticks: HIGH })],
  [
    'an order that is in the mempool',
    'clob',
    3005,
    async (trader) => {
      await trader.place({ ...rests, clientId: 5 });
      return trader.place({ ...rests, clientId: 5 });
    },
  ],
  [
    'an order that is in state',
    'clob',
    3005,
    onceInState((trader, clientId) => trader.place({ ...rests, clientId })),
  ],
  [
    'an order whose cancel is in the mempool',
    'clob',
    3008,
    onceInState(async (trader, clientId) => {
      await trader.cancelStateful(clientId);
      return trader.place({ ...rests, clientId });
    }),
  ],
  [
    'an order whose cancel is in state',
    '',
    0,
    onceInState(async (trader, clientId, paper) => {
      await trader.cancelStateful(clientId);
      paper.produceBlock();
      return trader.place({ ...rests, clientId });
    }),
  ],
  [
    'a third placement in a block',
    'clob',
    5001,
    async (trader) => {
      await trader.place(rests);
      await trader.place({ ...rests, pair: 4_000 });
      await trader.place({ ...rests, subticks: LOW + 1n });
      return trader.place(rests);
    },
  ],
  [
    'a placement above what an equity tier allows',
    'clob',
    10001,
    onceInState((trader) => trader.place(rests)),
    { equityTiers: [{ usd: '20', limit: 1 }] },
  ],
  ['a placement below all equity tiers', 'clob', 10001, place(rests), { startUsdc: '19.99' }],
  [
    'an order above 20 times the equity',
    'clob',
    3007,
    place({ ...rests, quantums: steps(5) }),
    { startUsdc: '1.1', equityTiers: [] },
  ],
  [
    'a conditional order above 20 times the equity',
    '',
    0,
    place({ ...stop, quantums: steps(5) }),
    { startUsdc: '1.1', equityTiers: [] },
  ],
  ['a cancel of an unknown order', 'clob', 3006, (trader) => trader.cancelStateful(5)],
  [
    'a cancel of an order in the mempool',
    '',
    0,
    async (trader) => {
      await trader.place({ ...rests, clientId: 5, goodTilBlockTime: inSeconds(600) });
      return trader.cancelStateful(5);
    },
  ],
  [
    'a cancel that ends before the order',
    'clob',
    29,
    onceInState((trader, clientId) => trader.cancelStateful(clientId, { goodTilBlockTime: inSeconds(300) })),
  ],
  [
    'a cancel of the past',
    'clob',
    3003,
    onceInState((trader, clientId) => trader.cancelStateful(clientId, { goodTilBlockTime: inSeconds(-1) })),
  ],
  [
    'a cancel beyond 95 days',
    'clob',
    3004,
    onceInState((trader, clientId) =>
      trader.cancelStateful(clientId, { goodTilBlockTime: inSeconds(96 * DAYS) }),
    ),
  ],
  [
    'a cancel without time',
    'clob',
    3001,
    onceInState((trader, clientId) => trader.cancelStateful(clientId, { goodTilBlockTime: 0 })),
  ],
  [
    'a second cancel',
    'clob',
    32,
    onceInState(async (trader, clientId) => {
      await trader.cancelStateful(clientId);
      return trader.cancelStateful(clientId);
    }),
  ],
  [
    'a cancel of an order that is gone',
    'clob',
    3006,
    onceInState(async (trader, clientId, paper) => {
      await trader.cancelStateful(clientId);
      paper.produceBlock();
      return trader.cancelStateful(clientId);
    }),
  ],
  [
    'a stateful order beside a short-term order',
    'sdk',
    18,
    (trader) =>
      trader.sendStateful([trader.placement({ ...rests, clientId: 1 }), trader.placement({ clientId: 2 })]),
  ],
  [
    'a message of another module beside a stateful order',
    'sdk',
    18,
    (trader) =>
      trader.sendStateful([
        trader.placement({ ...rests, clientId: 1 }),
        {
          typeUrl: '/dydxprotocol.accountplus.MsgRemoveAuthenticator',
          value: { sender: trader.owner, id: 0 },
        },
      ]),
  ],
  [
    'a second message that is refused',
    'clob',
    3005,
    (trader) =>
      trader.sendStateful([
        trader.placement({ ...rests, clientId: 1 }),
        trader.placement({ ...rests, clientId: 1 }),
      ]),
  ],
];

const TABLE = CASES.map(([name, codespace, code, act, options = {}]) => ({
  name,
  codespace,
  code,
  act,
  options,
}));

test.each(TABLE)('$name is answered with $codespace/$code', async ({ codespace, code, act, options }) => {
  await using paper = await startTestPaper(options);
  const answer = await act(await createTrader(paper, 'checktx'), paper);
  expect({ codespace: answer.codespace, code: answer.code }, answer.log).toEqual({ codespace, code });
});

test('stateful cancels are not limited, placements let go after their windows', async () => {
  await using paper = await startTestPaper({
    statefulRateLimits: [
      { limit: 1, blocks: 1 },
      { limit: 2, blocks: 3 },
    ],
  });
  const trader = await createTrader(paper, 'limited');
  const codes: number[] = [];
  for (let height = 1; height <= 5; height++) {
    codes.push((await trader.place({ ...rests, clientId: height }, `height ${height}`)).code);
    for (let index = 0; index < 3; index++) {
      expect((await trader.cancelStateful(9, {}, `${height} ${index}`)).code).toBe(3006);
    }
    paper.produceBlock();
  }
  // A refused attempt counts too, so that whoever goes on trying stays banned.
  expect(codes).toEqual([0, 0, 5001, 5001, 5001]);
});

test('equity is what the subaccount shows: a better balance opens another tier', async () => {
  await using paper = await startTestPaper({ startUsdc: '0', statefulRateLimits: [] });
  const trader = await createTrader(paper, 'poor');
  expect((await trader.place(rests, 'poor')).code).toBe(10001);
  paper.setBalance({ owner: trader.owner, usdc: '10000' });
  expect((await trader.place(rests, 'rich')).code).toBe(0);
  expect((await trader.place({ ...rests, subaccount: 1 })).code).toBe(10001);
});

test('a transaction of which one message is refused leaves nothing in the mempool', async () => {
  await using paper = await startTestPaper({ statefulRateLimits: [] });
  const trader = await createTrader(paper, 'bundle');
  const pair = [
    trader.placement({ ...rests, clientId: 1 }),
    trader.placement({ ...rests, clientId: 2, subticks: dollars(1) + 1n }),
  ];
  expect((await trader.sendStateful(pair)).code).toBe(12);
  expect((await trader.place({ ...rests, clientId: 1 })).code).toBe(0);
  paper.produceBlock();
  expect(await findStateful(paper.url, trader.owner, 1)).toBeDefined();
  expect(await findStateful(paper.url, trader.owner, 2)).toBeUndefined();
});

test('refusals are counted by code, deliveries by order', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'counted');
  await trader.place({ ...rests, clientId: 1, sequence: 5 });
  await trader.place({ ...rests, clientId: 1, sequence: 6 });
  await trader.place({ clientId: 2, goodTilBlock: 0 });
  await trader.place({ ...rests, clientId: 1 });
  expect(paper.truth()).toMatchObject({
    refusals: [
      { codespace: 'sdk', code: 32, count: 2 },
      { codespace: 'clob', code: 5, count: 1 },
    ],
    orders: [
      { client_id: 1, deliveries: 3, accepted: 1 },
      { client_id: 2, deliveries: 1, accepted: 0 },
    ],
  });
});
