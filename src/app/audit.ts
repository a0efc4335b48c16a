// Checks the books: is every final status proven by what is stored, and do they agree with the exchange's own truth?
import { compareWithTruth, type Mismatch, type OurOrder, type VenueTruth } from '../core/compare.ts';
import { whyHistoryBroken } from '../core/history.ts';
import {
  type ProvenAttempt,
  type ProvenFill,
  type ProvenOrder,
  type Resolution,
  whyUnproven,
} from '../core/proof.ts';
import { isFinal } from '../core/status.ts';
import type { OrderStory } from '../store/order-story.ts';

export type Audit = {
  readonly unproven: readonly { readonly order: string; readonly why: string }[];
  readonly mismatched: readonly Mismatch[];
};

/** @param truth absent for a real venue: nothing is compared */
export async function audit(
  pages: AsyncIterable<readonly OrderStory[]>,
  truth: VenueTruth | undefined,
): Promise<Audit> {
  const unproven: { order: string; why: string }[] = [];
  const ours: OurOrder[] = [];
  for await (const page of pages) {
    for (const evidence of page) {
      const { order } = evidence;
      const why =
        (isFinal(order.status) ? whyUnprovenOrder(evidence) : undefined) ?? whyHistoryUnlike(evidence);
      if (why !== undefined) unproven.push({ order: order.id, why });
      ours.push(ourOrder(evidence));
    }
  }
  return { unproven, mismatched: truth === undefined ? [] : compareWithTruth(ours, truth) };
}

function ourOrder({ order, fills }: OrderStory): OurOrder {
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

/** Why what is stored does not prove the order's final status; undefined when it does. */
export function whyUnprovenOrder(evidence: OrderStory): string | undefined {
  return whyUnproven(provenOrder(evidence), provenAttempts(evidence), provenFills(evidence));
}

/** Why its history does not lead to the order as it is; undefined when it does. */
export function whyHistoryUnlike({ order, history, fills }: OrderStory): string | undefined {
  const end = {
    status: order.status,
    size: order.size,
    filledSize: order.filled_size,
    lastFillPrice: order.last_fill_price,
    resolution: order.resolution,
  };
  const broken = whyHistoryBroken(
    end,
    history.map((row) => ({
      oldStatus: row.old_status,
      newStatus: row.new_status,
      filledSize: row.filled_size,
      remainingSize: row.remaining_size,
      fillPrice: row.fill_price,
      evidence: fieldOf(row.metadata, 'evidence') ?? null,
    })),
  );
  if (broken !== undefined) return broken;
  // Sizes add up over a row that is missing: only the ids tell.
  const recorded = history.flatMap(({ metadata }) => fieldOf(metadata, 'fill_id') ?? []);
  const missing = fills.find(({ id }) => !recorded.includes(id));
  if (missing !== undefined) return `the fill ${missing.id} has no row in the history`;
  if (recorded.length !== fills.length) return 'the history has a fill that is not booked, or one twice';
  return undefined;
}

function fieldOf(metadata: unknown, name: string): unknown {
  return typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, name) : undefined;
}

function provenOrder({ order }: OrderStory): ProvenOrder {
  const { owner, dydx_client_id, clob_pair_id, order_flags } = order;
  const isIdentified =
    owner !== null && dydx_client_id !== null && clob_pair_id !== null && order_flags !== null;
  return {
    status: order.status,
    statusReason: order.status_reason,
    timeInForce: order.time_in_force,
    size: order.size,
    filledSize: order.filled_size,
    cancelRequested: order.cancel_requested_at !== null,
    orderUuid: order.order_id,
    identity: isIdentified
      ? {
          owner,
          subaccountNumber: order.subaccount_number,
          clientId: Number(dydx_client_id),
          clobPairId: clob_pair_id,
          orderFlags: order_flags,
        }
      : undefined,
    goodTilBlock: order.good_til_block,
    goodTilTime: order.good_til_time,
    hasLateFill: order.late_fill_at !== null,
    resolution: order.resolution as Resolution | null,
  };
}

function provenAttempts({ attempts }: OrderStory): ProvenAttempt[] {
  return attempts.map((attempt) => ({
    goodTilBlock: attempt.good_til_block,
    nonce: attempt.nonce === null ? null : Number(attempt.nonce),
    included:
      attempt.included_height === null
        ? undefined
        : { height: Number(attempt.included_height), code: Number(attempt.included_code) },
    absent:
      attempt.absent_height === null || attempt.absent_time === null
        ? undefined
        : { height: Number(attempt.absent_height), time: attempt.absent_time },
    signedHeight: Number(attempt.signed_height),
    txHash: attempt.tx_hash,
    txBytes: attempt.tx_bytes,
    transmissions: attempt.transmissions,
    outcome: attempt.outcome,
    codespace: attempt.codespace,
    code: attempt.code === null ? null : Number(attempt.code),
  }));
}

function provenFills({ fills }: OrderStory): ProvenFill[] {
  return fills.map((fill) => ({ size: fill.size, height: Number(fill.height) }));
}
