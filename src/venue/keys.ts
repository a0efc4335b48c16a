// From configured secrets to a private key and its dydx address. Invariant: no message of an error thrown here
// contains a secret or any part of one.
import { createRequire } from 'node:module';
import { dydx } from '../chain/dydx.ts';
import { isPrivateKey, sha256 } from '../chain/ecdsa.ts';

/** BIP39 and bech32 as the client itself uses them, resolved from the client so that there is one copy. */
const fromClient = createRequire(createRequire(import.meta.url).resolve('@dydxprotocol/v4-client-js'));
const bip39: { readonly validateMnemonic: (mnemonic: string, words: readonly string[]) => boolean } =
  fromClient('@scure/bip39');
const english: { readonly wordlist: readonly string[] } = fromClient('@scure/bip39/wordlists/english');
const bech32: { readonly decode: (text: string) => { readonly prefix: string; readonly words: number[] } } =
  fromClient('bech32');

/** 20 bytes in words of 5 bits */
const ADDRESS_WORDS = 32;

export type KeySource = {
  /** 32 bytes in hex, with or without 0x */
  readonly privateKey?: string | undefined;
  /** 12 or 24 English BIP39 words, derived at m/44'/118'/0'/0/0 */
  readonly mnemonic?: string | undefined;
};

export function loadPrivateKey({ privateKey, mnemonic }: KeySource): Uint8Array {
  if (privateKey !== undefined && mnemonic !== undefined) {
    throw new Error('give a private key or a mnemonic, not both: they may belong to two accounts');
  }
  if (privateKey !== undefined) return fromHex(privateKey);
  if (mnemonic !== undefined) return fromMnemonic(mnemonic);
  throw new Error('no key: give a private key (64 hex digits) or a mnemonic (12 or 24 words)');
}

/** False also for an address with a typing error: it has a checksum. */
export function isAddress(text: string): boolean {
  try {
    const { prefix, words } = bech32.decode(text);
    return prefix === 'dydx' && words.length === ADDRESS_WORDS && text === text.toLowerCase();
  } catch {
    return false;
  }
}

/** The bech32 address, prefix dydx, that the key signs for. */
export async function ownerOf(privateKey: Uint8Array): Promise<string> {
  if (!isPrivateKey(privateKey)) throw new Error('not a secp256k1 private key');
  const wallet = await dydx.LocalWallet.fromPrivateKey(Buffer.from(privateKey).toString('hex'), 'dydx');
  if (wallet.address === undefined) throw new Error('the official client derived no address');
  return wallet.address;
}

/** Fixed and public: anyone can sign for it. For the paper exchange only. */
export function paperPrivateKey(): Uint8Array {
  return sha256(Buffer.from('dydx-order-router paper account'));
}

function fromHex(text: string): Uint8Array {
  const match = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text.trim());
  const key = Buffer.from(match?.[1] ?? '', 'hex');
  if (!isPrivateKey(key)) throw new Error('the private key is not 64 hex digits of a valid secp256k1 key');
  return key;
}

function fromMnemonic(text: string): Uint8Array {
  const words = text.trim().toLowerCase().split(/\s+/);
  if (words.length !== 12 && words.length !== 24) {
    throw new Error(`the mnemonic has ${words.length} words, not 12 or 24`);
  }
  const mnemonic = words.join(' ');
  // The client's derivation takes any words: a typing error would be another, empty account.
  if (!bip39.validateMnemonic(mnemonic, english.wordlist)) {
    throw new Error('the mnemonic has an unknown word or a wrong checksum');
  }
  const { privateKey } = dydx.onboarding.deriveHDKeyFromMnemonic(mnemonic);
  if (!privateKey || !isPrivateKey(privateKey)) throw new Error('the mnemonic leads to no private key');
  return privateKey;
}
