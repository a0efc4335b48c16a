// All markets by ticker, refreshed from the indexer. Invariants: what an answer leaves out, or holds unreadably, stays as
// it was, because grids hardly ever change and a missing market would refuse good orders; but its price ages: how fresh
// a market is, is known of each by itself.
import type { Market } from '../core/market.ts';
import { createPollLoop } from '../core/poll-loop.ts';
import type { Indexer } from '../core/ports.ts';
import { IndexerError } from './indexer.ts';
import { createReadiness } from './readiness.ts';

export type MarketTable = {
  readonly start: () => void;
  readonly stop: () => Promise<void>;
  readonly get: (ticker: string) => Market | undefined;
  readonly all: () => readonly Market[];
  /** When the row of this market was last asked for (performance.now); undefined while there is only a stored copy. */
  readonly loadedAtMs: (ticker: string) => number | undefined;
  /** Whether its oracle price is no older than that; never by a stored copy. */
  readonly isFresh: (ticker: string, maxAgeMs: number) => boolean;
  /** Starts from a stored copy; a table that was already loaded is newer and stays. */
  readonly seed: (markets: readonly Market[]) => void;
  /** Resolves when there is a table, seeded or loaded; rejects after timeoutMs (30 s) with the last error. */
  readonly ready: (timeoutMs?: number) => Promise<void>;
};

export type MarketTableOptions = {
  readonly indexer: Pick<Indexer, 'markets'>;
  /** Pause between refreshes. Too high: old oracle prices, late sight of a paused market. Too low: rate limit. */
  readonly intervalMs: number;
  readonly onError: (error: unknown) => void;
  readonly onRefresh?: (markets: readonly Market[]) => void;
};

const FIRST_RETRY_MS = 1_000;

export function createMarketTable(options: MarketTableOptions): MarketTable {
  const { indexer, intervalMs, onError, onRefresh } = options;
  const readiness = createReadiness();
  let table: ReadonlyMap<string, Market> = new Map();
  const loadedAtMs = new Map<string, number>();
  let failures = 0;
  let lastError: unknown;

  function replace(markets: readonly Market[]): void {
    table = new Map([...table, ...markets.map((market) => [market.ticker, market] as const)]);
    readiness.markReady();
  }

  const loop = createPollLoop(async () => {
    const askedMs = performance.now();
    try {
      const markets = await indexer.markets();
      if (markets.length === 0) throw new IndexerError('the indexer lists no market');
      replace(markets);
      for (const { ticker } of markets) loadedAtMs.set(ticker, askedMs);
      failures = 0;
      onRefresh?.(markets);
      return intervalMs;
    } catch (error) {
      lastError = error;
      onError(error);
      return retryDelayMs(error, failures++, intervalMs);
    }
  });

  return {
    start: loop.start,
    stop: loop.stop,
    get: (ticker) => table.get(ticker),
    all: () => [...table.values()],
    loadedAtMs: (ticker) => loadedAtMs.get(ticker),
    isFresh: (ticker, maxAgeMs) => {
      const atMs = loadedAtMs.get(ticker);
      return atMs !== undefined && performance.now() - atMs <= maxAgeMs;
    },
    seed: (markets) => {
      if (loadedAtMs.size === 0 && markets.length > 0) replace(markets);
    },
    ready: (timeoutMs = 30_000) =>
      readiness.wait(timeoutMs, () => {
        const cause = lastError instanceof Error ? lastError.message : 'the indexer has not answered yet';
        return `no market table within ${timeoutMs} ms: ${cause}`;
      }),
  };
}

/** 1 s, 2 s, 4 s … up to the interval, and never before the indexer allows it. */
function retryDelayMs(error: unknown, failures: number, intervalMs: number): number {
  const backoffMs = Math.min(intervalMs, FIRST_RETRY_MS * 2 ** Math.min(failures, 20));
  const retryAfterMs = error instanceof IndexerError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(backoffMs, Math.min(retryAfterMs, 60_000));
}
