// What a fill costs, in quote quantums (10^-6 USDC). Rates are those of the venue's first tier.
import type { PaperMarket } from '../markets.ts';

const PPM = { TAKER: 500n, MAKER: -110n } as const;
const MILLION = 1_000_000n;

/** Rounded down, as the chain does. */
export function quoteQuantums(market: PaperMarket, quantums: bigint, subticks: bigint): bigint {
  return (quantums * subticks) / 10n ** BigInt(-market.quantumConversionExponent);
}

/** Positive fees are rounded up, rebates (negative) towards zero: never in the trader's favour. */
export function feeQuantums(quote: bigint, liquidity: 'TAKER' | 'MAKER'): bigint {
  const exact = quote * PPM[liquidity];
  return exact > 0n ? (exact + MILLION - 1n) / MILLION : exact / MILLION;
}
