// May a subaccount take a match? Looked at only when a match is made, as in the memclob (facts §3.1): a placement that
// lacks collateral is answered with code 0 and is gone, and one that only rests needs none. Positions count at the
// oracle price, optimistic ones too; what makes a position smaller is always allowed.
import type { Side } from '../../core/status.ts';
import type { PaperMarket } from '../markets.ts';
import type { Subaccount } from '../state/ledger.ts';

const PPM = 1_000_000;

type Priced = { readonly market: PaperMarket; readonly oracleSubticks: bigint };
/** Of a pair; undefined when there is none. */
export type PriceOf = (clobPairId: number) => Priced | undefined;

/** Quote quantums; of a short position negative. */
function worth({ market, oracleSubticks }: Priced, quantums: bigint): bigint {
  return (quantums * oracleSubticks) / 10n ** BigInt(-market.quantumConversionExponent);
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

export function hasCollateral(
  { positions, optimistic, startQuoteQuantums, quoteQuantums }: Subaccount,
  taken: { readonly clobPairId: number; readonly side: Side; readonly quantums: bigint },
  priceOf: PriceOf,
): boolean {
  const now = (pair: number): bigint => (positions.get(pair) ?? 0n) + (optimistic.get(pair) ?? 0n);
  const change = taken.side === 'BUY' ? taken.quantums : -taken.quantums;
  const before = now(taken.clobPairId);
  if (magnitude(before + change) <= magnitude(before)) return true;
  let equity = startQuoteQuantums + quoteQuantums;
  let margin = 0n;
  for (const pair of new Set([...positions.keys(), ...optimistic.keys(), taken.clobPairId])) {
    const priced = priceOf(pair);
    if (!priced) continue;
    const next = pair === taken.clobPairId ? before + change : now(pair);
    const fractionPpm = BigInt(Math.round(Number(priced.market.initialMarginFraction) * PPM));
    equity += worth(priced, positions.get(pair) ?? 0n);
    margin += (magnitude(worth(priced, next)) * fractionPpm) / BigInt(PPM);
  }
  return margin <= equity;
}
