// The reconciler process: polls the indexer and books what it proves.
import { type ReconcileDeps, reconcileAll } from '../app/reconcile.ts';
import { createPollLoop } from '../core/poll-loop.ts';
import { errorFields } from '../ops/logger.ts';
import { requireChain } from '../store/installation.ts';
import { bookReport, listCursors } from '../store/reconciling.ts';
import { createHeightFeed } from '../venue/height-feed.ts';
import type { Context, Service } from './context.ts';
import { startTimers } from './timers.ts';
import { HEIGHT_MAX_AGE_MS, networkOf, openIndexer, openValidator } from './venue.ts';

/** Larger pages make latency spikes of 10–30 ms on two cores; the venue's limit is 1,000. */
const PAGE_SIZE = 200;

export type ReconcilerOptions = {
  /** Wraps the deps; the fault tests end the process inside them. */
  readonly wrapDeps?: (deps: ReconcileDeps) => ReconcileDeps;
};

export async function startReconciler(context: Context, options: ReconcilerOptions = {}): Promise<Service> {
  const { config, log, db } = context;
  await requireChain(db, networkOf(config).chainId);
  const indexer = openIndexer(config, log);
  const validator = openValidator(config);
  const heights = createHeightFeed({
    validator,
    intervalMs: Math.min(config.RECONCILE_INTERVAL_MS, config.HEIGHT_POLL_MS * 4),
    maxAgeMs: HEIGHT_MAX_AGE_MS,
    onError: context.outages.venue.failed,
    onSeen: context.outages.venue.works,
  });
  heights.start();
  const own: ReconcileDeps = {
    indexer,
    listCursors: () => listCursors(db),
    book: (report) => bookReport(db, report, config.SETTLE_MARGIN_BLOCKS),
    chainHeight: () => heights.current()?.height,
    pageSize: PAGE_SIZE,
    log,
  };
  const deps = options.wrapDeps?.(own) ?? own;
  let run = 0;
  const loop = createPollLoop(async () => {
    try {
      const { fills, settled } = await reconcileAll(deps, run++);
      if (fills + settled > 0) log.info({ fills, settled }, 'reconciled');
    } catch (error) {
      log.warn(errorFields(error), 'reconciliation failed, will repeat');
    }
    return config.RECONCILE_INTERVAL_MS;
  });
  loop.start();
  const timers = startTimers(context);
  log.info({}, 'reconciler ready');
  return {
    stop: async () => {
      await timers.stop();
      await loop.stop();
      await heights.stop();
      await Promise.all([indexer.close(), validator.close()]);
    },
  };
}
