// What a node may say of a transaction. "Absent" is half of a proof that an order is dead: who may not say it throws.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createValidator, type ValidatorNode } from '../../src/venue/validator.ts';
import { byMethod, NO_ANSWERS, rpcError, rpcResult, status, TOLD_BY } from './rpc-script.ts';
import { type Script, type ScriptedServer, startServer } from './scripted-server.ts';

const HASH = 'AB'.repeat(32);
const BLOCK = { height: 123, time: new Date('2026-03-04T05:06:07.123Z') };
const notFound = (hash = HASH) =>
  rpcError({ code: -32603, message: 'Internal error', data: `tx (${hash}) not found` });
const included = (txResult: object, rest: object = {}) =>
  rpcResult({ hash: HASH, height: '77', index: 0, tx_result: txResult, tx: 'AQL6', ...rest });

let server: ScriptedServer;
let validator: ValidatorNode;

beforeEach(async () => {
  server = await startServer();
  validator = createValidator({ url: server.url, timeoutMs: 250, ...TOLD_BY });
});
afterEach(async () => {
  await validator.close();
  await server.close();
});

function find(tx: Script, told: Script = status(), sinceHeight?: number) {
  server.answer = byMethod({ tx, status: told });
  return validator.findTx(HASH, sinceHeight);
}

test('asks for the status first, then for the hash in base64', async () => {
  await find(notFound());
  expect(server.bodies.map((body) => JSON.parse(body))).toMatchObject([
    { method: 'status' },
    { method: 'tx', params: { hash: Buffer.from(HASH, 'hex').toString('base64'), prove: false } },
  ]);
});

test('a transaction in a block is included, with its result', async () => {
  const result = { code: 2001, codespace: 'clob', log: 'would increase', gas_used: '0' };
  expect(await find(included(result))).toEqual({
    kind: 'included',
    hash: HASH,
    height: 77,
    code: 2001,
    codespace: 'clob',
    log: 'would increase',
  });
  expect(await find(included({}))).toMatchObject({ kind: 'included', code: 0, codespace: '', log: '' });
});

test('included is said also by a node that calls itself unindexed, or lacks old blocks', async () => {
  for (const told of [status({ txIndex: 'off' }), status({ earliestHeight: '120' })]) {
    expect(await find(included({ code: 0 }), told, 100)).toMatchObject({ kind: 'included' });
  }
});

test.each([
  [
    'of another chain',
    status({ chainId: 'other-1' }),
    /127\.0\.0\.1:\d+ is on chain other-1, not dydx-paper-1/,
  ],
  ['that is catching up', status({ isCatchingUp: true }), /is catching up/],
  ['whose block is from the future', status({ time: '2026-03-05T00:00:05.001Z' }), /5\.0 s in the future/],
])('a node %s is not asked, whatever it would say', async (_name, told, why) => {
  await expect(find(included({ code: 0 }), told)).rejects.toThrow(why);
  expect(server.bodies.map((body) => JSON.parse(body).method)).toEqual(['status']);
});

test('a block time that a slow clock of ours explains is believed', async () => {
  const told = status({ time: '2026-03-05T00:00:05.000Z' });
  expect(await find(notFound(), told)).toMatchObject({ kind: 'absent' });
});

test('absent is said only by a node that has every block since the signature', async () => {
  const since = (earliestHeight: string | undefined) => find(notFound(), status({ earliestHeight }), 100);
  expect(await since('100')).toEqual({ kind: 'absent', block: BLOCK });
  await expect(since('101')).rejects.toThrow(/127\.0\.0\.1:\d+ knows blocks from 101 on, not from 100 on/);
  await expect(since(undefined)).rejects.toThrow(/does not say which is its first block/);
  expect(await find(notFound(), status({ earliestHeight: '101' }))).toMatchObject({ kind: 'absent' });
});

test('not found at a node that indexes and follows is absent, up to the block it named before', async () => {
  let height = 100;
  server.answer = byMethod({
    status: (exchange) => status({ height: height++ })(exchange),
    tx: (exchange) => {
      height += 50;
      notFound()(exchange);
    },
  });
  expect(await validator.findTx(HASH)).toEqual({ kind: 'absent', block: { ...BLOCK, height: 100 } });
});

const undecided: readonly (readonly [name: string, tx: Script, told: Script, why: RegExp])[] = [
  ['of a node that does not index', notFound(), status({ txIndex: 'off' }), /does not index transactions/],
  ['of a node that does not say so', notFound(), status({ txIndex: undefined }), /does not index/],
  ['about another transaction', notFound('CD'.repeat(32)), status(), /tx failed at 127.*CDCD/],
  [
    'of a gateway: no such method',
    rpcError({ code: -32601, message: 'Method not found' }),
    status(),
    /-32601/,
  ],
  [
    'of a node with indexing disabled',
    rpcError({ code: -32603, message: 'Internal error', data: 'transaction indexing is disabled' }),
    status(),
    /indexing is disabled/,
  ],
];
for (const [name, tx, told, why] of undecided) {
  test(`not found ${name} is an error, not absence`, async () => {
    await expect(find(tx, told)).rejects.toThrow(why);
  });
}

test('the answer about another transaction is an error', async () => {
  await expect(find(included({}, { hash: 'CD'.repeat(32) }))).rejects.toThrow(/told of another/);
});

test('a malformed answer is an error that names host and field', async () => {
  await expect(find(included({}, { height: 77 }))).rejects.toThrow(/malformed tx from 127.*height/s);
  await expect(find(included({ code: 'x' }))).rejects.toThrow(/tx_result/);
});

for (const [name, script] of NO_ANSWERS) {
  test(`${name} instead of the transaction, or of the status, is an error`, async () => {
    await expect(find(script)).rejects.toThrow(/127\.0\.0\.1/);
    await expect(find(notFound(), script)).rejects.toThrow(/127\.0\.0\.1/);
  });
}

test('what is no hash is not asked for', async () => {
  await expect(validator.findTx('ab')).rejects.toThrow('no transaction hash');
  expect(server.bodies).toEqual([]);
});
