// The markets of the paper exchange: ids, grids and margins are the venue's own (v4-chain protocol/testing/mainnet/
// genesis.json); start prices are round figures. COMP-USD is PAUSED so that a refusal can be tested.
import type { Market } from '../core/market.ts';
import { priceToSubticks, stepSize, tickSize } from '../core/quantize.ts';

export type PaperMarket = Omit<Market, 'oraclePrice'> & {
  /** decimal string, USD: where the price path starts and what it reverts to */
  readonly startPrice: string;
  readonly startSubticks: bigint;
  readonly tickSize: string;
  readonly stepSize: string;
  readonly initialMarginFraction: string;
  readonly maintenanceMarginFraction: string;
};

type Row = readonly [
  clobPairId: number,
  ticker: string,
  atomicResolution: number,
  subticksPerTick: bigint,
  startPrice: string,
  status?: string,
];

const TICK = 1_000_000n;
const ROWS: readonly Row[] = [
  [0, 'BTC-USD', -10, 100_000n, '60000'],
  [1, 'ETH-USD', -9, 100_000n, '3000'],
  [2, 'LINK-USD', -6, TICK, '15'],
  [5, 'SOL-USD', -7, TICK, '150'],
  [7, 'AVAX-USD', -7, TICK, '25'],
  [9, 'LTC-USD', -7, TICK, '80'],
  [10, 'DOGE-USD', -4, TICK, '0.15'],
  [11, 'ATOM-USD', -6, TICK, '5'],
  [20, 'COMP-USD', -7, TICK, '50', 'PAUSED'],
  [28, 'PEPE-USD', 1, TICK, '0.00001'],
  [32, 'XRP-USD', -5, TICK, '0.6'],
];

function market([
  clobPairId,
  ticker,
  atomicResolution,
  subticksPerTick,
  startPrice,
  status = 'ACTIVE',
]: Row): PaperMarket {
  const grid = {
    atomicResolution,
    quantumConversionExponent: -9,
    stepBaseQuantums: 1_000_000n,
    subticksPerTick,
  };
  const startSubticks = priceToSubticks(startPrice, grid);
  if (startSubticks === undefined)
    throw new Error(`the start price of ${ticker} is off its grid: ${startPrice}`);
  const isLargeCap = clobPairId <= 1;
  return {
    ...grid,
    ticker,
    clobPairId,
    status,
    startPrice,
    startSubticks,
    tickSize: tickSize(grid),
    stepSize: stepSize(grid),
    initialMarginFraction: isLargeCap ? '0.05' : '0.1',
    maintenanceMarginFraction: isLargeCap ? '0.03' : '0.05',
  };
}

export const PAPER_MARKETS: readonly PaperMarket[] = ROWS.map(market);

const BY_TICKER = new Map(PAPER_MARKETS.map((each) => [each.ticker, each]));

/** As it is at the start. */
export function marketOfTicker(ticker: string): PaperMarket | undefined {
  return BY_TICKER.get(ticker);
}

type MarketChange = {
  readonly status?: string | undefined;
  readonly stepBaseQuantums?: bigint | undefined;
  readonly subticksPerTick?: bigint | undefined;
};

/** The markets of one exchange: governance may change status and grid, never ids and resolutions. */
export type Markets = {
  readonly all: () => PaperMarket[];
  readonly ofPair: (clobPairId: number) => PaperMarket | undefined;
  readonly ofTicker: (ticker: string) => PaperMarket | undefined;
  readonly change: (ticker: string, change: MarketChange) => PaperMarket;
};

export function createMarkets(): Markets {
  const byPair = new Map(PAPER_MARKETS.map((each) => [each.clobPairId, each]));
  const ofTicker = (ticker: string): PaperMarket | undefined => {
    const start = marketOfTicker(ticker);
    return start && byPair.get(start.clobPairId);
  };
  return {
    all: () => [...byPair.values()],
    ofPair: (clobPairId) => byPair.get(clobPairId),
    ofTicker,
    change(ticker, { status, stepBaseQuantums, subticksPerTick }) {
      const before = ofTicker(ticker);
      if (!before) throw new Error(`no such market: ${ticker}`);
      const grid = {
        ...before,
        stepBaseQuantums: stepBaseQuantums ?? before.stepBaseQuantums,
        subticksPerTick: subticksPerTick ?? before.subticksPerTick,
      };
      const after = {
        ...grid,
        status: status ?? before.status,
        tickSize: tickSize(grid),
        stepSize: stepSize(grid),
      };
      byPair.set(after.clobPairId, after);
      return after;
    },
  };
}
