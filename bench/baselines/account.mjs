// The one account of a baseline, and the official client connected for it.
import { createRequire } from 'node:module';

// Its ES modules do not load in Node (extensionless imports).
export const dydx = createRequire(import.meta.url)('@dydxprotocol/v4-client-js');

/** 64 hex digits */
export function privateKeyOf({ privateKey, mnemonic }) {
  if (mnemonic === undefined) return privateKey;
  // A wallet made from the mnemonic itself derives its key anew for every signature: 3 times slower.
  return Buffer.from(dydx.onboarding.deriveHDKeyFromMnemonic(mnemonic).privateKey).toString('hex');
}

export function openWallet(settings) {
  return dydx.LocalWallet.fromPrivateKey(privateKeyOf(settings), 'dydx');
}

/** With all its defaults: the account's sequence for stateful orders, no timeouts. */
export function connectClient({ chainId, validatorUrl, indexerUrl }) {
  const denominations = {
    USDC_DENOM: 'ibc/8E27BA2D5493AF5636760E354E46004562C46AB7EC0CC4C1CA14E9E20E2545B5',
    USDC_DECIMALS: 6,
    USDC_GAS_DENOM: 'uusdc',
    CHAINTOKEN_DENOM: 'adydx',
    CHAINTOKEN_DECIMALS: 18,
  };
  const network = new dydx.Network(
    chainId,
    new dydx.IndexerConfig(indexerUrl, indexerUrl.replace(/^http/, 'ws')),
    new dydx.ValidatorConfig(validatorUrl, chainId, denominations),
  );
  return dydx.CompositeClient.connect(network);
}
