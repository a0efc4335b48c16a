// What blocks do: matches become fills at block boundaries only, orders end at their good-til-block, and no order
// ever fills more than its size while consensus remembers it.
import { expect, test } from 'vitest';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { midSubticks, syntheticLevels } from '../../src/paper/synthetic.ts';
import { createTrader, dollars, HIGH, IOC, LOW, startTestPaper, steps } from './trader.ts';

test('a match is no fill before the next block', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'taker');
  const { id } = await trader.place({ timeInForce: IOC });
  expect(paper.truth()).toMatchObject({
    height: 1,
    fills: [],
    orders: [{ id, live: true, filled_size: '0' }],
  });
  paper.produceBlock();
  const truth = paper.truth();
  expect(truth.orders).toMatchObject([{ live: false, filled_size: '0.01', removal: 'FULLY_FILLED' }]);
  expect(truth.fills).toMatchObject([
    { order_id: id, height: 2, size: '0.01', liquidity: 'TAKER', side: 'BUY' },
  ]);
});

test('the taker fee is 0.05 % rounded up and paid at the price of the level', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'taker');
  await trader.place({ quantums: steps(100), timeInForce: IOC });
  paper.produceBlock();
  const [fill] = paper.truth().fills;
  expect(Number(fill?.price)).toBeLessThan(62_000);
  expect(Number(fill?.fee)).toBeCloseTo(Number(fill?.price) * 0.01 * 0.0005, 6);
});

test('an IOC takes what is there and drops the rest', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'whale');
  const { id } = await trader.place({ quantums: steps(1_000_000), timeInForce: IOC });
  paper.produceBlock();
  const [order] = paper.truth().orders;
  expect(order).toMatchObject({ live: false, removal: 'IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK' });
  expect(Number(order?.filled_size)).toBeGreaterThan(1);
  expect(paper.truth().fills.every((fill) => fill.order_id === id)).toBe(true);
  expect(paper.truth().fills.length).toBeGreaterThan(5);
});

test('an order without collateral for its match is answered with code 0 and is gone', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'poor');
  // A hundredth of a BTC is worth 600 dollars, 30 of which are needed.
  paper.setBalance({ owner: trader.owner, usdc: '35' });
  const resting = await trader.place({ subticks: LOW, quantums: steps(1_000) });
  const affordable = await trader.place();
  const beyond = await trader.place();
  expect([resting.code, affordable.code, beyond.code]).toEqual([0, 0, 0]);
  paper.produceBlock();
  const removals = paper.truth().orders.map(({ live, removal, filled_size }) => [live, removal, filled_size]);
  expect(removals).toEqual([
    [true, undefined, '0'],
    [false, 'FULLY_FILLED', '0.01'],
    [false, 'UNDERCOLLATERALIZED', '0'],
  ]);
  // What makes the position smaller needs none.
  expect((await trader.place({ side: 'SELL', subticks: LOW, timeInForce: IOC })).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().fills.map(({ side }) => side)).toEqual(['BUY', 'SELL']);
});

test('two users trade with each other: one event, two fills, maker rebate and taker fee', async () => {
  await using paper = await startTestPaper();
  const maker = await createTrader(paper, 'maker');
  const taker = await createTrader(paper, 'taker');
  const mid = midSubticks(1, PAPER_MARKETS[0] ?? expect.fail('no market'), 1);
  const resting = await maker.place({ subticks: mid, quantums: steps(100) });
  const hit = await taker.place({ side: 'SELL', subticks: mid, quantums: steps(40), timeInForce: IOC });
  paper.produceBlock();
  const { fills } = paper.truth();
  expect(fills).toHaveLength(2);
  const [made] = paper.truth(maker.owner).fills;
  const [taken] = paper.truth(taker.owner).fills;
  expect(made).toMatchObject({ order_id: resting.id, liquidity: 'MAKER', side: 'BUY', size: '0.004' });
  expect(taken).toMatchObject({ order_id: hit.id, liquidity: 'TAKER', side: 'SELL', size: '0.004' });
  expect(made?.id).not.toBe(taken?.id);
  // -0.011 %, cut to whole quote quantums: a rebate is never rounded up.
  expect(Number(made?.fee)).toBe(-Math.floor(Number(made?.price) * 0.44 + 1e-9) / 1e6);
});

test('a trade with oneself removes the maker', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'self');
  const mid = midSubticks(1, PAPER_MARKETS[0] ?? expect.fail('no market'), 1);
  const maker = await trader.place({ subticks: mid });
  await trader.place({ side: 'SELL', subticks: mid, timeInForce: IOC });
  paper.produceBlock();
  expect(paper.truth().fills).toEqual([]);
  expect(paper.truth().orders.find((order) => order.id === maker.id)).toMatchObject({
    live: false,
    removal: 'SELF_TRADE_ERROR',
  });
});

test('a resting order is swept as maker when the book moves through it', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'patient');
  const market = PAPER_MARKETS[0] ?? expect.fail('no market');
  // The highest bid of the next 40 heights, above today's: it must be reached, and not before.
  const bids = Array.from(
    { length: 40 },
    (_, index) => syntheticLevels(1, market, index + 2).BUY[0]?.subticks ?? 0n,
  );
  const [highest = 0n] = bids.toSorted((left, right) => Number(right - left));
  const reachedAt = bids.indexOf(highest) + 2;
  const goodTilBlock = paper.height() + 41;
  const { id } = await trader.place({ side: 'SELL', subticks: highest, quantums: steps(1), goodTilBlock });
  while (paper.height() < reachedAt) paper.produceBlock();
  expect(paper.truth().fills).toEqual([]);
  paper.produceBlock();
  const price = (highest / 100_000n).toString();
  expect(paper.truth().fills).toMatchObject([
    { order_id: id, liquidity: 'MAKER', height: reachedAt + 1, price },
  ]);
});

test('an order can fill in the block of its good-til-block and is gone from then on', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'last');
  const fills = await trader.place({ goodTilBlock: paper.height() + 1 });
  const rests = await trader.place({ subticks: LOW, goodTilBlock: paper.height() + 1 });
  paper.produceBlock();
  const byId = new Map(paper.truth().orders.map((order) => [order.id, order]));
  expect(byId.get(fills.id)).toMatchObject({ filled_size: '0.01', good_til_block: 2 });
  expect(byId.get(rests.id)).toMatchObject({ live: false, removal: 'EXPIRED', filled_size: '0' });
});

test('a cancel does not undo a match that is on its way into a block', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'late');
  const { clientId, id } = await trader.place({});
  expect((await trader.cancel(clientId, paper.height() + 10)).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().fills).toMatchObject([{ order_id: id, size: '0.01' }]);
});

test('fill memory outlasts the good-til-block by 40 blocks, then the id is fresh again', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'reuse');
  const { clientId, id } = await trader.place({ goodTilBlock: paper.height() + 1 });
  const again = () => trader.place({ clientId, goodTilBlock: paper.height() + 1 });
  // good-til-block 2: remembered in blocks up to 42, and a placement at height 41 aims at block 42.
  while (paper.height() < 41) paper.produceBlock();
  expect((await again()).code).toBe(24);
  paper.produceBlock();
  expect((await again()).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().orders).toMatchObject([{ id, filled_size: '0.02', deliveries: 3, accepted: 2 }]);
});

test('a replacement counts what the order has filled before', async () => {
  await using paper = await startTestPaper();
  const maker = await createTrader(paper, 'maker');
  const taker = await createTrader(paper, 'taker');
  const mid = midSubticks(1, PAPER_MARKETS[0] ?? expect.fail('no market'), 1);
  const first = await maker.place({ subticks: mid, quantums: steps(100), goodTilBlock: 10 });
  await taker.place({ side: 'SELL', subticks: mid, quantums: steps(60), timeInForce: IOC });
  paper.produceBlock();
  await maker.place({ clientId: first.clientId, quantums: steps(70), subticks: HIGH, goodTilBlock: 12 });
  paper.produceBlock();
  expect(paper.truth(maker.owner).orders).toMatchObject([
    {
      filled_quantums: steps(70).toString(),
      quantums: steps(70).toString(),
      good_til_block: 12,
      accepted: 2,
    },
  ]);
});

test('reduce-only closes at most the position', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'reducer');
  await trader.place({ quantums: steps(10), timeInForce: IOC });
  paper.produceBlock();
  await trader.place({
    side: 'SELL',
    quantums: steps(50),
    subticks: LOW,
    timeInForce: IOC,
    reduceOnly: true,
  });
  paper.produceBlock();
  const order = paper.truth().orders.find((each) => each.side === 'SELL');
  expect(order).toMatchObject({
    filled_quantums: steps(10).toString(),
    removal: 'REDUCE_ONLY_RESIZE',
    live: false,
  });
  const third = await trader.place({ side: 'SELL', subticks: LOW, timeInForce: IOC, reduceOnly: true });
  expect(third).toMatchObject({ codespace: 'clob', code: 2001 });
});

test('the price path stays within three percent and is the same for the same seed', () => {
  for (const market of PAPER_MARKETS) {
    const path = Array.from({ length: 3000 }, (_, height) => midSubticks(9, market, height));
    for (const mid of path) {
      const permille = (mid * 1000n) / market.startSubticks;
      expect(permille >= 970n && permille <= 1030n).toBe(true);
      expect(mid % market.subticksPerTick).toBe(0n);
    }
    expect(path[1234]).toBe(midSubticks(9, market, 1234));
    expect(new Set(path).size).toBeGreaterThan(50);
  }
  const [btc] = PAPER_MARKETS;
  expect(btc && midSubticks(1, btc, 77)).not.toBe(btc && midSubticks(2, btc, 77));
});

test('levels are worth five to fifty thousand dollars each and never cross', () => {
  for (const market of PAPER_MARKETS) {
    const levels = syntheticLevels(3, market, 500);
    const [bid, ask] = [levels.BUY[0], levels.SELL[0]];
    expect(bid && ask && bid.subticks < ask.subticks).toBe(true);
    for (const level of [...levels.BUY, ...levels.SELL]) {
      const usd = Number((level.quantums * level.subticks) / 10n ** 9n) / 1e6;
      expect(usd).toBeGreaterThan(4_000);
      expect(usd).toBeLessThan(50_500);
      expect(level.quantums % market.stepBaseQuantums).toBe(0n);
    }
  }
  expect(syntheticLevels(3, PAPER_MARKETS[0] ?? expect.fail('no market'), 1).SELL[0]?.subticks).toBeLessThan(
    dollars(62_000),
  );
});
