// The accounts file: what it may say, that every mistake in it is named at once, and that no secret comes back.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConfigError } from '../../src/config.ts';
import { readAccountsFile } from '../../src/runtime/accounts-file.ts';

const OWNER = 'dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art';
const folder = mkdtempSync(join(tmpdir(), 'router-accounts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = join(folder, 'accounts.json');
const read = (content: unknown) => {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return readAccountsFile(file);
};
const errorOf = (content: unknown): string => {
  try {
    read(content);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('accepted');
};

test('gives every account, with paths beside the file and defaults', () => {
  const accounts = {
    maker: {
      tenant_id: 'fund',
      private_key_file: 'keys/maker.key',
      owner: OWNER,
      authenticator_ids: ['1', '18446744073709551615'],
    },
    taker: { mnemonic_file: '/run/secrets/taker' },
  };
  expect(read({ accounts })).toEqual([
    {
      name: 'maker',
      tenantId: 'fund',
      privateKeyFile: join(folder, 'keys/maker.key'),
      mnemonicFile: undefined,
      owner: OWNER,
      authenticatorIds: [1n, 2n ** 64n - 1n],
    },
    {
      name: 'taker',
      tenantId: 'default',
      privateKeyFile: undefined,
      mnemonicFile: '/run/secrets/taker',
      owner: undefined,
      authenticatorIds: [],
    },
  ]);
});

test('tells all that is wrong at once, by account and field', () => {
  const accounts = {
    a: { tenant_id: '', private_key_file: 'a', mnemonic_file: 'b' },
    b: { private_key_file: 7, owner: `${OWNER.slice(0, -1)}x` },
    c: { mnemonic_file: 'c', authenticator_ids: [1, '18446744073709551616'] },
    d: 'text',
    e: { mnemonic_file: 'e', subaccount: 0 },
    ['n'.repeat(65)]: { mnemonic_file: 'n' },
    f: { mnemonic_file: 'f', authenticator_ids: '1' },
  };
  const lines = errorOf({ accounts })
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
  expect(lines).toEqual([
    'accounts.a.tenant_id: must be text of 1 to 255 characters',
    'accounts.a: needs private_key_file or mnemonic_file, one of them',
    'accounts.b.private_key_file: must be text',
    'accounts.b.owner: is no dydx address',
    'accounts.c.authenticator_ids.0: must be an id in quotes such as "1"',
    'accounts.c.authenticator_ids.1: must be an id in quotes such as "1"',
    'accounts.d: must be an object',
    'accounts.e: has an unknown field: subaccount',
    'accounts.nnnnnnnnnnnnnnnnnnnn…: a name must be text of 1 to 64 characters',
    'accounts.f.authenticator_ids: must be a list of ids such as ["1"]',
  ]);
});

test('refuses secrets in itself, and repeats none', () => {
  const message = errorOf({
    accounts: { a: { private_key: 'hunter2', mnemonic: 'hunter2 words', owner: 'hunter2', tenant_id: 5 } },
  });
  expect(message).toContain('accounts.a.private_key: is a secret: put it into a file of its own');
  expect(message).toContain('accounts.a.mnemonic: is a secret');
  expect(message).not.toContain('hunter2');
});

test('what is no JSON is told by its place, not by its text', () => {
  for (const content of ['{"accounts": {"a": hunter2}}', '{"accounts": "hunter2', 'hunter2', '']) {
    const message = errorOf(content);
    expect(message).toMatch(/^DYDX_ACCOUNTS_FILE: .*accounts\.json is not JSON( at position \d+)?$/);
    expect(message).not.toContain('hunter2');
  }
});

test.each([
  ['[]', 'the file: must be an object'],
  ['{}', 'accounts: must be an object'],
  ['{"accounts": []}', 'accounts: must be an object'],
  ['{"accounts": {}, "version": 1}', 'the file: has an unknown field: version'],
])('%s is refused', (content, problem) => {
  expect(errorOf(content)).toContain(`\n  ${problem}`);
});

test('a file that cannot be read is named with its variable', () => {
  expect(() => readAccountsFile(join(folder, 'nowhere'))).toThrow(
    `DYDX_ACCOUNTS_FILE: cannot read ${join(folder, 'nowhere')} (ENOENT)`,
  );
});
