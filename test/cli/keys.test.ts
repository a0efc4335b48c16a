// `router keys` as it is typed: what it says of each key, how it ends, and that it shows none.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { Authenticator } from '../../src/core/ports.ts';
import { bytesField, stringField, uint64Field } from '../../src/venue/protobuf.ts';
import { runProcess } from '../support/run-router.ts';
import { OWNER, OWNER_KEY, TRADER, TRADING_KEY, tradeOnly, withdrawing } from '../support/trading-keys.ts';
import { abci, byMethod, status, type Told } from '../venue/rpc-script.ts';
import { type ScriptedServer, startServer } from '../venue/scripted-server.ts';

const hex = (key: Uint8Array) => Buffer.from(key).toString('hex');

const folder = mkdtempSync(join(tmpdir(), 'router-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'trading.key'), hex(TRADING_KEY));

let node: ScriptedServer;
beforeEach(async () => {
  node = await startServer();
});
afterEach(() => node.close());

function chainWith(authenticators: readonly Authenticator[], told: Told = {}): void {
  const encoded = authenticators.map(({ id, type, config }) =>
    bytesField(1, Buffer.concat([uint64Field(1, id), stringField(2, type), bytesField(3, config)])),
  );
  node.answer = byMethod({ status: status(told), abci_query: abci(Buffer.concat(encoded)) });
}

function accountsFile(accounts: object): string {
  const file = join(folder, 'accounts.json');
  writeFileSync(file, JSON.stringify({ accounts }));
  return file;
}

async function keys(words: string, settings: Readonly<Record<string, string>> = {}) {
  const ended = await runProcess(['src/cli.ts', 'keys', ...words.split(' ')], {
    DYDX_VALIDATOR_URLS: node.url,
    DYDX_INDEXER_URL: node.url,
    ...settings,
  });
  for (const key of [OWNER_KEY, TRADING_KEY]) {
    expect(ended.stdout + ended.stderr).not.toContain(hex(key).slice(0, 8));
  }
  return ended;
}

const permissioned = (ids: readonly string[] = ['3']) => ({
  maker: { private_key_file: 'trading.key', owner: OWNER, authenticator_ids: ids },
});

test('a trade-only key could not withdraw: status 0, one line', async () => {
  chainWith([tradeOnly(3n)]);
  const { code, stdout, stderr } = await keys('check', { DYDX_ACCOUNTS_FILE: accountsFile(permissioned()) });
  expect(stderr).toBe('');
  expect(stdout.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^account +owner +key +could withdraw$/),
    `maker    ${OWNER}  trade-only key, authenticators 3  no`,
  ]);
  expect(code).toBe(0);
});

test('an owner’s key could withdraw: status 1, and the chain is not asked', async () => {
  const { code, stdout } = await keys('check --json', { DYDX_PRIVATE_KEY: hex(OWNER_KEY) });
  expect(JSON.parse(stdout)).toEqual({
    account: 'default',
    tenant_id: 'default',
    owner: OWNER,
    signs_as: OWNER,
    kind: 'owner_key',
    authenticator_ids: [],
    could_withdraw: true,
    problem: null,
  });
  expect(code).toBe(1);
  expect(node.bodies).toEqual([]);
});

test.each([
  [
    'that only filters subaccounts could withdraw',
    () => chainWith([withdrawing(3n)]),
    { kind: 'permissioned_key', could_withdraw: true, problem: /MessageFilter is missing/ },
  ],
  [
    'of an owner on another chain cannot be judged',
    () => chainWith([tradeOnly(3n)], { chainId: 'dydx-testnet-4' }),
    { kind: 'permissioned_key', could_withdraw: null, problem: /on chain dydx-testnet-4, not dydx-paper-1/ },
  ],
  [
    'cannot be judged while the node is away',
    () => {
      node.answer = ({ res }) => res.writeHead(502).end();
    },
    { kind: 'permissioned_key', could_withdraw: null, problem: /chain cannot be asked: .*HTTP 502/ },
  ],
])('a permissioned key %s: status 1', async (_name, prepare, { problem, ...expected }) => {
  prepare();
  const file = accountsFile(permissioned());
  const { code, stdout } = await keys('check --json', { DYDX_ACCOUNTS_FILE: file });
  const { problem: told, ...line } = JSON.parse(stdout);
  expect(line).toMatchObject({ account: 'maker', owner: OWNER, signs_as: TRADER, ...expected });
  expect(told).toMatch(problem);
  expect(code).toBe(1);
});

test('a key that does not match its owner is a line with what to do: status 1', async () => {
  const settings = { DYDX_PRIVATE_KEY: hex(TRADING_KEY), DYDX_OWNER: OWNER };
  const { code, stdout } = await keys('check', settings);
  expect(stdout).toMatch(
    new RegExp(`default +${OWNER} +wrong key +no +the key signs for ${TRADER}, not for`),
  );
  expect(code).toBe(1);
});

test('settings that are wrong end it with one error', async () => {
  const { code, stdout, stderr } = await keys('check', { DYDX_ACCOUNTS_FILE: accountsFile({ a: {} }) });
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/accounts\.a: needs private_key_file or mnemonic_file/);
});

test('addresses are told without asking the chain', async () => {
  const { code, stdout } = await keys('address', { DYDX_ACCOUNTS_FILE: accountsFile(permissioned()) });
  expect([code, stdout]).toEqual([0, `maker  ${TRADER}\n`]);
  expect(node.bodies).toEqual([]);
});

test('--help shows examples', async () => {
  const { code, stdout } = await keys('check --help');
  expect([code, stdout]).toEqual([0, expect.stringContaining('npx router keys check')]);
});
