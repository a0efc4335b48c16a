// A placement as the facts tell it: everything of the order but the verdict.
import { orderUuid } from '../../core/order-uuid.ts';
import { isStateful, orderIdOf, type PlaceOrder, sideOf } from '../wire/message.ts';
import type { Delivery } from './facts.ts';

export function deliveryOf(content: PlaceOrder, accepted: boolean): Delivery {
  const id = orderIdOf(content.orderId);
  return {
    t: 'delivery',
    order: orderUuid(id),
    owner: id.owner,
    subaccount: id.subaccountNumber,
    client: id.clientId,
    pair: id.clobPairId,
    flags: id.orderFlags,
    accepted,
    gtb: content.goodTilBlock ?? 0,
    ...(isStateful(id.orderFlags) ? { gtbt: content.goodTilBlockTime ?? 0 } : {}),
    side: sideOf(content),
    quantums: content.quantums.toString(),
    subticks: content.subticks.toString(),
    tif: content.timeInForce,
    reduceOnly: content.reduceOnly,
    metadata: content.clientMetadata,
  };
}
