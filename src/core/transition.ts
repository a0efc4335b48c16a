// The one table of allowed status changes. The database trigger refuses every other one (a test compares the two).
// Final is final but for fills: the only way out of a final status is to FILLED.
import type { OrderStatus } from './status.ts';

export const TRANSITIONS = {
  PENDING: ['OPEN', 'PARTIALLY_FILLED', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'],
  OPEN: ['PARTIALLY_FILLED', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'],
  PARTIALLY_FILLED: ['FILLED', 'CANCELLED', 'EXPIRED'],
  FILLED: [],
  CANCELLED: ['FILLED'],
  REJECTED: ['FILLED'],
  EXPIRED: ['FILLED'],
} as const satisfies Record<OrderStatus, readonly OrderStatus[]>;

export function isAllowed(from: OrderStatus, to: OrderStatus): boolean {
  return (TRANSITIONS[from] as readonly OrderStatus[]).includes(to);
}
