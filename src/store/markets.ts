// The market table as a submitter last saw it: doors without an indexer check grids with it.
import { sql } from 'kysely';
import type { Market } from '../core/market.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';

/** Older copies are refreshed even if only the oracle price moved. */
const MAX_AGE_S = 60;

export async function saveMarkets(db: Database, markets: readonly Market[]): Promise<void> {
  const columns = {
    ticker: 'text',
    clob_pair_id: 'int4',
    status: 'text',
    atomic_resolution: 'int4',
    quantum_conversion_exponent: 'int4',
    step_base_quantums: 'int8',
    subticks_per_tick: 'int8',
    oracle_price: 'numeric',
  } as const;
  const rows = markets.map((market) => ({
    ticker: market.ticker,
    clob_pair_id: market.clobPairId,
    status: market.status,
    atomic_resolution: market.atomicResolution,
    quantum_conversion_exponent: market.quantumConversionExponent,
    step_base_quantums: market.stepBaseQuantums,
    subticks_per_tick: market.subticksPerTick,
    oracle_price: market.oraclePrice,
  }));
  await sql`
    INSERT INTO markets AS m (ticker, clob_pair_id, status, atomic_resolution, quantum_conversion_exponent,
      step_base_quantums, subticks_per_tick, oracle_price)
    SELECT * FROM ${rowsAs('d', columns, rows)} ORDER BY ticker
    ON CONFLICT (ticker) DO UPDATE SET (clob_pair_id, status, atomic_resolution, quantum_conversion_exponent,
      step_base_quantums, subticks_per_tick, oracle_price, updated_at) =
      (excluded.clob_pair_id, excluded.status, excluded.atomic_resolution, excluded.quantum_conversion_exponent,
      excluded.step_base_quantums, excluded.subticks_per_tick, excluded.oracle_price, clock_timestamp())
    WHERE m.updated_at < clock_timestamp() - make_interval(secs => ${MAX_AGE_S})
      OR (m.status, m.step_base_quantums, m.subticks_per_tick)
        IS DISTINCT FROM (excluded.status, excluded.step_base_quantums, excluded.subticks_per_tick)`.execute(
    db,
  );
}

export async function loadMarkets(db: Database): Promise<Market[]> {
  const rows = await db.selectFrom('markets').selectAll().execute();
  return rows.map((row) => ({
    ticker: row.ticker,
    clobPairId: row.clob_pair_id,
    status: row.status,
    atomicResolution: row.atomic_resolution,
    quantumConversionExponent: row.quantum_conversion_exponent,
    stepBaseQuantums: BigInt(row.step_base_quantums),
    subticksPerTick: BigInt(row.subticks_per_tick),
    oraclePrice: row.oracle_price,
  }));
}
