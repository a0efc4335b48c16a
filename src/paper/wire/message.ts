// The messages that a transaction can carry, and what CheckTx asks of any of them: whose it is and which lane it
// takes. Short-term orders live in nodes' memory, stateful ones in the chain's state.
import { dydx } from '../../chain/dydx.ts';
import type { OrderId } from '../../core/order-uuid.ts';
import type { Side } from '../../core/status.ts';
import { bytesField, numberField, readFields, textField } from './protobuf.ts';

export type PlaceOrder = NonNullable<ReturnType<typeof dydx.MsgPlaceOrder.decode>['order']>;
export type CancelOrder = ReturnType<typeof dydx.MsgCancelOrder.decode>;
export type BatchCancel = ReturnType<typeof dydx.MsgBatchCancel.decode>;

export const FLAGS = {
  SHORT_TERM: 0,
  CONDITIONAL: 32,
  LONG_TERM: 64,
  TWAP: 128,
  TWAP_SUBORDER: 256,
} as const;

export const SIDE = { BUY: 1, SELL: 2 } as const;

export type Message =
  | { readonly kind: 'place'; readonly order: PlaceOrder }
  | { readonly kind: 'cancel'; readonly cancel: CancelOrder }
  | { readonly kind: 'batch_cancel'; readonly batch: BatchCancel }
  | {
      readonly kind: 'add_authenticator';
      readonly owner: string;
      readonly type: string;
      readonly config: Uint8Array;
    }
  | { readonly kind: 'remove_authenticator'; readonly owner: string; readonly id: bigint }
  | { readonly kind: 'other'; readonly typeUrl: string };

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

/** An unsigned 64-bit number of the client's; most have no upper half, and then it is a plain number (ten times faster). */
export function integerText(value: PlaceOrder['quantums']): string {
  const low = value.low >>> 0;
  if (value.high === 0) return String(low);
  return ((BigInt(value.high >>> 0) << 32n) | BigInt(low)).toString();
}

/** Of an order that has passed ValidateBasic. */
export function sideOf(order: PlaceOrder): Side {
  return (order.side as number) === SIDE.BUY ? 'BUY' : 'SELL';
}

/** google.protobuf.Any → message; throws on what cannot be read. */
export function decodeMessage(any: Uint8Array): Message {
  const fields = readFields(any);
  const typeUrl = textField(fields, 1);
  const value = bytesField(fields, 2);
  switch (typeUrl) {
    case dydx.TYPE_URL_MSG_PLACE_ORDER: {
      const { order } = dydx.MsgPlaceOrder.decode(value);
      if (!order) throw new Error('MsgPlaceOrder without an order');
      return { kind: 'place', order };
    }
    case dydx.TYPE_URL_MSG_CANCEL_ORDER:
      return { kind: 'cancel', cancel: dydx.MsgCancelOrder.decode(value) };
    case dydx.TYPE_URL_BATCH_CANCEL:
      return { kind: 'batch_cancel', batch: dydx.MsgBatchCancel.decode(value) };
    case dydx.TYPE_URL_MSG_ADD_AUTHENTICATOR: {
      const added = readFields(value);
      return {
        kind: 'add_authenticator',
        owner: textField(added, 1),
        type: textField(added, 2),
        config: bytesField(added, 3),
      };
    }
    case dydx.TYPE_URL_MSG_REMOVE_AUTHENTICATOR: {
      const removed = readFields(value);
      return { kind: 'remove_authenticator', owner: textField(removed, 1), id: numberField(removed, 2) };
    }
    default:
      return { kind: 'other', typeUrl };
  }
}

/** Whose signature it needs; empty when the message is foreign. */
export function ownerOf(message: Message): string {
  switch (message.kind) {
    case 'place':
      return message.order.orderId?.subaccountId?.owner ?? '';
    case 'cancel':
      return message.cancel.orderId?.subaccountId?.owner ?? '';
    case 'batch_cancel':
      return message.batch.subaccountId?.owner ?? '';
    case 'add_authenticator':
    case 'remove_authenticator':
      return message.owner;
    case 'other':
      return '';
  }
}

export function typeUrlOf(message: Message): string {
  switch (message.kind) {
    case 'place':
      return dydx.TYPE_URL_MSG_PLACE_ORDER;
    case 'cancel':
      return dydx.TYPE_URL_MSG_CANCEL_ORDER;
    case 'batch_cancel':
      return dydx.TYPE_URL_BATCH_CANCEL;
    case 'add_authenticator':
      return dydx.TYPE_URL_MSG_ADD_AUTHENTICATOR;
    case 'remove_authenticator':
      return dydx.TYPE_URL_MSG_REMOVE_AUTHENTICATOR;
    case 'other':
      return message.typeUrl;
  }
}

export function isStateful(orderFlags: number): boolean {
  return orderFlags !== FLAGS.SHORT_TERM;
}

/** Of these a transaction carries one alone, and no sequence is looked at. */
export function isShortTerm(message: Message): boolean {
  switch (message.kind) {
    case 'place':
      return !isStateful(message.order.orderId?.orderFlags ?? 0);
    case 'cancel':
      return !isStateful(message.cancel.orderId?.orderFlags ?? 0);
    case 'batch_cancel':
      return true;
    default:
      return false;
  }
}

export type ClobMessage = Extract<Message, { kind: 'place' | 'cancel' | 'batch_cancel' }>;

export function isClob(message: Message): message is ClobMessage {
  return message.kind === 'place' || message.kind === 'cancel' || message.kind === 'batch_cancel';
}
