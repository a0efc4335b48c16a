// What a block does with transactions that a node has accepted: some fail there, and then they are on the chain with a
// code, and their nonce is used up.
import { expect, test } from 'vitest';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { midSubticks } from '../../src/paper/synthetic.ts';
import { blockTimeMs, findStateful, findTx, nodesOf } from './ask.ts';
import { createTrader, IOC, inAnHour, LONG_TERM, LOW, startTestPaper, steps } from './trader.ts';

const BTC = PAPER_MARKETS[0] ?? expect.fail('no market');
const rests = { flags: LONG_TERM, subticks: LOW };

test('a cancel that meets the last fill in one block fails with 3010', async () => {
  await using paper = await startTestPaper();
  const maker = await createTrader(paper, 'maker');
  const taker = await createTrader(paper, 'taker');
  const subticks = midSubticks(1, BTC, 2);
  const { clientId } = await maker.place({ flags: LONG_TERM, subticks, quantums: steps(10) });
  paper.produceBlock();
  await taker.place({ side: 'SELL', subticks, quantums: steps(10), timeInForce: IOC });
  const cancel = await maker.cancelStateful(clientId);
  expect(cancel.code).toBe(0);
  paper.produceBlock();
  expect(paper.truth(maker.owner)).toMatchObject({
    orders: [{ removal: 'FULLY_FILLED', filled_size: '0.001' }],
    transactions: [{ code: 0 }, { hash: cancel.hash, height: 3, code: 3010, codespace: 'clob', nonce: 1 }],
  });
  expect(await maker.accountSequence()).toBe(2);
});

test('more orders than the equity tier allows pass the mempool together and fail in the block', async () => {
  await using paper = await startTestPaper({ equityTiers: [{ usd: '0', limit: 2 }], statefulRateLimits: [] });
  const trader = await createTrader(paper, 'greedy');
  for (let clientId = 1; clientId <= 3; clientId++) {
    expect((await trader.place({ ...rests, clientId })).code).toBe(0);
  }
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({
    transactions: [{ code: 0 }, { code: 0 }, { code: 10001, codespace: 'clob' }],
    orders: [{ live: true }, { live: true }, { live: false, accepted: 1 }],
  });
  expect(await trader.accountSequence()).toBe(3);
});

test('a cancel whose placement fails in the same block fails with 3006', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'chain of events');
  // The oldest nonce that is allowed now is too old by the next block.
  const nonce = (await blockTimeMs(paper.url)) - 30_000;
  await trader.place({ ...rests, clientId: 1, sequence: nonce });
  expect((await trader.cancelStateful(1)).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().transactions).toMatchObject([
    { code: 32, codespace: 'sdk' },
    { code: 3006, codespace: 'clob' },
  ]);
});

test('all messages of a transaction count in the block, or none', async () => {
  await using paper = await startTestPaper({ equityTiers: [{ usd: '0', limit: 1 }] });
  const trader = await createTrader(paper, 'bundle');
  const pair = [1, 2].map((clientId) => trader.placement({ ...rests, clientId }));
  expect((await trader.sendStateful(pair)).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().transactions).toMatchObject([{ code: 10001, kinds: ['place', 'place'] }]);
  expect(await findStateful(paper.url, trader.owner, 1)).toBeUndefined();
});

test('an injected failure is on the chain with its code and has used up the nonce', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'victim');
  paper.faults.add({
    on: 'broadcast',
    action: 'fail_in_block',
    count: 1,
    params: { codespace: 'clob', code: 3007, log: 'not enough' },
  });
  const { code, hash, clientId } = await trader.place(rests);
  expect(code).toBe(0);
  paper.produceBlock();
  expect(await findTx(paper.url, hash)).toMatchObject({
    result: { tx_result: { code: 3007, codespace: 'clob', log: 'not enough' } },
  });
  expect(await findStateful(paper.url, trader.owner, clientId)).toBeUndefined();
  expect(await trader.accountSequence()).toBe(1);
});

test('a transaction beyond its timeout height leaves its nonce free', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'timed');
  paper.produceBlock();
  const message = [trader.placement({ ...rests, clientId: 1 })];
  // Height 2 is the last block, so that 2 is allowed now and too late for block 3.
  expect((await trader.sendStateful(message, { timeoutHeight: 2, sequence: 0 })).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().transactions).toMatchObject([{ code: 30, codespace: 'sdk' }]);
  expect(await trader.accountSequence()).toBe(0);
});

test('what reaches no block is given up after 40 of them, and its bytes stay known', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'lost');
  paper.faults.add({ on: 'broadcast', action: 'lose', count: 1 });
  const draft = { ...rests, clientId: 1, sequence: 0, goodTilBlockTime: inAnHour() };
  const { id } = await trader.place(draft);
  const mempool = async () => (await nodesOf(paper.url))[0]?.mempool;
  expect(paper.truth().orders).toMatchObject([{ id, live: false, removal: 'LOST', accepted: 1 }]);
  while (paper.height() < 41) paper.produceBlock();
  expect(await mempool()).toBe(1);
  paper.produceBlock();
  expect(await mempool()).toBe(0);
  await expect(trader.place(draft)).rejects.toThrow('already exists in cache');
});

test('what has become invalid leaves the mempool with the next block', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'overtaken');
  paper.faults.add({ on: 'broadcast', action: 'lose', count: 1 });
  await trader.place({ ...rests, clientId: 1, sequence: 0 });
  const nonce = await blockTimeMs(paper.url);
  await trader.place({ ...rests, clientId: 2, sequence: nonce });
  expect(await nodesOf(paper.url)).toMatchObject([{ mempool: 2 }]);
  paper.produceBlock();
  expect(await nodesOf(paper.url)).toMatchObject([{ mempool: 1 }]);
});
