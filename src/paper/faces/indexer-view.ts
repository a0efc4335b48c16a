// What the indexer stores, as REST shows it at one indexer height (facts §7.2): markets and fills. Numbers are strings
// except where noted there.
import { subticksToPrice } from '../../core/quantize.ts';
import type { PaperMarket } from '../markets.ts';
import type { Ledger, PaperFill } from '../state/ledger.ts';
import { midSubticks } from '../synthetic.ts';
import { fillFee, fillPrice, fillSize } from '../truth.ts';

export type View = {
  readonly ledger: Ledger;
  readonly seed: number;
  readonly height: number;
  /** fills that are not written yet, whatever the height says; absent = none */
  readonly isWithheld?: ((fill: PaperFill) => boolean) | undefined;
};

function oraclePrice(view: View, market: PaperMarket): string {
  return subticksToPrice(midSubticks(view.seed, market, view.height), market);
}

function showMarket(view: View, market: PaperMarket) {
  return {
    clobPairId: String(market.clobPairId),
    ticker: market.ticker,
    status: market.status,
    oraclePrice: oraclePrice(view, market),
    priceChange24H: '0',
    volume24H: '0',
    trades24H: 0,
    nextFundingRate: '0',
    initialMarginFraction: market.initialMarginFraction,
    maintenanceMarginFraction: market.maintenanceMarginFraction,
    openInterest: '0',
    atomicResolution: market.atomicResolution,
    quantumConversionExponent: market.quantumConversionExponent,
    tickSize: market.tickSize,
    stepSize: market.stepSize,
    stepBaseQuantums: Number(market.stepBaseQuantums),
    subticksPerTick: Number(market.subticksPerTick),
    marketType: 'CROSS',
    baseOpenInterest: '0',
    defaultFundingRate1H: '0',
  };
}

export function showMarkets(view: View, markets: readonly PaperMarket[]) {
  return { markets: Object.fromEntries(markets.map((market) => [market.ticker, showMarket(view, market)])) };
}

/** How many of these fills (ascending by height) the indexer has. */
export function visibleCount(fills: readonly PaperFill[], height: number): number {
  let low = 0;
  let high = fills.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((fills[middle]?.height ?? 0) <= height) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Those of these fills (ascending by height) that the indexer has; nothing is copied when it has all. */
export function visibleFills(
  { height, isWithheld }: View,
  fills: readonly PaperFill[],
): readonly PaperFill[] {
  const count = visibleCount(fills, height);
  const written = count === fills.length ? fills : fills.slice(0, count);
  return isWithheld ? written.filter((fill) => !isWithheld(fill)) : written;
}

/** All fills of a block have one time; texts of times cost more than the rest of a row. */
let shownTime = { timeMs: Number.NaN, text: '' };
function timeText(timeMs: number): string {
  if (shownTime.timeMs !== timeMs) shownTime = { timeMs, text: new Date(timeMs).toISOString() };
  return shownTime.text;
}

export function showFill(fill: PaperFill) {
  return {
    id: fill.id,
    side: fill.side,
    liquidity: fill.liquidity,
    type: 'LIMIT',
    market: fill.order.market?.ticker ?? '',
    marketType: 'PERPETUAL',
    price: fillPrice(fill),
    size: fillSize(fill),
    fee: fillFee(fill),
    affiliateRevShare: '0',
    createdAt: timeText(fill.timeMs),
    createdAtHeight: String(fill.height),
    orderId: fill.order.id,
    clientMetadata: String(fill.order.clientMetadata),
    subaccountNumber: fill.order.subaccount.number,
  };
}
