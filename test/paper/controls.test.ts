// The levers over HTTP: what they change, and how a wrong body is refused.
import { expect, test } from 'vitest';
import { getJson, nodesOf, postJson } from './ask.ts';
import { createTrader, startTestPaper } from './trader.ts';

type Account = { subaccount: { equity: string } };

test('a balance is what the subaccount starts with: fills come on top', async () => {
  await using paper = await startTestPaper({ startUsdc: '500' });
  const trader = await createTrader(paper, 'funded');
  const equity = async (number: number) =>
    (await getJson<Account>(`${paper.url}/v4/addresses/${trader.owner}/subaccountNumber/${number}`)).body
      .subaccount.equity;
  const fund = (body: unknown) => postJson(`${paper.url}/paper/balances`, body);
  expect((await fund({ owner: trader.owner, subaccount_number: 3, usdc: '1234.5' })).status).toBe(200);
  expect([await equity(0), await equity(3)]).toEqual(['500', '1234.5']);
  await trader.place({ subaccount: 3, timeInForce: 1 });
  paper.produceBlock();
  expect(Math.abs(Number(await equity(3)) - 1234.5)).toBeGreaterThan(0);
  expect(Math.abs(Number(await equity(3)) - 1234.5)).toBeLessThan(5);
});

const WRONG: readonly [name: string, path: string, body: unknown, param: string][] = [
  ['a balance of nobody', 'balances', { owner: 'me', usdc: '1' }, 'owner'],
  ['a balance with too many decimals', 'balances', { owner: 'me', usdc: '1.0000001' }, 'usdc'],
  ['an authenticator without config', 'authenticators', { owner: 'me', type: 'AllOf' }, 'config'],
  [
    'a market with a step of 0',
    'markets',
    { ticker: 'BTC-USD', step_base_quantums: 0 },
    'step_base_quantums',
  ],
  ['a node that lags for ever', 'nodes/0', { lag_blocks: 1e9 }, 'lag_blocks'],
  ['a fault on a node below 0', 'faults', { on: 'rpc', action: 'drop', node: -1 }, 'node'],
];

test.each(WRONG)('%s is refused by field', async (_name, path, body, param) => {
  await using paper = await startTestPaper();
  const answer = await postJson<{ errors: { param: string }[] }>(`${paper.url}/paper/${path}`, body);
  expect(answer.status).toBe(400);
  expect(answer.body.errors.map((error) => error.param)).toContain(param);
});

test('what is no JSON and what is no route is said', async () => {
  await using paper = await startTestPaper();
  const broken = await fetch(`${paper.url}/paper/balances`, { method: 'POST', body: '{' });
  expect([broken.status, await broken.json()]).toEqual([400, { errors: [{ msg: 'the body is not JSON' }] }]);
  expect((await getJson(`${paper.url}/paper/wisdom`)).status).toBe(404);
});

test('nodes are listed with height, mempool and settings', async () => {
  await using paper = await startTestPaper({ nodes: 2 });
  paper.setNode(1, { tx_index: false });
  expect(await nodesOf(paper.url)).toEqual([
    {
      index: 0,
      height: 1,
      mempool: 0,
      lag_blocks: 0,
      tx_index: true,
      catching_up: false,
      is_down: false,
      gossip: true,
    },
    expect.objectContaining({ index: 1, tx_index: false }),
  ]);
});

test.each([
  ['nodes', { nodes: 0 }],
  ['gossipBlocks', { gossipBlocks: -1 }],
  ['maxLeverage', { maxLeverage: 0.5 }],
  ['USDC', { startUsdc: 'much' }],
])('a wrong option is an error at the start: %s', async (name, options) => {
  await expect(startTestPaper(options)).rejects.toThrow(name);
});
