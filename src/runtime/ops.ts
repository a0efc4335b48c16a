// The ops process: shows the state of the whole fleet to Prometheus and says whether all that it can see is well. It
// trades nothing, holds no key, and starts whether or not the venue can be reached.
import { createDatabaseMetrics } from '../ops/database-metrics.ts';
import { createFleetMetrics } from '../ops/fleet-metrics.ts';
import { watchHeights } from '../ops/height-metrics.ts';
import { type JobData, QUEUES } from '../queue/jobs.ts';
import { readFigures } from '../store/figures.ts';
import { refuseOtherChain } from '../store/installation.ts';
import { listHeartbeats } from '../store/queue-heartbeats.ts';
import { readDatabaseFigures } from '../store/table-figures.ts';
import { createHeightFeed } from '../venue/height-feed.ts';
import type { Context, Service } from './context.ts';
import { baseChecks, venueChecks } from './health.ts';
import { rememberHeight } from './indexer-height.ts';
import { startTimers } from './timers.ts';
import { HEIGHT_MAX_AGE_MS, networkOf, openIndexer, openValidator } from './venue.ts';

const JOB_STATES = ['waiting', 'active', 'delayed', 'prioritized', 'failed'] as const;
/** Nothing is signed with this height: a block more or less does not matter. */
const HEIGHT_POLL_MS = 1_000;

export async function startOps(context: Context): Promise<Service> {
  const { db, log } = context;
  const venue = await watchVenue(context);
  const fleet = createFleetMetrics(context.metrics.registry);
  const database = createDatabaseMetrics(context.metrics.registry);
  context.metrics.addSources([
    {
      name: 'database',
      read: async () => {
        fleet.showOrders(await readFigures(db));
        fleet.showHeartbeats(await listHeartbeats(db));
      },
      forget: fleet.forgetDatabase,
    },
    {
      name: 'tables',
      read: async () => database.show(await readDatabaseFigures(db)),
      forget: database.forget,
    },
    {
      name: 'queue',
      read: async () => {
        fleet.showQueues(await Promise.all(QUEUES.map((queue) => countJobs(context, queue))));
      },
      forget: fleet.forgetQueues,
    },
    ...venue.sources,
  ]);
  const timers = startTimers(context);
  log.info({}, 'ops ready');
  return {
    checks: [...baseChecks(context, QUEUES), ...venue.checks],
    stop: async () => {
      await Promise.all([timers.stop(), venue.stop()]);
    },
  };
}

async function countJobs(context: Context, queue: string) {
  const counts = await context.queue<JobData>(queue).getJobCounts(...JOB_STATES);
  return { queue, jobs: counts };
}

type Watched = {
  readonly sources: Parameters<Context['metrics']['addSources']>[0];
  readonly checks: NonNullable<Service['checks']>;
  readonly stop: () => Promise<void>;
};

async function watchVenue({ config, db, log, metrics, outages }: Context): Promise<Watched> {
  if (config.DYDX_NETWORK === 'paper' && config.DYDX_VALIDATOR_URLS === undefined) {
    log.warn({}, 'no venue is watched: set DYDX_VALIDATOR_URLS and DYDX_INDEXER_URL');
    return { sources: [], checks: [], stop: async () => {} };
  }
  const { chainId } = networkOf(config);
  await refuseOtherChain(db, chainId);
  const validator = openValidator(config, log);
  const indexer = openIndexer(config, log, metrics.telemetry);
  const heights = createHeightFeed({
    validator,
    intervalMs: HEIGHT_POLL_MS,
    maxAgeMs: HEIGHT_MAX_AGE_MS,
    onError: outages.venue.failed,
    onSeen: outages.venue.works,
  });
  const indexerHeight = rememberHeight(indexer);
  let isIndexerKnown = false;
  watchHeights(metrics.registry, {
    validator: heights,
    indexer: () => (isIndexerKnown ? indexerHeight.last() : undefined),
  });
  heights.start();
  return {
    sources: [
      {
        name: 'indexer',
        read: async () => {
          await indexerHeight.ask();
          isIndexerKnown = true;
        },
        forget: () => {
          isIndexerKnown = false;
        },
      },
    ],
    checks: venueChecks({ validator, chainId, heights, indexerHeight }),
    stop: async () => {
      await heights.stop();
      await Promise.all([indexer.close(), validator.close()]);
    },
  };
}
