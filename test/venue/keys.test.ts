// Keys and addresses, checked against the official client; and that no error shows a secret.
import { describe, expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { isAddress, loadPrivateKey, ownerOf, paperPrivateKey } from '../../src/venue/keys.ts';

// dYdX's public test account; its address is in the client's own tests.
const MNEMONIC =
  'mirror actor skill push coach wait confirm orchard lunch mobile athlete gossip awake miracle matter bus ' +
  'reopen team ladder lazy list timber render wait';
const ADDRESS = 'dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art';
const TWELVE =
  'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about';
const HEX = Buffer.from(paperPrivateKey()).toString('hex');

describe('loadPrivateKey', () => {
  for (const mnemonic of [MNEMONIC, TWELVE]) {
    const words = mnemonic.split(' ').length;
    test(`a mnemonic of ${words} words leads to the address that LocalWallet.fromMnemonic gives`, async () => {
      const wallet = await dydx.LocalWallet.fromMnemonic(mnemonic, 'dydx');
      expect(await ownerOf(loadPrivateKey({ mnemonic }))).toBe(wallet.address);
    });
  }

  test('the public test account has its known address', async () => {
    expect(await ownerOf(loadPrivateKey({ mnemonic: MNEMONIC }))).toBe(ADDRESS);
  });

  test('capitals and extra blanks in a mnemonic do not matter', async () => {
    const mnemonic = `  ${MNEMONIC.toUpperCase().replaceAll(' ', ' \n ')} `;
    expect(await ownerOf(loadPrivateKey({ mnemonic }))).toBe(ADDRESS);
  });

  test('hex is taken with and without 0x, in either case', () => {
    const keys = [HEX, `0x${HEX}`, HEX.toUpperCase(), ` ${HEX}\n`].map((privateKey) =>
      loadPrivateKey({ privateKey }),
    );
    for (const key of keys) expect(Buffer.from(key).toString('hex')).toBe(HEX);
  });

  const refused: readonly (readonly [
    name: string,
    source: Parameters<typeof loadPrivateKey>[0],
    secrets: string[],
  ])[] = [
    ['nothing', {}, []],
    ['both', { privateKey: HEX, mnemonic: MNEMONIC }, [HEX.slice(0, 6), 'mirror']],
    ['a short key', { privateKey: HEX.slice(2) }, [HEX.slice(2, 8)]],
    ['a key with a letter that is no hex digit', { privateKey: `${HEX.slice(1)}g` }, [HEX.slice(1, 7)]],
    ['the key 0', { privateKey: '0'.repeat(64) }, ['000000']],
    ['a key beyond the order of the curve', { privateKey: 'f'.repeat(64) }, ['ffffff']],
    ['a mnemonic of 11 words', { mnemonic: TWELVE.slice(8) }, ['abandon', 'about']],
    [
      'a mnemonic with an unknown word',
      { mnemonic: TWELVE.replace('about', 'aboutx') },
      ['abandon', 'about'],
    ],
    ['a mnemonic with a wrong checksum', { mnemonic: TWELVE.replace('about', 'abandon') }, ['abandon']],
  ];
  for (const [name, source, secrets] of refused) {
    test(`${name} is refused without showing any of it`, () => {
      let message = '';
      try {
        loadPrivateKey(source);
      } catch (error) {
        message = String(error instanceof Error ? `${error.message}${error.stack}${error.cause}` : error);
      }
      expect(message).not.toBe('');
      for (const secret of secrets) expect(message).not.toContain(secret);
    });
  }
});

test('an address is one with its checksum, its prefix and its length', () => {
  expect(isAddress(ADDRESS)).toBe(true);
  const others = [
    ADDRESS.replace('5k6art', '5k6arq'),
    ADDRESS.slice(0, -1),
    ADDRESS.toUpperCase(),
    ` ${ADDRESS}`,
    // valid, of another chain
    'cosmos1qypqxpq9qcrsszg2pvxq6rs0zqg3yyc5lzv7xu',
    'dydx1',
    '',
  ];
  expect(others.filter(isAddress)).toEqual([]);
});

test('ownerOf refuses what is no key, without showing it', async () => {
  await expect(ownerOf(Buffer.from('deadbeef', 'hex'))).rejects.toThrow(/^not a secp256k1 private key$/);
});

test('the paper key is fixed: the paper exchange and every router agree on it', async () => {
  expect(Buffer.from(paperPrivateKey()).toString('hex')).toBe(HEX);
  expect(await ownerOf(paperPrivateKey())).toMatchInlineSnapshot(
    `"dydx1yj2xmm5wea5q2zl4xuhxnnvwn4g0rqzwx55s7z"`,
  );
});
