// What is drawn for each seeded order: one statement writes a range of orders with their keys, attempts, fills and
// history, all of it from (seed, n), so that one seed gives the same rows wherever and in whatever chunks it runs.
// The rows are those that the triggers and the use cases would have written; the CHECK constraints are not off.
import { type RawBuilder, sql } from 'kysely';
import { rowsAs } from '../../store/rows.ts';
import { MARKET_URN, TENANT_URN } from './seed-shares.ts';

export type SeedPlan = {
  /** how many orders in all; the newest has number `orders` */
  readonly orders: number;
  readonly seed: number;
  /** of the newest orders, how many may be active; three quarters of them are */
  readonly recent: number;
};

/** No order is younger. A fixed time, or one seed would not be one set of rows. */
export const SEEDED_UNTIL = new Date('2026-11-01T00:00:00Z');
export const SEEDED_DAYS = 90;

const URN = { name: 'text', since: 'float8', upto: 'float8' } as const;
const tenants = rowsAs('t', URN, TENANT_URN);
const markets = rowsAs('m', { ...URN, pair: 'int4', price: 'numeric' }, MARKET_URN);

/** Orders `from` to `to`, both included, in one statement. Triggers must be off: they would write history as well. */
export function insertSeeded(
  { orders, seed, recent }: SeedPlan,
  from: number,
  to: number,
): RawBuilder<unknown> {
  /** in [0, 1), another one for each salt */
  const draw = (salt: number): RawBuilder<number> =>
    sql.raw(`((hashint8extended(n, ${seed} * 1000 + ${salt}) & 2147483647) / 2147483648.0::float8)`);
  const spacing = sql`interval '1 day' * (${SEEDED_DAYS}::float8 / ${orders}::float8)`;
  return sql`
    WITH drawn AS MATERIALIZED (
      SELECT n, md5(${seed}::text || '/' || n) AS h, ${draw(1)} AS tenant_draw, ${draw(2)} AS market_draw,
        ${draw(3)} AS status_draw, ${draw(4)} AS kind_draw, ${draw(5)} AS size_draw, ${draw(6)} AS price_draw,
        ${draw(7)} AS fill_draw, ${draw(8)} AS attempt_draw, ${draw(9)} AS life_draw, ${draw(10)} AS active_draw,
        ${SEEDED_UNTIL}::timestamptz - (${orders}::bigint - n + ${draw(11)}) * ${spacing} AS created_at
      FROM generate_series(${from}::bigint, ${to}::bigint) AS n
    ),
    chosen AS (
      SELECT drawn.*, t.name AS tenant_id, m.name AS market, m.pair,
        round(m.price * (0.95 + 0.1 * price_draw::numeric), 10) AS price,
        6 * (1 + floor(size_draw * size_draw * 50))::int AS lots,
        power(10, round(log(10 / m.price)))::numeric AS lot,
        CASE WHEN kind_draw < 0.2 THEN 'MARKET' ELSE 'LIMIT' END AS type,
        CASE WHEN kind_draw < 0.35 THEN 'IOC' ELSE 'GTT' END AS time_in_force,
        CASE
          WHEN n > ${orders}::bigint - ${recent}::bigint AND active_draw < 0.75 THEN CASE
            WHEN status_draw < 0.2 THEN 'PENDING' WHEN status_draw < 0.8 THEN 'OPEN' ELSE 'PARTIALLY_FILLED' END
          WHEN status_draw < 0.633 THEN 'FILLED'
          WHEN status_draw < 0.878 THEN 'CANCELLED'
          WHEN status_draw < 0.97 THEN 'EXPIRED'
          ELSE 'REJECTED'
        END AS status
      FROM drawn
      JOIN ${tenants} ON tenant_draw >= t.since AND tenant_draw < t.upto
      JOIN ${markets} ON market_draw >= m.since AND market_draw < m.upto
    ),
    lived AS MATERIALIZED (
      SELECT chosen.*, status IN ('FILLED', 'CANCELLED', 'EXPIRED', 'REJECTED') AS is_final,
        30000000 + floor(extract(epoch FROM created_at - '2026-01-01Z'::timestamptz))::int AS height,
        created_at + interval '1 millisecond' * (20 + 60 * life_draw) AS answered_at,
        created_at + interval '1 second' * (0.5 + 20 * life_draw) AS ended_at,
        -- A tenth of what expires or is still pending was never signed; one in twelve of the others was signed twice.
        CASE
          WHEN status IN ('EXPIRED', 'PENDING') AND attempt_draw < 0.1 THEN 0
          WHEN status <> 'REJECTED' AND attempt_draw > 0.92 THEN 2
          ELSE 1
        END AS attempts
      FROM chosen
    ),
    -- Parts of a size in sixths: what one fill, two or three of them make.
    filled AS MATERIALIZED (
      SELECT lived.*, CASE
          WHEN status = 'FILLED' AND fill_draw < 0.7 THEN '{6}'::int[]
          WHEN status = 'FILLED' AND fill_draw < 0.9 THEN '{4,2}'
          WHEN status = 'FILLED' THEN '{3,2,1}'
          WHEN status = 'PARTIALLY_FILLED' OR (status IN ('CANCELLED', 'EXPIRED') AND fill_draw < 0.15 AND attempts > 0)
            THEN '{2}'
          ELSE '{}'
        END AS parts
      FROM lived
    ),
    d AS MATERIALIZED (
      SELECT filled.*, (lpad(to_hex((extract(epoch FROM created_at) * 1000)::bigint), 12, '0')
          || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid AS id,
        'order-' || n AS client_id, 'dydx1' || rpad(tenant_id, 38, 'q') AS owner, lots * lot AS size,
        CASE WHEN attempts > 0 THEN height + 20 END AS first_good_til_block,
        CASE WHEN attempts > 0 THEN height + 20 * attempts END AS good_til_block,
        cardinality(parts) AS fills, (SELECT coalesce(sum(part), 0) FROM unnest(parts) AS part) AS sixths,
        status NOT IN ('PENDING', 'REJECTED') AND attempts > 0 AS is_placed,
        CASE
          WHEN status = 'FILLED' THEN 'completely filled'
          WHEN status = 'PARTIALLY_FILLED' THEN 'partially filled'
          WHEN status = 'OPEN' THEN 'accepted by a node'
          WHEN status = 'REJECTED' THEN 'clob/2003'
          WHEN status = 'CANCELLED' THEN CASE time_in_force WHEN 'IOC' THEN 'ioc_remainder' ELSE 'cancelled' END
          WHEN status = 'EXPIRED' THEN CASE WHEN attempts = 0 THEN 'never sent: late' ELSE 'good_til_block reached' END
        END AS reason,
        CASE
          WHEN status = 'FILLED' THEN jsonb_build_object('rule', 'filled', 'height', height + 5, 'fills', cardinality(parts))
          WHEN status = 'REJECTED' THEN jsonb_build_object('rule', 'refused', 'codespace', 'clob', 'code', 2003,
            'log', 'Post-only order would cross one or more maker orders', 'tx_hash', upper(h || md5(h)))
          WHEN status IN ('CANCELLED', 'EXPIRED') AND attempts = 0
            THEN jsonb_build_object('rule', 'never_sent', 'cause', 'late', 'at', ended_at)
          WHEN status IN ('CANCELLED', 'EXPIRED') THEN jsonb_build_object('rule', 'dead', 'height', height + 20 * attempts,
            'good_til_block', height + 20 * attempts, 'fills', cardinality(parts))
        END AS resolution
      FROM filled ORDER BY n
    ),
    ${writes()}`;
}

/** In the order of n, as they would have come. */
function writes(): RawBuilder<unknown> {
  const txHash = sql`upper(h || md5(h))`;
  return sql`
    keys AS (
      INSERT INTO order_keys (tenant_id, client_id, order_id, intent_hash, created_at, cancel_requested_at)
      SELECT tenant_id, client_id, id, h || md5('intent' || h), created_at, CASE reason WHEN 'cancelled' THEN ended_at END
      FROM d
    ),
    rows AS (
      INSERT INTO orders (id, tenant_id, client_id, order_id, owner, market, side, type, size, price, time_in_force,
        good_til_blocks, post_only, submit_by, metadata, dydx_client_id, clob_pair_id, order_flags, quantums, subticks,
        first_good_til_block, good_til_block, attempt_count, status, status_reason, filled_size, last_fill_id,
        last_fill_price, resolution, cancel_requested_at, tx_hash, block_height, error_message, retry_count,
        next_wake_at, enqueued_at, created_at, updated_at, placed_at, filled_at, cancelled_at)
      SELECT id, tenant_id, client_id, CASE WHEN attempts > 0 THEN md5('venue' || h)::uuid::text END,
        CASE WHEN attempts > 0 THEN owner END, market,
        CASE WHEN n % 2 = 0 THEN 'BUY' ELSE 'SELL' END::order_side, type::order_type, size,
        CASE type WHEN 'LIMIT' THEN price END, time_in_force::time_in_force,
        CASE WHEN type = 'LIMIT' AND time_in_force = 'GTT' THEN 20 END, kind_draw > 0.8, created_at + interval '5 minutes',
        CASE WHEN kind_draw < 0.5 THEN jsonb_build_object('strategy', 'maker-' || n % 7, 'run', n / 1000) END,
        CASE WHEN attempts > 0 THEN n END, CASE WHEN attempts > 0 THEN pair END, CASE WHEN attempts > 0 THEN 0 END,
        CASE WHEN attempts > 0 THEN lots * 1000000::bigint END,
        CASE WHEN attempts > 0 THEN 1 + floor(price * 1000)::bigint END, first_good_til_block, good_til_block, attempts,
        status::order_status, reason, size * sixths / 6, CASE WHEN fills > 0 THEN md5(h || 'fill' || fills)::uuid END,
        CASE WHEN fills > 0 THEN price END, resolution, CASE reason WHEN 'cancelled' THEN ended_at END,
        CASE WHEN attempts > 0 THEN ${txHash} END, CASE WHEN fills > 0 OR is_final THEN height + 5 END,
        CASE status WHEN 'REJECTED' THEN 'clob/2003 Post-only order would cross one or more maker orders' END,
        greatest(attempts - 1, 0), CASE WHEN NOT is_final THEN ended_at END, created_at - interval '3 milliseconds',
        created_at, ended_at, CASE WHEN is_placed THEN answered_at END, CASE status WHEN 'FILLED' THEN ended_at END,
        CASE status WHEN 'CANCELLED' THEN ended_at END
      FROM d
    ),
    signed AS (
      INSERT INTO order_attempts (order_id, attempt, good_til_block, signed_height, tx_hash, tx_bytes, outcome,
        codespace, code, log, created_at, answered_at)
      SELECT id, attempt, height + 20 * attempt, height, CASE WHEN attempt = attempts THEN ${txHash} ELSE upper(md5(h) || h) END,
        -- About as long as a signed short-term order, and as hard to compress.
        substr(sha512(h::bytea) || sha512(id::text::bytea) || sha512(md5(h)::bytea) || sha512(tx.salt)
          || sha512(md5(client_id)::bytea), 1, 300),
        CASE WHEN status = 'REJECTED' THEN 'refused' WHEN status <> 'PENDING' THEN 'accepted' END,
        CASE status WHEN 'REJECTED' THEN 'clob' END,
        CASE WHEN status = 'REJECTED' THEN 2003 WHEN status <> 'PENDING' THEN 0 END,
        CASE status WHEN 'REJECTED' THEN 'Post-only order would cross one or more maker orders' END,
        created_at, CASE WHEN status <> 'PENDING' THEN answered_at END
      FROM d, generate_series(1, attempts) AS attempt, LATERAL (SELECT (h || attempt)::bytea AS salt) AS tx
    ),
    fill AS MATERIALIZED (
      SELECT d.*, part, turn, md5(h || 'fill' || turn)::uuid AS fill_id,
        size * (SELECT sum(x) FROM unnest(parts[:turn]) AS x) / 6 AS filled_size,
        created_at + (ended_at - created_at) * (turn::float8 / fills) AS fill_time
      FROM d, unnest(parts) WITH ORDINALITY AS f (part, turn)
    ),
    fills AS (
      INSERT INTO order_fills (id, order_id, market, side, size, price, fee, liquidity, height, filled_at, created_at)
      SELECT fill_id, id, market, CASE WHEN n % 2 = 0 THEN 'BUY' ELSE 'SELL' END::order_side, size * part / 6, price,
        round(size * price * 0.0003, 6), CASE WHEN time_in_force = 'IOC' THEN 'TAKER' ELSE 'MAKER' END, height + turn,
        fill_time, fill_time + interval '400 milliseconds'
      FROM fill
    ),
    changes AS (
      SELECT n, h, id, 0 AS step, NULL AS old_status, 'PENDING' AS new_status, 'recorded' AS reason, tx, NULL::int AS block,
        0 AS filled, size, NULL::numeric AS fill_price, created_at AS at, NULL::jsonb AS metadata
      FROM d, LATERAL (SELECT CASE WHEN attempts > 0 THEN ${txHash} END AS tx) AS x
      UNION ALL
      SELECT n, h, id, 1, 'PENDING', 'OPEN', 'accepted by a node', ${txHash}, NULL, 0, size, NULL, answered_at, NULL
      FROM d WHERE is_placed
      UNION ALL
      SELECT n, h, id, 1 + turn::int, CASE turn WHEN 1 THEN 'OPEN' ELSE 'PARTIALLY_FILLED' END,
        CASE filled_size WHEN size THEN 'FILLED' ELSE 'PARTIALLY_FILLED' END,
        CASE filled_size WHEN size THEN 'completely filled' ELSE 'partially filled' END,
        ${txHash}, height + turn::int, filled_size, size, price, fill_time,
        jsonb_strip_nulls(jsonb_build_object('fill_id', fill_id, 'evidence', CASE filled_size WHEN size THEN resolution END))
      FROM fill
      UNION ALL
      SELECT n, h, id, 9, CASE WHEN fills > 0 THEN 'PARTIALLY_FILLED' WHEN is_placed THEN 'OPEN' ELSE 'PENDING' END, status,
        reason, CASE WHEN attempts > 0 THEN ${txHash} END, height + 5, size * sixths / 6, size, NULL, ended_at,
        jsonb_build_object('evidence', resolution)
      FROM d WHERE is_final AND status <> 'FILLED'
    )
    INSERT INTO order_status_history (id, order_id, old_status, new_status, reason, tx_hash, block_height, filled_size,
      remaining_size, fill_price, created_at, metadata)
    SELECT md5(h || 'history' || step)::uuid, id, old_status::order_status, new_status::order_status, reason, tx, block,
      filled, size - filled, fill_price, at, metadata
    FROM changes ORDER BY at, n, step`;
}
