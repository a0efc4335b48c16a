// What an indexer shows when it is late, old or wrong, and how faults are scripted: by height, by list, by one request.
import { expect, test } from 'vitest';
import { broadcast, getJson, postJson } from './ask.ts';
import { createClock, createTrader, IOC, LOW, startTestPaper, type Trader } from './trader.ts';

type Row = { readonly id: string; readonly orderId: string; readonly createdAtHeight: string };

async function fillsOf(url: string, trader: Trader, query = '&page=1'): Promise<readonly Row[]> {
  const path = `/v4/fills?address=${trader.owner}&subaccountNumber=0${query}`;
  return (await getJson<{ fills: Row[] }>(`${url}${path}`)).body.fills;
}

async function heightOf(url: string): Promise<number> {
  return Number((await getJson(`${url}/v4/height`)).body['height']);
}

test('fills of the newest blocks can be withheld while the height is past them, from lists and totals', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'waiting');
  const { id } = await trader.place();
  paper.produceBlock();
  paper.faults.add({ on: 'indexer', action: 'withhold_fills', params: { blocks: 2 } });
  expect([await heightOf(paper.url), await fillsOf(paper.url, trader)]).toEqual([2, []]);
  expect((await getJson(`${paper.url}/v4/orders/${id}`)).body).toMatchObject({ totalFilled: '0' });
  paper.produceBlock();
  expect(await fillsOf(paper.url, trader)).toEqual([]);
  paper.produceBlock();
  expect(await fillsOf(paper.url, trader)).toMatchObject([{ orderId: id, createdAtHeight: '2' }]);
  expect((await getJson(`${paper.url}/v4/orders/${id}`)).body).toMatchObject({ totalFilled: '0.01' });
});

test('a fill of one order that is a minute late comes back at its place, before newer ones', async () => {
  const clock = createClock();
  const startMs = clock.now();
  await using paper = await startTestPaper({ now: clock.now });
  const trader = await createTrader(paper, 'late');
  const late = await trader.place({ timeInForce: IOC });
  paper.produceBlock();
  const params = { ms: 60_000, order_id: late.id };
  paper.faults.add({ on: 'indexer', action: 'withhold_fills', path: 'fills', params });
  clock.setMs(startMs + 1_000);
  const next = await trader.place({ timeInForce: IOC });
  paper.produceBlock();
  expect((await fillsOf(paper.url, trader)).map((row) => row.orderId)).toEqual([next.id]);
  clock.setMs(startMs + 61_000);
  expect((await fillsOf(paper.url, trader)).map((row) => row.orderId)).toEqual([late.id, next.id]);
  expect((await fillsOf(paper.url, trader, '')).map((row) => row.orderId)).toEqual([next.id, late.id]);
});

test('rows come twice, in another order, or with wrong types', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'rows');
  for (let count = 0; count < 3; count++) await trader.place({ timeInForce: IOC });
  paper.produceBlock();
  const right = await fillsOf(paper.url, trader);
  expect(right).toHaveLength(3);
  paper.faults.add({ on: 'indexer', action: 'duplicate', path: 'fills', count: 1 });
  expect(await fillsOf(paper.url, trader)).toEqual(right.flatMap((row) => [row, row]));
  paper.faults.add({ on: 'indexer', action: 'shuffle', path: 'fills', count: 1 });
  const shuffled = await fillsOf(paper.url, trader);
  expect(shuffled).not.toEqual(right);
  expect(new Set(shuffled.map(({ id }) => id))).toEqual(new Set(right.map(({ id }) => id)));
  paper.faults.add({ on: 'indexer', action: 'wrong_types', count: 2 });
  expect((await getJson(`${paper.url}/v4/height`)).body['height']).toBe(2);
  expect(await fillsOf(paper.url, trader)).toMatchObject([
    { createdAtHeight: 2, subaccountNumber: '0' },
    {},
    {},
  ]);
  expect(await fillsOf(paper.url, trader)).toEqual(right);
});

test('a single answer can be older than the one before; a path aims it', async () => {
  await using paper = await startTestPaper();
  for (let block = 0; block < 5; block++) paper.produceBlock();
  const trader = await createTrader(paper, 'aim');
  paper.faults.add({ on: 'indexer', action: 'stale', path: 'height', count: 1, params: { blocks: 4 } });
  expect(await fillsOf(paper.url, trader)).toEqual([]);
  expect([await heightOf(paper.url), await heightOf(paper.url)]).toEqual([2, 6]);
  paper.faults.add({ on: 'indexer', action: 'lag', path: 'fills', params: { blocks: 1 } });
  await trader.place();
  paper.produceBlock();
  expect([await heightOf(paper.url), await fillsOf(paper.url, trader)]).toEqual([7, []]);
  paper.produceBlock();
  expect(await fillsOf(paper.url, trader)).toHaveLength(1);
});

test('an indexer refuses, answers nothing, or drops the connection', async () => {
  await using paper = await startTestPaper();
  const height = `${paper.url}/v4/height`;
  paper.faults.add({ on: 'indexer', action: 'http_403', count: 1 });
  expect(await getJson(height)).toMatchObject({ status: 403, body: { errors: [{}] } });
  paper.faults.add({ on: 'indexer', action: 'empty', count: 1 });
  const empty = await fetch(height);
  expect([empty.status, await empty.text()]).toEqual([200, '']);
  paper.faults.add({ on: 'indexer', action: 'drop', count: 1 });
  await expect(fetch(height)).rejects.toThrow();
  expect(await heightOf(paper.url)).toBe(1);
});

test('a delayed answer is right, and what it answers for is done at once', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'patient');
  paper.faults.add({ on: 'broadcast', action: 'delay_answer', count: 1, params: { ms: 100 } });
  let isAnswered = false;
  const answer = trader.place().finally(() => {
    isAnswered = true;
  });
  await expect.poll(() => paper.truth().orders.length).toBe(1);
  paper.produceBlock();
  expect([isAnswered, (await fillsOf(paper.url, trader)).length]).toEqual([false, 1]);
  expect(await answer).toMatchObject({ code: 0 });
});

test('a script is armed whole or not at all, and each fault only within its heights', async () => {
  await using paper = await startTestPaper();
  const faults = `${paper.url}/paper/faults`;
  const script = [
    { on: 'rpc', action: 'http_502', at_height: 2, until_height: 3 },
    { on: 'indexer', action: 'lag', blocks: 1, at_height: 3 },
  ];
  expect(await postJson(faults, [...script, { on: 'rpc', action: 'explode' }])).toMatchObject({
    status: 400,
    body: { errors: [{ param: '2.action' }] },
  });
  expect(paper.faults.list()).toEqual([]);
  expect(await postJson(faults, script)).toEqual({ status: 201, body: { ids: [1, 2] } });
  const seen = [];
  for (let height = 1; height <= 4; height++) {
    const status = (await fetch(paper.url, { method: 'POST', body: '{"id":1,"method":"status"}' })).status;
    seen.push([status, await heightOf(paper.url)]);
    paper.produceBlock();
  }
  expect(seen).toEqual([
    [200, 1],
    [502, 2],
    [502, 2],
    [200, 3],
  ]);
  expect(paper.faults.list()).toMatchObject([{ seen: 2, hits: 2 }, {}]);
});

test('a header brings a fault to its own request alone', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'header');
  const post = async (clientId: number, fault: string) => {
    const tx = Buffer.from(await trader.signed([trader.placement({ clientId, subticks: LOW })]));
    return await fetch(paper.url, {
      method: 'POST',
      headers: { 'x-paper-fault': fault },
      body: JSON.stringify({ id: 1, method: 'broadcast_tx_sync', params: { tx: tx.toString('base64') } }),
    });
  };
  paper.faults.add({ on: 'broadcast', action: 'drop_before', skip: 1 });
  await expect(post(1, '{"action":"drop_after"}')).rejects.toThrow();
  expect(paper.truth().orders).toMatchObject([{ client_id: 1, accepted: 1 }]);
  expect(paper.faults.list()).toMatchObject([{ seen: 0 }]);
  const height = await fetch(`${paper.url}/v4/height`, {
    headers: { 'x-paper-fault': '{"action":"http_403"}' },
  });
  expect(height.status).toBe(403);
  for (const wrong of ['{"action":"explode"}', 'drop_after', '{"action":"reject"}']) {
    const refused = await post(2, wrong);
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('x-paper-fault')]);
  }
  expect(paper.truth().orders).toHaveLength(1);
});

test('requests are counted by RPC method and indexer path', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'counted');
  const { id } = await trader.place();
  await broadcast(paper.url, await trader.signed([trader.placement({ clientId: 9 })]));
  await fillsOf(paper.url, trader);
  await getJson(`${paper.url}/v4/orders/${id}`);
  await getJson(`${paper.url}/v4/nothing`);
  const counts = { broadcast_tx_sync: 2, '/v4/fills': 1, '/v4/orders/:id': 1, other: 1 };
  expect(paper.requests()).toEqual(counts);
  expect((await getJson(`${paper.url}/paper/requests`)).body).toEqual(counts);
});
