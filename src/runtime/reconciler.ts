// The reconciler process: polls the indexer and books what it proves.
import { type ReconcileDeps, reconcileAll } from '../app/reconcile.ts';
import { createPollLoop } from '../core/poll-loop.ts';
import type { Telemetry } from '../core/telemetry.ts';
import { watchHeights } from '../ops/height-metrics.ts';
import { errorFields } from '../ops/logger.ts';
import { createBatcher } from '../store/batcher.ts';
import { compareOrders } from '../store/comparing.ts';
import { claimCursors, type Released, releaseCursors } from '../store/cursors.ts';
import { recordIncidents } from '../store/incidents.ts';
import { requireChain } from '../store/installation.ts';
import { type Booked, bookReport } from '../store/reconciling.ts';
import { createHeightFeed } from '../venue/height-feed.ts';
import type { Context, Service } from './context.ts';
import { baseChecks, venueChecks } from './health.ts';
import { rememberHeight } from './indexer-height.ts';
import { createIndexerBudget } from './indexer-requests.ts';
import { openNudges } from './nudges.ts';
import { startTimers } from './timers.ts';
import { HEIGHT_MAX_AGE_MS, networkOf, openIndexer, openValidator } from './venue.ts';

/** Larger pages make latency spikes of 10–30 ms on two cores. */
const PAGE_SIZE = 200;
/** The venue's limit. */
const CATCH_UP_SIZE = 1_000;
/**
 * After so long without a booked page a claim is free: its reconciler has died. Low: two ask an indexer that is slow for
 * the same; high: that long nothing of the subaccount is booked after a death.
 */
const LEASE_INTERVALS = 5;
const MIN_LEASE_MS = 2_000;
/** Late fills of an idle subaccount wait so long; low: requests for nothing. */
const MAX_IDLE_MS = 60_000;
/** In one pass; a few at a time. */
const MAX_CLAIMED = 32;

export type ReconcilerOptions = {
  /** Wraps the deps; the fault tests end the process inside them. */
  readonly wrapDeps?: (deps: ReconcileDeps) => ReconcileDeps;
};

export async function startReconciler(context: Context, options: ReconcilerOptions = {}): Promise<Service> {
  const { config, log, db } = context;
  const { registry, telemetry } = context.metrics;
  const { chainId } = networkOf(config);
  await requireChain(db, chainId);
  const indexer = openIndexer(config, log, telemetry);
  const indexerHeight = rememberHeight(indexer);
  const validator = openValidator(config, log);
  const heights = createHeightFeed({
    validator,
    intervalMs: Math.min(config.RECONCILE_INTERVAL_MS, config.HEIGHT_POLL_MS * 4),
    maxAgeMs: HEIGHT_MAX_AGE_MS,
    onError: context.outages.venue.failed,
    onSeen: context.outages.venue.works,
  });
  heights.start();
  watchHeights(registry, { validator: heights, indexer: indexerHeight.last });
  // Orders to settle do not wait until their subaccount is due.
  const lookMs = config.RECONCILE_INTERVAL_MS / 2;
  const releases = createBatcher({
    flush: async (released: readonly Released[]) => {
      await releaseCursors(db, released);
      return released.map(() => undefined);
    },
  });
  const nudges = openNudges(context, () => loop.wake());
  const own: ReconcileDeps = {
    indexer: { ...indexer, height: indexerHeight.ask },
    claim: async (deadAt) => {
      await context.requireKnownServer();
      const claimed = await claimCursors(db, {
        limit: MAX_CLAIMED,
        deadAt,
        leaseMs: Math.max(MIN_LEASE_MS, LEASE_INTERVALS * config.RECONCILE_INTERVAL_MS),
        nudged: nudges.take(),
      });
      for (const cursor of claimed) nudges.follow(cursor);
      return claimed;
    },
    release: releases.push,
    mayAsk: createIndexerBudget(context),
    book: (report) => bookTimed(telemetry, () => bookReport(db, report, config.SETTLE_MARGIN_BLOCKS)),
    compare: (...lists) => compareOrders(db, ...lists),
    recordIncidents: (incidents) => recordIncidents(db, incidents),
    chainHeight: () => heights.current()?.height,
    pageSize: PAGE_SIZE,
    catchUpSize: CATCH_UP_SIZE,
    marginBlocks: config.SETTLE_MARGIN_BLOCKS,
    intervalMs: config.RECONCILE_INTERVAL_MS - lookMs / 2,
    maxIdleMs: MAX_IDLE_MS,
    log,
    telemetry,
  };
  const deps = options.wrapDeps?.(own) ?? own;
  const loop = createPollLoop(async () => {
    const startedMs = performance.now();
    try {
      const { fills, settled } = await reconcileAll(deps);
      if (fills + settled > 0) log.info({ fills, settled }, 'reconciled');
    } catch (error) {
      telemetry.reconcileFailed();
      log.warn(errorFields(error), 'reconciliation failed, will repeat');
    }
    const tookMs = performance.now() - startedMs;
    telemetry.reconciled(tookMs);
    nudges.passed(tookMs);
    return lookMs;
  });
  loop.start();
  nudges.start();
  const timers = startTimers(context);
  log.info({}, 'reconciler ready');
  return {
    checks: [...baseChecks(context, []), ...venueChecks({ validator, chainId, heights, indexerHeight })],
    stop: async () => {
      await Promise.all([timers.stop(), loop.stop(), nudges.stop()]);
      await heights.stop();
      await Promise.all([indexer.close(), validator.close()]);
    },
  };
}

async function bookTimed(
  telemetry: Telemetry,
  book: () => Promise<Booked | undefined>,
): Promise<Booked | undefined> {
  const startedMs = performance.now();
  const elapsed = () => performance.now() - startedMs;
  try {
    const booked = await book();
    const changes =
      booked === undefined ? 0 : booked.bookings.length + booked.unexplained.length + booked.settled.length;
    if (changes > 0) telemetry.flushed('report', changes, elapsed(), true);
    return booked;
  } catch (error) {
    telemetry.flushed('report', 0, elapsed(), false);
    throw error;
  }
}
