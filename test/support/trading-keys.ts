// Keys that trade for somebody else, as the chain has them registered.
import { dydx } from '../../src/chain/dydx.ts';
import { publicKeyOf } from '../../src/chain/ecdsa.ts';
import type { Authenticator } from '../../src/core/ports.ts';
import { ownerOf } from '../../src/venue/keys.ts';

export const OWNER_KEY = Buffer.alloc(32, 21);
export const TRADING_KEY = Buffer.alloc(32, 22);
export const OWNER = await ownerOf(OWNER_KEY);
export const TRADER = await ownerOf(TRADING_KEY);

/** As the official client registers a trading key: place, cancel and batch cancel on subaccount 0. */
export function tradeOnly(id: bigint, key: Uint8Array = TRADING_KEY): Authenticator {
  const { type, data } = dydx.tradingKeyUtils.getAuthorizeNewTradingKeyArguments({
    generatedWalletPubKey: Buffer.from(publicKeyOf(key)).toString('base64'),
  });
  return { id, type, config: data };
}

/** Filters by subaccount only, which lets every withdrawal pass. */
export function withdrawing(id: bigint, key: Uint8Array = TRADING_KEY): Authenticator {
  const parts = [
    { type: 'SignatureVerification', config: Buffer.from(publicKeyOf(key)).toString('base64') },
    { type: 'SubaccountFilter', config: Buffer.from('0').toString('base64') },
  ];
  return { id, type: 'AllOf', config: Buffer.from(JSON.stringify(parts)) };
}
