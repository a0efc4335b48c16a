// What every process of the router shares: settings, log, database, queue. Built once, closed in reverse.
import { type Config, ConfigError, type Secrets } from '../config.ts';
import { createLogger, errorFields, type Logger } from '../ops/logger.ts';
import { chooseBackend, type QueueBackend } from '../queue/backend.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { requireSchema } from '../store/migrator.ts';

export type Context = {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Logger;
  readonly databaseUrl: string;
  readonly db: Database;
  readonly queues: QueueBackend;
  readonly close: () => Promise<void>;
};

/** Opens nothing yet but pools; `requireSchema` is the first question to the database. */
export function createContext(component: string, config: Config, secrets: Secrets): Context {
  const { databaseUrl } = secrets;
  if (databaseUrl === undefined) {
    throw new ConfigError('no database: set DATABASE_URL, or run `npm start`, which brings its own');
  }
  const log = createLogger(component, config.LOG_LEVEL);
  const db = openDatabase({
    url: databaseUrl,
    applicationName: `dydx-order-router ${component}`,
    onError: (error) => log.warn(errorFields(error), 'idle database connection lost'),
  });
  const queues = chooseBackend({ redisUrl: secrets.redisUrl, databaseUrl });
  return { config, secrets, log, databaseUrl, db, queues, close: () => db.destroy() };
}

/** A part of the router that runs until it is stopped; both idempotent. */
export type Service = { readonly stop: () => Promise<void> };

export async function openContext(component: string, config: Config, secrets: Secrets): Promise<Context> {
  const context = createContext(component, config, secrets);
  try {
    await requireSchema(context.db);
    return context;
  } catch (error) {
    await context.close();
    throw error;
  }
}
