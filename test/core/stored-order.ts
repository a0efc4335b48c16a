// An order and what belongs to it as it is stored when the reconciler has read every fill up to a block.
import type { Fill } from '../../src/core/ports.ts';
import type { ProvenAttempt, ProvenFill, ProvenOrder } from '../../src/core/proof.ts';
import { type OrderFacts, reconcile } from '../../src/core/reconcile.ts';
import { identityOf } from './builders.ts';

export type StoredOrder = {
  readonly order: ProvenOrder;
  readonly attempts: readonly ProvenAttempt[];
  readonly fills: readonly ProvenFill[];
};

/** @param goodTilTime of a stateful order */
export function ended(
  facts: OrderFacts,
  fills: readonly Fill[],
  attempts: readonly ProvenAttempt[],
  height = 112,
  goodTilTime: Date | null = null,
): StoredOrder {
  const result = reconcile({ orders: [facts], fills, startHeight: 0, height, marginBlocks: 2 });
  const end = result.settled[0] ?? result.bookings.findLast((booking) => booking.resolution !== undefined);
  return {
    order: {
      status: end?.status ?? facts.status,
      statusReason: end?.reason ?? null,
      timeInForce: facts.timeInForce,
      size: facts.size,
      filledSize: end?.filledSize ?? facts.filledSize,
      cancelRequested: facts.isCancelRequested,
      orderUuid: facts.orderUuid,
      identity: identityOf(1, facts.goodTilBlock === undefined ? 64 : 0),
      goodTilBlock: facts.goodTilBlock ?? null,
      goodTilTime,
      hasLateFill: false,
      resolution: end?.resolution ?? null,
    },
    attempts,
    fills: result.bookings.map(({ fill }) => ({ size: fill.size, height: fill.height })),
  };
}
