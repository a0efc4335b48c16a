-- no-transaction: each statement by itself, so that a full table is indexed while orders come in. Repeated from its
-- start when it was broken off: an index that was not finished is dropped first.
--
-- The source's four queries (src/store/order-pages.ts, order-counts.ts). Tenant first: every query compares it, and so does
-- row-level security. By status as conditions and not as columns: a comparison of enums is not leakproof, so that under
-- row-level security PostgreSQL would not search an index by it, but it does prove a condition. An order is in two of them.

DROP INDEX CONCURRENTLY IF EXISTS idx_orders_market_status;
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_created_at;

-- The reconciler's: what may be dead at a height, and whether a subaccount has anything to wait for.
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_reconcile;
CREATE INDEX CONCURRENTLY idx_orders_reconcile ON orders (owner, subaccount_number, good_til_block)
  WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED');

-- Of a market.
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_active;
CREATE INDEX CONCURRENTLY idx_orders_active ON orders (tenant_id, market, created_at, id)
  WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED');
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_market_filled;
CREATE INDEX CONCURRENTLY idx_orders_market_filled ON orders (tenant_id, market, created_at, id)
  WHERE status = 'FILLED';
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_market_cancelled;
CREATE INDEX CONCURRENTLY idx_orders_market_cancelled ON orders (tenant_id, market, created_at, id)
  WHERE status = 'CANCELLED';
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_market_rejected;
CREATE INDEX CONCURRENTLY idx_orders_market_rejected ON orders (tenant_id, market, created_at, id)
  WHERE status = 'REJECTED';
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_market_expired;
CREATE INDEX CONCURRENTLY idx_orders_market_expired ON orders (tenant_id, market, created_at, id)
  WHERE status = 'EXPIRED';

-- Of all markets; the counts by status read these alone.
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_active_created_at;
CREATE INDEX CONCURRENTLY idx_orders_active_created_at ON orders (tenant_id, created_at, id) INCLUDE (status)
  WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED');
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_filled;
CREATE INDEX CONCURRENTLY idx_orders_filled ON orders (tenant_id, created_at, id) WHERE status = 'FILLED';
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_cancelled;
CREATE INDEX CONCURRENTLY idx_orders_cancelled ON orders (tenant_id, created_at, id) WHERE status = 'CANCELLED';
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_rejected;
CREATE INDEX CONCURRENTLY idx_orders_rejected ON orders (tenant_id, created_at, id) WHERE status = 'REJECTED';
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_expired;
CREATE INDEX CONCURRENTLY idx_orders_expired ON orders (tenant_id, created_at, id) WHERE status = 'EXPIRED';
