// Injected faults: what the client sees, and what really happened meanwhile.
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import type { Fault } from '../../src/paper/faces/fault-schema.ts';
import { truthSchema } from '../../src/paper/truth.ts';
import { broadcast, getJson, rpc } from './ask.ts';
import { createTrader, IOC, LOW, startTestPaper } from './trader.ts';

type Seen = 'error' | number;

const BROADCAST_CASES: readonly [
  action: Extract<Fault, { on: 'broadcast' }>['action'],
  seen: Seen,
  deliveries: number,
][] = [
  ['drop_before', 'error', 0],
  ['drop_after', 'error', 1],
  ['http_502', 502, 0],
  ['http_429', 429, 0],
  ['html', 200, 0],
  ['truncate', 'error', 1],
  ['empty', 200, 1],
  ['oversize', 200, 1],
  ['unknown_outcome', 200, 1],
  ['lose', 200, 1],
];

type Shown = { readonly seen: Seen; readonly text: string };

async function ask(url: string, method: string, params: unknown = {}, timeoutMs = 5_000): Promise<Shown> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { seen: response.status, text: await response.text() };
  } catch {
    return { seen: 'error', text: '' };
  }
}

function post(url: string, bytes: Uint8Array, timeoutMs?: number): Promise<Shown> {
  return ask(url, 'broadcast_tx_sync', { tx: Buffer.from(bytes).toString('base64') }, timeoutMs);
}

test.each(BROADCAST_CASES)(
  '%s shows the client %s while %i deliveries happened',
  async (action, seen, deliveries) => {
    await using paper = await startTestPaper();
    const trader = await createTrader(paper, 'victim');
    paper.faults.add({ on: 'broadcast', action, count: 1 });
    const answer = await post(paper.url, await trader.signed([trader.placement({ clientId: 1 })]));
    expect(answer.seen).toBe(seen);
    const orders = paper.truth().orders;
    expect(orders.reduce((sum, order) => sum + order.deliveries, 0)).toBe(deliveries);
    expect(paper.faults.list()).toMatchObject([{ seen: 1, hits: 1 }]);
    paper.produceBlock();
    expect(paper.truth().fills.length > 0).toBe(deliveries === 1 && action !== 'lose');
  },
);

const RPC_CASES: readonly [action: Extract<Fault, { on: 'rpc' }>['action'], seen: Seen, text: RegExp][] = [
  ['http_502', 502, /<html>/],
  ['html', 200, /<html>/],
  ['empty', 200, /^$/],
  ['oversize', 200, /^{.*xxx"}$/],
  ['drop', 'error', /^$/],
  ['truncate', 'error', /^$/],
];

test.each(RPC_CASES)('%s of a question shows the client %s', async (action, seen, text) => {
  await using paper = await startTestPaper();
  paper.faults.add({ on: 'rpc', action, method: 'status', count: 1 });
  expect((await ask(paper.url, 'abci_info')).seen).toBe(200);
  const answer = await ask(paper.url, 'status');
  expect(answer.seen).toBe(seen);
  expect(answer.text).toMatch(text);
  expect((await ask(paper.url, 'status')).seen).toBe(200);
});

test('a hanging answer lasts until the client leaves, processed before it or never', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'victim');
  paper.faults.add({ on: 'broadcast', action: 'hang_before', count: 1 });
  expect((await post(paper.url, await trader.signed([trader.placement({ clientId: 1 })]), 100)).seen).toBe(
    'error',
  );
  expect(paper.truth().orders).toEqual([]);
  paper.faults.clear();
  paper.faults.add({ on: 'broadcast', action: 'hang_after', count: 1 });
  expect((await post(paper.url, await trader.signed([trader.placement({ clientId: 2 })]), 100)).seen).toBe(
    'error',
  );
  expect(paper.truth().orders).toMatchObject([{ client_id: 2, accepted: 1 }]);
});

test('an injected refusal leaves the bytes in the cache', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'victim');
  paper.faults.add({
    on: 'broadcast',
    action: 'reject',
    count: 1,
    params: { codespace: 'clob', code: 5001, log: 'slow down' },
  });
  const bytes = await trader.signed([trader.placement({ clientId: 1 })]);
  expect(await broadcast(paper.url, bytes)).toMatchObject({
    result: { codespace: 'clob', code: 5001, log: 'slow down' },
  });
  expect(await broadcast(paper.url, bytes)).toMatchObject({ error: { data: 'tx already exists in cache' } });
  expect(paper.truth().orders).toEqual([]);
});

test('a lost order is accepted, never fills, blocks its own repetition and is not live', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'lost');
  paper.faults.add({ on: 'broadcast', action: 'lose', count: 1 });
  const lost = await trader.place({ goodTilBlock: 4 });
  expect(lost.code).toBe(0);
  expect((await trader.place({ clientId: lost.clientId, goodTilBlock: 4 }, 'again')).code).toBe(20);
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({ fills: [], orders: [{ live: false, accepted: 1, removal: 'LOST' }] });
  expect((await trader.place({ clientId: lost.clientId, goodTilBlock: 5 })).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({
    fills: [{ order_id: lost.id }],
    orders: [{ accepted: 2, removal: 'FULLY_FILLED' }],
  });
});

test('skip, every and count choose the requests; probability follows the seed', async () => {
  await using paper = await startTestPaper({ seed: 5 });
  const outcomes = async (count: number): Promise<string> => {
    const codes = [];
    for (let index = 0; index < count; index++) {
      const answer = await fetch(paper.url, { method: 'POST', body: '{"id":1,"method":"status"}' });
      await answer.text();
      codes.push(answer.status === 502 ? 'x' : '.');
    }
    return codes.join('');
  };
  paper.faults.add({ on: 'rpc', action: 'http_502', skip: 1, every: 2, count: 2 });
  expect(await outcomes(8)).toBe('..x.x...');
  paper.faults.clear();
  paper.faults.add({ on: 'rpc', action: 'http_502', probability: 0.5 });
  const random = await outcomes(40);
  expect(random).toContain('x');
  expect(random).toContain('.');
});

test('the indexer can lag, go silent, limit and garble', async () => {
  await using paper = await startTestPaper();
  for (let block = 0; block < 5; block++) paper.produceBlock();
  const height = `${paper.url}/v4/height`;
  expect((await getJson(height)).body['height']).toBe('6');
  paper.faults.add({ on: 'indexer', action: 'lag', params: { blocks: 3 } });
  // A growing lag stalls the height; it does not turn it back.
  expect((await getJson(height)).body['height']).toBe('6');
  for (let block = 0; block < 4; block++) paper.produceBlock();
  expect((await getJson(height)).body['height']).toBe('7');
  paper.faults.clear();
  paper.faults.add({ on: 'indexer', action: 'lag', params: { blocks: 3 }, count: 1 });
  expect((await getJson(height)).body['height']).toBe('7');
  expect((await getJson(height)).body['height']).toBe('10');
  paper.faults.clear();
  paper.faults.add({ on: 'indexer', action: 'http_429', count: 1, params: { retry_after_ms: 1234 } });
  const limited = await fetch(height);
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '1234']);
  expect(await limited.json()).toEqual({ errors: [{ msg: 'Too many requests' }] });
  paper.faults.add({ on: 'indexer', action: 'html', count: 1 });
  expect(await (await fetch(height)).text()).toContain('<html>');
  paper.faults.add({ on: 'indexer', action: 'truncate', count: 1 });
  await expect(getJson(height)).rejects.toThrow();
  paper.faults.add({ on: 'indexer', action: 'hang', count: 1 });
  await expect(fetch(height, { signal: AbortSignal.timeout(50) })).rejects.toThrow();
  expect((await getJson(height)).status).toBe(200);
});

test('faults are added, listed and cleared over HTTP; a bad one is refused by field', async () => {
  await using paper = await startTestPaper();
  const faults = `${paper.url}/paper/faults`;
  const add = async (body: unknown) => {
    const response = await fetch(faults, { method: 'POST', body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  };
  expect(await add({ on: 'broadcast', action: 'drop_after', every: 10 })).toEqual({
    status: 201,
    body: { id: 1 },
  });
  expect(await add({ on: 'indexer', action: 'lag', blocks: 2 })).toEqual({ status: 201, body: { id: 2 } });
  expect((await getJson(faults)).body).toMatchObject({
    faults: [
      { id: 1, action: 'drop_after' },
      { id: 2, params: { blocks: 2 } },
    ],
  });
  expect(await add({ on: 'broadcast', action: 'explode' })).toMatchObject({
    status: 400,
    body: { errors: [{ param: 'action' }] },
  });
  expect(await add({ on: 'broadcast', action: 'reject' })).toMatchObject({
    status: 400,
    body: { errors: [{ param: 'params.code' }] },
  });
  expect(await add({ on: 'rpc', action: 'hang', probability: 2 })).toMatchObject({
    status: 400,
    body: { errors: [{ param: 'probability' }] },
  });
  await fetch(faults, { method: 'DELETE' });
  expect((await getJson(faults)).body).toEqual({ faults: [] });
});

test('close ends hanging connections and is idempotent', async () => {
  const paper = await startTestPaper();
  paper.faults.add({ on: 'rpc', action: 'hang' });
  const hanging = rpc(paper.url, 'status').catch(() => 'gone');
  const { port } = new URL(paper.url);
  const idle = connect(Number(port), '127.0.0.1');
  const idleClosed = new Promise((resolve) => idle.on('close', resolve));
  await new Promise((resolve) => idle.on('connect', resolve));
  await expect.poll(() => paper.faults.list()[0]?.hits).toBe(1);
  await Promise.all([paper.close(), paper.close()]);
  expect(await hanging).toBe('gone');
  idle.destroy();
  await idleClosed;
});

test('a body above 1 MiB is refused, a taken port is named, truth over HTTP fits its schema', async () => {
  await using paper = await startTestPaper();
  const big = await fetch(paper.url, { method: 'POST', body: 'x'.repeat(1024 * 1024 + 1) });
  expect(big.status).toBe(413);
  const port = Number(new URL(paper.url).port);
  await expect(startTestPaper({ port })).rejects.toThrow(new RegExp(`port ${port} .*choose another`));
  const trader = await createTrader(paper, 'truthful');
  const other = await createTrader(paper, 'other');
  await trader.place({ timeInForce: IOC });
  await other.place({ subticks: LOW });
  paper.produceBlock();
  const truth = truthSchema.parse((await getJson(`${paper.url}/paper/truth?owner=${trader.owner}`)).body);
  expect(truth).toEqual(paper.truth(trader.owner));
  expect(truth.orders).toHaveLength(1);
  expect((await getJson(`${paper.url}/paper/status`)).body).toEqual({
    chain_id: 'dydx-paper-1',
    height: 2,
    indexer_height: 2,
    block_ms: 0,
    seed: 1,
  });
});
