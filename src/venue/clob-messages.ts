// Orders and cancels as the messages of the official client. What its encoder would wrap, cut or leave out without a
// word, or what makes another order of it than its id says, is a bug of the caller and never becomes a message.
// Source: v4-chain protocol/x/clob/types/message_place_order.go, message_cancel_orders.go, message_batch_cancel.go.
import { dydx } from '../chain/dydx.ts';
import { CONDITIONAL, LONG_TERM, type OrderId, SHORT_TERM } from '../core/order-uuid.ts';
import {
  type Condition,
  type Lifetime,
  MAX_BATCH_CANCELS,
  type VenueBatchCancel,
  type VenueCancel,
  type VenueOrder,
} from '../core/ports.ts';
import { MAX_INTEGER } from '../core/quantize.ts';
import { bytesField, stringField } from './protobuf.ts';

export type ClobMessage = Parameters<InstanceType<typeof dydx.LocalWallet>['signTransaction']>[0][number];

type Codec = { encode(value: object): { finish(): Uint8Array } };

const CODECS: Readonly<Record<string, Codec>> = {
  [dydx.TYPE_URL_MSG_PLACE_ORDER]: dydx.MsgPlaceOrder,
  [dydx.TYPE_URL_MSG_CANCEL_ORDER]: dydx.MsgCancelOrder,
  [dydx.TYPE_URL_BATCH_CANCEL]: dydx.MsgBatchCancel,
};

const SIGNED_FLAGS: readonly number[] = [SHORT_TERM, CONDITIONAL, LONG_TERM];

const SIDE = { BUY: 1, SELL: 2 } as const satisfies Record<VenueOrder['side'], number>;
const TIME_IN_FORCE = { GTT: 0, IOC: 1, POST_ONLY: 2 } as const satisfies Record<
  VenueOrder['timeInForce'],
  number
>;
const CONDITION = { STOP_LOSS: 1, TAKE_PROFIT: 2 } as const satisfies Record<Condition['type'], number>;

export function placeMessage(order: VenueOrder): ClobMessage {
  checkOrder(order);
  const { condition } = order;
  return {
    typeUrl: dydx.TYPE_URL_MSG_PLACE_ORDER,
    value: dydx.MsgPlaceOrder.fromPartial({
      order: {
        orderId: toOrderId(order.id),
        side: SIDE[order.side],
        // Strings become the client's own Long, exact to the last of 64 bits; a number would be a double.
        quantums: order.quantums.toString(),
        subticks: order.subticks.toString(),
        ...toLifetime(order),
        timeInForce: TIME_IN_FORCE[order.timeInForce],
        reduceOnly: order.reduceOnly,
        clientMetadata: order.clientMetadata,
        ...(condition === undefined
          ? {}
          : {
              conditionType: CONDITION[condition.type],
              conditionalOrderTriggerSubticks: condition.triggerSubticks.toString(),
            }),
      },
    }),
  };
}

export function cancelMessage(cancel: VenueCancel): ClobMessage {
  checkId(cancel.id);
  checkLifetime(cancel.id, cancel);
  return {
    typeUrl: dydx.TYPE_URL_MSG_CANCEL_ORDER,
    value: dydx.MsgCancelOrder.fromPartial({ orderId: toOrderId(cancel.id), ...toLifetime(cancel) }),
  };
}

export function batchCancelMessage(batch: VenueBatchCancel): ClobMessage {
  checkBatch(batch);
  return {
    typeUrl: dydx.TYPE_URL_BATCH_CANCEL,
    value: dydx.MsgBatchCancel.fromPartial({
      subaccountId: { owner: batch.owner, number: batch.subaccountNumber },
      shortTermCancels: batch.lists.map(({ clobPairId, clientIds }) => ({
        clobPairId,
        clientIds: [...clientIds],
      })),
      goodTilBlock: batch.goodTilBlock,
    }),
  };
}

/** The message as it stands in a transaction, `google.protobuf.Any` around it. */
export function encodeMessage({ typeUrl, value }: ClobMessage): Uint8Array {
  const codec = CODECS[typeUrl];
  if (codec === undefined) throw new Error(`no message of ours: ${typeUrl}`);
  return Buffer.concat([stringField(1, typeUrl), bytesField(2, codec.encode(value).finish())]);
}

export function toOrderId({ owner, subaccountNumber, clientId, orderFlags, clobPairId }: OrderId) {
  return { subaccountId: { owner, number: subaccountNumber }, clientId, orderFlags, clobPairId };
}

/** One of the two: a field that is there counts for the chain, were it 0. */
function toLifetime({ goodTilBlock, goodTilBlockTime }: Lifetime) {
  return goodTilBlock === undefined ? { goodTilBlockTime } : { goodTilBlock };
}

function checkOrder(order: VenueOrder): void {
  const { id, condition, quantums, subticks } = order;
  checkId(id);
  checkLifetime(id, order);
  checkInteger({ quantums, subticks });
  if ((condition !== undefined) !== (id.orderFlags === CONDITIONAL)) {
    throw new Error(`order flags ${id.orderFlags} ${condition ? 'take no condition' : 'need a condition'}`);
  }
  if (condition !== undefined) checkInteger({ triggerSubticks: condition.triggerSubticks });
}

function checkId(id: OrderId): void {
  const { clientId, clobPairId, subaccountNumber, orderFlags } = id;
  if (!SIGNED_FLAGS.includes(orderFlags)) {
    throw new Error(`order flags ${orderFlags} are not 0 (short-term), 32 (conditional) or 64 (long-term)`);
  }
  checkUint32({ clientId, clobPairId, subaccountNumber });
}

function checkLifetime({ orderFlags }: OrderId, { goodTilBlock, goodTilBlockTime }: Lifetime): void {
  const [name, value, other] =
    orderFlags === SHORT_TERM
      ? (['goodTilBlock', goodTilBlock, goodTilBlockTime] as const)
      : (['goodTilBlockTime', goodTilBlockTime, goodTilBlock] as const);
  if (value === undefined || other !== undefined) {
    throw new Error(`an order with flags ${orderFlags} ends by ${name}, and by nothing else`);
  }
  checkUint32({ [name]: value });
  if (value === 0) throw new Error(`${name} is 0`);
}

function checkBatch({ subaccountNumber, goodTilBlock, lists }: VenueBatchCancel): void {
  checkUint32({ subaccountNumber, goodTilBlock });
  if (goodTilBlock === 0) throw new Error('goodTilBlock is 0');
  const cancels = lists.flatMap(({ clientIds }) => clientIds).length;
  if (cancels === 0 || cancels > MAX_BATCH_CANCELS) {
    throw new Error(`a batch cancels 1 to ${MAX_BATCH_CANCELS} orders, not ${cancels}`);
  }
  if (hasDuplicates(lists.map(({ clobPairId }) => clobPairId))) throw new Error('a clob pair is there twice');
  for (const { clobPairId, clientIds } of lists) {
    checkUint32({ clobPairId });
    for (const clientId of clientIds) checkUint32({ clientId });
    if (clientIds.length === 0) throw new Error(`clob pair ${clobPairId} has no client id`);
    if (hasDuplicates(clientIds)) throw new Error(`clob pair ${clobPairId} has a client id twice`);
  }
}

function hasDuplicates(values: readonly number[]): boolean {
  return new Set(values).size !== values.length;
}

function checkUint32(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
      throw new Error(`${name} ${value} is no uint32`);
    }
  }
}

function checkInteger(values: Readonly<Record<string, bigint>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value <= 0n || value > MAX_INTEGER) throw new Error(`${name} ${value} is outside 1…2^63-1`);
  }
}
