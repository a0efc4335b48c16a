// Short-term cancels at CheckTx. A cancel is a fence: it is kept until its good-til-block whether or not the order
// is known, and makes this node refuse a late placement. It undoes no match that is already queued for a block.
import { orderUuid } from '../core/order-uuid.ts';
import type { Chain } from './chain.ts';
import { type BatchCancel, type CancelOrder, orderIdOf } from './decode.ts';
import { type Refusal, refuseClob } from './refusal.ts';
import { FLAGS } from './validate-basic.ts';

function fenceOrder(chain: Chain, orderId: string, goodTilBlock: number): Refusal | undefined {
  if ((chain.fences.get(orderId) ?? 0) >= goodTilBlock) {
    return refuseClob(9, 'a cancel with the same or a later good-til-block exists');
  }
  chain.fence(orderId, goodTilBlock);
  const order = chain.ledger.orders.get(orderId);
  if (order?.resting && order.resting.goodTilBlock <= goodTilBlock) {
    const isGhost = order.resting.isGhost;
    chain.unrest(order);
    if (!isGhost) chain.record({ t: 'removal', order: orderId, reason: 'USER_CANCELED' });
  }
  return undefined;
}

export function cancelOrder(chain: Chain, cancel: CancelOrder): Refusal | undefined {
  return fenceOrder(chain, orderUuid(orderIdOf(cancel.orderId)), cancel.goodTilBlock ?? 0);
}

/** Which of them failed, even all of them, is never told: the chain answers code 0 (facts §3.3). */
export function batchCancel(chain: Chain, batch: BatchCancel): void {
  for (const { clobPairId, clientIds } of batch.shortTermCancels) {
    if (!chain.books.has(clobPairId)) continue;
    for (const clientId of clientIds) {
      const owner = batch.subaccountId?.owner ?? '';
      const subaccountNumber = batch.subaccountId?.number ?? 0;
      const id = { owner, subaccountNumber, clientId, clobPairId, orderFlags: FLAGS.SHORT_TERM };
      fenceOrder(chain, orderUuid(id), batch.goodTilBlock);
    }
  }
}
