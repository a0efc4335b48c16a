// Accounts of the paper chain: every valid dydx address exists, and its account number follows from the address
// alone, so that a signer can be set up without asking. Both lookups are memoized, bounded, pure.
import { createHash } from 'node:crypto';
import { expandPublicKey, sha256 } from '../../chain/ecdsa.ts';
import { encodeBech32, isBech32Address } from './bech32.ts';

const PREFIX = 'dydx';
const MEMO_LIMIT = 10_000;

function memoize<T>(compute: (key: string) => T): (key: string) => T {
  const memo = new Map<string, T>();
  return (key) => {
    const known = memo.get(key);
    if (known !== undefined) return known;
    if (memo.size >= MEMO_LIMIT) memo.clear();
    const value = compute(key);
    memo.set(key, value);
    return value;
  };
}

/**
 * First four bytes of sha256(address), big-endian, without the highest bit: cosmjs-types 0.9, with which the
 * official client signs, encodes numbers in [2^31, 2^32) wrongly (measured: 2147483648 → 20 00 00 00 00 00).
 */
export const paperAccountNumber = memoize(
  (address: string) => sha256(Buffer.from(address)).readUInt32BE(0) & 0x7fffffff,
);

export const isDydxAddress = memoize((address: string) => isBech32Address(PREFIX, address));

const addressOfHexKey = memoize((hexKey: string) => {
  const digest = sha256(Buffer.from(hexKey, 'hex'));
  return encodeBech32(PREFIX, createHash('ripemd160').update(digest).digest());
});

/** bech32(ripemd160(sha256(compressed public key))). */
export function addressOfPublicKey(publicKey: Uint8Array): string {
  return addressOfHexKey(Buffer.from(publicKey).toString('hex'));
}

const expandHexKey = memoize((hexKey: string) => {
  const publicKey = Buffer.from(hexKey, 'hex');
  return expandPublicKey(publicKey) ?? publicKey;
});

/** The same key, in the form that a check of a signature need not compute first; what is no key stays as it is. */
export function expandedKey(publicKey: Uint8Array): Uint8Array {
  return expandHexKey(Buffer.from(publicKey).toString('hex'));
}
