// The database of a command, opened by the settings and closed with it. Only what that needs is loaded: a halt is in a hurry.
import type { RouterClientOptions } from '../client.ts';
import { ConfigError, isPooled, readConfig } from '../config.ts';
import { type Database, openDatabase } from '../store/database.ts';

export type Connected = {
  readonly db: Database;
  /** where the router's database and queue are */
  readonly router: RouterClientOptions & { readonly databaseDirectUrl: string };
};

type Door = {
  /** migrations and roles: no pooler in between, and no hurry */
  readonly isDirect?: boolean;
};

export async function withDatabase<Result>(
  work: (connected: Connected) => Promise<Result>,
  { isDirect = false }: Door = {},
): Promise<Result> {
  const { config, secrets } = readConfig(process.env);
  const { databaseUrl, databaseDirectUrl, redisUrl } = secrets;
  if (databaseUrl === undefined || databaseDirectUrl === undefined) {
    throw new ConfigError(
      'no database: set DATABASE_URL, or DATA_DIR to the folder of a running `npm start`',
    );
  }
  const db = openDatabase({
    url: isDirect ? databaseDirectUrl : databaseUrl,
    maxConnections: 4,
    applicationName: 'dydx-order-router cli',
    ...(isDirect ? { isUnhurried: true } : { isPooled: isPooled(secrets) }),
  });
  try {
    const router = { databaseUrl, databaseDirectUrl, redisUrl, queuePrefix: config.QUEUE_PREFIX };
    return await work({ db, router });
  } finally {
    await db.destroy();
  }
}
