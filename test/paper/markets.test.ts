// Markets that change while the exchange runs: the indexer shows it at once, CheckTx enforces it, each exchange has its
// own.
import { expect, test } from 'vitest';
import { getJson, postJson } from './ask.ts';
import { CONDITIONAL, createTrader, LONG_TERM, LOW, POST_ONLY, startTestPaper, steps } from './trader.ts';

type Shown = { markets: Record<string, { status: string; stepSize: string; tickSize: string }> };

test('a new grid is shown and enforced', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'grid');
  const change = { ticker: 'BTC-USD', step_base_quantums: 10_000_000, subticks_per_tick: 1_000_000 };
  expect(await postJson(`${paper.url}/paper/markets`, change)).toMatchObject({ status: 200 });
  const shown = await getJson<Shown>(`${paper.url}/v4/perpetualMarkets?ticker=BTC-USD`);
  expect(shown.body.markets['BTC-USD']).toMatchObject({
    stepBaseQuantums: 10_000_000,
    stepSize: '0.001',
    subticksPerTick: 1_000_000,
    tickSize: '10',
  });
  expect((await trader.place({ quantums: steps(5) })).code).toBe(12);
  expect((await trader.place({ subticks: LOW + 100_000n })).code).toBe(12);
  expect((await trader.place({ quantums: steps(10), flags: LONG_TERM })).code).toBe(0);
});

test('a market can be paused and opened again', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'pause');
  paper.setMarket({ ticker: 'BTC-USD', status: 'PAUSED' });
  expect((await trader.place({})).code).toBe(34);
  expect((await trader.place({ flags: LONG_TERM }, 'paused')).code).toBe(34);
  paper.setMarket({ ticker: 'BTC-USD', status: 'ACTIVE' });
  expect((await trader.place({})).code).toBe(0);
  expect((await trader.place({ flags: LONG_TERM }, 'open')).code).toBe(0);
});

test('a market that begins takes short-term post-only orders on their side of the price', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'early');
  paper.setMarket({ ticker: 'BTC-USD', status: 'INITIALIZING' });
  expect((await trader.place({ subticks: LOW })).code).toBe(34);
  expect((await trader.place({ subticks: LOW, timeInForce: POST_ONLY, side: 'SELL' })).code).toBe(34);
  expect((await trader.place({ subticks: LOW, timeInForce: POST_ONLY, flags: LONG_TERM })).code).toBe(34);
  expect((await trader.place({ subticks: LOW, timeInForce: POST_ONLY })).code).toBe(0);
});

test('final settlement takes every order of the market out: from the book at once, from the state with a block', async () => {
  await using paper = await startTestPaper({ statefulRateLimits: [] });
  const trader = await createTrader(paper, 'last');
  await trader.place({ subticks: LOW });
  await trader.place({ subticks: LOW, flags: LONG_TERM });
  await trader.place({ flags: CONDITIONAL, conditionType: 1, triggerSubticks: 10_000_000_000n });
  await trader.place({ pair: 1, subticks: 250_000_000n, flags: LONG_TERM });
  paper.produceBlock();
  paper.setMarket({ ticker: 'BTC-USD', status: 'FINAL_SETTLEMENT' });
  expect(paper.truth().orders.map(({ live }) => live)).toEqual([false, true, true, true]);
  paper.produceBlock();
  expect(paper.truth().orders.map(({ removal }) => removal)).toEqual([
    'FINAL_SETTLEMENT',
    'FINAL_SETTLEMENT',
    'FINAL_SETTLEMENT',
    undefined,
  ]);
  expect((await trader.place({})).code).toBe(34);
});

test('another exchange has its own markets, and a change must name one', async () => {
  await using paper = await startTestPaper();
  await using other = await startTestPaper();
  paper.setMarket({ ticker: 'COMP-USD', status: 'ACTIVE' });
  const status = async (url: string) =>
    (await getJson<Shown>(`${url}/v4/perpetualMarkets?ticker=COMP-USD`)).body.markets['COMP-USD']?.status;
  expect([await status(paper.url), await status(other.url)]).toEqual(['ACTIVE', 'PAUSED']);
  const markets = `${paper.url}/paper/markets`;
  expect(await postJson(markets, { ticker: 'NO-USD' })).toMatchObject({
    status: 400,
    body: { errors: [{ msg: 'no such market: NO-USD' }] },
  });
  expect(await postJson(markets, { ticker: 'BTC-USD', status: 'OPENISH' })).toMatchObject({
    status: 400,
    body: { errors: [{ param: 'status' }] },
  });
});
