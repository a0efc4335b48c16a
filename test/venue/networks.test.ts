// Where the networks are: the client's list, and what must be given.
import { expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { networks, resolveNetwork } from '../../src/venue/networks.ts';

const URLS = { validatorUrl: 'http://127.0.0.1:1', indexerUrl: 'http://127.0.0.1:2/' };

test('mainnet and testnet are those of the official client', () => {
  expect(networks.mainnet.chainId).toBe(dydx.MAINNET_CHAIN_ID);
  expect(networks.testnet.chainId).toBe(dydx.TESTNET_CHAIN_ID);
  expect(resolveNetwork('mainnet').validatorUrl).toBe(dydx.ValidatorApiHost.MAINNET);
  expect(`${resolveNetwork('testnet').indexerUrl}/`).toBe(dydx.IndexerApiHost.TESTNET);
});

test('a given URL replaces the default, another chain id does not', () => {
  expect(resolveNetwork('mainnet', URLS)).toEqual({
    chainId: 'dydx-mainnet-1',
    validatorUrl: 'http://127.0.0.1:1',
    indexerUrl: 'http://127.0.0.1:2',
  });
  expect(() => resolveNetwork('mainnet', { chainId: 'dydx-testnet-4' })).toThrow(/use network custom/);
});

test('paper has a chain id of its own and needs both URLs', () => {
  expect(resolveNetwork('paper', URLS).chainId).toBe('dydx-paper-1');
  expect(() => resolveNetwork('paper', { validatorUrl: URLS.validatorUrl })).toThrow(
    /paper needs indexerUrl/,
  );
});

test('custom needs everything', () => {
  expect(resolveNetwork('custom', { ...URLS, chainId: 'x-1' }).chainId).toBe('x-1');
  expect(() => resolveNetwork('custom', URLS)).toThrow(/custom needs chainId/);
});

test('what is no http URL is refused with its name', () => {
  expect(() => resolveNetwork('paper', { ...URLS, validatorUrl: 'ws://x' })).toThrow(
    /validatorUrl is no http/,
  );
  expect(() => resolveNetwork('paper', { ...URLS, indexerUrl: 'localhost' })).toThrow(
    /indexerUrl is no http/,
  );
});
