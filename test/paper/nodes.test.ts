// Several nodes: each with its own height, caches, limits and mempool, told by the others what they accept. Only what
// reaches node 0 can happen.
import { expect, test } from 'vitest';
import type { Paper } from '../../src/paper/paper.ts';
import { abci, blockTimeMs, broadcast, findStateful, findTx, nodesOf, postJson, statusOf } from './ask.ts';
import { createTrader, IOC, LONG_TERM, LOW, startTestPaper } from './trader.ts';

const rests = { flags: LONG_TERM, subticks: LOW };
const seen = { error: { data: 'tx already exists in cache' } };

function nodeUrl(paper: Paper, index: number): string {
  return paper.nodes[index] ?? expect.fail(`no node ${index}`);
}

test('node 0 is the exchange itself, the others lie beside it, and there is no further one', async () => {
  await using paper = await startTestPaper({ nodes: 3 });
  expect(paper.nodes).toEqual([paper.url, `${paper.url}/nodes/1`, `${paper.url}/nodes/2`]);
  for (const url of paper.nodes) {
    expect((await statusOf(url)).sync_info.latest_block_height).toBe('1');
  }
  expect((await fetch(`${paper.url}/nodes/3`, { method: 'POST', body: '{}' })).status).toBe(404);
  await expect(startTestPaper({ nodes: 9 })).rejects.toThrow('nodes');
});

test('what one node accepts all others know at once', async () => {
  await using paper = await startTestPaper({ nodes: 3 });
  const trader = await createTrader(paper, 'told');
  const bytes = await trader.signed([trader.placement({ clientId: 1 })]);
  expect(await broadcast(nodeUrl(paper, 2), bytes)).toMatchObject({ result: { code: 0 } });
  expect(await broadcast(nodeUrl(paper, 1), bytes)).toMatchObject(seen);
  expect(await broadcast(paper.url, bytes)).toMatchObject(seen);
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({
    fills: [{ order_id: trader.uuid(1), height: 2 }],
    orders: [{ deliveries: 1, accepted: 1 }],
  });
});

test('what one node refuses the others have not heard of', async () => {
  await using paper = await startTestPaper({ nodes: 2 });
  const trader = await createTrader(paper, 'refused');
  paper.setNode(1, { lag_blocks: 5 });
  for (let block = 0; block < 5; block++) paper.produceBlock();
  const bytes = await trader.signed([trader.placement({ clientId: 1, goodTilBlock: 47 })]);
  // 41 blocks ahead of node 0, 46 ahead of node 1.
  expect(await broadcast(nodeUrl(paper, 1), bytes)).toMatchObject({ result: { code: 11 } });
  expect(await broadcast(nodeUrl(paper, 1), bytes)).toMatchObject(seen);
  expect(await broadcast(paper.url, bytes)).toMatchObject({ result: { code: 0 } });
});

test('a refusal by gossip is silent: the order is accepted and lost', async () => {
  await using paper = await startTestPaper({ nodes: 2 });
  const trader = await createTrader(paper, 'lost');
  paper.setNode(1, { lag_blocks: 3 });
  for (let block = 0; block < 3; block++) paper.produceBlock();
  expect(await trader.place({ goodTilBlock: 4, node: nodeUrl(paper, 1) })).toMatchObject({ code: 0 });
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({
    fills: [],
    orders: [{ live: false, accepted: 1, removal: 'LOST' }],
    refusals: [],
  });
});

test('gossip that takes blocks delivers late', async () => {
  await using paper = await startTestPaper({ nodes: 2, gossipBlocks: 2 });
  const trader = await createTrader(paper, 'slow');
  const long = await trader.place({ flags: LONG_TERM, node: nodeUrl(paper, 1) });
  const short = await trader.place({ timeInForce: IOC, node: nodeUrl(paper, 1) });
  expect(paper.truth().orders.map(({ live }) => live)).toEqual([true, true]);
  paper.produceBlock();
  expect(paper.truth().transactions).toEqual([]);
  paper.produceBlock();
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({
    transactions: [{ hash: long.hash, height: 4 }],
    fills: [{ order_id: short.id, height: 4 }],
  });
});

test('a node without gossip keeps to itself what it accepts', async () => {
  await using paper = await startTestPaper({ nodes: 2 });
  const trader = await createTrader(paper, 'alone');
  paper.setNode(1, { gossip: false });
  const node = nodeUrl(paper, 1);
  const short = await trader.place({ clientId: 1, node });
  const long = await trader.place({ ...rests, clientId: 2, node });
  expect([short.code, long.code]).toEqual([0, 0]);
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({
    fills: [],
    transactions: [],
    orders: [
      { live: false, removal: 'LOST' },
      { live: false, removal: 'LOST' },
    ],
  });
  // It goes on treating them as known; node 0 has never heard of them.
  expect((await trader.place({ clientId: 1, goodTilBlock: 5, node })).code).toBe(20);
  expect((await trader.place({ ...rests, clientId: 2, node, sequence: 1 })).code).toBe(3005);
  expect((await trader.place({ ...rests, clientId: 2, sequence: 0 }, 'elsewhere')).code).toBe(0);
});

test('a cancel is a fence at every node that has heard it', async () => {
  await using paper = await startTestPaper({ nodes: 3 });
  const trader = await createTrader(paper, 'fenced');
  paper.setNode(1, { gossip: false });
  expect((await trader.cancel(7, 20, { node: nodeUrl(paper, 1) })).code).toBe(0);
  expect(
    (await trader.place({ clientId: 7, goodTilBlock: 20, subticks: LOW, node: nodeUrl(paper, 1) })).code,
  ).toBe(7);
  expect(
    (await trader.place({ clientId: 7, goodTilBlock: 20, subticks: LOW, node: nodeUrl(paper, 2) })).code,
  ).toBe(0);
  expect(paper.truth().orders).toMatchObject([{ live: true }]);
  expect((await trader.cancel(7, 21, { node: nodeUrl(paper, 2) })).code).toBe(0);
  expect(paper.truth().orders).toMatchObject([{ live: false, removal: 'USER_CANCELED' }]);
});

test('each node counts what it sees, gossip included', async () => {
  await using paper = await startTestPaper({ nodes: 2, rateLimit: { limit: 2, blocks: 1 } });
  const trader = await createTrader(paper, 'counted');
  const node = nodeUrl(paper, 1);
  const codes = [
    await trader.place({ subticks: LOW }),
    await trader.place({ subticks: LOW, node }),
    await trader.place({ subticks: LOW }),
    await trader.place({ subticks: LOW, node }),
  ].map(({ code }) => code);
  // Refused at node 0, the third is not told: to node 1 the fourth is the third.
  expect(codes).toEqual([0, 0, 5001, 5001]);
});

test('a lagging node judges and answers at its own height', async () => {
  await using paper = await startTestPaper({ nodes: 2 });
  const trader = await createTrader(paper, 'behind');
  const node = nodeUrl(paper, 1);
  const placed = await trader.place(rests);
  paper.setNode(1, { lag_blocks: 2 });
  paper.produceBlock();
  paper.produceBlock();
  expect((await statusOf(node)).sync_info.latest_block_height).toBe('1');
  expect(await findStateful(node, trader.owner, placed.clientId)).toBeUndefined();
  expect(await findTx(node, placed.hash)).toMatchObject({ error: { data: `tx (${placed.hash}) not found` } });
  expect(await trader.accountSequence(node)).toBe(0);
  expect((await trader.place({ goodTilBlock: 43, node })).code).toBe(11);
  expect((await trader.place({ goodTilBlock: 43 })).code).toBe(0);
  paper.produceBlock();
  expect((await abci(node, '/cosmos.auth.v1beta1.Query/Account', new Uint8Array())).height).toBe('2');
  expect(await findStateful(node, trader.owner, placed.clientId)).toMatchObject({ height: 2 });
  expect(await findTx(node, placed.hash)).toMatchObject({ result: { height: '2' } });
  expect(await blockTimeMs(node)).toBeLessThan(await blockTimeMs(paper.url));
});

test('the proposer’s own node may lag: blocks go on, each transaction is in one, no late order is matched', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'behind');
  paper.setNode(0, { lag_blocks: 3 });
  const { hash, clientId } = await trader.place(rests);
  for (let block = 0; block < 3; block++) paper.produceBlock();
  expect((await statusOf(paper.url)).sync_info.latest_block_height).toBe('1');
  expect(paper.truth().transactions).toMatchObject([{ hash, height: 2, code: 0 }]);
  expect(await trader.place({ goodTilBlock: 4 })).toMatchObject({ code: 0 });
  expect((await trader.place({ goodTilBlock: 5 })).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().orders).toMatchObject([
    { live: true },
    { live: false, removal: 'LOST', filled_size: '0' },
    { live: false, removal: 'FULLY_FILLED' },
  ]);
  expect(await findStateful(paper.url, trader.owner, clientId)).toMatchObject({ height: 2 });
});

test('a growing lag stalls a node, a shrinking one lets it catch up at once', async () => {
  await using paper = await startTestPaper({ nodes: 2 });
  for (let block = 0; block < 5; block++) paper.produceBlock();
  const height = async () => (await nodesOf(paper.url))[1]?.height;
  paper.setNode(1, { lag_blocks: 4 });
  expect(await height()).toBe(6);
  paper.produceBlock();
  expect(await height()).toBe(6);
  paper.setNode(1, { lag_blocks: 0 });
  expect(await height()).toBe(7);
});

test('a node that is down drops connections; one that catches up says so', async () => {
  await using paper = await startTestPaper({ nodes: 2 });
  const control = `${paper.url}/paper/nodes/1`;
  expect(await postJson(control, { is_down: true })).toMatchObject({
    status: 200,
    body: { index: 1, is_down: true, gossip: true },
  });
  await expect(statusOf(nodeUrl(paper, 1))).rejects.toThrow();
  expect((await statusOf(paper.url)).sync_info.catching_up).toBe(false);
  await postJson(control, { is_down: false, catching_up: true });
  expect((await statusOf(nodeUrl(paper, 1))).sync_info.catching_up).toBe(true);
  expect(await postJson(control, { lag_blocks: -1 })).toMatchObject({
    status: 400,
    body: { errors: [{ param: 'lag_blocks' }] },
  });
  expect((await postJson(`${paper.url}/paper/nodes/2`, {})).status).toBe(400);
});

test('a fault can be aimed at one node and one method', async () => {
  await using paper = await startTestPaper({ nodes: 2 });
  const trader = await createTrader(paper, 'aimed');
  paper.faults.add({ on: 'rpc', action: 'html', node: 1, method: 'status' });
  paper.faults.add({ on: 'broadcast', action: 'drop_before', node: 1 });
  await expect(statusOf(nodeUrl(paper, 1))).rejects.toThrow();
  expect((await statusOf(paper.url)).sync_info.latest_block_height).toBe('1');
  expect((await abci(nodeUrl(paper, 1), '/nowhere', new Uint8Array())).code).toBe(6);
  await expect(trader.place({ node: nodeUrl(paper, 1) })).rejects.toThrow();
  expect((await trader.place({})).code).toBe(0);
});
