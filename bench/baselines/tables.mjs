// The rows of both baselines, in a schema of their own beside the router's: an order as it is known now, and its fills.
import pg from 'pg';

const LOCK = 7_210_441;

const TABLES = `
  CREATE SCHEMA IF NOT EXISTS baseline;
  CREATE TABLE IF NOT EXISTS baseline.orders (
    client_id text PRIMARY KEY,
    adapter text NOT NULL,
    market text,
    side text,
    size numeric,
    dydx_client_id bigint,
    venue_order_id text,
    good_til_block bigint,
    good_til_time timestamptz,
    status text NOT NULL DEFAULT 'PENDING',
    filled numeric NOT NULL DEFAULT 0,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX IF NOT EXISTS orders_venue_order_id ON baseline.orders (venue_order_id);
  CREATE INDEX IF NOT EXISTS orders_open ON baseline.orders (created_at) WHERE status = 'OPEN';
  CREATE TABLE IF NOT EXISTS baseline.fills (
    id text PRIMARY KEY,
    client_id text NOT NULL REFERENCES baseline.orders,
    size numeric NOT NULL,
    price numeric NOT NULL
  );
  CREATE INDEX IF NOT EXISTS fills_client_id ON baseline.fills (client_id)`;

export function openDatabase(connectionString) {
  const pool = new pg.Pool({ connectionString, application_name: 'baseline' });
  pool.on('error', (error) => console.error('database:', error.message));
  return pool;
}

/** Many processes may start at once, and IF NOT EXISTS alone races. */
export async function makeTables(pool) {
  // One message of several statements is one transaction.
  await pool.query(`SELECT pg_advisory_xact_lock(${LOCK}); ${TABLES}`);
}

/** False when the order has already been placed, or has ended. */
export async function insertPending(pool, adapter, { client_id, market, side, size }) {
  const { rowCount } = await pool.query(
    `INSERT INTO baseline.orders (client_id, adapter, market, side, size) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING`,
    [client_id, adapter, market, side, size],
  );
  if (rowCount === 1) return true;
  const { rows } = await pool.query('SELECT status FROM baseline.orders WHERE client_id = $1', [client_id]);
  return rows[0]?.status === 'PENDING';
}

export async function markOpen(pool, { client_id, good_til_time }, placed) {
  await pool.query(
    `UPDATE baseline.orders
     SET status = 'OPEN', dydx_client_id = $2, venue_order_id = $3, good_til_block = $4, good_til_time = $5,
         updated_at = now()
     WHERE client_id = $1`,
    [client_id, placed.dydxClientId, placed.venueOrderId, placed.goodTilBlock, good_til_time],
  );
}

export async function markRejected(pool, clientId, error) {
  await pool.query(
    `UPDATE baseline.orders SET status = 'REJECTED', error = $2, updated_at = now()
     WHERE client_id = $1 AND status = 'PENDING'`,
    [clientId, String(error?.message ?? error).slice(0, 1000)],
  );
}
