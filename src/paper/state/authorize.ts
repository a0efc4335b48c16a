// Who may send a transaction: its one signer with the account's own key, or a permissioned key under the
// authenticators that the transaction selects, one a message. The account number signed over is the owner's.
import { verify } from '../../chain/ecdsa.ts';
import { addressOfPublicKey, expandedKey, paperAccountNumber } from '../wire/accounts.ts';
import type { Transaction } from '../wire/decode.ts';
import { type Refusal, refuse } from '../wire/refusal.ts';
import { findAuthenticator, type Registry } from './authenticators.ts';

/** What a signature is made over, and whether it is looked at: for speed an exchange may believe every one of them. */
export type Signing = { readonly chainId: string; readonly isBelieved: boolean };

function isSignedBy(tx: Transaction, publicKey: Uint8Array, signing: Signing, owner: string): boolean {
  const [signature] = tx.signatures;
  if (signature === undefined) return false;
  if (signing.isBelieved) return true;
  const bytes = tx.signBytes(signing.chainId, paperAccountNumber(owner));
  return verify(bytes, signature, expandedKey(publicKey));
}

function authenticate(
  registry: Registry,
  signing: Signing,
  tx: Transaction,
  owner: string,
): Refusal | undefined {
  if (tx.authenticators.length !== tx.messages.length) {
    return refuse(
      'sdk',
      18,
      'Mismatch between the number of selected authenticators and messages, ' +
        `msg count ${tx.messages.length}, got ${tx.authenticators.length} selected authenticators`,
    );
  }
  for (const [index, message] of tx.messages.entries()) {
    const id = tx.authenticators[index] ?? 0n;
    const authenticator = findAuthenticator(registry, owner, id);
    if (!authenticator) return refuse('accountplus', 1, `authenticator ${id} not found for account ${owner}`);
    const refusal = authenticator.check({
      message,
      isSignedBy: (publicKey) => isSignedBy(tx, publicKey, signing, owner),
    });
    if (refusal) return refusal;
  }
  return undefined;
}

function checkOwnKey(signing: Signing, tx: Transaction, owner: string): Refusal | undefined {
  if (addressOfPublicKey(tx.publicKey) !== owner)
    return refuse('sdk', 4, `the public key is not that of ${owner}`);
  if (isSignedBy(tx, tx.publicKey, signing, owner)) return undefined;
  return refuse(
    'sdk',
    4,
    'signature verification failed; verify account number ' +
      `(${paperAccountNumber(owner)}) and chain-id (${signing.chainId})`,
  );
}

export function authorize(
  registry: Registry,
  signing: Signing,
  tx: Transaction,
  owner: string,
): Refusal | undefined {
  if (tx.signatures.length !== 1) return refuse('sdk', 4, 'exactly one signature is needed');
  return tx.authenticators.length > 0
    ? authenticate(registry, signing, tx, owner)
    : checkOwnKey(signing, tx, owner);
}

/** A refusal of this kind says that nobody entitled sent it. */
export function isForged({ codespace, code }: Refusal): boolean {
  return codespace === 'accountplus' || (codespace === 'sdk' && code === 4);
}
