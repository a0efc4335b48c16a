// What every process of the router shares: settings, log, database, queues. Built once, closed in reverse.
import type { Queue } from 'bullmq';
import { type Config, ConfigError, isPooled, isProduction, type Secrets } from '../config.ts';
import type { Check } from '../ops/health.ts';
import { createLogger, type Logger } from '../ops/logger.ts';
import { createMetrics, type Metrics } from '../ops/metrics.ts';
import { createOutage, type Outage } from '../ops/outage.ts';
import { chooseBackend, type QueueBackend } from '../queue/backend.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { requireKnownServer } from '../store/installation.ts';
import { requireSchema } from '../store/migrations.ts';

export type Context = {
  readonly component: string;
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** past a pooler: for LISTEN, session locks, VACUUM */
  readonly databaseDirectUrl: string;
  readonly db: Database;
  /** Behind a pooler, whose clients outlive a failover: asks what every connection of ours has asked otherwise. */
  readonly requireKnownServer: () => Promise<void>;
  readonly queues: QueueBackend;
  /** The process's one handle of that queue, to add to it and to ask it; closed with the context. */
  readonly queue: <Data>(name: string) => Queue<Data>;
  /** What goes wrong with connections in the background is told here, and what works ends it. */
  readonly outages: { readonly database: Outage; readonly queue: Outage; readonly venue: Outage };
  readonly close: () => Promise<void>;
};

/** A part of the router that runs until it is stopped; both idempotent. */
export type Service = {
  readonly stop: () => Promise<void>;
  /** What must be fine for its process to be ready. */
  readonly checks?: readonly Check[];
};

/** They sign and settle, and their statements name the rows that they want; the others look at whole tables now and then. */
const TRADING: ReadonlySet<string> = new Set(['submitter', 'reconciler']);

/** Opens nothing yet but pools; `requireSchema` is the first question to the database. */
function createContext(component: string, config: Config, secrets: Secrets, metrics: Metrics): Context {
  const { databaseUrl, databaseDirectUrl, redisUrl } = secrets;
  if (databaseUrl === undefined || databaseDirectUrl === undefined) {
    throw new ConfigError('no database: set DATABASE_URL, or run `npm start`, which brings its own');
  }
  const log = createLogger(component, config.LOG_LEVEL);
  const outages = {
    database: createOutage(log, 'database'),
    queue: createOutage(log, 'queue'),
    venue: createOutage(log, 'venue'),
  };
  const queues = chooseBackend({
    redisUrl,
    databaseUrl: databaseDirectUrl,
    queuePrefix: config.QUEUE_PREFIX,
  });
  const db = openDatabase({
    url: databaseUrl,
    isPooled: isPooled(secrets),
    isByKey: TRADING.has(component),
    mustKnowServer: TRADING.has(component),
    maxConnections: config.DATABASE_MAX_CONNECTIONS,
    applicationName: `dydx-order-router ${component}`,
    onError: outages.database.failed,
  });
  const opened = new Map<string, Queue>();
  const queue = <Data>(name: string): Queue<Data> => {
    const known = opened.get(name);
    if (known !== undefined) return known as Queue<Data>;
    const handle = queues.queue<Data>(name);
    handle.on('error', outages.queue.failed);
    opened.set(name, handle as Queue);
    return handle;
  };
  const close = async () => {
    for (const handle of opened.values()) await handle.close();
    await queues.close();
    await db.destroy();
  };
  const stillKnown = async () => {
    if (isPooled(secrets)) await requireKnownServer(db);
  };
  return {
    ...{ component, config, secrets, log, metrics, databaseDirectUrl, db },
    requireKnownServer: stillKnown,
    ...{ queues, queue, outages, close },
  };
}

/** @param metrics given when they are served already */
export async function openContext(
  component: string,
  config: Config,
  secrets: Secrets,
  metrics: Metrics = createMetrics(component),
): Promise<Context> {
  const context = createContext(component, config, secrets, metrics);
  try {
    const newer = await requireSchema(context.db);
    if (newer.length > 0)
      context.log.warn({ newer }, 'the schema is newer than this version, which may run on it');
    return context;
  } catch (error) {
    await context.close();
    throw error;
  }
}

/**
 * For those who take jobs: a queued intent is as safe as the queue's disk, and in production it must have one. The
 * others start without a queue and are of use without it.
 */
export async function refuseForgetfulQueue({ queues, config, log }: Context): Promise<void> {
  const hazards = await queues.hazards();
  if (hazards.length === 0) return;
  if (isProduction(config)) throw new ConfigError(`REDIS_URL: ${hazards.join('; ')}`);
  for (const hazard of hazards) log.warn({ hazard }, 'the queue may lose jobs');
}
