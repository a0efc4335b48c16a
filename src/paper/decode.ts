// Signed transaction bytes → what CheckTx judges. Nothing is trusted here: a transaction that cannot be read is
// undefined (sdk/2), one that can be read is not yet checked. Envelopes by hand, clob messages by the client's code.
import { dydx } from '../chain/dydx.ts';
import type { OrderId } from '../core/order-uuid.ts';
import { bytesField, numberField, readFields, textField, writeBytes, writeNumber } from './protobuf.ts';

export type PlaceOrder = NonNullable<ReturnType<typeof dydx.MsgPlaceOrder.decode>['order']>;
export type CancelOrder = ReturnType<typeof dydx.MsgCancelOrder.decode>;
export type BatchCancel = ReturnType<typeof dydx.MsgBatchCancel.decode>;

/** Protobuf leaves out what is zero or empty; an OrderId has no absent parts. */
export function orderIdOf(id: PlaceOrder['orderId']): OrderId {
  return {
    owner: id?.subaccountId?.owner ?? '',
    subaccountNumber: id?.subaccountId?.number ?? 0,
    clientId: id?.clientId ?? 0,
    clobPairId: id?.clobPairId ?? 0,
    orderFlags: id?.orderFlags ?? 0,
  };
}

export type Message =
  | { readonly kind: 'place'; readonly order: PlaceOrder }
  | { readonly kind: 'cancel'; readonly cancel: CancelOrder }
  | { readonly kind: 'batch_cancel'; readonly batch: BatchCancel }
  | { readonly kind: 'other'; readonly typeUrl: string };

export type Transaction = {
  readonly messages: readonly Message[];
  readonly memo: string;
  readonly timeoutHeight: number;
  readonly authenticators: readonly bigint[];
  readonly signatures: readonly Uint8Array[];
  /** empty when the signer left it out */
  readonly publicKey: Uint8Array;
  readonly signBytes: (chainId: string, accountNumber: number) => Uint8Array;
};

function decodeMessage(any: Uint8Array): Message {
  const fields = readFields(any);
  const typeUrl = textField(fields, 1);
  const value = bytesField(fields, 2);
  switch (typeUrl) {
    case '/dydxprotocol.clob.MsgPlaceOrder': {
      const { order } = dydx.MsgPlaceOrder.decode(value);
      if (!order) throw new Error('MsgPlaceOrder without an order');
      return { kind: 'place', order };
    }
    case '/dydxprotocol.clob.MsgCancelOrder':
      return { kind: 'cancel', cancel: dydx.MsgCancelOrder.decode(value) };
    case '/dydxprotocol.clob.MsgBatchCancel':
      return { kind: 'batch_cancel', batch: dydx.MsgBatchCancel.decode(value) };
    default:
      return { kind: 'other', typeUrl };
  }
}

function decodeAuthenticators(extensions: readonly Uint8Array[]): bigint[] {
  return extensions.flatMap((any) => {
    const fields = readFields(any);
    if (textField(fields, 1) !== '/dydxprotocol.accountplus.TxExtension') return [];
    // repeated uint64, packed or not; the official signer always adds an extension, mostly an empty one
    return readFields(bytesField(fields, 2)).flatMap((field) => {
      if (field.number !== 1) return [];
      return field.isNumeric ? [field.value] : [...field.bytes].map((byte) => BigInt(byte));
    });
  });
}

export function decodeTransaction(bytes: Uint8Array): Transaction | undefined {
  try {
    const raw = readFields(bytes);
    const bodyBytes = bytesField(raw, 1);
    const authInfoBytes = bytesField(raw, 2);
    const body = readFields(bodyBytes);
    const signerInfo = readFields(bytesField(readFields(authInfoBytes), 1));
    const publicKeyAny = readFields(bytesField(signerInfo, 1));
    const extensions = body.filter((field) => field.number === 2047).map((field) => field.bytes);
    return {
      messages: body.filter((field) => field.number === 1).map((field) => decodeMessage(field.bytes)),
      memo: textField(body, 2),
      timeoutHeight: Number(numberField(body, 3)),
      authenticators: decodeAuthenticators(extensions),
      signatures: raw.filter((field) => field.number === 3).map((field) => field.bytes),
      publicKey: bytesField(readFields(bytesField(publicKeyAny, 2)), 1),
      signBytes: (chainId, accountNumber) =>
        Buffer.concat([
          writeBytes(1, bodyBytes),
          writeBytes(2, authInfoBytes),
          writeBytes(3, chainId),
          writeNumber(4, BigInt(accountNumber)),
        ]),
    };
  } catch {
    // Whatever a decoder throws means the same to a node: these bytes are no transaction.
    return undefined;
  }
}
