// What is open and held, in one statement and so at one moment: open orders by owner and market, open stateful orders by
// subaccount, positions by owner and market. Orders count from their first signature; which of those that were let
// through before that are counted by now is answered with it, so that none is counted twice or not at all.
import { sql } from 'kysely';
import { toAtoms } from '../core/decimal.ts';
import type { Standing } from '../core/limits.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';
import type { OrderKey } from './standings.ts';

export type Exposures = {
  readonly markets: readonly (Standing & { readonly owner: string; readonly market: string })[];
  readonly subaccounts: readonly {
    readonly owner: string;
    readonly subaccountNumber: number;
    readonly openStateful: number;
  }[];
  /** those of the keys that count above, or that never will: signed, ended or archived */
  readonly counted: readonly OrderKey[];
};

type Row = {
  readonly markets: readonly (Record<'owner' | 'market' | 'position' | 'openBuys' | 'openSells', string> & {
    readonly openOrders: number;
  })[];
  readonly subaccounts: Exposures['subaccounts'];
  readonly counted: Exposures['counted'];
};

/** @param pending keys of orders that were let through and not known to be signed yet */
export async function readExposures(db: Database, pending: readonly OrderKey[]): Promise<Exposures> {
  const columns = { tenant_id: 'text', client_id: 'text' } as const;
  const keys = pending.map(({ tenant_id, client_id }) => ({ tenant_id, client_id }));
  const { rows } = await sql<Row>`
    WITH active AS MATERIALIZED (
      SELECT owner, subaccount_number, market, side, remaining_size, order_flags FROM orders
      WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED') AND attempt_count > 0
    ), open AS (
      SELECT owner, market, count(*)::int AS orders,
        coalesce(sum(remaining_size) FILTER (WHERE side = 'BUY'), 0) AS buys,
        coalesce(sum(remaining_size) FILTER (WHERE side = 'SELL'), 0) AS sells
      FROM active GROUP BY owner, market
    ), held AS (
      SELECT owner, market, sum(size) AS size FROM positions WHERE size <> 0 GROUP BY owner, market
    ), by_market AS (
      SELECT coalesce(o.owner, h.owner) AS owner, coalesce(o.market, h.market) AS market,
        coalesce(o.orders, 0) AS "openOrders", coalesce(h.size, 0)::text AS position,
        coalesce(o.buys, 0)::text AS "openBuys", coalesce(o.sells, 0)::text AS "openSells"
      FROM open o FULL JOIN held h ON h.owner = o.owner AND h.market = o.market
    ), stateful AS (
      SELECT owner, subaccount_number AS "subaccountNumber", count(*)::int AS "openStateful"
      FROM active WHERE order_flags IN (32, 64) GROUP BY owner, subaccount_number
    ), counted AS (
      SELECT k.tenant_id, k.client_id FROM ${rowsAs('p', columns, keys)}
      JOIN order_keys k ON k.tenant_id = p.tenant_id AND k.client_id = p.client_id
      LEFT JOIN orders o ON o.id = k.order_id
      WHERE o.id IS NULL OR o.attempt_count > 0 OR o.status NOT IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
    )
    SELECT
      coalesce((SELECT json_agg(m) FROM by_market m), '[]') AS markets,
      coalesce((SELECT json_agg(s) FROM stateful s), '[]') AS subaccounts,
      coalesce((SELECT json_agg(c) FROM counted c), '[]') AS counted`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('no row of a statement that always has one');
  return {
    ...row,
    markets: row.markets.map(({ position, openBuys, openSells, ...rest }) => ({
      ...rest,
      position: toAtoms(position),
      openBuys: toAtoms(openBuys),
      openSells: toAtoms(openSells),
    })),
  };
}
