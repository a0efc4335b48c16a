// Conditional orders: out of the book until the oracle price crosses the trigger, then placed once, with what the venue
// does to the remainder of an IOC and to reduce-only orders.
import { expect, test } from 'vitest';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { midSubticks } from '../../src/paper/synthetic.ts';
import { findStateful, getJson } from './ask.ts';
import {
  CONDITIONAL,
  createTrader,
  HIGH,
  IOC,
  LOW,
  type OrderDraft,
  startTestPaper,
  steps,
} from './trader.ts';

const BTC = PAPER_MARKETS[0] ?? expect.fail('no market');
const STOP_LOSS = 1;
const TAKE_PROFIT = 2;
const SEED = 1;

/** The first heights after 3 at which the oracle price is above, or below, what it was at 3. */
function crossing(isAbove: boolean): { readonly height: number; readonly triggerSubticks: bigint } {
  const start = midSubticks(SEED, BTC, 3);
  for (let height = 4; height < 1_000; height++) {
    const mid = midSubticks(SEED, BTC, height);
    const distance = isAbove ? mid - start : start - mid;
    if (distance > 20n * BTC.subticksPerTick) return { height, triggerSubticks: mid };
  }
  throw new Error('the price never moves');
}

const DIRECTIONS: readonly [
  name: string,
  side: 'BUY' | 'SELL',
  conditionType: number,
  waitsForHigh: boolean,
][] = [
  ['a stop-loss buy waits for a high price', 'BUY', STOP_LOSS, true],
  ['a stop-loss sell waits for a low price', 'SELL', STOP_LOSS, false],
  ['a take-profit buy waits for a low price', 'BUY', TAKE_PROFIT, false],
  ['a take-profit sell waits for a high price', 'SELL', TAKE_PROFIT, true],
];

test.each(DIRECTIONS)(
  '%s and matches in the block after it',
  async (_name, side, conditionType, waitsForHigh) => {
    await using paper = await startTestPaper({ seed: SEED });
    const trader = await createTrader(paper, 'conditional');
    const { height, triggerSubticks } = crossing(waitsForHigh);
    const { clientId, id } = await trader.place({
      flags: CONDITIONAL,
      side,
      subticks: side === 'BUY' ? HIGH : LOW,
      conditionType,
      triggerSubticks,
    });
    const stored = () => findStateful(paper.url, trader.owner, clientId, CONDITIONAL);
    while (paper.height() < height - 1) paper.produceBlock();
    expect(await stored()).toMatchObject({ triggered: false });
    expect(await getJson(`${paper.url}/v4/orders/${id}`)).toMatchObject({ body: { status: 'UNTRIGGERED' } });
    paper.produceBlock();
    expect(await stored()).toMatchObject({ triggered: true });
    expect(await getJson(`${paper.url}/v4/orders/${id}`)).toMatchObject({ body: { status: 'OPEN' } });
    paper.produceBlock();
    expect(paper.truth().fills).toMatchObject([{ order_id: id, height: height + 1, side }]);
    expect(await stored()).toBeUndefined();
  },
);

/** A stop that is triggered by the block that includes it. */
const atOnce: OrderDraft = {
  flags: CONDITIONAL,
  side: 'SELL',
  subticks: LOW,
  conditionType: STOP_LOSS,
  triggerSubticks: HIGH,
};

const REMAINDERS: readonly [name: string, draft: OrderDraft, filled: bigint, removal: string][] = [
  [
    'an IOC that matches nothing',
    { subticks: HIGH, timeInForce: IOC },
    0n,
    'IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK',
  ],
  [
    'a reduce-only IOC that is larger than the position',
    { quantums: steps(50), timeInForce: IOC, reduceOnly: true },
    steps(10),
    'REDUCE_ONLY_RESIZE',
  ],
  [
    'a reduce-only IOC that would increase the position',
    { side: 'BUY', subticks: HIGH, conditionType: TAKE_PROFIT, timeInForce: IOC, reduceOnly: true },
    0n,
    'REDUCE_ONLY_RESIZE',
  ],
  ['post-only into the book', { timeInForce: 2 }, 0n, 'POST_ONLY_WOULD_CROSS_MAKER_ORDER'],
];

test.each(REMAINDERS)(
  '%s is taken out of state after its one attempt',
  async (_name, draft, filled, removal) => {
    await using paper = await startTestPaper({ seed: SEED });
    const trader = await createTrader(paper, 'remainder');
    await trader.place({ quantums: steps(10), timeInForce: IOC });
    const { id, clientId } = await trader.place({ ...atOnce, ...draft });
    paper.produceBlock();
    expect(await findStateful(paper.url, trader.owner, clientId, CONDITIONAL)).toMatchObject({
      triggered: true,
    });
    paper.produceBlock();
    expect(await findStateful(paper.url, trader.owner, clientId, CONDITIONAL)).toBeUndefined();
    expect(paper.truth().orders.find((order) => order.id === id)).toMatchObject({
      live: false,
      removal,
      filled_quantums: filled.toString(),
    });
  },
);

test('a conditional order that is cancelled before its trigger never matches', async () => {
  await using paper = await startTestPaper({ seed: SEED });
  const trader = await createTrader(paper, 'changed mind');
  const { height, triggerSubticks } = crossing(false);
  const stop = { ...atOnce, triggerSubticks };
  const { clientId } = await trader.place(stop);
  paper.produceBlock();
  expect((await trader.cancelStateful(clientId, { flags: CONDITIONAL })).code).toBe(0);
  while (paper.height() < height + 2) paper.produceBlock();
  expect(paper.truth()).toMatchObject({ fills: [], orders: [{ removal: 'USER_CANCELED' }] });
});

test('untriggered conditional orders count for the equity tier', async () => {
  await using paper = await startTestPaper({ equityTiers: [{ usd: '0', limit: 1 }] });
  const trader = await createTrader(paper, 'tier');
  await trader.place({ ...atOnce, triggerSubticks: LOW });
  paper.produceBlock();
  expect((await trader.place({ ...atOnce, triggerSubticks: LOW })).code).toBe(10001);
});
