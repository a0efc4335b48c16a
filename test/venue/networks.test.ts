// Where the networks are: the client's list, and what must be given.
import { expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { networks, resolveNetwork } from '../../src/venue/networks.ts';

const URLS = { validatorUrls: ['http://127.0.0.1:1'], indexerUrl: 'http://127.0.0.1:2/' };

test('mainnet and testnet are those of the official client', () => {
  expect(networks.mainnet.chainId).toBe(dydx.MAINNET_CHAIN_ID);
  expect(networks.testnet.chainId).toBe(dydx.TESTNET_CHAIN_ID);
  expect(resolveNetwork('mainnet').validatorUrls).toEqual([dydx.ValidatorApiHost.MAINNET]);
  expect(`${resolveNetwork('testnet').indexerUrl}/`).toBe(dydx.IndexerApiHost.TESTNET);
});

test('given URLs replace the defaults, another chain id does not', () => {
  expect(resolveNetwork('mainnet', URLS)).toEqual({
    chainId: 'dydx-mainnet-1',
    validatorUrls: ['http://127.0.0.1:1'],
    indexerUrl: 'http://127.0.0.1:2',
  });
  expect(() => resolveNetwork('mainnet', { chainId: 'dydx-testnet-4' })).toThrow(/use network custom/);
});

test('paper has a chain id of its own and needs both URLs', () => {
  expect(resolveNetwork('paper', URLS).chainId).toBe('dydx-paper-1');
  expect(() => resolveNetwork('paper', { validatorUrls: URLS.validatorUrls })).toThrow(
    /paper needs indexerUrl/,
  );
});

test('custom needs everything', () => {
  expect(resolveNetwork('custom', { ...URLS, chainId: 'x-1' }).chainId).toBe('x-1');
  expect(() => resolveNetwork('custom', URLS)).toThrow(/custom needs chainId/);
});

test('what is no http URL is refused with its name', () => {
  const urls = ['http://x', 'ws://x/secret'];
  expect(() => resolveNetwork('paper', { ...URLS, validatorUrls: urls })).toThrow(
    /^network paper: validatorUrls is no http or https URL$/,
  );
  expect(() => resolveNetwork('paper', { ...URLS, validatorUrls: [] })).toThrow(/needs validatorUrls/);
  expect(() => resolveNetwork('paper', { ...URLS, indexerUrl: 'localhost' })).toThrow(
    /indexerUrl is no http/,
  );
});
