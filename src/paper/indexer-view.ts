// What the indexer stores, as REST shows it at one indexer height (facts §7.2, §7.3): numbers are strings except
// where noted there. A short-term order has a row only once a fill of it is visible; without one it is listed while
// a node still holds it, and is a 404 afterwards.
import { fromScaled } from '../core/decimal.ts';
import { quantumsToSize, subticksToPrice } from '../core/quantize.ts';
import { addTo, isLive, type Ledger, type PaperFill, type PaperOrder, type Subaccount } from './ledger.ts';
import { PAPER_MARKETS, type PaperMarket } from './markets.ts';
import { midSubticks } from './synthetic.ts';
import { fillFee, fillPrice, fillSize } from './truth.ts';
import { TIF } from './validate-basic.ts';

/** Every subaccount is funded with it; the paper exchange does not check collateral. */
const START_USDC_QUANTUMS = 1_000_000_000_000n;

export type View = { readonly ledger: Ledger; readonly seed: number; readonly height: number };

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

export function showMarkets(view: View, markets: readonly PaperMarket[] = PAPER_MARKETS) {
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
    createdAt: new Date(fill.timeMs).toISOString(),
    createdAtHeight: String(fill.height),
    orderId: fill.order.id,
    clientMetadata: String(fill.order.clientMetadata),
    subaccountNumber: fill.order.subaccount.number,
  };
}

/** A completely filled IOC is now and then listed as BEST_EFFORT_CANCELED: the late removal message wins (§7.3). */
function isShownCanceled(order: PaperOrder): boolean {
  return order.timeInForce === TIF.IOC && order.id.endsWith('7');
}

function statusOf(order: PaperOrder, filled: bigint): string {
  if (filled >= order.quantums) return isShownCanceled(order) ? 'BEST_EFFORT_CANCELED' : 'FILLED';
  if (filled === 0n) return 'BEST_EFFORT_OPENED';
  if (isLive(order)) return 'OPEN';
  if (order.timeInForce === TIF.IOC || order.removal === 'EXPIRED') return 'CANCELED';
  return order.removal === undefined ? 'OPEN' : 'BEST_EFFORT_CANCELED';
}

function showTimeInForce(timeInForce: number): string {
  return timeInForce === TIF.IOC ? 'IOC' : 'GTT';
}

/** Undefined is the 404 of an order that was never seen, or was seen and is gone unfilled. */
export function showOrder(view: View, order: PaperOrder) {
  const { market } = order;
  if (!market || order.accepted === 0) return undefined;
  const count = visibleCount(order.fills, view.height);
  const hasHiddenFills = count < order.fills.length;
  if (count === 0 && !isLive(order) && !hasHiddenFills) return undefined;
  const filled = order.fills.slice(0, count).reduce((sum, fill) => sum + fill.quantums, 0n);
  const updated = order.fills[count - 1];
  return {
    id: order.id,
    subaccountId: order.subaccount.id,
    clientId: String(order.clientId),
    clobPairId: String(order.clobPairId),
    side: order.side,
    size: quantumsToSize(order.quantums, market),
    totalFilled: quantumsToSize(filled, market),
    price: subticksToPrice(order.subticks, market),
    type: 'LIMIT',
    status: statusOf(order, filled),
    timeInForce: showTimeInForce(order.timeInForce),
    postOnly: order.timeInForce === TIF.POST_ONLY,
    reduceOnly: order.reduceOnly,
    orderFlags: String(order.orderFlags),
    goodTilBlock: String(order.goodTilBlock),
    clientMetadata: String(order.clientMetadata),
    ...(updated
      ? { updatedAt: new Date(updated.timeMs).toISOString(), updatedAtHeight: String(updated.height) }
      : {}),
    ticker: market.ticker,
    subaccountNumber: order.subaccount.number,
  };
}

export type ShownOrder = NonNullable<ReturnType<typeof showOrder>>;

type Exposure = { readonly market: PaperMarket; readonly quantums: bigint };

function exposures(positions: ReadonlyMap<number, bigint>): Exposure[] {
  return PAPER_MARKETS.flatMap((market) => {
    const quantums = positions.get(market.clobPairId);
    return quantums === undefined ? [] : [{ market, quantums }];
  });
}

/** Balance and positions are summed from the visible fills, so they never disagree with them. */
export function showSubaccount(
  view: View,
  owner: string,
  number: number,
  subaccount: Subaccount | undefined,
) {
  const fills = subaccount?.fills.slice(0, visibleCount(subaccount.fills, view.height)) ?? [];
  const positions = new Map<number, bigint>();
  let usdc = START_USDC_QUANTUMS;
  for (const fill of fills) {
    addTo(positions, fill.order.clobPairId, fill.side, fill.quantums);
    usdc += (fill.side === 'BUY' ? -fill.quoteQuantums : fill.quoteQuantums) - fill.feeQuantums;
  }
  const open = exposures(positions);
  const worth = open.reduce((sum, { market, quantums }) => {
    const scale = 10n ** BigInt(-market.quantumConversionExponent);
    return sum + (quantums * midSubticks(view.seed, market, view.height)) / scale;
  }, 0n);
  const equity = fromScaled(usdc + worth, 6);
  return {
    address: owner,
    subaccountNumber: number,
    equity,
    freeCollateral: equity,
    openPerpetualPositions: Object.fromEntries(
      open.map(({ market, quantums }) => [
        market.ticker,
        {
          market: market.ticker,
          status: 'OPEN',
          side: quantums > 0n ? 'LONG' : 'SHORT',
          size: quantumsToSize(quantums, market),
          subaccountNumber: number,
        },
      ]),
    ),
    assetPositions: {
      USDC: {
        symbol: 'USDC',
        side: usdc < 0n ? 'SHORT' : 'LONG',
        size: fromScaled(usdc < 0n ? -usdc : usdc, 6),
        assetId: '0',
        subaccountNumber: number,
      },
    },
    marginEnabled: true,
    updatedAtHeight: String(fills.at(-1)?.height ?? 1),
    latestProcessedBlockHeight: String(view.height),
  };
}
