-- What the reconciler needs to share its work: one reader a subaccount, those with orders first.

-- Who reads a subaccount, and when it is read next. Those of before are due at once.
ALTER TABLE reconcile_cursors
  ADD COLUMN due_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  ADD COLUMN claimed_until TIMESTAMPTZ, -- by a reconciler that reads it, or has died meanwhile
  ADD COLUMN idle_passes INTEGER NOT NULL DEFAULT 0 CHECK (idle_passes >= 0); -- in a row without an active order

-- An incident is told once: what is seen again while it is open is the same one.
ALTER TABLE incidents ADD COLUMN subject TEXT NOT NULL CHECK (subject <> ''); -- what it is about: a fill, an order, a subaccount
CREATE UNIQUE INDEX incidents_open_once ON incidents (kind, subject) WHERE closed_at IS NULL;

-- Orders on our subaccounts that no intent explains: kept, counted, never touched.
CREATE TABLE unexplained_orders (
  order_uuid UUID PRIMARY KEY,
  owner VARCHAR(128) NOT NULL,
  subaccount_number INTEGER NOT NULL,
  listed JSONB NOT NULL, -- as the indexer listed it last
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  seen_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
-- When the orders of a subaccount were last compared with the venue's list of them.
ALTER TABLE reconcile_cursors ADD COLUMN compared_at TIMESTAMPTZ;

CREATE OR REPLACE VIEW fleet_figures AS
  WITH active AS MATERIALIZED (
    SELECT id, status, attempt_count FROM orders WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') LIMIT 100000
  ),
  due AS MATERIALIZED (
    SELECT next_wake_at FROM orders WHERE next_wake_at <= statement_timestamp() ORDER BY next_wake_at LIMIT 100000
  ),
  doubt AS MATERIALIZED (
    SELECT a.created_at FROM active o JOIN order_attempts a ON a.order_id = o.id AND a.attempt = o.attempt_count
    WHERE a.outcome IS NULL OR a.outcome = 'doubt'
  ),
  unexplained AS MATERIALIZED (SELECT FROM unexplained_fills LIMIT 100000),
  foreign_orders AS MATERIALIZED (SELECT FROM unexplained_orders LIMIT 100000),
  troubles AS MATERIALIZED (SELECT FROM incidents WHERE closed_at IS NULL LIMIT 100000),
  waiting AS MATERIALIZED (
    SELECT updated_at FROM reconcile_cursors c WHERE EXISTS (
      SELECT FROM orders o WHERE o.owner = c.owner AND o.subaccount_number = c.subaccount_number
        AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
    )
  )
  -- Of nothing the age is 0: greatest() ignores NULL.
  SELECT
    (SELECT count(*) FROM active WHERE status = 'PENDING')::int AS pending,
    (SELECT count(*) FROM active WHERE status = 'OPEN')::int AS open,
    (SELECT count(*) FROM active WHERE status = 'PARTIALLY_FILLED')::int AS partially_filled,
    (SELECT count(*) FROM doubt)::int AS in_doubt,
    (SELECT greatest(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 FROM doubt) AS oldest_doubt_seconds,
    (SELECT count(*) FROM due)::int AS due,
    (SELECT greatest(extract(epoch FROM clock_timestamp() - min(next_wake_at)), 0)::float8 FROM due) AS oldest_due_seconds,
    (SELECT count(*) FROM unexplained)::int AS unexplained_fills,
    (SELECT greatest(extract(epoch FROM clock_timestamp() - min(updated_at)), 0)::float8 FROM waiting) AS oldest_reconcile_seconds,
    (SELECT sum(numbackends) FROM pg_stat_database)::int AS connections,
    current_setting('max_connections')::int AS max_connections,
    (SELECT count(*) FROM foreign_orders)::int AS unexplained_orders,
    (SELECT count(*) FROM troubles)::int AS open_incidents;
-- What the venue lists may be archived here.
CREATE INDEX idx_orders_archive_order_id ON orders_archive (order_id);
