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
