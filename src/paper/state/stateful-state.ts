// Stateful orders in the chain's state: how they get in and how they leave. What leaves takes its fill amount along,
// so that the same OrderId can be placed again (x/clob keeper/stateful_order_state.go).

import type { PlaceOrder } from '../wire/message.ts';
import { deliveryOf } from './delivery.ts';
import { type Ledger, type PaperOrder, placementOf } from './ledger.ts';

/** 0 when it is no conditional order. */
export function triggerOf(content: PlaceOrder): bigint {
  return BigInt(content.conditionalOrderTriggerSubticks.toString());
}

export function beginPlacement(
  ledger: Ledger,
  order: PaperOrder,
  content: PlaceOrder,
  transactionIndex: number,
): void {
  const { side, quantums, subticks, tif, reduceOnly, metadata, gtbt = 0 } = deliveryOf(content, true);
  order.side = side;
  order.quantums = BigInt(quantums);
  order.subticks = BigInt(subticks);
  order.timeInForce = tif;
  order.reduceOnly = reduceOnly;
  order.clientMetadata = metadata;
  order.goodTilBlockTime = Math.max(order.goodTilBlockTime, gtbt);
  order.fillAmount = 0n;
  order.removal = undefined;
  order.placements = [
    ...order.placements,
    {
      content,
      height: ledger.height,
      timeMs: ledger.timeMs,
      transactionIndex,
      triggerSubticks: triggerOf(content),
      firstFill: order.fills.length,
      triggeredAtHeight: undefined,
      end: undefined,
    },
  ];
  order.updatedAtHeight = ledger.height;
  order.updatedAtMs = ledger.timeMs;
  order.subaccount.openStateful += 1;
  ledger.alive.set(order.id, order);
}

export function endPlacement(ledger: Ledger, order: PaperOrder, reason: string): undefined {
  const placement = placementOf(order);
  if (!placement) return;
  placement.end = { height: ledger.height, timeMs: ledger.timeMs, reason };
  order.fillAmount = 0n;
  order.removal = reason;
  order.updatedAtHeight = ledger.height;
  order.updatedAtMs = ledger.timeMs;
  order.subaccount.openStateful -= 1;
  ledger.alive.delete(order.id);
}
