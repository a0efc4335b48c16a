// The indexer face: shapes, ids, statuses, pages and lag.
import { expect, test } from 'vitest';
import { fillUuid, orderUuid, subaccountUuid } from '../../src/core/order-uuid.ts';
import { getJson } from './ask.ts';
import { createClock, createTrader, IOC, LOW, startTestPaper, steps } from './trader.ts';

type Fills = {
  fills: { id: string; createdAtHeight: string }[];
  pageSize?: number;
  totalResults?: number;
  offset?: number;
};

test('ids are those of real mainnet samples', () => {
  const owner = 'dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art';
  const id = { owner, subaccountNumber: 0, clobPairId: 1 };
  expect(subaccountUuid(owner, 0)).toBe('8586bcf6-1f58-5ec9-a0bc-e53db273e7b0');
  expect(orderUuid({ ...id, clientId: 1964904710, orderFlags: 0 })).toBe(
    '5a1c10aa-66bb-5cf2-a106-32d6470eb43e',
  );
  expect(orderUuid({ ...id, clientId: 2130017314, orderFlags: 64 })).toBe(
    '0ef4a74e-6916-5a1e-9744-baa9c37d5ce3',
  );
});

test('a fill has the id of its event: height, second transaction, index in the block', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'ids');
  await trader.place({ quantums: steps(1), timeInForce: IOC });
  await trader.place({ quantums: steps(1), timeInForce: IOC });
  paper.produceBlock();
  const event = (index: number) =>
    Buffer.from(`0000000200000002${index.toString(16).padStart(8, '0')}`, 'hex');
  expect(paper.truth().fills.map((fill) => fill.id)).toEqual([
    fillUuid(event(0), 'TAKER'),
    fillUuid(event(1), 'TAKER'),
  ]);
});

test('orders and fills have the shapes of the venue', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'shapes');
  const who = `address=${trader.owner}&subaccountNumber=0`;
  const resting = await trader.place({ subticks: LOW, goodTilBlock: 9 });
  const order = await getJson(`${paper.url}/v4/orders/${resting.id}`);
  expect(order).toEqual({
    status: 200,
    body: {
      id: resting.id,
      subaccountId: subaccountUuid(trader.owner, 0),
      clientId: '1',
      clobPairId: '0',
      side: 'BUY',
      size: '0.01',
      totalFilled: '0',
      price: '50000',
      type: 'LIMIT',
      status: 'BEST_EFFORT_OPENED',
      timeInForce: 'GTT',
      postOnly: false,
      reduceOnly: false,
      orderFlags: '0',
      goodTilBlock: '9',
      clientMetadata: '0',
      ticker: 'BTC-USD',
      subaccountNumber: 0,
    },
  });
  const taken = await trader.place({ timeInForce: IOC });
  paper.produceBlock();
  const { body } = await getJson<Fills>(`${paper.url}/v4/fills?${who}`);
  const [truth] = paper.truth().fills;
  expect(Object.keys(body)).toEqual(['fills']);
  expect(body.fills).toEqual([
    {
      id: truth?.id,
      side: 'BUY',
      liquidity: 'TAKER',
      type: 'LIMIT',
      market: 'BTC-USD',
      marketType: 'PERPETUAL',
      price: truth?.price,
      size: '0.01',
      fee: truth?.fee,
      affiliateRevShare: '0',
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      createdAtHeight: '2',
      orderId: taken.id,
      clientMetadata: '0',
      subaccountNumber: 0,
    },
  ]);
  const list = await getJson<{ id: string }[]>(`${paper.url}/v4/orders?${who}&status=BEST_EFFORT_OPENED`);
  expect(list.body.map((each) => each.id)).toEqual([resting.id]);
});

test('an order that ended unfilled is a 404, and so is one that was never seen', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'gone');
  const ioc = await trader.place({ subticks: LOW, timeInForce: IOC });
  const expired = await trader.place({ subticks: LOW, goodTilBlock: 2 });
  expect((await getJson(`${paper.url}/v4/orders/${ioc.id}`)).status).toBe(404);
  expect((await getJson(`${paper.url}/v4/orders/${expired.id}`)).status).toBe(200);
  paper.produceBlock();
  const gone = await getJson(`${paper.url}/v4/orders/${expired.id}`);
  expect(gone).toMatchObject({
    status: 404,
    body: { errors: [{ msg: expect.stringContaining(expired.id) }] },
  });
  expect((await getJson(`${paper.url}/v4/orders/${trader.uuid(999)}`)).status).toBe(404);
  expect((await getJson(`${paper.url}/v4/orders/not-a-uuid`)).status).toBe(400);
});

test('a completely filled IOC is now and then listed as BEST_EFFORT_CANCELED', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'late removal');
  const shown = new Set<unknown>();
  for (let count = 0; count < 40; count++) await trader.place({ quantums: steps(1), timeInForce: IOC });
  paper.produceBlock();
  for (const { id, removal } of paper.truth().orders) {
    const { body } = await getJson(`${paper.url}/v4/orders/${id}`);
    expect([removal, body['totalFilled']]).toEqual(['FULLY_FILLED', '0.0001']);
    shown.add(body['status']);
  }
  expect(shown).toEqual(new Set(['FILLED', 'BEST_EFFORT_CANCELED']));
});

test('the same question within a second can get the same answer, but for a single order', async () => {
  const clock = createClock();
  const startMs = clock.now();
  await using paper = await startTestPaper({ indexerCacheMs: 1_000, now: clock.now });
  const trader = await createTrader(paper, 'cached');
  const height = async (query = '') => (await getJson(`${paper.url}/v4/height${query}`)).body['height'];
  expect(await height()).toBe('1');
  const { id } = await trader.place({ subticks: LOW, goodTilBlock: 2 });
  expect((await getJson(`${paper.url}/v4/orders/${id}`)).status).toBe(200);
  paper.produceBlock();
  expect((await getJson(`${paper.url}/v4/orders/${id}`)).status).toBe(404);
  expect([await height(), await height('?other=1')]).toEqual(['1', '2']);
  clock.setMs(startMs + 1_000);
  expect(await height()).toBe('2');
});

test('pages ascend by event and add up; without a page the newest comes first', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'pages');
  for (let height = 0; height < 3; height++) {
    for (let index = 0; index < 3; index++) await trader.place({ quantums: steps(1), timeInForce: IOC });
    paper.produceBlock();
  }
  const fills = `${paper.url}/v4/fills?address=${trader.owner}&subaccountNumber=0`;
  const all = paper.truth().fills.map((fill) => fill.id);
  const pages = await Promise.all(
    [1, 2, 3, 4].map((page) => getJson<Fills>(`${fills}&limit=4&page=${page}`)),
  );
  expect(pages.map(({ body }) => body.fills.length)).toEqual([4, 4, 1, 0]);
  expect(pages.flatMap(({ body }) => body.fills.map((fill) => fill.id))).toEqual(all);
  expect(pages[1]?.body).toMatchObject({ pageSize: 4, totalResults: 9, offset: 4 });
  const newest = await getJson<Fills>(`${fills}&limit=2`);
  expect(newest.body.fills.map((fill) => fill.id)).toEqual([all[8], all[7]]);
  const older = await getJson<Fills>(`${fills}&createdBeforeOrAtHeight=3`);
  expect(older.body.fills.map((fill) => fill.createdAtHeight)).toEqual(['3', '3', '3', '2', '2', '2']);
  const other = await getJson<Fills>(`${fills}&market=ETH-USD&marketType=PERPETUAL`);
  expect(other.body.fills).toEqual([]);
  expect((await getJson(`${fills}&limit=1001`)).status).toBe(400);
});

test('a lagging indexer shows neither the block nor its fills', async () => {
  await using paper = await startTestPaper({ indexerLagBlocks: 2 });
  const trader = await createTrader(paper, 'lag');
  const { id } = await trader.place({ timeInForce: IOC });
  const fills = `${paper.url}/v4/fills?address=${trader.owner}&subaccountNumber=0&page=1`;
  const look = async () => {
    const [height, page] = await Promise.all([getJson(`${paper.url}/v4/height`), getJson<Fills>(fills)]);
    return [height.body['height'], page.body.fills.length];
  };
  paper.produceBlock();
  expect(await look()).toEqual(['0', 0]);
  expect(await getJson(`${paper.url}/v4/orders/${id}`)).toMatchObject({
    body: { status: 'BEST_EFFORT_OPENED' },
  });
  paper.produceBlock();
  expect(await look()).toEqual(['1', 0]);
  paper.produceBlock();
  expect(await look()).toEqual(['2', 1]);
  expect(paper.truth()).toMatchObject({ height: 4, indexer_height: 2 });
});

test('markets, order book and subaccount are served, unknown ones are refused', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'reader');
  const { body } = await getJson<{ markets: Record<string, Record<string, unknown>> }>(
    `${paper.url}/v4/perpetualMarkets`,
  );
  expect(Object.keys(body.markets).length).toBeGreaterThanOrEqual(8);
  expect(body.markets['BTC-USD']).toMatchObject({
    clobPairId: '0',
    atomicResolution: -10,
    quantumConversionExponent: -9,
    stepBaseQuantums: 1_000_000,
    subticksPerTick: 100_000,
    tickSize: '1',
    stepSize: '0.0001',
    status: 'ACTIVE',
  });
  expect(body.markets['COMP-USD']?.['status']).toBe('PAUSED');
  expect((await getJson(`${paper.url}/v4/perpetualMarkets?ticker=NO-USD`)).status).toBe(400);
  const book = await getJson<{ bids: unknown[]; asks: unknown[] }>(
    `${paper.url}/v4/orderbooks/perpetualMarket/BTC-USD`,
  );
  expect(book.body.bids.length).toBeGreaterThan(5);
  await trader.place({ side: 'SELL', subticks: LOW, timeInForce: IOC });
  paper.produceBlock();
  const account = await getJson(`${paper.url}/v4/addresses/${trader.owner}/subaccountNumber/0`);
  expect(account.body).toMatchObject({
    subaccount: {
      address: trader.owner,
      subaccountNumber: 0,
      openPerpetualPositions: { 'BTC-USD': { side: 'SHORT', size: '-0.01' } },
      latestProcessedBlockHeight: '2',
    },
  });
  expect((await getJson(`${paper.url}/v4/addresses/nobody/subaccountNumber/0`)).status).toBe(404);
  expect((await getJson(`${paper.url}/v4/time`)).body).toEqual({
    iso: expect.any(String),
    epoch: expect.any(Number),
  });
});
