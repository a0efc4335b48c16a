// The indexer face of stateful orders: a row from the block of the placement on, at the indexer's own height.
import { expect, test } from 'vitest';
import { subaccountUuid } from '../../src/core/order-uuid.ts';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { midSubticks } from '../../src/paper/synthetic.ts';
import { getJson } from './ask.ts';
import {
  CONDITIONAL,
  createTrader,
  HIGH,
  IOC,
  inSeconds,
  LONG_TERM,
  LOW,
  POST_ONLY,
  startTestPaper,
  steps,
} from './trader.ts';

type Fills = { fills: { id: string }[] };

type OrderRow = { id: string; status: string; [field: string]: unknown };

test('a stateful order has a row from its block on, with time, type and trigger', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'rows');
  const goodTilBlockTime = inSeconds(600);
  const long = await trader.place({ flags: LONG_TERM, subticks: LOW, goodTilBlockTime });
  const stop = await trader.place({
    flags: CONDITIONAL,
    side: 'SELL',
    subticks: LOW,
    conditionType: 1,
    triggerSubticks: LOW,
    goodTilBlockTime,
  });
  expect((await getJson(`${paper.url}/v4/orders/${long.id}`)).status).toBe(404);
  paper.produceBlock();
  expect(await getJson(`${paper.url}/v4/orders/${long.id}`)).toEqual({
    status: 200,
    body: {
      id: long.id,
      subaccountId: subaccountUuid(trader.owner, 0),
      clientId: '1',
      clobPairId: '0',
      side: 'BUY',
      size: '0.01',
      totalFilled: '0',
      price: '50000',
      type: 'LIMIT',
      status: 'OPEN',
      timeInForce: 'GTT',
      postOnly: false,
      reduceOnly: false,
      orderFlags: '64',
      goodTilBlockTime: new Date(goodTilBlockTime * 1000).toISOString(),
      createdAtHeight: '2',
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      updatedAtHeight: '2',
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      clientMetadata: '0',
      ticker: 'BTC-USD',
      subaccountNumber: 0,
    },
  });
  expect((await getJson(`${paper.url}/v4/orders/${stop.id}`)).body).toMatchObject({
    type: 'STOP_LIMIT',
    status: 'UNTRIGGERED',
    triggerPrice: '50000',
    orderFlags: '32',
  });
});

test('the row of a stateful order stays: filled, cancelled, and filled in part before it was cancelled', async () => {
  await using paper = await startTestPaper({ statefulRateLimits: [] });
  const maker = await createTrader(paper, 'maker');
  const taker = await createTrader(paper, 'taker');
  const status = async (id: string) => (await getJson<OrderRow>(`${paper.url}/v4/orders/${id}`)).body.status;
  const subticks = midSubticks(1, PAPER_MARKETS[0] ?? expect.fail('no market'), 2);
  const filled = await maker.place({ flags: LONG_TERM });
  const cancelled = await maker.place({ flags: LONG_TERM, subticks: LOW });
  const partly = await maker.place({ flags: LONG_TERM, subticks });
  const crossing = await maker.place({ flags: LONG_TERM, timeInForce: POST_ONLY });
  paper.produceBlock();
  await taker.place({ side: 'SELL', subticks, quantums: steps(30), timeInForce: IOC });
  await maker.cancelStateful(cancelled.clientId);
  // Off the book already, in state until the next block.
  expect(await status(crossing.id)).toBe('BEST_EFFORT_CANCELED');
  paper.produceBlock();
  await maker.cancelStateful(partly.clientId);
  expect(await status(partly.id)).toBe('OPEN');
  paper.produceBlock();
  expect(await Promise.all([filled, cancelled, partly, crossing].map(({ id }) => status(id)))).toEqual([
    'FILLED',
    'CANCELED',
    'CANCELED',
    'CANCELED',
  ]);
  expect((await getJson(`${paper.url}/v4/orders/${partly.id}`)).body).toMatchObject({
    totalFilled: '0.003',
    updatedAtHeight: '4',
  });
});

test('a placement under the same id takes over the row; its fills stay', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'again');
  const { id, clientId } = await trader.place({ flags: LONG_TERM });
  paper.produceBlock();
  paper.produceBlock();
  await trader.place({ flags: LONG_TERM, clientId, subticks: LOW, quantums: steps(7) });
  paper.produceBlock();
  expect((await getJson(`${paper.url}/v4/orders/${id}`)).body).toMatchObject({
    status: 'OPEN',
    size: '0.0007',
    totalFilled: '0',
    createdAtHeight: '4',
  });
  const fills = await getJson<Fills>(`${paper.url}/v4/fills?address=${trader.owner}&subaccountNumber=0`);
  expect(fills.body.fills).toHaveLength(1);
});

test('a lagging indexer shows stateful orders as they were', async () => {
  await using paper = await startTestPaper({ indexerLagBlocks: 1 });
  const trader = await createTrader(paper, 'lag');
  const { id, clientId } = await trader.place({ flags: LONG_TERM, subticks: LOW });
  const look = async () => {
    const { status, body } = await getJson<OrderRow>(`${paper.url}/v4/orders/${id}`);
    return status === 200 ? body.status : status;
  };
  paper.produceBlock();
  expect(await look()).toBe(404);
  await trader.cancelStateful(clientId);
  paper.produceBlock();
  expect(await look()).toBe('OPEN');
  paper.produceBlock();
  expect(await look()).toBe('CANCELED');
});

test('lists are narrowed by type, status, good-til-block and good-til-block-time', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'lists');
  const early = await trader.place({ flags: LONG_TERM, subticks: LOW, goodTilBlockTime: inSeconds(100) });
  const late = await trader.place({
    flags: CONDITIONAL,
    side: 'SELL',
    subticks: LOW,
    conditionType: 2,
    triggerSubticks: HIGH,
    goodTilBlockTime: inSeconds(300),
  });
  const short = await trader.place({ subticks: LOW, goodTilBlock: 20 });
  paper.produceBlock();
  const list = async (filter: string) => {
    const url = `${paper.url}/v4/orders?address=${trader.owner}&subaccountNumber=0&${filter}`;
    return (await getJson<OrderRow[]>(url)).body.map(({ id }) => id);
  };
  const middle = encodeURIComponent(new Date(inSeconds(200) * 1000).toISOString());
  expect(await list('')).toEqual([short.id, late.id, early.id]);
  expect(await list('type=TAKE_PROFIT')).toEqual([late.id]);
  expect(await list('status=OPEN,UNTRIGGERED')).toEqual([late.id, early.id]);
  expect(await list('goodTilBlockBeforeOrAt=20')).toEqual([short.id]);
  expect(await list('goodTilBlockAfter=20')).toEqual([]);
  expect(await list(`goodTilBlockTimeBeforeOrAt=${middle}`)).toEqual([early.id]);
  expect(await list(`goodTilBlockTimeAfter=${middle}`)).toEqual([late.id]);
});
