// Checks the books: is every final status proven by what is stored, and do they agree with the exchange's own truth?
import { compareWithTruth, type Mismatch, type OurOrder, type VenueTruth } from '../core/compare.ts';
import { whyUnproven } from '../core/proof.ts';
import { isFinal } from '../core/status.ts';
import { type OrderEvidence, provenAttempts, provenFills, provenOrder } from '../store/reads.ts';

export type Audit = {
  readonly unproven: readonly { readonly order: string; readonly why: string }[];
  readonly mismatched: readonly Mismatch[];
};

/** @param truth absent for a real venue: nothing is compared */
export async function audit(
  pages: AsyncIterable<readonly OrderEvidence[]>,
  truth: VenueTruth | undefined,
): Promise<Audit> {
  const unproven: { order: string; why: string }[] = [];
  const ours: OurOrder[] = [];
  for await (const page of pages) {
    for (const evidence of page) {
      const { order } = evidence;
      if (isFinal(order.status)) {
        const why = whyUnproven(provenOrder(evidence), provenAttempts(evidence), provenFills(evidence));
        if (why !== undefined) unproven.push({ order: order.id, why });
      }
      ours.push(ourOrder(evidence));
    }
  }
  return { unproven, mismatched: truth === undefined ? [] : compareWithTruth(ours, truth) };
}

function ourOrder({ order, fills }: OrderEvidence): OurOrder {
  return {
    id: order.id,
    orderUuid: order.order_id,
    market: order.market,
    side: order.side,
    quantums: order.quantums,
    subticks: order.subticks,
    goodTilBlock: order.good_til_block,
    status: order.status,
    filledSize: order.filled_size,
    fills: fills.map(({ id, size, price, fee, height }) => ({
      id,
      size,
      price,
      fee,
      height: Number(height),
    })),
  };
}
