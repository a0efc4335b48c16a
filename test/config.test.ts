// The settings: documented completely, checked together, secrets apart.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, embeddedUrlFile, environmentSchema, isPooled, readConfig } from '../src/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'router-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** No embedded database there. */
const bare = { DATA_DIR: folder };

function secretFile(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function errorOf(environment: Record<string, string>): string {
  try {
    readConfig({ ...bare, ...environment });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('accepted');
}

describe('.env.example', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '.env.example'), 'utf8');
  const shown = [...text.matchAll(/^# ([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name = '', value = '']) => ({
    name,
    value,
  }));

  test('names every variable that the router reads, once, and no other', () => {
    const names = shown.map(({ name }) => name);
    expect(names.toSorted()).toEqual(Object.keys(environmentSchema.shape).toSorted());
  });

  test('shows the defaults', () => {
    const environment = Object.fromEntries(shown.map(({ name, value }) => [name, value]));
    expect(readConfig({ ...environment, ...bare }).config).toEqual(readConfig(bare).config);
    expect(environment['DATA_DIR']).toBe(environmentSchema.parse({}).DATA_DIR);
    for (const [name, value] of Object.entries(environmentSchema.parse({}))) {
      expect(environment[name], name).toBe(String(value));
    }
  });

  test('sets nothing as long as nothing is uncommented', () => {
    expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });
});

describe('a bad environment', () => {
  test('is reported whole, each variable by name', () => {
    const message = errorOf({
      DATABASE_URL: 'mysql://db/router',
      DYDX_NETWORK: 'devnet',
      DYDX_VALIDATOR_URLS: 'ftp://node',
      HEIGHT_POLL_MS: '1.5',
      SUBMIT_CONCURRENCY: '0',
      LOG_LEVEL: 'loud',
    });
    const names = message.split('\n').slice(1);
    expect(names.map((line) => line.trim().split(':')[0])).toEqual([
      'DATABASE_URL',
      'LOG_LEVEL',
      'DYDX_NETWORK',
      'DYDX_VALIDATOR_URLS',
      'HEIGHT_POLL_MS',
      'SUBMIT_CONCURRENCY',
    ]);
  });

  test('is told without the value of a secret', () => {
    const message = errorOf({ DATABASE_URL: 'db:hunter2', REDIS_URL: 'hunter2' });
    expect(message).toContain('REDIS_URL');
    expect(message).not.toContain('hunter2');
  });

  test.each([
    '',
    'http://a,',
    'http://a,ftp://b',
    'http://a,http://a',
    Array(9)
      .fill(0)
      .map((_, i) => `http://${i}`)
      .join(),
  ])('names the rule for validators, not the URLs, whose paths may be keys: %s', (urls) => {
    expect(errorOf({ DYDX_VALIDATOR_URLS: urls === '' ? ' ' : urls })).toBe(
      'the settings are not usable:\n  DYDX_VALIDATOR_URLS: must be 1 to 8 different URLs that start with http:// or https://, separated by commas',
    );
  });

  test.each(['x', '1,', '-1', '18446744073709551616', '1;2'])('has no authenticator id %s', (ids) => {
    expect(errorOf({ DYDX_AUTHENTICATOR_IDS: ids })).toContain(
      'DYDX_AUTHENTICATOR_IDS: must be ids such as 1 or 1,2',
    );
  });

  test('has no third answer to a yes-or-no question', () => {
    expect(errorOf({ REQUIRE_TRADE_ONLY_KEYS: 'yes' })).toContain(
      'REQUIRE_TRADE_ONLY_KEYS: must be true or false',
    );
  });

  test('holds limits that depend on each other', () => {
    expect(errorOf({ VALIDATOR_TIMEOUT_MS: '6000', RESEND_AFTER_MS: '6000' })).toMatch(
      /RESEND_AFTER_MS.*VALIDATOR_TIMEOUT_MS/,
    );
    expect(errorOf({ ORACLE_MAX_AGE_MS: '9999' })).toMatch(/ORACLE_MAX_AGE_MS.*twice MARKETS_POLL_MS/);
  });
});

describe('a good environment', () => {
  test('is frozen, and empty values count as unset', () => {
    const { config, secrets } = readConfig({ ...bare, LOG_LEVEL: '', DYDX_MNEMONIC: '', DATABASE_URL: '' });
    expect(config.LOG_LEVEL).toBe('info');
    expect(secrets).toEqual({
      databaseUrl: undefined,
      redisUrl: undefined,
      privateKey: undefined,
      mnemonic: undefined,
    });
    expect([Object.isFrozen(config), Object.isFrozen(secrets)]).toEqual([true, true]);
  });

  test('has several validators and authenticators, separated by commas', () => {
    const { config } = readConfig({
      ...bare,
      DYDX_VALIDATOR_URLS: 'https://one:443/key, http://two',
      DYDX_AUTHENTICATOR_IDS: '0,18446744073709551615',
      REQUIRE_TRADE_ONLY_KEYS: 'true',
    });
    expect(config.DYDX_VALIDATOR_URLS).toEqual(['https://one:443/key', 'http://two']);
    expect(config.DYDX_AUTHENTICATOR_IDS).toEqual([0n, 2n ** 64n - 1n]);
    expect(config.REQUIRE_TRADE_ONLY_KEYS).toBe(true);
  });

  test('never puts a secret, or where it lies, into Config', () => {
    const secret = {
      DATABASE_URL: 'postgresql://router:hunter2@db/router',
      DATABASE_DIRECT_URL: 'postgresql://router:hunter2@past-the-pooler/router',
      BACKUP_DATABASE_URL: 'postgresql://dumper:hunter2@db/router',
      REDIS_URL: 'redis://:hunter2@cache',
      DYDX_PRIVATE_KEY: 'hunter2-key',
      DYDX_PRIVATE_KEY_FILE: 'hunter2-key-file',
      DYDX_MNEMONIC: 'hunter2 words',
      DYDX_MNEMONIC_FILE: 'hunter2-words-file',
    };
    const { config, secrets } = readConfig({ ...bare, ...secret });
    expect(JSON.stringify(config)).not.toContain('hunter2');
    expect(Object.keys(config).filter((name) => name in secret)).toEqual([]);
    expect(secrets).toEqual({
      databaseUrl: secret.DATABASE_URL,
      databaseDirectUrl: secret.DATABASE_DIRECT_URL,
      backupDatabaseUrl: secret.BACKUP_DATABASE_URL,
      redisUrl: secret.REDIS_URL,
      privateKey: secret.DYDX_PRIVATE_KEY,
      mnemonic: secret.DYDX_MNEMONIC,
    });
  });

  test('has a pooler when DATABASE_DIRECT_URL says the way past it, which makes no sense alone', () => {
    const url = 'postgresql://db/router';
    expect(isPooled(readConfig({ ...bare, DATABASE_URL: url }).secrets)).toBe(false);
    expect(isPooled(readConfig({ ...bare, DATABASE_URL: url, DATABASE_DIRECT_URL: url }).secrets)).toBe(
      false,
    );
    const direct = secretFile('direct', 'postgresql://past/router\n');
    const pooled = readConfig({ ...bare, DATABASE_URL: url, DATABASE_DIRECT_URL_FILE: direct }).secrets;
    expect(isPooled(pooled)).toBe(true);
    expect(pooled.databaseDirectUrl).toBe('postgresql://past/router');
    expect(errorOf({ DATABASE_DIRECT_URL: url })).toContain('set that, too');
  });

  test('finds the embedded database of its data folder, unless DATABASE_URL names another', () => {
    const dataDir = mkdtempSync(join(folder, 'data-'));
    writeFileSync(embeddedUrlFile(dataDir), 'postgresql://embedded/router\n');
    expect(readConfig({ DATA_DIR: dataDir }).secrets.databaseUrl).toBe('postgresql://embedded/router');
    const given = { DATA_DIR: dataDir, DATABASE_URL: 'postgresql://own/router' };
    expect(readConfig(given).secrets.databaseUrl).toBe('postgresql://own/router');
  });
});

describe('key files', () => {
  test('are read, without the newline at their end', () => {
    const { secrets } = readConfig({
      ...bare,
      DYDX_PRIVATE_KEY_FILE: secretFile('key', `0x${'ab'.repeat(32)}\n`),
      DYDX_MNEMONIC_FILE: secretFile('words', 'one two three\r\n'),
    });
    expect(secrets.privateKey).toBe(`0x${'ab'.repeat(32)}`);
    expect(secrets.mnemonic).toBe('one two three');
  });

  test('that cannot be read are named with their variable', () => {
    const missing = join(folder, 'nowhere');
    expect(errorOf({ DYDX_MNEMONIC_FILE: missing })).toContain(`DYDX_MNEMONIC_FILE: cannot read ${missing}`);
  });

  test('stand back when the variable itself is set', () => {
    const file = secretFile('other-key', 'from the file');
    const { secrets } = readConfig({
      ...bare,
      DYDX_PRIVATE_KEY: 'from the variable',
      DYDX_PRIVATE_KEY_FILE: file,
    });
    expect(secrets.privateKey).toBe('from the variable');
  });
});
