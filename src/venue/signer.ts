// Signs orders and cancels for one account: pure computation. The bytes are those of the official client (its messages,
// its transaction layout); only the ECDSA itself is done by libsecp256k1, 15 times faster.
// Same order, same stamp, same bytes: nothing in a transaction depends on time or chance.
import { dydx } from '../chain/dydx.ts';
import { publicKeyOf, sha256, sign } from '../chain/ecdsa.ts';
import { SHORT_TERM } from '../core/order-uuid.ts';
import type { Signer, TxStamp } from '../core/ports.ts';
import {
  batchCancelMessage,
  type ClobMessage,
  cancelMessage,
  encodeMessage,
  placeMessage,
} from './clob-messages.ts';
import { ownerOf } from './keys.ts';
import { bytesField, readMessage, stringField, uint64Field } from './protobuf.ts';

export type SignerOptions = {
  readonly privateKey: Uint8Array;
  /** part of what is signed: a transaction is worthless on another chain */
  readonly chainId: string;
  /** the owner's, also when another key signs for it; a wrong one is refused as sdk/4 */
  readonly accountNumber: number;
  /** whose orders are signed; absent: those of the key's own address */
  readonly owner?: string | undefined;
  /** Of a permissioned key: which of the owner's authenticators each message selects. Absent: the owner's own key. */
  readonly authenticators?: SelectedAuthenticators | undefined;
};

/** The chain wants one id a message, and a transaction of ours carries one message. */
export type SelectedAuthenticators = {
  readonly place: bigint;
  readonly cancel: bigint;
  readonly batchCancel: bigint;
};

export async function createSigner(options: SignerOptions): Promise<Signer> {
  const { privateKey, chainId, accountNumber, authenticators: selected } = options;
  const address = await ownerOf(privateKey);
  const owner = options.owner ?? address;
  const wallet = await dydx.LocalWallet.fromOfflineSigner(
    createOfflineSigner(address, privateKey, chainId, accountNumber),
  );

  function signWhole(message: ClobMessage, authenticator: bigint | undefined, stamp: TxStamp) {
    const authenticators = authenticator === undefined ? [] : [toLong(authenticator)];
    const transaction = { sequence: stamp.nonce, accountNumber, chainId, authenticators };
    return wallet.signTransaction([message], transaction, FEE, stamp.memo);
  }

  const tail = documentTail(chainId, accountNumber);
  /** by the authenticator that is selected */
  const frames = new Map<bigint | undefined, Frame>();

  async function signMessage(message: ClobMessage, authenticator: bigint | undefined, stamp?: TxStamp) {
    const bytes = await (stamp === undefined
      ? signShortTerm(message, authenticator)
      : signWhole(message, authenticator, stamp));
    return { bytes, hash: sha256(bytes).toString('hex').toUpperCase() };
  }

  /** Short-term transactions skip the sequence check, so that workers need no common counter. */
  async function signShortTerm(message: ClobMessage, authenticator: bigint | undefined): Promise<Uint8Array> {
    const encoded = bytesField(1, encodeMessage(message));
    const frame = frames.get(authenticator);
    if (frame !== undefined) return signFramed(encoded, frame, tail, privateKey);
    const bytes = await signWhole(message, authenticator, UNSTAMPED);
    frames.set(authenticator, frameOf(bytes, encoded));
    return bytes;
  }

  function checkOwner(of: string): void {
    if (of !== owner) throw new Error(`the order belongs to ${of}, this signer signs for ${owner}`);
  }

  return {
    owner,
    sign: async (order, stamp) => {
      checkOwner(order.id.owner);
      checkStamp(order.id.orderFlags, stamp);
      return signMessage(placeMessage(order), selected?.place, stamp);
    },
    signCancel: async (cancel, stamp) => {
      checkOwner(cancel.id.owner);
      checkStamp(cancel.id.orderFlags, stamp);
      return signMessage(cancelMessage(cancel), selected?.cancel, stamp);
    },
    signBatchCancel: async (batch) => {
      checkOwner(batch.owner);
      return signMessage(batchCancelMessage(batch), selected?.batchCancel);
    },
  };
}

/** Sequence 0 and no memo: all short-term transactions have these. */
const UNSTAMPED: TxStamp = { nonce: 0, memo: '' };

/**
 * What all short-term transactions of a key share, cut out of one that the official client has made: it writes the same
 * bytes again for each order, which takes it as long as the signature.
 */
type Frame = { readonly authInfo: Uint8Array; readonly bodyTail: Uint8Array };

/** @param encoded the message's field of the body */
function frameOf(transaction: Uint8Array, encoded: Uint8Array): Frame {
  const raw = readMessage(transaction);
  const [body, authInfo] = [raw?.bytes(1), raw?.bytes(2)];
  if (
    body === undefined ||
    authInfo === undefined ||
    Buffer.compare(body.subarray(0, encoded.length), encoded) !== 0
  ) {
    throw new Error('the official client lays out a transaction in another way than this version knows');
  }
  return { authInfo: authInfo.slice(), bodyTail: body.slice(encoded.length) };
}

function signFramed(
  encoded: Uint8Array,
  { authInfo, bodyTail }: Frame,
  tail: Uint8Array,
  privateKey: Uint8Array,
): Uint8Array {
  const signed = Buffer.concat([bytesField(1, Buffer.concat([encoded, bodyTail])), bytesField(2, authInfo)]);
  const signature = sign(Buffer.concat([signed, tail]), privateKey);
  return Buffer.concat([signed, bytesField(3, signature)]);
}

/** Orders pay no gas; the limit is the one the official client states. */
const FEE = { amount: [], gas: '1000000' };

/** What the chain reads as a time and not as an account's sequence begins here. */
const MIN_TIMESTAMP_NONCE = 2 ** 40;
/** cosmos-sdk's MaxMemoCharacters: more is sdk/12 */
const MAX_MEMO_BYTES = 256;

function checkStamp(orderFlags: number, stamp: TxStamp | undefined): void {
  if ((stamp !== undefined) !== (orderFlags !== SHORT_TERM)) {
    throw new Error(`order flags ${orderFlags} ${stamp ? 'take no nonce' : 'need a nonce and a memo'}`);
  }
  if (stamp === undefined) return;
  const { nonce, memo } = stamp;
  if (!Number.isSafeInteger(nonce) || nonce < MIN_TIMESTAMP_NONCE) {
    throw new Error(`nonce ${nonce} is no unix time in milliseconds`);
  }
  if (Buffer.byteLength(memo) > MAX_MEMO_BYTES) throw new Error(`a memo has up to ${MAX_MEMO_BYTES} bytes`);
}

/** The client's own Long, of which it exports no maker. */
function toLong(value: bigint) {
  return dydx.Order.fromPartial({ quantums: value.toString() }).quantums;
}

type OfflineDirectSigner = Extract<
  Parameters<typeof dydx.LocalWallet.fromOfflineSigner>[0],
  { signDirect: unknown }
>;

/** SignDoc{1: body, 2: auth_info, 3: chain_id, 4: account_number}; the last two never change. */
function documentTail(chainId: string, accountNumber: number): Uint8Array {
  return Buffer.concat([stringField(3, chainId), uint64Field(4, BigInt(accountNumber))]);
}

function createOfflineSigner(
  address: string,
  privateKey: Uint8Array,
  chainId: string,
  accountNumber: number,
): OfflineDirectSigner {
  const pubkey = publicKeyOf(privateKey);
  const pubKey = { type: 'tendermint/PubKeySecp256k1', value: Buffer.from(pubkey).toString('base64') };
  const tail = documentTail(chainId, accountNumber);
  return {
    getAccounts: async () => [{ algo: 'secp256k1', address, pubkey }],
    signDirect: async (_address, signed) => {
      const document = Buffer.concat([
        bytesField(1, signed.bodyBytes),
        bytesField(2, signed.authInfoBytes),
        tail,
      ]);
      const signature = Buffer.from(sign(document, privateKey)).toString('base64');
      return { signed, signature: { pub_key: pubKey, signature } };
    },
  };
}
