// What a permissioned key may sign for its owner, and whether that is trading and nothing else. PURE.
// ClobPairIdFilter and SubaccountFilter ALLOW every message that is no order or cancel: only a MessageFilter keeps a key
// from withdrawing. What cannot be read here is never called trade-only.
// Source: v4-chain protocol/x/accountplus/authenticator/{all_of,any_of,message_filter,clob_pair_id_filter}.go.
import { z } from 'zod';
import { dydx } from '../chain/dydx.ts';
import type { Authenticator } from '../core/ports.ts';
import type { SelectedAuthenticators } from './signer.ts';

const MESSAGES = {
  place: dydx.TYPE_URL_MSG_PLACE_ORDER,
  cancel: dydx.TYPE_URL_MSG_CANCEL_ORDER,
  batchCancel: dydx.TYPE_URL_BATCH_CANCEL,
} as const satisfies Record<keyof SelectedAuthenticators, string>;

const TRADING: ReadonlySet<string> = new Set(Object.values(MESSAGES));

/** Messages by their type URLs. */
type Messages = ReadonlySet<string> | 'any';

/** What an authenticator means for one key. */
type Meaning = {
  /** Nobody passes it without the signature of this key. */
  readonly needsKey: boolean;
  /** what the holder of this key can send through it */
  readonly permits: Messages;
};

/** The chain would not take it, or we do not know what it does. */
class Unreadable extends Error {}

/**
 * @param authenticators all that the owner has registered: whoever holds the key can select any of them
 * @param ids those that we select
 * @returns undefined when the key can do nothing but place and cancel orders
 */
export function whyNotTradeOnly(
  authenticators: readonly Authenticator[],
  ids: readonly bigint[],
  publicKey: Uint8Array,
): string | undefined {
  if (ids.length === 0) return 'no authenticator is chosen';
  for (const id of ids) {
    if (!authenticators.some((one) => one.id === id))
      return `the chain knows no authenticator ${id} of the owner`;
  }
  for (const authenticator of authenticators) {
    const isChosen = ids.includes(authenticator.id);
    const why = whyTooMuch(authenticator, publicKey, isChosen);
    if (why !== undefined)
      return `authenticator ${authenticator.id}${isChosen ? '' : ' (not chosen)'} ${why}`;
  }
  return undefined;
}

function whyTooMuch(
  { type, config }: Authenticator,
  publicKey: Uint8Array,
  isChosen: boolean,
): string | undefined {
  try {
    const { needsKey, permits } = meaningOf(type, config, publicKey);
    if (isChosen && !needsKey) return 'can be passed without a signature of this key';
    if (permits === 'any') return 'lets this key send any message: a MessageFilter is missing';
    const more = [...permits].filter((message) => !TRADING.has(message));
    return more.length === 0 ? undefined : `lets this key send ${more.join(', ')}`;
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return error.message;
  }
}

export type Selection =
  | { readonly ok: true; readonly selected: SelectedAuthenticators }
  /** the message that no chosen authenticator permits: an order that could be placed could not be cancelled */
  | { readonly ok: false; readonly lacking: string };

/** For each kind of message the first of our ids that permits it; of authenticators that are trade-only. */
export function selectAuthenticators(
  authenticators: readonly Authenticator[],
  ids: readonly bigint[],
  publicKey: Uint8Array,
): Selection {
  const firstFor = (message: string) =>
    ids.find((id) => {
      const one = authenticators.find((authenticator) => authenticator.id === id);
      return one !== undefined && permitsMessage(meaningOf(one.type, one.config, publicKey).permits, message);
    });
  const place = firstFor(MESSAGES.place);
  if (place === undefined) return { ok: false, lacking: MESSAGES.place };
  const cancel = firstFor(MESSAGES.cancel);
  if (cancel === undefined) return { ok: false, lacking: MESSAGES.cancel };
  const batchCancel = firstFor(MESSAGES.batchCancel);
  if (batchCancel === undefined) return { ok: false, lacking: MESSAGES.batchCancel };
  return { ok: true, selected: { place, cancel, batchCancel } };
}

function permitsMessage(permits: Messages, message: string): boolean {
  return permits === 'any' || permits.has(message);
}

function meaningOf(type: string, config: Uint8Array, publicKey: Uint8Array): Meaning {
  switch (type) {
    case 'SignatureVerification': {
      const isOurs = Buffer.from(config).equals(publicKey);
      return { needsKey: isOurs, permits: isOurs ? 'any' : NONE };
    }
    case 'MessageFilter':
      return { needsKey: false, permits: new Set(Buffer.from(config).toString('utf8').split(',')) };
    case 'ClobPairIdFilter':
    case 'SubaccountFilter':
      return { needsKey: false, permits: 'any' };
    case 'AllOf': {
      const members = membersOf(type, config, publicKey);
      return {
        needsKey: members.some(({ needsKey }) => needsKey),
        permits: members.map(({ permits }) => permits).reduce(common),
      };
    }
    case 'AnyOf': {
      const members = membersOf(type, config, publicKey);
      return {
        needsKey: members.every(({ needsKey }) => needsKey),
        permits: members.map(({ permits }) => permits).reduce(together),
      };
    }
    default:
      throw new Unreadable(`is of a type that this version does not know: ${type}`);
  }
}

const NONE: Messages = new Set<string>();

function common(one: Messages, other: Messages): Messages {
  if (one === 'any') return other;
  if (other === 'any') return one;
  return new Set([...one].filter((message) => other.has(message)));
}

function together(one: Messages, other: Messages): Messages {
  return one === 'any' || other === 'any' ? 'any' : new Set([...one, ...other]);
}

/** Exactly these keys: Go reads them in any case, so that "Type" beside "type" could mean another one than we see. */
const MEMBERS = z.array(z.strictObject({ type: z.string(), config: z.base64() })).min(2);

function membersOf(type: string, config: Uint8Array, publicKey: Uint8Array): readonly Meaning[] {
  const parsed = MEMBERS.safeParse(parseJson(Buffer.from(config).toString('utf8')));
  if (!parsed.success) throw new Unreadable(`has an ${type} that cannot be read`);
  return parsed.data.map((member) => meaningOf(member.type, Buffer.from(member.config, 'base64'), publicKey));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
