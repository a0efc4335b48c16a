// A placement as the facts tell it: everything of the order but the verdict.
import { orderUuid } from '../../core/order-uuid.ts';
import { integerText, isStateful, orderIdOf, type PlaceOrder, sideOf } from '../wire/message.ts';
import type { Delivery } from './facts.ts';

export function deliveryOf(content: PlaceOrder, accepted: boolean): Delivery {
  const id = orderIdOf(content.orderId);
  const delivery: Delivery = {
    t: 'delivery',
    order: orderUuid(id),
    owner: id.owner,
    subaccount: id.subaccountNumber,
    client: id.clientId,
    pair: id.clobPairId,
    flags: id.orderFlags,
    accepted,
    gtb: content.goodTilBlock ?? 0,
    side: sideOf(content),
    quantums: integerText(content.quantums),
    subticks: integerText(content.subticks),
    tif: content.timeInForce,
    reduceOnly: content.reduceOnly,
    metadata: content.clientMetadata,
  };
  // Not as a spread in the middle: a literal with one is built property by property (5 µs).
  return isStateful(id.orderFlags) ? { ...delivery, gtbt: content.goodTilBlockTime ?? 0 } : delivery;
}
