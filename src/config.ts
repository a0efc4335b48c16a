// All settings, read from the environment once, checked together, frozen. Nothing else reads process.env.
// Secrets live apart from the rest, so that the rest may be logged.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CronExpressionParser } from 'cron-parser';
import { z } from 'zod';

const mustStartWith = (protocols: readonly string[]) =>
  `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`;

const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol),
      mustStartWith(protocols),
    );

const MAX_VALIDATORS = 8;

/** Whole rule, no value: the path of a paid URL is a key. */
const validatorUrls = z
  .string()
  .transform((value) => value.split(',').map((one) => one.trim()))
  .refine(
    (urls) =>
      urls.length <= MAX_VALIDATORS &&
      urls.every((one) => url('http:', 'https:').safeParse(one).success) &&
      new Set(urls).size === urls.length,
    `must be 1 to ${MAX_VALIDATORS} different URLs that start with http:// or https://, separated by commas`,
  );

const MAX_UINT64 = 2n ** 64n - 1n;

/** uint64 in digits, as the chain numbers them. */
export function isAuthenticatorId(text: string): boolean {
  return /^\d{1,20}$/.test(text) && BigInt(text) <= MAX_UINT64;
}

const authenticatorIds = z
  .string()
  .transform((value) => value.split(',').map((id) => id.trim()))
  .refine((ids) => ids.every(isAuthenticatorId), 'must be ids such as 1 or 1,2')
  .transform((ids) => ids.map(BigInt));

const databaseUrl = url('postgres:', 'postgresql:');

const REDIS_SCHEMES = [
  'redis',
  'rediss',
  'redis-sentinel',
  'rediss-sentinel',
  'redis-cluster',
  'rediss-cluster',
];
/** Several hosts in one URL are more than URL can parse: src/queue/redis-url.ts reads it. */
const redisUrl = z
  .string()
  .refine(
    (value) => REDIS_SCHEMES.includes(value.split('://')[0] ?? '') && value.includes('://'),
    mustStartWith(REDIS_SCHEMES.map((scheme) => `${scheme}:`)),
  );

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be between ${min} and ${max}`);

const boolean = (standard: 'true' | 'false') =>
  z
    .enum(['true', 'false'], 'must be true or false')
    .default(standard)
    .transform((value) => value === 'true');

const decimal = z.string().regex(/^\d{1,20}(\.\d{1,18})?$/, 'must be a decimal such as 100000 or 0.25');

const optional = z.string().optional();

/** `off`, or a cron pattern in UTC. */
const schedule = (standard: string) =>
  z
    .string()
    .refine(
      (value) => value === 'off' || isCronPattern(value),
      'must be a cron pattern in UTC such as 30 3 * * *, or off',
    )
    .default(standard)
    .transform((value) => (value === 'off' ? undefined : value));

function isCronPattern(text: string): boolean {
  try {
    // One that never comes has no previous time either.
    CronExpressionParser.parse(text, { tz: 'UTC' }).prev();
    return true;
  } catch {
    return false;
  }
}

/** Every variable that the router reads; .env.example documents them and a test compares the two. */
export const environmentSchema = z.object({
  NODE_ENV: z.string().default('development'),
  DATABASE_URL: databaseUrl.optional(),
  DATABASE_URL_FILE: optional,
  DATABASE_DIRECT_URL: databaseUrl.optional(),
  DATABASE_DIRECT_URL_FILE: optional,
  DATABASE_MAX_CONNECTIONS: integer(2, 25).default(8),
  REDIS_URL: redisUrl.optional(),
  REDIS_URL_FILE: optional,
  QUEUE_PREFIX: z
    .string()
    .regex(
      /^\{[\w.-]{1,60}\}$/,
      'must be a name in braces such as {router}: they keep a queue in one cluster slot',
    )
    .default('{router}'),
  HOST: z.string().default('127.0.0.1'),
  PORT: integer(0, 65_535).optional(),
  DATA_DIR: z.string().default('.data'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  DYDX_NETWORK: z.enum(['paper', 'testnet', 'mainnet', 'custom']).default('paper'),
  DYDX_CHAIN_ID: optional,
  DYDX_VALIDATOR_URLS: validatorUrls.optional(),
  DYDX_INDEXER_URL: url('http:', 'https:').optional(),
  DYDX_PRIVATE_KEY: optional,
  DYDX_PRIVATE_KEY_FILE: optional,
  DYDX_MNEMONIC: optional,
  DYDX_MNEMONIC_FILE: optional,
  DYDX_OWNER: optional,
  DYDX_AUTHENTICATOR_IDS: authenticatorIds.optional(),
  DYDX_TENANT_ID: z.string().max(255).optional(),
  DYDX_ACCOUNTS_FILE: optional,
  REQUIRE_TRADE_ONLY_KEYS: boolean('false'),
  VALIDATOR_TIMEOUT_MS: integer(100, 60_000).default(3_000),
  INDEXER_TIMEOUT_MS: integer(100, 60_000).default(5_000),
  HEIGHT_POLL_MS: integer(10, 10_000).default(250),
  MARKETS_POLL_MS: integer(100, 600_000).default(5_000),
  RESEND_AFTER_MS: integer(200, 600_000).default(6_000),
  JOB_LOCK_MS: integer(500, 600_000).default(30_000),
  ORACLE_MAX_AGE_MS: integer(100, 3_600_000).default(30_000),
  SUBMIT_CONCURRENCY: integer(1, 1_000).default(256),
  MARKET_SLIPPAGE_PPM: integer(1, 500_000).default(50_000),
  IOC_GOOD_TIL_BLOCKS: integer(1, 40).default(5),
  RESIGN_WINDOW_BLOCKS: integer(0, 40).default(20),
  STATEFUL_POLL_MS: integer(20, 60_000).default(1_000),
  STATEFUL_WATCH_MS: integer(100, 3_600_000).default(30_000),
  MAX_ORDER_NOTIONAL: decimal.optional(),
  MAX_OPEN_ORDERS: integer(0, 1_000_000).optional(),
  MAX_EXPOSURE: decimal.optional(),
  PRICE_COLLAR_PPM: integer(0, 10_000_000).optional(),
  MAX_INTENTS_PER_SECOND: integer(1, 1_000_000).optional(),
  RATE_LIMIT_SHARE: integer(1, 100).default(50),
  CONTROLS_POLL_MS: integer(20, 500).default(250),
  EXPOSURE_POLL_MS: integer(20, 60_000).default(1_000),
  RECONCILE_INTERVAL_MS: integer(50, 60_000).default(1_000),
  INDEXER_WEBSOCKET: boolean('true'),
  INDEXER_REQUESTS_PER_10S: integer(6, 1_000_000).default(100),
  SETTLE_MARGIN_BLOCKS: integer(0, 40).default(1),
  SWEEP_INTERVAL_MS: integer(50, 600_000).default(10_000),
  HEARTBEAT_MAX_AGE_MS: integer(100, 3_600_000).default(60_000),
  SHUTDOWN_TIMEOUT_MS: integer(100, 60_000).default(4_000),
  BACKUP_SCHEDULE: schedule('30 1 * * *'),
  ARCHIVE_SCHEDULE: schedule('30 2 * * *'),
  VACUUM_SCHEDULE: schedule('30 3 * * *'),
  ANALYZE_SCHEDULE: schedule('0 4 * * 0'),
  PRUNE_SCHEDULE: schedule('30 4 * * *'),
  VACUUM_TABLE_TIMEOUT_S: integer(1, 86_400).default(3_600),
  ARCHIVE_AFTER_DAYS: integer(1, 36_500).default(90),
  BACKUP_DIR: optional,
  BACKUP_DATABASE_URL: databaseUrl.optional(),
  BACKUP_DATABASE_URL_FILE: optional,
  PG_BIN_DIR: optional,
  BACKUP_KEEP_DAYS: integer(1, 36_500).default(14),
  RECORDS_KEEP_DAYS: integer(30, 36_500).default(365),
});

type Environment = z.output<typeof environmentSchema>;

/** Each of them is given as it is or, better, in a file that only the router may read. */
type Secret =
  | 'DATABASE_URL'
  | 'DATABASE_DIRECT_URL'
  | 'BACKUP_DATABASE_URL'
  | 'REDIS_URL'
  | 'DYDX_PRIVATE_KEY'
  | 'DYDX_MNEMONIC';

export type Config = Readonly<Omit<Environment, Secret | `${Secret}_FILE`>>;

/** Never logged. */
export type Secrets = {
  readonly databaseUrl: string | undefined;
  /** past a transaction pooler: for what needs a session; the same as databaseUrl when none is set */
  readonly databaseDirectUrl: string | undefined;
  /** by a login that may read everything; the same as databaseDirectUrl when none is set */
  readonly backupDatabaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly privateKey: string | undefined;
  readonly mnemonic: string | undefined;
};

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** @param environment process.env; empty values count as unset */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): {
  config: Config;
  secrets: Secrets;
} {
  const known = Object.keys(environmentSchema.shape);
  const given = Object.fromEntries(
    known.map((name) => [name, environment[name] === '' ? undefined : environment[name]]),
  );
  const parsed = environmentSchema.safeParse(given);
  if (parsed.success && parsed.data.RESEND_AFTER_MS <= parsed.data.VALIDATOR_TIMEOUT_MS) {
    throw new ConfigError(
      'RESEND_AFTER_MS must be greater than VALIDATOR_TIMEOUT_MS: an answer may still come',
    );
  }
  if (parsed.success && parsed.data.HEARTBEAT_MAX_AGE_MS < 2 * parsed.data.SWEEP_INTERVAL_MS) {
    throw new ConfigError(
      'HEARTBEAT_MAX_AGE_MS must be at least twice SWEEP_INTERVAL_MS, at which heartbeats are sent',
    );
  }
  if (parsed.success && parsed.data.ORACLE_MAX_AGE_MS < 2 * parsed.data.MARKETS_POLL_MS) {
    throw new ConfigError(
      'ORACLE_MAX_AGE_MS must be at least twice MARKETS_POLL_MS: between two refreshes MARKET orders would wait',
    );
  }
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`the settings are not usable:\n  ${lines.join('\n  ')}`);
  }
  const {
    DATABASE_URL,
    DATABASE_URL_FILE,
    DATABASE_DIRECT_URL,
    DATABASE_DIRECT_URL_FILE,
    BACKUP_DATABASE_URL,
    BACKUP_DATABASE_URL_FILE,
    REDIS_URL,
    REDIS_URL_FILE,
    DYDX_PRIVATE_KEY,
    DYDX_PRIVATE_KEY_FILE,
    DYDX_MNEMONIC,
    DYDX_MNEMONIC_FILE,
    ...config
  } = parsed.data;
  const directUrl =
    DATABASE_DIRECT_URL ?? readUrlFile('DATABASE_DIRECT_URL_FILE', DATABASE_DIRECT_URL_FILE, databaseUrl);
  const mainUrl = DATABASE_URL ?? readUrlFile('DATABASE_URL_FILE', DATABASE_URL_FILE, databaseUrl);
  if (directUrl !== undefined && mainUrl === undefined) {
    throw new ConfigError(
      'DATABASE_DIRECT_URL is the way past the pooler that DATABASE_URL names: set that, too, or only DATABASE_URL',
    );
  }
  const backupUrl =
    BACKUP_DATABASE_URL ?? readUrlFile('BACKUP_DATABASE_URL_FILE', BACKUP_DATABASE_URL_FILE, databaseUrl);
  const ownUrl = mainUrl ?? readEmbeddedUrl(config.DATA_DIR);
  return {
    config: Object.freeze(config),
    secrets: Object.freeze({
      databaseUrl: ownUrl,
      databaseDirectUrl: directUrl ?? ownUrl,
      backupDatabaseUrl: backupUrl ?? directUrl ?? ownUrl,
      redisUrl: REDIS_URL ?? readUrlFile('REDIS_URL_FILE', REDIS_URL_FILE, redisUrl),
      privateKey: DYDX_PRIVATE_KEY ?? readSecretFile('DYDX_PRIVATE_KEY_FILE', DYDX_PRIVATE_KEY_FILE),
      mnemonic: DYDX_MNEMONIC ?? readSecretFile('DYDX_MNEMONIC_FILE', DYDX_MNEMONIC_FILE),
    }),
  };
}

/** What only costs money elsewhere is refused here: a queue that forgets, a clock that is wrong. */
export function isProduction(config: Pick<Config, 'NODE_ENV' | 'DYDX_NETWORK'>): boolean {
  return config.NODE_ENV === 'production' || config.DYDX_NETWORK === 'mainnet';
}

/** DATABASE_URL is a pooler that lends a connection per transaction: the other URL would be of no use otherwise. */
export function isPooled({ databaseUrl, databaseDirectUrl }: Secrets): boolean {
  return databaseUrl !== databaseDirectUrl;
}

function readUrlFile(name: string, path: string | undefined, schema: z.ZodType<string>): string | undefined {
  const text = readSecretFile(name, path);
  const parsed = schema.optional().safeParse(text);
  // The value is a secret: only the rule is told.
  if (!parsed.success)
    throw new ConfigError(`${name}: the text in ${path} ${parsed.error.issues[0]?.message}`);
  return text;
}

function readSecretFile(name: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ConfigError(`${name}: cannot read ${path} (${error instanceof Error ? error.message : error})`);
  }
}

/** Where `router up` tells other commands which embedded database runs on a data folder. */
export function embeddedUrlFile(dataDir: string): string {
  return join(dataDir, 'database.url');
}

function readEmbeddedUrl(dataDir: string): string | undefined {
  const file = embeddedUrlFile(dataDir);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}
