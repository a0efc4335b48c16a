// Short-term cancels at CheckTx of one node. A cancel is a fence: it is kept until its good-til-block whether or not
// the order is known, and makes this node refuse a late placement. It undoes no match that is queued for a block.
import { orderUuid } from '../../core/order-uuid.ts';
import { type BatchCancel, type CancelOrder, FLAGS, orderIdOf } from '../wire/message.ts';
import { type Refusal, refuseClob } from '../wire/refusal.ts';
import type { PaperNode } from './node.ts';

function fenceOrder(node: PaperNode, orderId: string, goodTilBlock: number): Refusal | undefined {
  if ((node.fences.get(orderId) ?? 0) >= goodTilBlock) {
    return refuseClob(9, 'a cancel with the same or a later good-til-block exists');
  }
  node.fences.set(orderId, goodTilBlock, goodTilBlock);
  if ((node.held.get(orderId)?.goodTilBlock ?? Number.POSITIVE_INFINITY) <= goodTilBlock) {
    node.held.delete(orderId);
  }
  const { ledger, memclob } = node.chain;
  const order = ledger.orders.get(orderId);
  if (node.isProposer && order?.resting && order.resting.goodTilBlock <= goodTilBlock)
    memclob.drop(order, 'USER_CANCELED');
  return undefined;
}

export function cancelShortTerm(node: PaperNode, cancel: CancelOrder): Refusal | undefined {
  const id = orderIdOf(cancel.orderId);
  if (!node.chain.memclob.books.has(id.clobPairId)) return refuseClob(8, `no clob pair ${id.clobPairId}`);
  return fenceOrder(node, orderUuid(id), cancel.goodTilBlock ?? 0);
}

/** Which of them failed, even all of them, is never told: the chain answers code 0 (facts §3.3). */
export function batchCancelShortTerm(node: PaperNode, batch: BatchCancel): void {
  for (const { clobPairId, clientIds } of batch.shortTermCancels) {
    if (!node.chain.memclob.books.has(clobPairId)) continue;
    for (const clientId of clientIds) {
      const owner = batch.subaccountId?.owner ?? '';
      const subaccountNumber = batch.subaccountId?.number ?? 0;
      const id = { owner, subaccountNumber, clientId, clobPairId, orderFlags: FLAGS.SHORT_TERM };
      fenceOrder(node, orderUuid(id), batch.goodTilBlock);
    }
  }
}
