-- What stateful orders, cancels, halts and limits need. Breaking: code that does not know it would send under a halt.

-- Stateful orders --------------------------------------------------------------------------------------------------

ALTER TABLE orders
  ADD COLUMN trigger_subticks BIGINT CHECK (trigger_subticks > 0),
  ADD COLUMN nonce BIGINT CHECK (nonce > 0), -- the timestamp nonce (ms) that its attempts share until it is dead
  ADD COLUMN dead_nonce BIGINT,              -- past its window, and nothing that was signed with it is on chain
  ADD COLUMN included_height BIGINT,         -- an attempt was carried out in that block: from there on the chain knows the order
  ADD COLUMN dead_height BIGINT,             -- from that block on it cannot fill; death says why
  ADD COLUMN death JSONB,
  ADD COLUMN cancel_count INTEGER NOT NULL DEFAULT 0 CHECK (cancel_count >= 0),
  ADD CONSTRAINT orders_nonce_by_flags CHECK (coalesce(order_flags IN (32, 64), FALSE) = (nonce IS NOT NULL)),
  ADD CONSTRAINT orders_trigger_by_flags CHECK ((order_flags IS NOT DISTINCT FROM 32) = (trigger_subticks IS NOT NULL)),
  ADD CONSTRAINT orders_dead_nonce_was_its_own CHECK (dead_nonce IS NULL OR coalesce(dead_nonce <= nonce, FALSE)),
  ADD CONSTRAINT orders_included_was_signed CHECK (included_height IS NULL OR nonce IS NOT NULL),
  -- Each cause names what shows it (src/core/proof.ts).
  ADD CONSTRAINT orders_death_by_cause CHECK (
    CASE
      WHEN death IS NULL THEN dead_height IS NULL
      ELSE coalesce(
        (death ->> 'height')::bigint = dead_height AND nonce IS NOT NULL AND CASE death ->> 'cause'
          WHEN 'expired' THEN (death ->> 'block_time_ms')::bigint >= extract(epoch FROM good_til_time) * 1000
          WHEN 'removed' THEN dead_height >= included_height
          WHEN 'failed' THEN (death ->> 'code')::bigint <> 0 AND included_height IS NULL
          WHEN 'never_included' THEN dead_nonce = nonce AND included_height IS NULL
          ELSE FALSE
        END, FALSE)
    END
  ),
  DROP CONSTRAINT orders_dead_by_block,
  ADD CONSTRAINT orders_dead_by_block CHECK (
    resolution IS NULL OR resolution ->> 'rule' IS DISTINCT FROM 'dead'
    OR coalesce((resolution ->> 'height')::bigint >= coalesce(good_til_block, dead_height), FALSE)
  );
ALTER TABLE orders_archive
  ADD COLUMN trigger_subticks BIGINT,
  ADD COLUMN nonce BIGINT,
  ADD COLUMN dead_nonce BIGINT,
  ADD COLUMN included_height BIGINT,
  ADD COLUMN dead_height BIGINT,
  ADD COLUMN death JSONB,
  ADD COLUMN cancel_count INTEGER;
-- A nonce belongs to one order.
CREATE UNIQUE INDEX orders_one_nonce ON orders (owner, nonce) WHERE nonce IS NOT NULL;

ALTER TABLE order_attempts
  ALTER COLUMN good_til_block DROP NOT NULL,
  ADD COLUMN included_height BIGINT, -- on chain, in that block, with that code
  ADD COLUMN included_code BIGINT,
  ADD COLUMN absent_height BIGINT,   -- in no block up to this one, whose time is past the nonce's window
  ADD COLUMN absent_time TIMESTAMPTZ,
  ADD CONSTRAINT order_attempts_one_end CHECK ((good_til_block IS NULL) = (nonce IS NOT NULL)),
  ADD CONSTRAINT order_attempts_included CHECK ((included_height IS NULL) = (included_code IS NULL)),
  ADD CONSTRAINT order_attempts_absent CHECK (
    CASE
      WHEN absent_height IS NULL THEN absent_time IS NULL
      ELSE included_height IS NULL AND coalesce(extract(epoch FROM absent_time) * 1000 > nonce + 30000, FALSE)
    END
  );
ALTER TABLE order_attempts_archive
  ALTER COLUMN good_til_block DROP NOT NULL,
  ADD COLUMN included_height BIGINT,
  ADD COLUMN included_code BIGINT,
  ADD COLUMN absent_height BIGINT,
  ADD COLUMN absent_time TIMESTAMPTZ;

-- What was signed stays as it was signed, the trigger's price included.
DROP TRIGGER refuse_other_identity ON orders;
CREATE TRIGGER refuse_other_identity BEFORE UPDATE OF order_id, owner, dydx_client_id, clob_pair_id, order_flags, quantums,
  subticks, trigger_subticks, first_good_til_block ON orders FOR EACH ROW
  WHEN (OLD.order_id IS NOT NULL AND (
    (OLD.order_id, OLD.owner, OLD.dydx_client_id, OLD.clob_pair_id, OLD.order_flags, OLD.quantums, OLD.subticks,
      OLD.trigger_subticks, OLD.first_good_til_block)
    IS DISTINCT FROM
    (NEW.order_id, NEW.owner, NEW.dydx_client_id, NEW.clob_pair_id, NEW.order_flags, NEW.quantums, NEW.subticks,
      NEW.trigger_subticks, NEW.first_good_til_block)
  )) EXECUTE FUNCTION refuse_change();
-- What was shown once stays shown, what was asked for once stays asked for; and nobody asks after the end: it would no
-- longer be the end that its evidence shows.
CREATE TRIGGER refuse_other_evidence BEFORE UPDATE OF dead_nonce, included_height, dead_height, death,
  cancel_requested_at ON orders FOR EACH ROW WHEN (
    (OLD.dead_nonce IS NOT NULL AND coalesce(NEW.dead_nonce < OLD.dead_nonce, TRUE))
    OR (OLD.included_height IS NOT NULL AND NEW.included_height IS DISTINCT FROM OLD.included_height)
    OR (OLD.death IS NOT NULL AND (NEW.death, NEW.dead_height) IS DISTINCT FROM (OLD.death, OLD.dead_height))
    OR (NEW.cancel_requested_at IS DISTINCT FROM OLD.cancel_requested_at
      AND (OLD.cancel_requested_at IS NOT NULL OR OLD.status NOT IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')))
  ) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_other_evidence BEFORE UPDATE OF included_height, included_code, absent_height, absent_time
  ON order_attempts FOR EACH ROW WHEN (
    (OLD.included_height IS NOT NULL
      AND (NEW.included_height, NEW.included_code) IS DISTINCT FROM (OLD.included_height, OLD.included_code))
    OR (OLD.absent_height IS NOT NULL
      AND (NEW.absent_height, NEW.absent_time) IS DISTINCT FROM (OLD.absent_height, OLD.absent_time))
  ) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_other_evidence BEFORE UPDATE OF cancel_requested_at ON order_keys FOR EACH ROW
  WHEN (OLD.cancel_requested_at IS NOT NULL AND NEW.cancel_requested_at IS DISTINCT FROM OLD.cancel_requested_at)
  EXECUTE FUNCTION refuse_change();
DROP TRIGGER refuse_decrease ON orders;
CREATE TRIGGER refuse_decrease BEFORE UPDATE OF good_til_block, attempt_count, retry_count, cancel_count ON orders
  FOR EACH ROW WHEN (NEW.good_til_block < OLD.good_til_block OR NEW.attempt_count < OLD.attempt_count
    OR NEW.retry_count < OLD.retry_count OR NEW.cancel_count < OLD.cancel_count) EXECUTE FUNCTION refuse_change();
-- The nonce rule: another nonce only after the one before has been shown dead. A chain takes a nonce once, so that of
-- all that was signed with it at most one is carried out.
CREATE TRIGGER refuse_second_nonce BEFORE UPDATE OF nonce ON orders FOR EACH ROW
  WHEN (OLD.nonce IS NOT NULL AND NEW.nonce <> OLD.nonce
    AND (OLD.dead_nonce IS DISTINCT FROM OLD.nonce OR NEW.nonce < OLD.nonce OR OLD.included_height IS NOT NULL
      OR OLD.death IS NOT NULL))
  EXECUTE FUNCTION refuse_change();
-- What an order says was shown is shown of its attempts: every one absent or failed before its nonce is dead, one
-- carried out in the block from which on the chain knows it, one failed as its death says. After the statement, which
-- writes both.
CREATE FUNCTION require_shown() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  failure JSONB := CASE WHEN NEW.death ->> 'cause' = 'failed' AND OLD.death IS NULL THEN NEW.death END;
BEGIN
  IF (NEW.dead_nonce IS DISTINCT FROM OLD.dead_nonce AND EXISTS (
      SELECT FROM order_attempts WHERE order_id = NEW.id AND nonce <= NEW.dead_nonce AND absent_height IS NULL
        AND coalesce(included_code, 0) = 0))
    OR (NEW.included_height IS DISTINCT FROM OLD.included_height AND NOT EXISTS (
      SELECT FROM order_attempts
      WHERE order_id = NEW.id AND included_height = NEW.included_height AND included_code = 0))
    OR (failure IS NOT NULL AND NOT EXISTS (
      SELECT FROM order_attempts WHERE order_id = NEW.id AND tx_hash = failure ->> 'tx_hash'
        AND included_height = NEW.dead_height AND included_code = (failure ->> 'code')::bigint))
    -- What the chain refuses before its messages leaves the nonce to a sibling.
    OR (failure ->> 'codespace' NOT IN ('clob', 'subaccounts') AND EXISTS (
      SELECT FROM order_attempts WHERE order_id = NEW.id AND included_height IS NULL AND absent_height IS NULL))
  THEN
    RAISE EXCEPTION 'order %: its attempts do not show this', NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_shown_by_attempts';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER require_shown AFTER UPDATE OF dead_nonce, included_height, death ON orders FOR EACH ROW
  WHEN ((NEW.dead_nonce, NEW.included_height, NEW.death) IS DISTINCT FROM (OLD.dead_nonce, OLD.included_height, OLD.death))
  EXECUTE FUNCTION require_shown();

-- Nonces that may still reach the chain. The chain keeps the newest 20 of an account: with more than half of them on
-- their way, one that comes late would find itself below what was thrown out.
CREATE TABLE nonces_in_doubt (
  owner VARCHAR(128) NOT NULL,
  nonce BIGINT NOT NULL,
  PRIMARY KEY (owner, nonce)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- The newest that were given out, oldest first: one in doubt must be among them, or the chain may have thrown it out.
ALTER TABLE signer_nonces ADD COLUMN recent BIGINT[] NOT NULL DEFAULT '{}' CHECK (cardinality(recent) <= 19);

-- Takes up to `wanted` nonces for an owner, each above all before and not below the newest block's time; none more than
-- 20 s ahead of it (the chain's window is 30 s), and none while 10 are in doubt: 8 for placements, the rest is for
-- cancels. Who finds none waits a block.
CREATE FUNCTION take_nonces(of_owner VARCHAR, block_time_ms BIGINT, wanted INTEGER, is_for_cancel BOOLEAN)
  RETURNS SETOF BIGINT LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  last BIGINT;
  free INTEGER;
  oldest BIGINT;
  newest BIGINT[];
BEGIN
  -- A node that lives in the future would have the owner's nonces wait for it.
  block_time_ms := least(block_time_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 10000);
  INSERT INTO signer_nonces (owner, last_nonce) VALUES (of_owner, 1) ON CONFLICT DO NOTHING;
  -- Locked in a statement of its own: what is counted next was committed before.
  SELECT last_nonce, recent INTO last, newest FROM signer_nonces WHERE owner = of_owner FOR UPDATE;
  DELETE FROM nonces_in_doubt WHERE owner = of_owner AND nonce + 30000 < block_time_ms;
  SELECT CASE WHEN is_for_cancel THEN 10 ELSE 8 END - count(*), min(nonce) INTO free, oldest
    FROM nonces_in_doubt WHERE owner = of_owner;
  FOR i IN 1..least(wanted, free) LOOP
    EXIT WHEN greatest(last + 1, block_time_ms) > block_time_ms + 20000;
    EXIT WHEN cardinality(newest) = 19 AND oldest < newest[1];
    last := greatest(last + 1, block_time_ms);
    oldest := coalesce(oldest, last);
    newest := (newest || last)[greatest(cardinality(newest) - 17, 1):];
    INSERT INTO nonces_in_doubt (owner, nonce) VALUES (of_owner, last);
    RETURN NEXT last;
  END LOOP;
  UPDATE signer_nonces SET last_nonce = last, recent = newest, updated_at = clock_timestamp()
    WHERE owner = of_owner AND last_nonce < last;
END $$;

-- Cancels ----------------------------------------------------------------------------------------------------------

-- Cancel transactions as they were signed, stored before they leave, each with the orders that it is for.
CREATE TABLE cancel_transactions (
  tx_hash CHAR(64) PRIMARY KEY,
  tenant_id VARCHAR(255) NOT NULL,
  owner VARCHAR(128) NOT NULL,
  order_ids UUID[] NOT NULL CHECK (cardinality(order_ids) BETWEEN 1 AND 100),
  good_til_block INTEGER,
  nonce BIGINT,
  tx_bytes BYTEA NOT NULL,
  outcome TEXT CHECK (outcome IN ('accepted', 'known', 'refused', 'deferred', 'doubt')),
  codespace TEXT,
  code BIGINT,
  log TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  answered_at TIMESTAMPTZ,
  CONSTRAINT cancel_transactions_one_end CHECK ((good_til_block IS NULL) = (nonce IS NOT NULL))
);
CREATE INDEX idx_cancel_transactions_order_ids ON cancel_transactions USING gin (order_ids) WITH (fastupdate = off);
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON cancel_transactions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_other_bytes BEFORE UPDATE OF tx_hash, tenant_id, owner, order_ids, good_til_block, nonce, tx_bytes,
  created_at ON cancel_transactions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE cancel_transactions ENABLE ROW LEVEL SECURITY;

-- As before, and a cancel makes its order due at once: who may ask for one need not be able to write the rest.
CREATE OR REPLACE FUNCTION check_order_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = clock_timestamp();
  IF NEW.cancel_requested_at IS NOT NULL AND OLD.cancel_requested_at IS NULL
    AND NEW.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') THEN
    NEW.next_wake_at = NEW.updated_at;
  END IF;
  IF OLD.status IS DISTINCT FROM NEW.status AND NOT (CASE OLD.status
    WHEN 'PENDING' THEN NEW.status IN ('OPEN', 'PARTIALLY_FILLED', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
    WHEN 'OPEN' THEN NEW.status IN ('PARTIALLY_FILLED', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
    WHEN 'PARTIALLY_FILLED' THEN NEW.status IN ('FILLED', 'CANCELLED', 'EXPIRED')
    WHEN 'CANCELLED' THEN NEW.status = 'FILLED'
    WHEN 'REJECTED' THEN NEW.status = 'FILLED'
    WHEN 'EXPIRED' THEN NEW.status = 'FILLED'
    ELSE FALSE
  END) THEN
    RAISE EXCEPTION 'order % may not go from % to %', OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_allowed_transition';
  END IF;
  RETURN NEW;
END $$;

-- Halts and limits -------------------------------------------------------------------------------------------------

-- Every submitter reads all of them every second, and who reads one tenant's rows only may write its own: what one
-- tenant writes must not hold up the others.
ALTER TABLE controls ADD CONSTRAINT controls_bounded CHECK (
  length(reason) <= 4096 AND length(set_by) <= 255 AND octet_length(limits::text) <= 4096
);
-- Every change of a control, for good: `controls` says what holds now.
CREATE TABLE control_changes (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id VARCHAR(255) NOT NULL,
  account VARCHAR(64) NOT NULL,
  market VARCHAR(50) NOT NULL,
  old_mode TEXT,
  new_mode TEXT NOT NULL,
  limits JSONB NOT NULL,
  reason TEXT NOT NULL,
  set_by TEXT NOT NULL,
  set_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX idx_control_changes_set_at ON control_changes (set_at);
CREATE FUNCTION record_control_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- The widest of a tenant always may: it is what a halt in need is set on.
  IF NEW.tenant_id <> '' AND (NEW.account <> '' OR NEW.market <> '') AND (NEW.mode <> 'RUNNING' OR NEW.limits <> '{}')
    AND (SELECT count(*) FROM controls WHERE tenant_id = NEW.tenant_id AND (account <> '' OR market <> '')
      AND (mode <> 'RUNNING' OR limits <> '{}')) > 1000 THEN
    RAISE EXCEPTION 'tenant % has 1000 controls in force: resume others, or set a wider one', NEW.tenant_id
      USING ERRCODE = 'program_limit_exceeded';
  END IF;
  INSERT INTO control_changes (tenant_id, account, market, old_mode, new_mode, limits, reason, set_by, set_at)
  VALUES (NEW.tenant_id, NEW.account, NEW.market, CASE WHEN TG_OP = 'UPDATE' THEN OLD.mode END, NEW.mode, NEW.limits,
    NEW.reason, NEW.set_by, NEW.set_at);
  RETURN NULL;
END $$;
CREATE TRIGGER record_control_change AFTER INSERT OR UPDATE ON controls
  FOR EACH ROW EXECUTE FUNCTION record_control_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON control_changes
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON controls FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE controls ENABLE ROW LEVEL SECURITY;
ALTER TABLE control_changes ENABLE ROW LEVEL SECURITY;

-- What our own fills add up to, bought less sold: the held part of an exposure. Moved with the fills it is made of.
CREATE TABLE positions (
  owner VARCHAR(128) NOT NULL,
  subaccount_number INTEGER NOT NULL,
  market VARCHAR(50) NOT NULL,
  size NUMERIC(38,18) NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (owner, subaccount_number, market)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
INSERT INTO positions (owner, subaccount_number, market, size)
  SELECT owner, subaccount_number, market, sum(CASE side WHEN 'BUY' THEN size ELSE -size END)
  FROM (
    SELECT o.owner, o.subaccount_number, f.market, f.side, f.size FROM order_fills f JOIN orders o ON o.id = f.order_id
    UNION ALL
    SELECT o.owner, o.subaccount_number, f.market, f.side, f.size FROM order_fills_archive f
    JOIN orders_archive o ON o.id = f.order_id AND o.created_at = f.order_created_at
  ) AS fills GROUP BY owner, subaccount_number, market;

-- Points of the limiters that all workers share when the queue is in PostgreSQL; the layout is the limiter library's.
-- Of no use after a crash: unlogged.
CREATE UNLOGGED TABLE rate_limits (
  key VARCHAR(255) PRIMARY KEY,
  points INTEGER NOT NULL DEFAULT 0,
  expire BIGINT
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Timers -----------------------------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW due_orders AS
  SELECT
    EXISTS (SELECT FROM orders WHERE next_wake_at <= statement_timestamp()) AS has_due,
    EXISTS (
      SELECT FROM orders WHERE next_wake_at <= statement_timestamp() AND cancel_requested_at IS NOT NULL
    ) AS has_due_cancels;

REVOKE EXECUTE ON FUNCTION take_nonces(VARCHAR, BIGINT, INTEGER, BOOLEAN), record_control_change(), require_shown() FROM PUBLIC;
