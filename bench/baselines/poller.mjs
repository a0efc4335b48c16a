// Once a second: the newest orders and fills of the subaccount from the indexer, and each open order that is not among
// them by its id. Of several processes the one that holds the advisory lock does it.
import { setTimeout as delay } from 'node:timers/promises';
import { getJson, indexerHeight } from './indexer.mjs';

const INTERVAL_MS = 1000;
const LOCK = 7_210_442;
const MAX_OPEN = 2000;
const LOOKUPS_AT_ONCE = 10;
/** What ccxt adds to the height when it places. */
const CCXT_GOOD_TIL_BLOCKS = 20;

/** Ends with the signal. */
export async function runPoller(settings, pool, owner, signal) {
  while (!signal.aborted) {
    try {
      await pollIfFirst(settings, pool, owner);
    } catch (error) {
      console.error('poller:', error.message);
    }
    await delay(INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
}

async function pollIfFirst(settings, pool, owner) {
  const client = await pool.connect();
  let failure;
  client.on('error', (error) => {
    failure = error;
  });
  try {
    const { rows } = await client.query(`SELECT pg_try_advisory_lock(${LOCK}) AS locked`);
    if (!rows[0].locked) return;
    try {
      await poll(settings, client, owner);
    } finally {
      await client.query(`SELECT pg_advisory_unlock(${LOCK})`);
    }
  } catch (error) {
    failure ??= error;
    throw error;
  } finally {
    // A connection that failed is not used again: it may still hold the lock.
    client.removeAllListeners('error');
    client.release(failure);
  }
}

async function poll({ indexerUrl, subaccount, pollLimit }, client, owner) {
  const height = await indexerHeight(indexerUrl);
  const query = `address=${owner}&subaccountNumber=${subaccount}&limit=${pollLimit}`;
  const orders = await getJson(`${indexerUrl}/v4/orders?${query}`);
  const { fills } = await getJson(`${indexerUrl}/v4/fills?${query}`);
  await recordFills(client, fills);

  await client.query(
    `UPDATE baseline.orders SET good_til_block = $1
     WHERE status = 'OPEN' AND good_til_block IS NULL AND good_til_time IS NULL`,
    [height + CCXT_GOOD_TIL_BLOCKS],
  );
  const { rows: open } = await client.query(
    `SELECT client_id, venue_order_id, coalesce(good_til_block < $1, good_til_time < now()) AS is_past
     FROM baseline.orders WHERE status = 'OPEN' ORDER BY created_at LIMIT ${MAX_OPEN}`,
    [height],
  );
  const shown = new Map(orders.map((order) => [order.id, order]));
  for (let start = 0; start < open.length; start += LOOKUPS_AT_ONCE) {
    const some = open.slice(start, start + LOOKUPS_AT_ONCE);
    const statuses = await Promise.all(
      some.map(async (row) => {
        const id = row.venue_order_id;
        return statusOf(row, shown.get(id) ?? (await getJson(`${indexerUrl}/v4/orders/${id}`)));
      }),
    );
    await settle(client, some, statuses);
  }
}

function statusOf({ is_past }, order) {
  if (order?.status === 'FILLED') return 'FILLED';
  if (order?.status === 'CANCELED' || order?.status === 'BEST_EFFORT_CANCELED') return 'CANCELLED';
  return order === undefined && is_past ? 'EXPIRED' : undefined;
}

async function recordFills(client, fills) {
  const { rows } = await client.query(
    `INSERT INTO baseline.fills (id, client_id, size, price)
     SELECT fill.id, orders.client_id, fill.size, fill.price
     FROM json_to_recordset($1) AS fill(id text, "orderId" text, size numeric, price numeric)
     JOIN baseline.orders ON orders.venue_order_id = fill."orderId"
     ON CONFLICT DO NOTHING RETURNING client_id`,
    [JSON.stringify(fills)],
  );
  if (rows.length === 0) return;
  await client.query(
    `UPDATE baseline.orders SET filled = known.filled, updated_at = now(),
       status = CASE WHEN known.filled >= orders.size THEN 'FILLED' ELSE status END
     FROM (SELECT client_id, sum(size) AS filled FROM baseline.fills WHERE client_id = ANY($1) GROUP BY 1) AS known
     WHERE orders.client_id = known.client_id`,
    [[...new Set(rows.map(({ client_id }) => client_id))]],
  );
}

async function settle(client, rows, statuses) {
  const settled = rows.flatMap(({ client_id }, index) =>
    statuses[index] === undefined ? [] : { client_id, status: statuses[index] },
  );
  if (settled.length === 0) return;
  await client.query(
    `UPDATE baseline.orders SET status = settled.status, updated_at = now()
     FROM json_to_recordset($1) AS settled(client_id text, status text)
     WHERE orders.client_id = settled.client_id AND orders.status = 'OPEN'`,
    [JSON.stringify(settled)],
  );
}
