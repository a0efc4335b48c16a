// What the venue's reports make of our orders: pure. Invariants: a fill is added only when it is provably ours;
// Σ fills never exceeds the size; a status is final only when the order is dead at a height whose fills are all
// read; the same report twice changes nothing; a final status ends only in FILLED.
import { canEndAsRejected } from './answers.ts';
import { fromAtoms, SCALE, toAtoms, toScaled } from './decimal.ts';
import type { Incident, IncidentKind } from './incidents.ts';
import type { Fill } from './ports.ts';
import type { Death, Resolution } from './proof.ts';
import { isFinal, type OrderStatus, type OrderType, type Side, type TimeInForce } from './status.ts';
import { isAllowed } from './transition.ts';

/** An order as the reconciler sees it; sizes are decimal strings. */
export type OrderFacts = {
  readonly id: string;
  readonly orderUuid: string;
  readonly market: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce;
  readonly status: OrderStatus;
  readonly size: string;
  readonly filledSize: string;
  /** fills booked so far */
  readonly fillCount: number;
  /** the newest block known at the first signature */
  readonly firstSignedHeight: number;
  /** of a short-term order the highest ever signed: it cannot fill above it */
  readonly goodTilBlock: number | undefined;
  /** of a stateful order, when it was shown */
  readonly death: Death | undefined;
  readonly isCancelRequested: boolean;
  /** the code that the last answer refused it with, if no answer ever accepted it */
  readonly refusal: { readonly codespace: string; readonly code: number; readonly log: string } | undefined;
};

/** The order after one more fill, or after its end. */
export type OrderChange = {
  readonly order: OrderFacts;
  readonly status: OrderStatus;
  readonly reason: string;
  readonly filledSize: string;
  readonly height: number;
  /** present exactly when this change makes the status final */
  readonly resolution: Resolution | undefined;
};

type Booking = OrderChange & {
  readonly fill: Fill;
  /** 0 for the first new fill of its order in this report, 1 for the second, … */
  readonly step: number;
  readonly isLate: boolean;
};

type Unexplained = { readonly fill: Fill; readonly reason: string };

export type Report = {
  /** not booked before, ascending by height */
  readonly fills: readonly Fill[];
  /** every order that the fills name, and every order that may have to be settled */
  readonly orders: readonly OrderFacts[];
  /** ids of the archived orders that fills name, by the venue's: they take none any more */
  readonly archived?: ReadonlyMap<string, string>;
  /** fills at or below it are older than this database's first order on the subaccount */
  readonly startHeight: number;
  /** all fills up to this block are booked or in this report; undefined: unknown, nothing is settled */
  readonly height: number | undefined;
  /** an order is settled this many blocks after its good-til-block; a second guard against a height ahead of fills */
  readonly marginBlocks: number;
};

export type Reconciled = {
  readonly bookings: readonly Booking[];
  readonly unexplained: readonly Unexplained[];
  readonly settled: readonly OrderChange[];
  readonly incidents: readonly Incident[];
};

const ARCHIVED = 'its order is archived';

export function reconcile(report: Report): Reconciled {
  const current = new Map(report.orders.map((order) => [order.orderUuid, order]));
  const steps = new Map<string, number>();
  const bookings: Booking[] = [];
  const unexplained: Unexplained[] = [];
  const incidents: Incident[] = [];
  for (const fill of report.fills) {
    const order = fill.orderUuid === undefined ? undefined : current.get(fill.orderUuid);
    const archivedId = fill.orderUuid === undefined ? undefined : report.archived?.get(fill.orderUuid);
    if (order === undefined && archivedId !== undefined) {
      unexplained.push({ fill, reason: ARCHIVED });
      const details = { reason: ARCHIVED, fill };
      incidents.push({ kind: 'late_fill', subject: fill.id, orderId: archivedId, details });
      continue;
    }
    const doubt = whyNotOurs(fill, order);
    if (order === undefined || doubt !== undefined) {
      if (order !== undefined || fill.height > report.startHeight) {
        unexplained.push({ fill, reason: doubt?.reason ?? 'no order of ours' });
      }
      if (order !== undefined && doubt !== undefined)
        incidents.push(incident(doubt.kind, fill, order, doubt.reason));
      continue;
    }
    const step = steps.get(order.id) ?? 0;
    const booking = book(fill, order, step);
    bookings.push(booking);
    if (booking.isLate) incidents.push(incident('late_fill', fill, order, `${order.status} was final`));
    steps.set(order.id, step + 1);
    current.set(order.orderUuid, {
      ...order,
      status: booking.status,
      filledSize: booking.filledSize,
      fillCount: order.fillCount + 1,
    });
  }
  const settled: OrderChange[] = [];
  if (report.height !== undefined) {
    for (const order of current.values()) {
      const deadFrom = order.goodTilBlock ?? order.death?.height;
      const isDead = deadFrom !== undefined && deadFrom + report.marginBlocks <= report.height;
      if (!isFinal(order.status) && isDead) settled.push(settleDead(order, report.height));
    }
  }
  return { bookings, unexplained, settled, incidents };
}

function incident(kind: IncidentKind, fill: Fill, order: OrderFacts, reason: string): Incident {
  const { status, size, filledSize: filled_size } = order;
  return {
    kind,
    subject: fill.id,
    orderId: order.id,
    details: { reason, fill, order: { status, size, filled_size } },
  };
}

/** As a NUMERIC(38,18): 20 digits before the point. */
function isStorable(atoms: bigint | undefined): atoms is bigint {
  const limit = 10n ** 38n;
  return atoms !== undefined && atoms < limit && atoms > -limit;
}

type Doubt = { readonly kind: IncidentKind; readonly reason: string };

function whyNotOurs(fill: Fill, order: OrderFacts | undefined): Doubt | undefined {
  if (order === undefined) return undefined;
  const size = toScaled(fill.size, SCALE);
  const price = toScaled(fill.price, SCALE);
  const fee = toScaled(fill.fee, SCALE);
  const isBookable = isStorable(size) && isStorable(price) && isStorable(fee) && price > 0n;
  if (!isBookable || size <= 0n) {
    const figures = `size ${fill.size}, price ${fill.price}, fee ${fill.fee}`;
    return { kind: 'unbookable_fill', reason: `figures that cannot be booked: ${figures}`.slice(0, 200) };
  }
  const misfit = whyMisfit(fill, order);
  if (misfit !== undefined) return { kind: 'misfit_fill', reason: misfit };
  const filled = toAtoms(order.filledSize) + size;
  if (filled > toAtoms(order.size))
    return { kind: 'overfill', reason: `overfill: ${fromAtoms(filled)} of ${order.size}` };
  return undefined;
}

function whyMisfit(fill: Fill, order: OrderFacts): string | undefined {
  if (fill.market !== order.market) return `market ${fill.market}, the order is on ${order.market}`;
  if (fill.side !== order.side) return `side ${fill.side}, the order is a ${order.side}`;
  // A stateful order that was shown dead takes a later fill, too: as a late one, which is alarmed.
  const { firstSignedHeight: first, goodTilBlock: last } = order;
  if (fill.height < first || fill.height > (last ?? Number.POSITIVE_INFINITY)) {
    const life = last === undefined ? `from block ${first} on` : `in ${first}–${last}`;
    return `block ${fill.height}, the order can only fill ${life}`;
  }
  return undefined;
}

function book(fill: Fill, order: OrderFacts, step: number): Booking {
  const filled = toAtoms(order.filledSize) + toAtoms(fill.size);
  const isWhole = filled === toAtoms(order.size);
  const isLate = isFinal(order.status);
  const status = isWhole ? 'FILLED' : isLate ? order.status : 'PARTIALLY_FILLED';
  const word = isWhole ? 'completely filled' : 'partially filled';
  requireAllowed(order, status);
  return {
    order,
    fill,
    step,
    status,
    reason: isLate ? `${word}, after the end` : word,
    filledSize: fromAtoms(filled),
    height: fill.height,
    resolution: isWhole ? { rule: 'filled', height: fill.height, fills: order.fillCount + 1 } : undefined,
    isLate,
  };
}

/** A change that the table does not list is a bug of ours: nothing of the report is booked. */
function requireAllowed(order: OrderFacts, status: OrderStatus): void {
  if (status !== order.status && !isAllowed(order.status, status)) {
    throw new Error(`order ${order.id} may not go from ${order.status} to ${status}`);
  }
}

/** The status of an order that can never fill again: every line of the table of final statuses. */
export function settleDead(order: OrderFacts, height: number): OrderChange {
  const { death, refusal } = order;
  const hasFill = toAtoms(order.filledSize) > 0n;
  const evidence = {
    rule: 'dead' as const,
    height,
    ...(order.goodTilBlock === undefined ? {} : { good_til_block: order.goodTilBlock }),
    ...(death === undefined ? {} : { death }),
    fills: order.fillCount,
  };
  const end = (status: OrderStatus, reason: string, resolution: Resolution = evidence): OrderChange => {
    requireAllowed(order, status);
    return { order, status, reason, filledSize: order.filledSize, height, resolution };
  };
  if (order.isCancelRequested) return end('CANCELLED', 'cancelled');
  if (death?.cause === 'failed' && !hasFill) return end('REJECTED', `${death.codespace}/${death.code}`);
  // What the chain's state has had was taken, whatever a repeat of it was answered.
  const mayBeRefused = !hasFill && death?.cause !== 'removed';
  if (refusal !== undefined && mayBeRefused && canEndAsRejected(refusal.codespace, refusal.code)) {
    const { codespace, code, log } = refusal;
    return end('REJECTED', `${codespace}/${code}`, { ...evidence, codespace, code, log });
  }
  if (death?.cause === 'expired') return end('EXPIRED', 'good_til_time reached');
  if (death?.cause === 'never_included') return end('EXPIRED', 'never on chain');
  if (order.timeInForce === 'IOC') return end('CANCELLED', hasFill ? 'ioc_remainder' : 'ioc_no_match');
  if (death !== undefined) return end('CANCELLED', 'removed_by_venue');
  return end('EXPIRED', 'good_til_block reached');
}
