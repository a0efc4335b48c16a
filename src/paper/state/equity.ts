// What a subaccount is worth, and what the chain allows for it: open stateful orders by equity tier, and the size of a
// new long-term order. Positions count at the oracle price, which is the seeded mid.
import { toScaled } from '../../core/decimal.ts';
import type { PaperMarket } from '../markets.ts';
import { midSubticks } from '../synthetic.ts';
import type { Ledger, Subaccount } from './ledger.ts';

export type EquityTier = {
  /** USDC from which on the limit holds, decimal string */
  readonly usd: string;
  /** stateful orders that may be open at once */
  readonly limit: number;
};

/** facts §3.5; the venue's table is a governance value. */
export const DEFAULT_EQUITY_TIERS: readonly EquityTier[] = [
  { usd: '0', limit: 0 },
  { usd: '20', limit: 10 },
  { usd: '100', limit: 20 },
  { usd: '1000', limit: 40 },
  { usd: '10000', limit: 100 },
  { usd: '50000', limit: 200 },
];

/** Decimal USDC → quote quantums; throws on what is no amount. */
export function toQuoteQuantums(usd: string): bigint {
  const quantums = toScaled(usd, 6);
  if (quantums === undefined) throw new Error(`no amount of USDC with at most 6 decimals: ${usd}`);
  return quantums;
}

/** Base quantums at the oracle price, in quote quantums. */
export function worthOf(seed: number, market: PaperMarket, quantums: bigint, height: number): bigint {
  const scale = 10n ** BigInt(-market.quantumConversionExponent);
  return (quantums * midSubticks(seed, market, height)) / scale;
}

/** Quote quantums, after the last block. A subaccount that nobody has used has what everybody starts with. */
export function equityOf(ledger: Ledger, seed: number, subaccount: Subaccount | undefined): bigint {
  if (!subaccount) return ledger.startQuoteQuantums;
  let equity = subaccount.startQuoteQuantums + subaccount.quoteQuantums;
  for (const [pair, quantums] of subaccount.positions) {
    const market = ledger.markets.ofPair(pair);
    if (market) equity += worthOf(seed, market, quantums, ledger.height);
  }
  return equity;
}
