-- The archive compares what leaves with what arrives, chooses by itself what is old and at rest, and takes cancel
-- transactions along with their orders.

-- In the order in which workers lock them, and not long behind a dump: everybody would wait behind us.
SET LOCAL lock_timeout = '3s';
LOCK TABLE order_keys, orders, order_attempts, order_fills, order_status_history, cancel_transactions
  IN ACCESS EXCLUSIVE MODE;

-- Cancel transactions ----------------------------------------------------------------------------------------------

-- By month of the cancel: it may be for orders of several months. Found by its orders, as the live ones are.
CREATE TABLE cancel_transactions_archive (LIKE cancel_transactions, archived_at TIMESTAMPTZ NOT NULL DEFAULT now())
  PARTITION BY RANGE (created_at);
ALTER TABLE cancel_transactions_archive ADD PRIMARY KEY (tx_hash, created_at);
CREATE INDEX idx_cancel_transactions_archive_order_ids ON cancel_transactions_archive USING gin (order_ids);
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON cancel_transactions_archive
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON cancel_transactions_archive
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE cancel_transactions_archive ENABLE ROW LEVEL SECURITY;

DROP TRIGGER refuse_change ON cancel_transactions;
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON cancel_transactions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- As before, with the table of cancels. Months that were made before it get it when they are next written to.
CREATE OR REPLACE FUNCTION make_archive_month(at TIMESTAMPTZ) RETURNS void LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  month TIMESTAMP := date_trunc('month', at AT TIME ZONE 'UTC');
  suffix TEXT := '_archive_' || to_char(month, 'YYYY_MM');
  parent TEXT;
BEGIN
  -- The table of orders is made last: when it is there, all are, but for that of cancels in a month from before.
  IF to_regclass('public.orders' || suffix) IS NOT NULL AND to_regclass('public.cancel_transactions' || suffix) IS NOT NULL
  THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('make_archive_month'));
  FOREACH parent IN ARRAY
    ARRAY['order_status_history', 'order_fills', 'order_attempts', 'cancel_transactions', 'orders']
  LOOP
    CONTINUE WHEN to_regclass('public.' || parent || suffix) IS NOT NULL;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I)', parent || suffix, parent || '_archive');
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
      parent || '_archive', parent || suffix, month::text || '+00', (month + interval '1 month')::text || '+00');
    -- Statement triggers are not inherited.
    EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT
      EXECUTE FUNCTION public.refuse_change()', parent || suffix);
  END LOOP;
END $$;

-- What move_rows moves is compared there, statement by statement; nothing else leaves these tables, whoever asks.
DROP TRIGGER refuse_unarchived_delete ON orders;
DROP TRIGGER refuse_unarchived_delete ON order_status_history;
DROP TRIGGER refuse_unarchived_delete ON order_fills;
DROP TRIGGER refuse_unarchived_delete ON order_attempts;
CREATE OR REPLACE FUNCTION refuse_unarchived_delete() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF current_setting('router.moved_by_move_rows', TRUE) IS DISTINCT FROM TG_TABLE_NAME THEN
    RAISE EXCEPTION '% is append-only: rows leave it into the archive', TG_TABLE_NAME
      USING ERRCODE = 'insufficient_privilege', HINT = 'SELECT archive_orders(ARRAY[...]) moves whole orders.';
  END IF;
  RETURN NULL;
END $$;
-- Of the statement and not of the rows: to hand those to a trigger would cost as much as to move them.
CREATE TRIGGER refuse_unarchived_delete BEFORE DELETE ON orders
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_unarchived_delete();
CREATE TRIGGER refuse_unarchived_delete BEFORE DELETE ON order_status_history
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_unarchived_delete();
CREATE TRIGGER refuse_unarchived_delete BEFORE DELETE ON order_fills
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_unarchived_delete();
CREATE TRIGGER refuse_unarchived_delete BEFORE DELETE ON order_attempts
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_unarchived_delete();
CREATE TRIGGER refuse_unarchived_delete BEFORE DELETE ON cancel_transactions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_unarchived_delete();

-- RESTRICT asks whether a part is left; the default asks besides whether the order has come back meanwhile, which for
-- each costs as much again: a tenth of all that archiving costs. The next migration validates them, while orders come in.
ALTER TABLE order_attempts DROP CONSTRAINT order_attempts_order_id_fkey,
  ADD CONSTRAINT order_attempts_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE RESTRICT NOT VALID;
ALTER TABLE order_fills DROP CONSTRAINT order_fills_order_id_fkey,
  ADD CONSTRAINT order_fills_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE RESTRICT NOT VALID;
-- History comes from the triggers of orders alone, in the statement that makes or changes the order, and goes before it:
-- a key would ask for each of its rows what cannot be otherwise.
ALTER TABLE order_status_history DROP CONSTRAINT order_status_history_order_id_fkey;

-- A key is not written again when its order leaves. That an archived order does not come again is asked of the archive where
-- the key is older than this transaction: which is where a cancel came before its order, and where somebody goes astray.
-- The SETs as before.
DROP TRIGGER refuse_rebirth ON order_keys;
ALTER TABLE order_keys DROP COLUMN archived_at;
CREATE OR REPLACE FUNCTION record_order_creation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  keyless RECORD;
BEGIN
  SELECT n.tenant_id, n.client_id INTO keyless FROM new_rows n
    LEFT JOIN order_keys k ON k.tenant_id = n.tenant_id AND k.client_id = n.client_id
    WHERE k.order_id IS DISTINCT FROM n.id
      OR (k.created_at <> now() AND EXISTS (SELECT FROM orders_archive a WHERE a.id = n.id)) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'client_id % of tenant % is not spent for this order', keyless.client_id, keyless.tenant_id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'orders_have_keys';
  END IF;
  INSERT INTO order_status_history (order_id, new_status, reason, tx_hash, block_height, filled_size, remaining_size, metadata)
  SELECT id, status, coalesce(status_reason, 'recorded'), tx_hash, block_height, filled_size, remaining_size,
    CASE WHEN resolution IS NOT NULL THEN jsonb_build_object('evidence', resolution) END
  FROM new_rows ORDER BY id;
  RETURN NULL;
END $$;

-- Choosing ---------------------------------------------------------------------------------------------------------

-- Why an order stays, whatever its age; null: it may go. Its end is proven, so what an attempt's answer left in doubt
-- is settled. In doubt is still: a nonce of its own or of its cancels that may reach the chain, and what a person has
-- not dealt with. What was changed within a day may have a late fill that does not come alone.
CREATE VIEW archive_candidates AS
  SELECT o.id, o.created_at, CASE
      WHEN o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') OR o.next_wake_at IS NOT NULL THEN 'active'
      WHEN EXISTS (SELECT FROM incidents i WHERE i.order_id = o.id AND i.closed_at IS NULL)
        OR (o.nonce IS NOT NULL AND EXISTS (SELECT FROM nonces_in_doubt d WHERE d.owner = o.owner AND (d.nonce = o.nonce
          OR (o.cancel_count > 0 AND EXISTS (
            SELECT FROM cancel_transactions c WHERE c.order_ids @> ARRAY[o.id] AND c.nonce = d.nonce))))) THEN 'in_doubt'
      WHEN o.updated_at > lately.since THEN 'changed_lately'
    END AS kept_for
  FROM orders o, (SELECT statement_timestamp() - interval '1 day' AS since) AS lately;

-- Moving -----------------------------------------------------------------------------------------------------------

-- Moves the rows of one table that `chosen` chooses by the ids $1: stores them, deletes them, and compares count and checksum
-- of what the archive took with those of what left. Columns are named, those of the live table: one that the archive
-- lacks is an error, and never a value in the wrong place. A hash of a row takes each value by its type; one of the row as
-- text would cost ten times as much. Two statements, for one that hands what it deletes to an INSERT keeps a copy of it.
CREATE FUNCTION move_rows(live TEXT, chosen TEXT, ids UUID[], has_month_of_order BOOLEAN)
  RETURNS INTEGER LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  columns TEXT;
  kept RECORD;
  gone RECORD;
BEGIN
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
    WHERE attrelid = live::regclass AND attnum > 0 AND NOT attisdropped;
  EXECUTE format(
    'WITH kept AS (INSERT INTO %1$I (%2$s' || CASE WHEN has_month_of_order
      THEN ', order_created_at) SELECT %3$s, o.created_at FROM %4$I AS x JOIN orders AS o ON o.id = x.order_id'
      ELSE ') SELECT %3$s FROM %4$I AS x'
    END || ' WHERE %5$s RETURNING hash_record_extended(ROW(%2$s), 0) AS hash)
    SELECT count(*), sum(hash) FROM kept',
    live || '_archive', columns, 'x.' || replace(columns, ', ', ', x.'), live, chosen
  ) INTO kept USING ids;
  PERFORM set_config('router.moved_by_move_rows', live, TRUE);
  EXECUTE format('WITH gone AS (DELETE FROM %1$I AS x WHERE %2$s RETURNING hash_record_extended(x.*, 0) AS hash)
    SELECT count(*), sum(hash) FROM gone', live, chosen) INTO gone USING ids;
  PERFORM set_config('router.moved_by_move_rows', '', TRUE);
  IF kept.count <> gone.count OR kept.sum IS DISTINCT FROM gone.sum THEN
    RAISE EXCEPTION '%: % rows with checksum % are not % rows with checksum % in the archive: nothing is moved',
      live, gone.count, gone.sum, kept.count, kept.sum
      -- Another try may do: a late answer may have come between the two statements.
      USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN gone.count;
END $$;

-- Moves these orders with their history, fills and attempts, and the cancels that are left without an order, or throws
-- and moves nothing. Fewer orders than asked for: somebody else holds or has moved the others, or they are in doubt.
CREATE FUNCTION move_orders(wanted UUID[], OUT orders_moved INTEGER, OUT history_moved INTEGER,
  OUT fills_moved INTEGER, OUT attempts_moved INTEGER, OUT cancels_moved INTEGER) LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  ids UUID[];
  cancelled UUID[];
BEGIN
  -- FOR UPDATE also keeps away whoever would add a fill or an attempt meanwhile.
  ids := ARRAY(
    SELECT id FROM orders WHERE id = ANY (wanted) AND status IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
    ORDER BY id FOR UPDATE SKIP LOCKED
  );
  -- In a statement of its own: it sees what was committed before the lock was had.
  ids := ARRAY(SELECT id FROM archive_candidates WHERE id = ANY (ids) AND coalesce(kept_for, '') NOT IN ('active', 'in_doubt')
    ORDER BY id);
  PERFORM make_archive_month(month)
    FROM (SELECT DISTINCT date_trunc('month', created_at, 'UTC') AS month FROM orders WHERE id = ANY (ids)) AS months;
  cancelled := ARRAY(SELECT id FROM orders WHERE id = ANY (ids) AND cancel_count > 0);
  history_moved := move_rows('order_status_history', 'x.order_id = ANY ($1)', ids, TRUE);
  fills_moved := move_rows('order_fills', 'x.order_id = ANY ($1)', ids, TRUE);
  attempts_moved := move_rows('order_attempts', 'x.order_id = ANY ($1)', ids, TRUE);
  orders_moved := move_rows('orders', 'x.id = ANY ($1)', ids, FALSE);
  cancels_moved := 0;
  IF cancelled <> '{}' THEN
    PERFORM make_archive_month(month) FROM (
      SELECT DISTINCT date_trunc('month', created_at, 'UTC') AS month FROM cancel_transactions
      WHERE order_ids && cancelled) AS months;
    cancels_moved := move_rows('cancel_transactions',
      'x.order_ids && $1 AND NOT EXISTS (SELECT FROM orders o WHERE o.id = ANY (x.order_ids))', cancelled, FALSE);
  END IF;
END $$;

-- Of these orders; by hand. @returns how many orders were moved
CREATE OR REPLACE FUNCTION archive_orders(order_ids UUID[]) RETURNS integer LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS 'SELECT orders_moved FROM move_orders(order_ids)';

-- One batch: looks at the next orders by id, from `after_id` to `up_to`, and moves those created before `older_than` that may go.
-- Ids ascend with time, so what was moved lies behind `after_id` and is not walked through again. `last_id` is null when
-- there are no more.
CREATE FUNCTION archive_batch(older_than TIMESTAMPTZ, after_id UUID, up_to UUID, look_at INTEGER, OUT last_id UUID,
  OUT orders_moved INTEGER, OUT history_moved INTEGER, OUT fills_moved INTEGER, OUT attempts_moved INTEGER,
  OUT cancels_moved INTEGER, OUT active INTEGER, OUT in_doubt INTEGER, OUT changed_lately INTEGER, OUT locked INTEGER)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  chosen UUID[];
  looked_at INTEGER;
BEGIN
  SELECT count(*), (array_agg(id ORDER BY id DESC))[1],
    coalesce(array_agg(id ORDER BY id) FILTER (WHERE kept_for IS NULL AND created_at < older_than), '{}'),
    count(*) FILTER (WHERE kept_for = 'active' AND created_at < older_than),
    count(*) FILTER (WHERE kept_for = 'in_doubt' AND created_at < older_than),
    count(*) FILTER (WHERE kept_for = 'changed_lately' AND created_at < older_than)
    INTO looked_at, last_id, chosen, active, in_doubt, changed_lately
    FROM (SELECT id, created_at, kept_for FROM archive_candidates WHERE id > after_id AND id <= up_to
      ORDER BY id LIMIT look_at) AS next;
  IF looked_at < look_at THEN last_id := NULL; END IF;
  SELECT * INTO orders_moved, history_moved, fills_moved, attempts_moved, cancels_moved FROM move_orders(chosen);
  locked := cardinality(chosen) - orders_moved;
END $$;

REVOKE EXECUTE ON FUNCTION move_rows(TEXT, TEXT, UUID[], BOOLEAN), move_orders(UUID[]),
  archive_batch(TIMESTAMPTZ, UUID, UUID, INTEGER) FROM PUBLIC;
