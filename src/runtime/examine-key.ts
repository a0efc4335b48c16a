// What the key of an account may do for its owner, as the chain has it; and what keeps it from being used.
import { publicKeyOf } from '../chain/ecdsa.ts';
import type { Validator } from '../core/ports.ts';
import type { SelectedAuthenticators } from '../venue/signer.ts';
import { selectAuthenticators, whyNotTradeOnly } from '../venue/trade-only.ts';
import type { ConfiguredAccount } from './configured-accounts.ts';

export type ExaminedKey = {
  /** permissioned_key: one that may do more than trade */
  readonly kind: 'owner_key' | 'trade_only_key' | 'permissioned_key' | 'wrong_key';
  /** from the owner's account */
  readonly couldWithdraw: boolean;
  /** of a trade-only key that may be used */
  readonly authenticators?: SelectedAuthenticators;
  /** why it must not be used, and what to do; undefined: it may be */
  readonly problem?: string;
};

/** Whether only the chain can tell. */
export function isPermissioned({ signsAs, owner, authenticatorIds }: ConfiguredAccount): boolean {
  return signsAs !== owner && authenticatorIds.length > 0;
}

/** Asks the chain about permissioned keys only, and throws when it cannot be asked. */
export async function examineKey(
  account: ConfiguredAccount,
  authenticatorsOf: Validator['authenticators'],
): Promise<ExaminedKey> {
  const { signsAs, owner, authenticatorIds: ids, fields, privateKey } = account;
  if (signsAs === owner) {
    const own = { kind: 'owner_key', couldWithdraw: true } as const;
    if (ids.length === 0) return own;
    const problem = `the key is the owner's own, which no authenticator limits: give the key that was registered for trading, or take ${fields.authenticatorIds} away`;
    return { ...own, problem };
  }
  if (!isPermissioned(account)) {
    const problem = `the key signs for ${signsAs}, not for ${owner}: correct ${fields.owner} or the key, or set ${fields.authenticatorIds} to the ids under which the owner registered this key`;
    return { kind: 'wrong_key', couldWithdraw: false, problem };
  }
  const authenticators = await authenticatorsOf(owner);
  const publicKey = publicKeyOf(privateKey);
  const tooMuch = whyNotTradeOnly(authenticators, ids, publicKey);
  if (tooMuch !== undefined) {
    const problem = `not trade-only: ${tooMuch}. The owner must register an AllOf of SignatureVerification and MessageFilter for placing and cancelling orders, and remove what lets this key do more; its id goes into ${fields.authenticatorIds}`;
    return { kind: 'permissioned_key', couldWithdraw: true, problem };
  }
  const selection = selectAuthenticators(authenticators, ids, publicKey);
  const tradeOnly = { kind: 'trade_only_key', couldWithdraw: false } as const;
  if (selection.ok) return { ...tradeOnly, authenticators: selection.selected };
  const problem = `no authenticator in ${fields.authenticatorIds} permits ${selection.lacking}: the owner must register one that permits placing, cancelling and cancelling in batches`;
  return { ...tradeOnly, problem };
}
