// Order words shared by every layer: the enums of the source schema, as unions.

export const SIDES = ['BUY', 'SELL'] as const;
export type Side = (typeof SIDES)[number];

export const ORDER_TYPES = [
  'MARKET',
  'LIMIT',
  'STOP_MARKET',
  'STOP_LIMIT',
  'TAKE_PROFIT_MARKET',
  'TAKE_PROFIT_LIMIT',
] as const;
export type OrderType = (typeof ORDER_TYPES)[number];

/** STOP_* and TAKE_PROFIT_*: wait for their trigger price. */
export function isConditional(type: OrderType): boolean {
  return type.startsWith('STOP') || type.startsWith('TAKE_PROFIT');
}

/** Without a price of their own: the venue carries them as IOC with a worst price. */
export function isMarketType(type: OrderType): boolean {
  return type.endsWith('MARKET');
}

export const TIMES_IN_FORCE = ['GTT', 'FOK', 'IOC'] as const;
export type TimeInForce = (typeof TIMES_IN_FORCE)[number];

export const STATUSES = [
  'PENDING',
  'OPEN',
  'PARTIALLY_FILLED',
  'FILLED',
  'CANCELLED',
  'REJECTED',
  'EXPIRED',
] as const;
export type OrderStatus = (typeof STATUSES)[number];

const ACTIVE_STATUSES = ['PENDING', 'OPEN', 'PARTIALLY_FILLED'] as const satisfies readonly OrderStatus[];

export function isFinal(status: OrderStatus): boolean {
  return !(ACTIVE_STATUSES as readonly OrderStatus[]).includes(status);
}
