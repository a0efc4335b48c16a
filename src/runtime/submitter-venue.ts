// What a submitter sees of the venue: its accounts, the newest height, a market table; ready when all was seen once.
import type { Indexer, Validator } from '../core/ports.ts';
import { watchHeights } from '../ops/height-metrics.ts';
import { errorFields, type Logger } from '../ops/logger.ts';
import { loadMarkets, saveMarkets } from '../store/markets.ts';
import { createHeightFeed, type HeightFeed } from '../venue/height-feed.ts';
import { createMarketTable, type MarketTable } from '../venue/market-table.ts';
import { type Account, openAccounts } from './accounts.ts';
import type { Context } from './context.ts';
import { HEIGHT_MAX_AGE_MS, openIndexer, openValidator, WHY_NO_TX_INDEX } from './venue.ts';

export type SubmitterVenue = {
  readonly validator: Validator;
  readonly indexer: Indexer;
  /** by name */
  readonly accounts: ReadonlyMap<string, Account>;
  readonly heights: HeightFeed;
  readonly markets: MarketTable;
  readonly close: () => Promise<void>;
};

/** A venue that cannot be seen is waited for so long. */
const READY_MS = 15_000;

export async function openSubmitterVenue(
  context: Context,
  wrapValidator: (validator: Validator) => Validator = (validator) => validator,
): Promise<SubmitterVenue> {
  const { config, secrets, log, db, outages, metrics } = context;
  await using opening = new AsyncDisposableStack();
  const opened = openValidator(config, log);
  opening.defer(opened.close);
  const validator = wrapValidator(opened);
  const indexer = openIndexer(config, log, metrics.telemetry);
  opening.defer(indexer.close);
  const accounts = await openAccounts(config, secrets, validator, READY_MS);
  await tellMissingIndex(validator, log);
  const heights = createHeightFeed({
    validator,
    intervalMs: config.HEIGHT_POLL_MS,
    maxAgeMs: HEIGHT_MAX_AGE_MS,
    onError: outages.venue.failed,
    onSeen: outages.venue.works,
  });
  const markets = createMarketTable({
    indexer,
    intervalMs: config.MARKETS_POLL_MS,
    onError: (error) => log.warn(errorFields(error), 'market table not refreshed'),
    onRefresh: (table) => {
      saveMarkets(db, table).catch((error: unknown) =>
        log.warn(errorFields(error), 'market table not saved'),
      );
    },
  });
  opening.defer(heights.stop);
  opening.defer(markets.stop);
  heights.start();
  watchHeights(metrics.registry, { validator: heights });
  markets.seed(await loadMarkets(db));
  markets.start();
  await Promise.all([heights.ready(READY_MS), markets.ready(READY_MS)]);
  const stack = opening.move();
  return { validator, indexer, accounts, heights, markets, close: () => stack.disposeAsync() };
}

/** Short-term orders need no index: no reason not to start. */
async function tellMissingIndex(
  validator: Pick<Validator, 'indexesTransactions'>,
  log: Logger,
): Promise<void> {
  try {
    if (await validator.indexesTransactions()) return;
    log.error({ why: WHY_NO_TX_INDEX }, 'no validator indexes transactions');
  } catch (error) {
    log.warn(errorFields(error), 'validators not asked whether they index transactions');
  }
}
