// The life of stateful orders: accepted into a mempool, included in the next block, matched from the block after it,
// and out of the state, with everything that was known of them, once they are filled, cancelled or expired.
import { expect, test } from 'vitest';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { midSubticks, syntheticLevels } from '../../src/paper/synthetic.ts';
import { abci, findStateful, findTx, statusOf } from './ask.ts';
import {
  createClock,
  createTrader,
  HIGH,
  IOC,
  inSeconds,
  LONG_TERM,
  LOW,
  startTestPaper,
  steps,
} from './trader.ts';

const BTC = PAPER_MARKETS[0] ?? expect.fail('no market');
const rests = { flags: LONG_TERM, subticks: LOW };

test('a long-term order is in no state before its block, and in state from then on', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'patient');
  const { code, clientId, id } = await trader.place(rests);
  expect(code).toBe(0);
  expect(await findStateful(paper.url, trader.owner, clientId)).toBeUndefined();
  expect(paper.truth()).toMatchObject({ transactions: [], orders: [{ live: true, accepted: 1 }] });
  paper.produceBlock();
  expect(await findStateful(paper.url, trader.owner, clientId)).toEqual({
    height: 2,
    index: 0,
    quantums: steps(100).toString(),
    filled: '0',
    triggered: false,
  });
  expect(paper.truth().orders).toMatchObject([{ id, live: true, order_flags: 64, good_til_block: 0 }]);
});

test('what the state does not have is answered with sdk/22 at the height of the node', async () => {
  await using paper = await startTestPaper();
  expect(await abci(paper.url, '/dydxprotocol.clob.Query/StatefulOrder', new Uint8Array())).toMatchObject({
    code: 22,
    codespace: 'sdk',
    log: expect.stringContaining('not found'),
    value: null,
    height: '1',
  });
});

test('a long-term order that crosses fills as taker in the block after its own', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'eager');
  const { id } = await trader.place({ flags: LONG_TERM });
  paper.produceBlock();
  expect(paper.truth().fills).toEqual([]);
  paper.produceBlock();
  expect(paper.truth().fills).toMatchObject([{ order_id: id, height: 3, liquidity: 'TAKER', size: '0.01' }]);
});

test('the trap: after it is filled the state has forgotten the order, and the same id buys again', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'twice');
  const { clientId } = await trader.place({ flags: LONG_TERM });
  paper.produceBlock();
  expect((await trader.place({ flags: LONG_TERM, clientId }, 'too early')).code).toBe(3005);
  paper.produceBlock();
  expect(await findStateful(paper.url, trader.owner, clientId)).toBeUndefined();
  expect((await trader.place({ flags: LONG_TERM, clientId })).code).toBe(0);
  paper.produceBlock();
  paper.produceBlock();
  expect(paper.truth().orders).toMatchObject([
    { filled_size: '0.02', deliveries: 3, accepted: 2, live: false, removal: 'FULLY_FILLED' },
  ]);
});

test('a resting long-term order fills as maker, and the state tells how much', async () => {
  await using paper = await startTestPaper();
  const maker = await createTrader(paper, 'maker');
  const taker = await createTrader(paper, 'taker');
  const subticks = midSubticks(1, BTC, 2);
  const { clientId, id } = await maker.place({ flags: LONG_TERM, subticks, quantums: steps(50) });
  paper.produceBlock();
  await taker.place({ side: 'SELL', subticks, quantums: steps(20), timeInForce: IOC });
  expect(await findStateful(paper.url, maker.owner, clientId)).toMatchObject({ filled: '0' });
  paper.produceBlock();
  expect(paper.truth(maker.owner).fills).toMatchObject([
    { order_id: id, liquidity: 'MAKER', height: 3, size: '0.002' },
  ]);
  expect(await findStateful(paper.url, maker.owner, clientId)).toMatchObject({
    filled: steps(20).toString(),
  });
});

test('a cancel takes the order out of state with its block, not before', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'canceller');
  const { clientId, id } = await trader.place(rests);
  paper.produceBlock();
  expect((await trader.cancelStateful(clientId)).code).toBe(0);
  expect(paper.truth().orders).toMatchObject([{ live: true }]);
  paper.produceBlock();
  expect(await findStateful(paper.url, trader.owner, clientId)).toBeUndefined();
  expect(paper.truth()).toMatchObject({
    orders: [{ id, live: false, removal: 'USER_CANCELED' }],
    transactions: [
      { height: 2, index: 1, code: 0, nonce: 0, kinds: ['place'], order_ids: [id] },
      { height: 3, index: 1, code: 0, nonce: 1, kinds: ['cancel'], order_ids: [id] },
    ],
  });
});

test('an order placed and cancelled in one block never rests', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'brief');
  const { clientId } = await trader.place({ flags: LONG_TERM });
  expect((await trader.cancelStateful(clientId)).code).toBe(0);
  paper.produceBlock();
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({ fills: [], orders: [{ live: false, removal: 'USER_CANCELED' }] });
});

test('the first block at or after its time ends the order', async () => {
  const clock = createClock();
  await using paper = await startTestPaper({ now: clock.now });
  const trader = await createTrader(paper, 'mortal');
  const goodTilBlockTime = inSeconds(10);
  const { clientId } = await trader.place({ ...rests, goodTilBlockTime });
  clock.setMs(goodTilBlockTime * 1000 - 1);
  paper.produceBlock();
  expect(await findStateful(paper.url, trader.owner, clientId)).toBeDefined();
  clock.setMs(goodTilBlockTime * 1000);
  paper.produceBlock();
  expect(await findStateful(paper.url, trader.owner, clientId)).toBeUndefined();
  expect(paper.truth().orders).toMatchObject([{ live: false, removal: 'EXPIRED' }]);
});

test('a post-only long-term order that would cross is taken out of state by the block after its own', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'crosser');
  const { clientId } = await trader.place({ flags: LONG_TERM, subticks: HIGH, timeInForce: 2 });
  paper.produceBlock();
  expect(await findStateful(paper.url, trader.owner, clientId)).toBeDefined();
  paper.produceBlock();
  expect(await findStateful(paper.url, trader.owner, clientId)).toBeUndefined();
  expect(paper.truth()).toMatchObject({
    fills: [],
    orders: [{ removal: 'POST_ONLY_WOULD_CROSS_MAKER_ORDER' }],
  });
});

test('several placements and cancels in one transaction all count', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'bundle');
  await trader.place({ ...rests, clientId: 1 });
  paper.produceBlock();
  const bundle = [
    trader.cancellation({ flags: LONG_TERM, clientId: 1 }),
    trader.placement({ ...rests, clientId: 2 }),
    trader.placement({ ...rests, clientId: 3 }),
  ];
  expect((await trader.sendStateful(bundle)).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().orders.map(({ client_id, live }) => [client_id, live])).toEqual([
    [1, false],
    [2, true],
    [3, true],
  ]);
  expect(await findStateful(paper.url, trader.owner, 3)).toMatchObject({ height: 3, index: 1 });
  expect(paper.truth().transactions[1]).toMatchObject({ kinds: ['cancel', 'place', 'place'] });
});

test('an included transaction is found by its hash at once, by a node that keeps an index', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'seeker');
  const { hash } = await trader.place(rests);
  const missing = { error: { code: -32603, data: `tx (${hash}) not found` } };
  expect(await findTx(paper.url, hash)).toMatchObject(missing);
  paper.produceBlock();
  expect(await findTx(paper.url, hash)).toMatchObject({
    result: { hash, height: '2', index: 1, tx_result: { code: 0, codespace: '', events: [] } },
  });
  paper.setNode(0, { tx_index: false });
  expect(await findTx(paper.url, hash)).toMatchObject({
    error: { data: 'transaction indexing is disabled' },
  });
  expect((await statusOf(paper.url)).node_info.other.tx_index).toBe('off');
});

test('a moving book sweeps a resting long-term order as maker', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'swept');
  const bids = Array.from(
    { length: 60 },
    (_, index) => syntheticLevels(1, BTC, index + 3).BUY[0]?.subticks ?? 0n,
  );
  const [highest = 0n] = bids.toSorted((left, right) => Number(right - left));
  await trader.place({ flags: LONG_TERM, side: 'SELL', subticks: highest, quantums: steps(1) });
  // Longer than any short-term order lives.
  while (paper.height() < 63) paper.produceBlock();
  expect(paper.truth().fills).toMatchObject([{ liquidity: 'MAKER', height: bids.indexOf(highest) + 4 }]);
});
