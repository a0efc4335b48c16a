-- The order tables of the source schema, corrected (docs/decisions.md lists each departure), and what proof needs
-- beside them: spent client ids, signed attempts, fills, refused intents, cursors, maintenance runs.
-- Prices and sizes are NUMERIC(38,18): DECIMAL(20,8) silently rounds a PEPE-USD tick of 1e-10.

CREATE TYPE order_side AS ENUM ('BUY', 'SELL');
CREATE TYPE order_type AS ENUM ('MARKET', 'LIMIT', 'STOP_MARKET', 'STOP_LIMIT', 'TAKE_PROFIT_MARKET', 'TAKE_PROFIT_LIMIT');
CREATE TYPE order_status AS ENUM (
  'PENDING',           -- recorded, not known to be with the venue
  'OPEN',              -- a node took it; not proof that it is on the book
  'FILLED',            -- fills add up to its size
  'PARTIALLY_FILLED',  -- 0 < fills < size, not dead
  'CANCELLED',         -- dead after a cancel, or an IOC remainder
  'REJECTED',          -- refused, and nothing of it can execute
  'EXPIRED'            -- dead, or never sent before its deadline
);
CREATE TYPE time_in_force AS ENUM ('GTT', 'FOK', 'IOC');

-- A database belongs to one chain: ids and heights of another one would be proof of nothing.
CREATE TABLE installation (
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  chain_id TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Spent client ids, never archived: the answer to "seen before? same body?" outlives the order row.
CREATE TABLE order_keys (
  tenant_id VARCHAR(255) NOT NULL CHECK (tenant_id <> ''),
  client_id VARCHAR(255) NOT NULL CHECK (client_id <> ''),
  order_id UUID,
  intent_hash CHAR(64),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  cancel_requested_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, client_id),
  CONSTRAINT order_keys_place_or_cancel CHECK (
    (order_id IS NULL) = (intent_hash IS NULL) AND (order_id IS NOT NULL OR cancel_requested_at IS NOT NULL)
  )
);

CREATE TABLE orders (
  id UUID PRIMARY KEY,
  tenant_id VARCHAR(255) NOT NULL DEFAULT 'default' CHECK (tenant_id <> ''),
  client_id VARCHAR(255) NOT NULL CHECK (client_id <> ''),
  order_id VARCHAR(255) UNIQUE, -- the venue's order UUID, known before anything is sent

  -- what was asked for
  account VARCHAR(64) NOT NULL DEFAULT 'default',
  owner VARCHAR(128),
  subaccount_number INTEGER NOT NULL DEFAULT 0 CHECK (subaccount_number BETWEEN 0 AND 128000),
  market VARCHAR(50) NOT NULL,
  side order_side NOT NULL,
  type order_type NOT NULL,
  size NUMERIC(38,18) NOT NULL CHECK (size > 0),
  price NUMERIC(38,18) CHECK (price > 0),
  trigger_price NUMERIC(38,18) CHECK (trigger_price > 0),
  time_in_force time_in_force NOT NULL DEFAULT 'GTT',
  good_til_blocks SMALLINT CHECK (good_til_blocks BETWEEN 1 AND 40),
  good_til_time TIMESTAMPTZ,
  reduce_only BOOLEAN NOT NULL DEFAULT FALSE,
  post_only BOOLEAN NOT NULL DEFAULT FALSE,
  submit_by TIMESTAMPTZ,
  metadata JSONB,

  -- its identity at the venue and the integers that were signed
  dydx_client_id BIGINT CHECK (dydx_client_id BETWEEN 0 AND 4294967295),
  clob_pair_id INTEGER CHECK (clob_pair_id >= 0),
  order_flags SMALLINT CHECK (order_flags IN (0, 32, 64)),
  quantums BIGINT CHECK (quantums > 0),
  subticks BIGINT CHECK (subticks > 0),
  first_good_til_block INTEGER,
  good_til_block INTEGER, -- the highest ever signed: at this indexer height the order is dead
  attempt_count SMALLINT NOT NULL DEFAULT 0 CHECK (attempt_count >= 0),

  -- state
  status order_status NOT NULL DEFAULT 'PENDING',
  status_reason VARCHAR(255),
  filled_size NUMERIC(38,18) NOT NULL DEFAULT 0 CHECK (filled_size >= 0),
  remaining_size NUMERIC(38,18) GENERATED ALWAYS AS (size - filled_size) STORED,
  last_fill_id UUID,
  last_fill_price NUMERIC(38,18),
  late_fill_at TIMESTAMPTZ,
  resolution JSONB, -- the evidence for the final status; src/core/proof.ts checks it again
  cancel_requested_at TIMESTAMPTZ,

  -- the transaction
  tx_hash VARCHAR(255),
  block_height BIGINT,
  gas_used BIGINT,
  gas_wanted BIGINT,
  error_message TEXT,
  retry_count INTEGER NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
  next_wake_at TIMESTAMPTZ, -- due work; null when only proof is awaited

  enqueued_at TIMESTAMPTZ NOT NULL DEFAULT now(), -- when the producer let go of it
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  placed_at TIMESTAMPTZ,
  filled_at TIMESTAMPTZ,
  cancelled_at TIMESTAMPTZ,

  UNIQUE (tenant_id, client_id),
  -- One intent, one venue OrderId, for ever.
  CONSTRAINT orders_venue_identity UNIQUE (owner, subaccount_number, clob_pair_id, order_flags, dydx_client_id),
  CONSTRAINT orders_fills_within_size CHECK (filled_size <= size),
  CONSTRAINT orders_price_by_type CHECK ((type IN ('LIMIT', 'STOP_LIMIT', 'TAKE_PROFIT_LIMIT')) = (price IS NOT NULL)),
  CONSTRAINT orders_trigger_by_type CHECK ((type IN ('MARKET', 'LIMIT')) = (trigger_price IS NULL)),
  CONSTRAINT orders_one_good_til CHECK (good_til_blocks IS NULL OR good_til_time IS NULL),
  -- The chain keeps fills of a short-term OrderId for 40 blocks past its good-til-block: beyond that it could fill twice.
  CONSTRAINT orders_good_til_block_window CHECK (
    (good_til_block IS NULL) = (first_good_til_block IS NULL) AND good_til_block - first_good_til_block BETWEEN 0 AND 40
  ),
  CONSTRAINT orders_attempts_have_identity CHECK ((attempt_count > 0) = (good_til_block IS NOT NULL)),
  CONSTRAINT orders_identity_whole CHECK (
    num_nulls(order_id, owner, dydx_client_id, clob_pair_id, order_flags, quantums, subticks, good_til_block) IN (0, 8)
  ),
  CONSTRAINT orders_status_by_fills CHECK (
    CASE status
      WHEN 'FILLED' THEN filled_size = size
      WHEN 'PARTIALLY_FILLED' THEN filled_size > 0 AND filled_size < size
      WHEN 'PENDING' THEN filled_size = 0
      WHEN 'OPEN' THEN filled_size = 0
      ELSE filled_size < size
    END
  ),
  -- No final status without proof, no proof without a final status.
  CONSTRAINT orders_final_has_proof CHECK (
    (status IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')) = (resolution IS NOT NULL)
  ),
  CONSTRAINT orders_late_fill_is_final CHECK (late_fill_at IS NULL OR status IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'))
) WITH (fillfactor = 70); -- an order is updated three times: leave room for versions in the same page

CREATE INDEX idx_orders_created_at ON orders (created_at);
CREATE INDEX idx_orders_market_status ON orders (market, status);
CREATE INDEX idx_orders_active ON orders (owner, subaccount_number, good_til_block)
  WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED');
CREATE INDEX idx_orders_due ON orders (next_wake_at) WHERE next_wake_at IS NOT NULL;

CREATE TABLE order_attempts (
  order_id UUID NOT NULL REFERENCES orders (id),
  attempt SMALLINT NOT NULL CHECK (attempt >= 1),
  good_til_block INTEGER NOT NULL,
  nonce BIGINT,
  signed_height BIGINT NOT NULL, -- the newest block known when it was signed: no fill can be older
  tx_hash CHAR(64) NOT NULL,
  tx_bytes BYTEA NOT NULL,
  -- Counted before the bytes leave, so that a crash never makes a second sending look like the first.
  transmissions INTEGER NOT NULL DEFAULT 1 CHECK (transmissions >= 1),
  outcome TEXT CHECK (outcome IN ('accepted', 'known', 'refused', 'deferred', 'doubt')),
  codespace TEXT,
  code BIGINT, -- ABCI codes are uint32
  log TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  answered_at TIMESTAMPTZ,
  PRIMARY KEY (order_id, attempt)
) WITH (fillfactor = 75);

CREATE TABLE order_fills (
  id UUID PRIMARY KEY, -- the venue's
  order_id UUID NOT NULL REFERENCES orders (id),
  market VARCHAR(50) NOT NULL,
  side order_side NOT NULL,
  size NUMERIC(38,18) NOT NULL CHECK (size > 0),
  price NUMERIC(38,18) NOT NULL CHECK (price > 0),
  fee NUMERIC(38,18) NOT NULL,
  liquidity TEXT NOT NULL CHECK (liquidity IN ('TAKER', 'MAKER')),
  height BIGINT NOT NULL,
  filled_at TIMESTAMPTZ NOT NULL, -- the venue's block time
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_order_fills_order_id ON order_fills (order_id);

-- Fills on our subaccounts that no intent explains: kept, counted, never added to an order.
CREATE TABLE unexplained_fills (
  id UUID PRIMARY KEY,
  owner VARCHAR(128) NOT NULL,
  subaccount_number INTEGER NOT NULL,
  order_uuid UUID,
  reason TEXT NOT NULL,
  fill JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- What was offered as an intent and is none. Its client_id stays free.
CREATE TABLE intent_rejections (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id VARCHAR(255),
  client_id VARCHAR(255),
  source TEXT NOT NULL UNIQUE, -- job id and position: a job that runs twice refuses once
  refusals JSONB NOT NULL, -- [{field, code, reason}]
  payload TEXT, -- as offered, cut at 4 KiB
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_intent_rejections_client_id ON intent_rejections (tenant_id, client_id);

-- How far the fills of a subaccount have been read. fills_read is an offset into the venue's ascending list.
CREATE TABLE reconcile_cursors (
  owner VARCHAR(128) NOT NULL,
  subaccount_number INTEGER NOT NULL,
  start_height BIGINT NOT NULL, -- fills at or below it are older than this database's first order here
  height BIGINT NOT NULL, -- every fill up to this block is booked
  fills_read BIGINT NOT NULL DEFAULT 0,
  last_fill_id UUID,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (owner, subaccount_number),
  CHECK ((fills_read = 0) = (last_fill_id IS NULL))
);

-- The last market table that a submitter saw, so that every door knows the grids.
CREATE TABLE markets (
  ticker VARCHAR(50) PRIMARY KEY,
  clob_pair_id INTEGER NOT NULL,
  status TEXT NOT NULL,
  atomic_resolution INTEGER NOT NULL,
  quantum_conversion_exponent INTEGER NOT NULL,
  step_base_quantums BIGINT NOT NULL,
  subticks_per_tick BIGINT NOT NULL,
  oracle_price NUMERIC NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE maintenance_runs (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task TEXT NOT NULL,
  started_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  ended_at TIMESTAMPTZ,
  outcome TEXT CHECK (outcome IN ('done', 'failed')),
  error TEXT
);
CREATE INDEX idx_maintenance_runs_task ON maintenance_runs (task, started_at);

CREATE TABLE order_status_history (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  seq BIGINT GENERATED ALWAYS AS IDENTITY,
  order_id UUID NOT NULL REFERENCES orders (id),
  old_status order_status,
  new_status order_status NOT NULL,
  reason VARCHAR(255),
  tx_hash VARCHAR(255),
  block_height BIGINT,
  filled_size NUMERIC(38,18),
  remaining_size NUMERIC(38,18),
  fill_price NUMERIC(38,18), -- of the fill that this row records; null when no fill came
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  metadata JSONB
);
CREATE INDEX idx_order_status_history_order_id ON order_status_history (order_id, seq);
CREATE INDEX idx_order_status_history_created_at ON order_status_history (created_at);

-- The venue's client ids: uint32, cycling. Workers take blocks of 1,000 ids, [n, n + 999] cut at the end of the
-- range. The start is drawn at random: a fresh database must not issue the ids of an earlier one again.
CREATE SEQUENCE dydx_client_id_blocks MINVALUE 0 MAXVALUE 4294967295 INCREMENT BY 1000 CYCLE;
SELECT setval('dydx_client_id_blocks', floor(random() * 4294967)::bigint * 1000);

-- updated_at and the table of allowed transitions (src/core/transition.ts; a test compares the two).
CREATE FUNCTION check_order_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = clock_timestamp();
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
CREATE TRIGGER check_order_update BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION check_order_update();

-- pg_temp comes last: a temporary table of the same name must not take the audit trail's rows.
-- History: on creation, on every change of status, on every fill; nobody else writes it. One INSERT per statement:
-- a row trigger costs 17 % more. The SETs keep the plan of a first one-row batch (a nested loop) from being
-- cached for a batch of 1,000.
CREATE FUNCTION record_order_creation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO order_status_history (order_id, new_status, reason, tx_hash, block_height, filled_size, remaining_size, metadata)
  SELECT id, status, coalesce(status_reason, 'recorded'), tx_hash, block_height, filled_size, remaining_size,
    CASE WHEN resolution IS NOT NULL THEN jsonb_build_object('evidence', resolution) END
  FROM new_rows ORDER BY id;
  RETURN NULL;
END $$;
CREATE TRIGGER record_order_creation AFTER INSERT ON orders
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION record_order_creation();

CREATE FUNCTION record_order_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET enable_nestloop = off SET enable_mergejoin = off SET enable_hashjoin = on AS $$
BEGIN
  INSERT INTO order_status_history
    (order_id, old_status, new_status, reason, tx_hash, block_height, filled_size, remaining_size, fill_price, metadata)
  SELECT n.id, o.status, n.status, n.status_reason, n.tx_hash, n.block_height, n.filled_size, n.remaining_size,
    CASE WHEN n.filled_size <> o.filled_size THEN n.last_fill_price END,
    nullif(jsonb_strip_nulls(jsonb_build_object(
      'fill_id', CASE WHEN n.filled_size <> o.filled_size THEN n.last_fill_id END,
      'evidence', CASE WHEN n.resolution IS DISTINCT FROM o.resolution THEN n.resolution END)), '{}')
  FROM new_rows n JOIN old_rows o ON o.id = n.id
  WHERE o.status <> n.status OR o.filled_size <> n.filled_size
  ORDER BY n.id;
  RETURN NULL;
END $$;
CREATE TRIGGER record_order_change AFTER UPDATE ON orders
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION record_order_change();

-- The audit trail is append-only whoever asks; archiving (a later migration) moves rows under its own rule.
CREATE FUNCTION refuse_history_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'order_status_history is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER refuse_history_change BEFORE UPDATE OR DELETE OR TRUNCATE ON order_status_history
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_history_change();
