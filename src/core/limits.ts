// Limits of an order before it is sent: which of several holds, and what an order that breaks one is told. The strictest
// holds, whoever set it. All in exact decimals; no order is refused for what makes an exposure smaller.
import { z } from 'zod';
import { fromAtoms, fromScaled, SCALE, toAtoms, toScaled } from './decimal.ts';
import type { Placement } from './gate.ts';
import type { Refusal } from './intent.ts';
import type { Market } from './market.ts';
import { isConditional } from './status.ts';

const decimal = z
  .string()
  .max(40)
  .regex(/^\d{1,20}(\.\d{1,18})?$/, 'must be a decimal such as 100000 or 0.25');

/** What `controls.limits` may hold; whatever is absent is not limited. */
export const limitsSchema = z.strictObject({
  /** base units, so of one market only */
  max_order_size: decimal.optional(),
  /** USD */
  max_order_notional: decimal.optional(),
  /** of one account in one market, those in doubt included */
  max_open_orders: z.int().min(0).max(1_000_000).optional(),
  /** USD, of one account in one market: what it would hold if all that is open on one side were filled */
  max_exposure: decimal.optional(),
  /** millionths that a price may be worse than the oracle's, or than the trigger price of an order that waits for it */
  price_collar_ppm: z.int().min(0).max(10_000_000).optional(),
  /** of a tenant, over all its accounts and markets */
  intents_per_second: z.int().min(1).max(1_000_000).optional(),
});
export type Limits = Readonly<z.output<typeof limitsSchema>>;
export type LimitName = keyof Limits;
export const LIMIT_NAMES = limitsSchema.keyof().options;

/** Limits with the words by which a refusal names one of them: its setting, or whose it is. */
export type LimitSource = {
  readonly limits: Limits;
  readonly nameOf: (limit: LimitName) => string;
};

/** The limit that holds; atoms are 10^-18. */
export type Bound = { readonly shown: string; readonly atoms: bigint; readonly setting: string };

export function strictest(sources: readonly LimitSource[], limit: LimitName): Bound | undefined {
  let lowest: Bound | undefined;
  for (const { limits, nameOf } of sources) {
    const value = limits[limit];
    if (value === undefined) continue;
    const atoms = toAtoms(String(value));
    if (lowest === undefined || atoms < lowest.atoms) {
      lowest = { shown: fromAtoms(atoms), atoms, setting: nameOf(limit) };
    }
  }
  return lowest;
}

type Priced = Pick<Placement, 'side' | 'type' | 'size' | 'price' | 'triggerPrice' | 'reduceOnly'>;

/** Whether an oracle price of long ago would decide about it. */
export function needsOracle(placement: Priced, sources: readonly LimitSource[]): boolean {
  const isSet = (limit: LimitName) => sources.some(({ limits }) => limits[limit] !== undefined);
  if (isSet('max_exposure') && !placement.reduceOnly) return true;
  return isSet('price_collar_ppm') || (isSet('max_order_notional') && placement.side === 'SELL');
}

/** What can be said of an order by itself. */
export function whyBeyondAlone(
  placement: Priced,
  market: Market,
  sources: readonly LimitSource[],
): Refusal | undefined {
  return (
    whyTooLarge(placement, sources) ??
    whyTooMuch(placement, market, sources) ??
    whyOffCollar(placement, market, sources)
  );
}

function whyTooLarge({ size }: Priced, sources: readonly LimitSource[]): Refusal | undefined {
  const bound = strictest(sources, 'max_order_size');
  if (bound === undefined || toAtoms(size) <= bound.atoms) return undefined;
  return beyond('size', `size ${size} is above ${bound.shown} (${bound.setting})`);
}

/**
 * Each is carried out at its price or better. A BUY costs size × price at most. A SELL far below the market brings what
 * the market pays, now or when its trigger price is met: the highest of the three counts.
 */
function whyTooMuch(placement: Priced, market: Market, sources: readonly LimitSource[]): Refusal | undefined {
  const bound = strictest(sources, 'max_order_notional');
  if (bound === undefined) return undefined;
  const { side, size, price, triggerPrice } = placement;
  const prices = side === 'BUY' ? [price] : [price, triggerPrice ?? '', market.oraclePrice];
  const highest = prices.reduce((most, each) => larger(most, usablePrice(each) ?? 0n), 0n);
  const worth = toAtoms(size) * highest;
  if (worth <= bound.atoms * ONE) return undefined;
  return beyond('size', `notional ${usd(worth)} is above ${bound.shown} (${bound.setting})`);
}

function whyOffCollar(
  placement: Priced,
  market: Market,
  sources: readonly LimitSource[],
): Refusal | undefined {
  const bound = strictest(sources, 'price_collar_ppm');
  if (bound === undefined) return undefined;
  const { side, price } = placement;
  const reference = referenceOf(placement, market);
  if (reference.atoms === undefined) {
    return beyond('price', `there is no usable ${reference.name} to hold it against (${bound.setting})`);
  }
  const ppm = bound.atoms / ONE;
  const edge = reference.atoms * (MILLION + (side === 'BUY' ? ppm : -ppm));
  const own = toAtoms(price) * MILLION;
  if (side === 'BUY' ? own <= edge : own >= edge) return undefined;
  const where = `${side === 'BUY' ? 'above' : 'below'} ${fromScaled(edge, SCALE + 6)}`;
  return beyond(
    'price',
    `price ${price} is ${where}, ${bound.shown} ppm from the ${reference.name} (${bound.setting})`,
  );
}

/** What an account has open and holds in a market; sizes in atoms of base units. */
export type Standing = {
  readonly openOrders: number;
  /** bought less sold, by our own fills */
  readonly position: bigint;
  readonly openBuys: bigint;
  readonly openSells: bigint;
};

export const NO_STANDING: Standing = { openOrders: 0, position: 0n, openBuys: 0n, openSells: 0n };

/** Whether what is open has to be known for it. Reduce-only orders always pass: they make both smaller. */
export function needsStanding(placement: Priced, sources: readonly LimitSource[]): boolean {
  if (placement.reduceOnly) return false;
  return sources.some(
    ({ limits }) => limits.max_open_orders !== undefined || limits.max_exposure !== undefined,
  );
}

/** @param standing without the order itself */
export function whyBeyondOpen(
  placement: Priced & Pick<Placement, 'account' | 'market'>,
  market: Market,
  standing: Standing,
  sources: readonly LimitSource[],
): Refusal | undefined {
  if (placement.reduceOnly) return undefined;
  const { account, market: ticker } = placement;
  const orders = strictest(sources, 'max_open_orders');
  if (orders !== undefined && BigInt(standing.openOrders) * ONE >= orders.atoms) {
    const { openOrders } = standing;
    const reason = `account ${account} has ${openOrders} open orders in ${ticker}, the limit is ${orders.shown} (${orders.setting})`;
    return beyond('market', reason);
  }
  const bound = strictest(sources, 'max_exposure');
  if (bound === undefined) return undefined;
  const oracle = usablePrice(market.oraclePrice);
  if (oracle === undefined) {
    return beyond('market', `there is no usable oracle price to value it by (${bound.setting})`);
  }
  const now = exposureOf(standing);
  const then = exposureOf(withOrder(standing, placement));
  if (then <= now || then * oracle <= bound.atoms * ONE) return undefined;
  const reason = `exposure of account ${account} in ${ticker} would be ${usd(then * oracle)}, above ${bound.shown} (${bound.setting})`;
  return beyond('size', reason);
}

/** The larger of what it would hold if all buys, or all sells, were filled. */
export function exposureOf({ position, openBuys, openSells }: Standing): bigint {
  return larger(magnitude(position + openBuys), magnitude(position - openSells));
}

/** @param times -1 takes it out again */
export function withOrder(
  standing: Standing,
  { side, size }: Pick<Placement, 'side' | 'size'>,
  times: 1 | -1 = 1,
): Standing {
  const atoms = toAtoms(size) * BigInt(times);
  return {
    position: standing.position,
    openOrders: standing.openOrders + times,
    openBuys: standing.openBuys + (side === 'BUY' ? atoms : 0n),
    openSells: standing.openSells + (side === 'SELL' ? atoms : 0n),
  };
}

/** @param count of intents that were offered at once */
export function tooManyIntents(tenantId: string, count: number, bound: Bound): Refusal {
  const reason = `tenant ${tenantId} offers more than ${bound.shown} intents a second, ${count} of them at once (${bound.setting})`;
  return beyond('tenant_id', reason);
}

const ONE = 10n ** BigInt(SCALE);
const MILLION = 1_000_000n;

function beyond(field: string, reason: string): Refusal {
  return { field, code: 'limit', reason };
}

/** @param worth in atoms of atoms */
function usd(worth: bigint): string {
  return `${fromScaled(worth, 2 * SCALE)} USD`;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

type Reference = { readonly name: string; readonly atoms: bigint | undefined };

/**
 * The trigger price of an order that waits for it; otherwise the oracle's: a conditional order whose trigger is met is
 * matched in the next block, at whatever the market is then.
 */
function referenceOf(placement: Priced, { oraclePrice }: Market): Reference {
  const oracle = { name: `oracle price ${oraclePrice}`, atoms: usablePrice(oraclePrice) };
  if (!isConditional(placement.type) || oracle.atoms === undefined) return oracle;
  const trigger = usablePrice(placement.triggerPrice ?? '');
  if (trigger !== undefined && isMet(placement, trigger, oracle.atoms)) return oracle;
  return { name: `trigger price ${placement.triggerPrice}`, atoms: trigger };
}

/**
 * TAKE_PROFIT BUY and STOP SELL are triggered at or below their trigger price, the other two at or above it.
 * Source: v4-chain x/clob/types/order.go.
 */
function isMet({ side, type }: Priced, trigger: bigint, oracle: bigint): boolean {
  const isTriggeredBelow = type.startsWith('TAKE_PROFIT') === (side === 'BUY');
  return isTriggeredBelow ? oracle <= trigger : oracle >= trigger;
}

function usablePrice(price: string): bigint | undefined {
  const atoms = toScaled(price, SCALE);
  return atoms !== undefined && atoms > 0n ? atoms : undefined;
}
