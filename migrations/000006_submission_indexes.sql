-- no-transaction: see 000004.

-- The reconciler's: stateful orders that are shown to be dead.
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_dead;
CREATE INDEX CONCURRENTLY idx_orders_dead ON orders (owner, subaccount_number, dead_height)
  WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') AND dead_height IS NOT NULL;

-- Cancels that are due: claimed by themselves, so that no number of placements holds them up.
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_due_cancels;
CREATE INDEX CONCURRENTLY idx_orders_due_cancels ON orders (next_wake_at)
  WHERE next_wake_at IS NOT NULL AND cancel_requested_at IS NOT NULL;
