// Which accounts a process signs for, and every reason for which it refuses to start with one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';
import type { Authenticator } from '../../src/core/ports.ts';
import { openAccounts } from '../../src/runtime/accounts.ts';
import { ownerOf, paperPrivateKey } from '../../src/venue/keys.ts';
import { readMessage } from '../../src/venue/protobuf.ts';
import { OWNER, OWNER_KEY, TRADER, TRADING_KEY, tradeOnly, withdrawing } from '../support/trading-keys.ts';

const CHAIN_ID = 'dydx-paper-1';
const hex = (key: Uint8Array) => Buffer.from(key).toString('hex');

const folder = mkdtempSync(join(tmpdir(), 'router-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string, content: string) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const accountsFile = (accounts: object) => inFolder('accounts.json', JSON.stringify({ accounts }));

/** What the chain says, and what it was asked. */
let chain: { id: string; authenticators: readonly Authenticator[]; failures: number };
let asked: string[];

beforeEach(() => {
  chain = { id: CHAIN_ID, authenticators: [], failures: 0 };
  asked = [];
  inFolder('owner.key', `${hex(OWNER_KEY)}\n`);
  inFolder('trading.key', hex(TRADING_KEY));
});

const validator = {
  chainId: async () => {
    if (chain.failures-- > 0) throw new Error('status failed at node: HTTP 502');
    return chain.id;
  },
  accountNumber: async (address: string) => {
    asked.push(`number of ${address}`);
    return 7;
  },
  authenticators: async (owner: string) => {
    asked.push(`authenticators of ${owner}`);
    return chain.authenticators;
  },
};

async function open(settings: Readonly<Record<string, string>> = {}, patienceMs = 0) {
  const { config, secrets } = readConfig({
    DATA_DIR: folder,
    DYDX_VALIDATOR_URLS: 'http://127.0.0.1:1',
    DYDX_INDEXER_URL: 'http://127.0.0.1:1',
    ...settings,
  });
  return openAccounts(config, secrets, validator, patienceMs);
}

async function refusal(settings: Readonly<Record<string, string>>): Promise<string> {
  const error = await open(settings).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  const message = error instanceof Error ? error.message : '';
  for (const key of [OWNER_KEY, TRADING_KEY]) expect(message).not.toContain(hex(key).slice(0, 8));
  return message;
}

const TRADING = { DYDX_PRIVATE_KEY: hex(TRADING_KEY), DYDX_OWNER: OWNER };

describe('the account `default`', () => {
  test('on paper has the public key, and belongs to the tenant `default`', async () => {
    const accounts = await open();
    expect([...accounts.keys()]).toEqual(['default']);
    expect(accounts.get('default')).toMatchObject({
      name: 'default',
      tenantId: 'default',
      signer: { owner: await ownerOf(paperPrivateKey()) },
    });
  });

  test('has the key of the environment, and the tenant that DYDX_TENANT_ID names', async () => {
    const accounts = await open({
      DYDX_PRIVATE_KEY: hex(OWNER_KEY),
      DYDX_TENANT_ID: 'fund',
      DYDX_OWNER: OWNER,
    });
    expect(accounts.get('default')).toMatchObject({ tenantId: 'fund', signer: { owner: OWNER } });
    expect(asked).toEqual([`number of ${OWNER}`]);
  });

  test('needs a key where there is money', async () => {
    expect(await refusal({ DYDX_NETWORK: 'custom', DYDX_CHAIN_ID: CHAIN_ID })).toMatch(
      /needs a key: set DYDX_PRIVATE_KEY_FILE .* or DYDX_ACCOUNTS_FILE$/,
    );
  });

  test.each([
    [{ DYDX_PRIVATE_KEY: 'abc' }, /account default: the private key is not 64 hex digits/],
    [{ DYDX_PRIVATE_KEY: hex(OWNER_KEY), DYDX_MNEMONIC: 'a b c' }, /account default: .*not both/],
    [{ DYDX_OWNER: `${OWNER.slice(0, -1)}x` }, /account default: DYDX_OWNER is no dydx address/],
  ])('is refused with %j', async (settings, why) => {
    expect(await refusal(settings)).toMatch(why);
  });
});

describe('the accounts of the file', () => {
  test('stand beside `default`, each with its owner and tenant', async () => {
    const file = accountsFile({ maker: { tenant_id: 'fund', private_key_file: 'trading.key' } });
    const accounts = await open({ DYDX_PRIVATE_KEY: hex(OWNER_KEY), DYDX_ACCOUNTS_FILE: file });
    expect([...accounts].map(([name, { tenantId, signer }]) => [name, tenantId, signer.owner])).toEqual([
      ['default', 'default', OWNER],
      ['maker', 'fund', TRADER],
    ]);
  });

  test('are all there are when no key is in the environment, on paper too', async () => {
    const file = accountsFile({ maker: { private_key_file: 'trading.key' } });
    expect([...(await open({ DYDX_ACCOUNTS_FILE: file })).keys()]).toEqual(['maker']);
  });

  test('may name `default`, but not beside a key of the environment', async () => {
    const settings = { DYDX_ACCOUNTS_FILE: accountsFile({ default: { private_key_file: 'owner.key' } }) };
    expect((await open(settings)).get('default')?.signer.owner).toBe(OWNER);
    expect(await refusal({ ...settings, DYDX_PRIVATE_KEY: hex(OWNER_KEY) })).toMatch(
      /account default has a key in/,
    );
  });

  test('take none of the settings of `default`', async () => {
    const file = accountsFile({ maker: { private_key_file: 'trading.key' } });
    expect(await refusal({ DYDX_ACCOUNTS_FILE: file, DYDX_OWNER: OWNER, DYDX_TENANT_ID: 'fund' })).toMatch(
      /^DYDX_OWNER, DYDX_TENANT_ID: of account default, which has no key/,
    );
  });

  test('are refused together, each by name, with keys that cannot be read', async () => {
    inFolder('bad.key', 'hunter2');
    const message = await refusal({
      DYDX_ACCOUNTS_FILE: accountsFile({
        a: { private_key_file: 'bad.key' },
        b: { private_key_file: 'nowhere.key' },
        c: { mnemonic_file: 'bad.key' },
      }),
    });
    expect(message.split('\n')).toEqual([
      'account a: the private key is not 64 hex digits of a valid secp256k1 key',
      `account b: cannot read ${join(folder, 'nowhere.key')} (ENOENT)`,
      'account c: the mnemonic has 1 words, not 12 or 24',
    ]);
  });

  test('have an owner of their own', async () => {
    const file = accountsFile({
      maker: { private_key_file: 'trading.key', owner: OWNER, authenticator_ids: ['1'] },
    });
    expect(await refusal({ DYDX_PRIVATE_KEY: hex(OWNER_KEY), DYDX_ACCOUNTS_FILE: file })).toBe(
      `accounts default, maker all trade for ${OWNER}: one account an owner; strategies share it by subaccount_number`,
    );
  });
});

describe('a key of another address than the owner', () => {
  test('without authenticator ids is refused: whose it is, and what to set', async () => {
    expect(await refusal(TRADING)).toBe(
      `account default: the key signs for ${TRADER}, not for ${OWNER}: correct DYDX_OWNER or the key, or set DYDX_AUTHENTICATOR_IDS to the ids under which the owner registered this key`,
    );
    const file = accountsFile({ maker: { private_key_file: 'trading.key', owner: OWNER } });
    expect(await refusal({ DYDX_ACCOUNTS_FILE: file })).toMatch(
      /correct owner or the key, or set authenticator_ids/,
    );
  });

  test('that is trade-only signs for the owner, with its number and the authenticators', async () => {
    chain.authenticators = [tradeOnly(3n)];
    const accounts = await open({ ...TRADING, DYDX_AUTHENTICATOR_IDS: '3', REQUIRE_TRADE_ONLY_KEYS: 'true' });
    const signer = accounts.get('default')?.signer;
    expect(signer?.owner).toBe(OWNER);
    expect(asked).toEqual([`authenticators of ${OWNER}`, `number of ${OWNER}`]);
    const id = { owner: OWNER, subaccountNumber: 0, clientId: 1, clobPairId: 0, orderFlags: 0 };
    const signed = await signer?.signCancel({ id, goodTilBlock: 9 });
    const body = readMessage(readMessage(signed?.bytes ?? new Uint8Array(0))?.bytes(1) ?? new Uint8Array(0));
    // nonCriticalExtensionOptions: Any{TxExtension{1: packed selected_authenticators}}
    expect(
      Buffer.from(readMessage(body?.bytes(2047) ?? new Uint8Array(0))?.bytes(2) ?? []).toString('hex'),
    ).toBe('0a0103');
  });

  test.each([
    [
      'is not limited to messages',
      [withdrawing(3n)],
      /not trade-only: authenticator 3 lets this key send any message/,
    ],
    ['is not known', [tradeOnly(4n)], /not trade-only: the chain knows no authenticator 3 of the owner/],
    [
      'is another key’s',
      [tradeOnly(3n, OWNER_KEY)],
      /authenticator 3 can be passed without a signature of this key/,
    ],
    [
      'is fine beside one that is not',
      [tradeOnly(3n), withdrawing(4n)],
      /authenticator 4 \(not chosen\) lets this key send any/,
    ],
  ])('whose authenticator %s is refused, with what to register', async (_name, authenticators, why) => {
    chain.authenticators = authenticators;
    const message = await refusal({ ...TRADING, DYDX_AUTHENTICATOR_IDS: '3' });
    expect(message).toMatch(why);
    expect(message).toMatch(/must register an AllOf .* its id goes into DYDX_AUTHENTICATOR_IDS$/);
  });
});

test('the owner’s own key is refused with authenticator ids, which would not limit it', async () => {
  const settings = { DYDX_PRIVATE_KEY: hex(OWNER_KEY), DYDX_AUTHENTICATOR_IDS: '3' };
  expect(await refusal(settings)).toMatch(/the owner's own, which no authenticator limits/);
});

test('REQUIRE_TRADE_ONLY_KEYS refuses every key that could withdraw, by account', async () => {
  const file = accountsFile({ maker: { private_key_file: 'trading.key' } });
  const message = await refusal({
    DYDX_PRIVATE_KEY: hex(OWNER_KEY),
    DYDX_ACCOUNTS_FILE: file,
    REQUIRE_TRADE_ONLY_KEYS: 'true',
  });
  expect(message.split('\n')).toEqual([
    expect.stringMatching(/^account default: the key could withdraw, and REQUIRE_TRADE_ONLY_KEYS is true/),
    expect.stringMatching(/^account maker: the key could withdraw/),
  ]);
});

test('a validator of another chain is refused before any key is judged', async () => {
  chain.id = 'dydx-testnet-4';
  expect(await refusal({})).toBe(
    'the validator is on chain dydx-testnet-4, not dydx-paper-1: check DYDX_VALIDATOR_URLS and DYDX_CHAIN_ID',
  );
  expect(asked).toEqual([]);
});

test('a node that does not answer is asked again while there is patience', async () => {
  chain.failures = 2;
  expect((await open({}, 5_000)).size).toBe(1);
  chain.failures = 1;
  await expect(open({}, 0)).rejects.toThrow('HTTP 502');
});
