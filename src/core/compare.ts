// Our books against the venue's own: pure. Every order and every fill, both ways.
import { toAtoms } from './decimal.ts';
import { isFinal, type OrderStatus } from './status.ts';

export type OurOrder = {
  readonly id: string;
  readonly orderUuid: string | null;
  readonly market: string;
  readonly side: string;
  readonly quantums: string | null;
  readonly subticks: string | null;
  readonly goodTilBlock: number | null;
  readonly status: OrderStatus;
  readonly filledSize: string;
  readonly fills: readonly ComparedFill[];
};

type ComparedFill = {
  readonly id: string;
  readonly size: string;
  readonly price: string;
  readonly fee: string;
  readonly height: number;
};

/** What really happened, as the paper exchange tells it. */
export type VenueTruth = {
  readonly orders: readonly {
    readonly id: string;
    readonly market: string;
    readonly side: string;
    readonly quantums: string;
    readonly subticks: string;
    readonly good_til_block: number;
    readonly live: boolean;
  }[];
  readonly fills: readonly (ComparedFill & { readonly order_id: string })[];
};

export type Mismatch = { readonly order: string; readonly what: string };

/** At most one mismatch an order: the first that is found. */
export function compareWithTruth(ours: readonly OurOrder[], truth: VenueTruth): Mismatch[] {
  const theirs = new Map(truth.orders.map((order) => [order.id, order]));
  const theirFills = Map.groupBy(truth.fills, (fill) => fill.order_id);
  const mismatches: Mismatch[] = [];
  const known = new Set<string>();
  for (const order of ours) {
    if (order.orderUuid !== null) known.add(order.orderUuid);
    const their = order.orderUuid === null ? undefined : theirs.get(order.orderUuid);
    const fills = order.orderUuid === null ? [] : (theirFills.get(order.orderUuid) ?? []);
    const what = whatDiffers(order, their, fills);
    if (what !== undefined) mismatches.push({ order: order.id, what });
  }
  for (const order of truth.orders) {
    if (!known.has(order.id))
      mismatches.push({ order: order.id, what: 'the venue has an order that we do not know' });
  }
  return mismatches;
}

function whatDiffers(
  order: OurOrder,
  their: VenueTruth['orders'][number] | undefined,
  theirFills: readonly ComparedFill[],
): string | undefined {
  if (their === undefined) {
    const needsVenue = order.status === 'OPEN' || toAtoms(order.filledSize) > 0n || order.fills.length > 0;
    return needsVenue ? `${order.status}, but the venue never had it` : undefined;
  }
  if (their.market !== order.market || their.side !== order.side) return 'another market or side';
  if (their.quantums !== order.quantums || their.subticks !== order.subticks) return 'another size or price';
  // A stateful order has none, here and there.
  if (their.good_til_block > (order.goodTilBlock ?? 0)) return 'a good-til-block we never signed';
  if (isFinal(order.status) && order.status !== 'FILLED' && their.live)
    return `${order.status}, but it may still fill`;
  return whatFillDiffers(order, theirFills);
}

function whatFillDiffers(order: OurOrder, theirFills: readonly ComparedFill[]): string | undefined {
  const theirs = new Map(theirFills.map((fill) => [fill.id, fill]));
  for (const fill of order.fills) {
    const their = theirs.get(fill.id);
    if (their === undefined) return `fill ${fill.id} never happened`;
    const isSame =
      toAtoms(fill.size) === toAtoms(their.size) &&
      toAtoms(fill.price) === toAtoms(their.price) &&
      toAtoms(fill.fee) === toAtoms(their.fee) &&
      fill.height === their.height;
    if (!isSame) return `fill ${fill.id} has other figures`;
  }
  // An active order's newest fills may be on their way.
  if (isFinal(order.status) && theirFills.length !== order.fills.length) {
    return `${theirFills.length - order.fills.length} fills are missing`;
  }
  return undefined;
}
