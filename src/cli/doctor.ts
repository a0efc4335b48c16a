// `router doctor`: asks everything that a process of the router needs, each part within a deadline, and says of each
// in one line what was found and what to do. Nothing is written anywhere.
import { findClientTools } from '../backup/client-tools.ts';
import { type Config, isPooled, isProduction, readConfig, type Secrets } from '../config.ts';
import { noTelemetry } from '../core/telemetry.ts';
import { createLogger } from '../ops/logger.ts';
import { readableError } from '../ops/readable-error.ts';
import { inspectRedis } from '../queue/inspect-redis.ts';
import { QUEUES } from '../queue/jobs.ts';
import { CONNECTIONS_OF_A_SUBMITTER, requirePostgresQueue } from '../queue/postgres-backend.ts';
import { readAccounts } from '../runtime/configured-accounts.ts';
import { networkOf, openIndexer, openValidator } from '../runtime/venue.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { inspectDatabase, installedChain, lackingRights, unmaintainable } from '../store/inspect.ts';
import { requireKnownServer } from '../store/installation.ts';
import { migrationStatus, requireSchema } from '../store/migrations.ts';
import { listHeartbeats } from '../store/queue-heartbeats.ts';
import { sqlstateOf } from '../store/sqlstate.ts';
import { readUpkeep } from '../store/table-figures.ts';
import { readIndexerBudget } from '../venue/indexer-budget.ts';
import { paperPrivateKey } from '../venue/keys.ts';
import { PAPER_CHAIN_ID } from '../venue/networks.ts';
import {
  fail,
  type Judgement,
  judgeBlock,
  judgeBudget,
  judgeChain,
  judgeConnections,
  judgeDatabaseClock,
  judgeDatabaseVersion,
  judgeDurability,
  judgeExtensions,
  judgeHeartbeats,
  judgeIndexer,
  judgeInstallation,
  judgeMaintenance,
  judgeNode,
  judgeOwnership,
  judgePooling,
  judgeRedisEviction,
  judgeRedisPersistence,
  judgeRedisVersion,
  judgeRights,
  judgeSchema,
  ok,
  skip,
  warn,
} from './doctor-judge.ts';
import { table } from './output.ts';

type Check = { readonly name: string } & Judgement;

/** Longer than any connection may take. */
const ASK_MS = 8_000;

const DATABASE_CHECKS = [
  'database version',
  'database durability',
  'database clock',
  'extensions',
  'connections',
  'pooling',
  'schema',
  'rights',
  'ownership',
  'backup',
  'installation',
  'server',
  'maintenance',
  'heartbeats',
];

/** @returns 0, or 1 when something fails */
export async function runDoctor(json: boolean): Promise<number> {
  const checks = await examine(process.env);
  const isFine = checks.every(({ status }) => status !== 'FAIL');
  if (json) console.log(JSON.stringify({ ok: isFine, checks }));
  else console.log(table(checks.map((check) => [check.status, check.name, lineOf(check)])));
  return isFine ? 0 : 1;
}

function lineOf({ found, todo }: Judgement): string {
  return (todo === '' ? found : `${found} — ${todo}`).replace(/\s+/g, ' ');
}

async function examine(environment: NodeJS.ProcessEnv): Promise<readonly Check[]> {
  const node = { name: 'node', ...judgeNode(process.version) };
  let settings: { readonly config: Config; readonly secrets: Secrets };
  try {
    settings = readConfig(environment);
  } catch (error) {
    const why = skip('without usable settings nothing else can be asked');
    return [
      node,
      { name: 'settings', ...fail(readableError(error), 'correct the environment or .env') },
      ...['database', 'venue', 'queue'].map((name) => ({ name, ...why })),
    ];
  }
  const { config, secrets } = settings;
  const isOwnStack =
    secrets.databaseUrl !== undefined && !environment['DATABASE_URL'] && !environment['DATABASE_URL_FILE'];
  const mode = isProduction(config) ? 'production' : 'development';
  const [database, venue, queue] = await Promise.all([
    examineDatabase(config, secrets),
    examineVenue(config, secrets, isOwnStack),
    examineQueue(config, secrets),
  ]);
  return [
    node,
    { name: 'settings', ...ok(`network ${config.DYDX_NETWORK}, ${mode}`) },
    ...database,
    ...venue,
    ...queue,
  ];
}

/** Asks, and judges what comes or that nothing came. */
async function check(name: string, ask: () => Promise<Judgement> | Judgement): Promise<Check> {
  try {
    return { name, ...(await inTime(ask)) };
  } catch (error) {
    return { name, ...failed(error) };
  }
}

/** "what happened: what to do" becomes both parts. */
function failed(error: unknown): Judgement {
  const [found = '', ...todo] = readableError(error).split(/: (?=[^:]*$)/);
  return fail(found, todo.join(': '));
}

async function inTime<Result>(ask: () => Promise<Result> | Result): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`no answer within ${ASK_MS / 1000} s: is it overloaded or locked?`)),
    ASK_MS,
  );
  try {
    return await Promise.race([ask(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const INSUFFICIENT_PRIVILEGE = '42501';

async function examineServer(db: Database, actsAs: readonly string[]): Promise<Judgement> {
  try {
    await requireKnownServer(db);
    return ok('the one on which its record is complete');
  } catch (error) {
    const isOther = actsAs.length > 0 && !actsAs.includes('cryptopulse_worker');
    if (isOther && sqlstateOf(error) === INSUFFICIENT_PRIVILEGE) return skip("only a worker's login may ask");
    throw error;
  }
}

async function examineDatabase(config: Config, secrets: Secrets): Promise<Check[]> {
  const { databaseUrl: url, redisUrl } = secrets;
  if (url === undefined) {
    const todo = 'set DATABASE_URL, or DATA_DIR to the folder of a running `npm start`';
    return [{ name: 'database', ...fail('none is set', todo) }, ...skipped(DATABASE_CHECKS, 'no database')];
  }
  const pooled = isPooled(secrets);
  const db = openDatabase({
    url,
    isPooled: pooled,
    maxConnections: 1,
    applicationName: 'dydx-order-router doctor',
  });
  try {
    const facts = await inTime(() => inspectDatabase(db));
    const perSubmitter =
      config.DATABASE_MAX_CONNECTIONS + (redisUrl === undefined ? CONNECTIONS_OF_A_SUBMITTER : 0);
    const checks: Check[] = [
      { name: 'database', ...ok(`${placeOf(url)}, as ${facts.role}`) },
      { name: 'database version', ...judgeDatabaseVersion(facts) },
      { name: 'database durability', ...judgeDurability(facts) },
      { name: 'database clock', ...judgeDatabaseClock(facts) },
      { name: 'extensions', ...judgeExtensions(facts) },
      { name: 'connections', ...judgeConnections(facts, perSubmitter) },
      { name: 'pooling', ...judgePooling(facts, pooled) },
    ];
    const schema = await check('schema', async () => {
      const problem = await requireSchema(db).then(
        () => undefined,
        (error: unknown) => readableError(error),
      );
      const applied = (await migrationStatus(db)).filter(({ appliedAt }) => appliedAt !== undefined);
      return judgeSchema(
        problem,
        applied.map(({ name }) => name),
      );
    });
    checks.push(
      schema,
      await check('rights', async () => judgeRights(facts, await lackingRights(db, facts))),
      await check('ownership', async () => judgeOwnership(facts, await unmaintainable(db))),
      await check('backup', () => examineBackup(config, facts.versionNumber)),
    );
    if (schema.status === 'FAIL')
      return [...checks, ...skipped(['installation', 'server', 'maintenance', 'heartbeats'], 'the schema')];
    return [
      ...checks,
      await check('installation', async () => judgeInstallation(await installedChain(db), chainIdOf(config))),
      await check('server', () => examineServer(db, facts.actsAs)),
      await check('maintenance', async () => judgeMaintenance(await readUpkeep(db))),
      await check('heartbeats', async () =>
        judgeHeartbeats(await listHeartbeats(db), QUEUES, config.HEARTBEAT_MAX_AGE_MS),
      ),
    ];
  } catch (error) {
    return [{ name: 'database', ...failed(error) }, ...skipped(DATABASE_CHECKS, 'the database')];
  } finally {
    // One that hangs must not hold up the end: the process exits with its answer.
    db.destroy().catch(() => {});
  }
}

async function examineBackup(
  { BACKUP_DIR: folder, PG_BIN_DIR }: Config,
  serverVersion: number,
): Promise<Judgement> {
  if (folder === undefined)
    return warn('none are made here', 'set BACKUP_DIR, or let another tool make them (docs/operations.md)');
  const { major } = await findClientTools(PG_BIN_DIR, serverVersion);
  return ok(`into ${folder}, by pg_dump ${major}`);
}

/** @param isOwnStack the database is that of a running `npm start`, which alone knows where its exchange is */
async function examineVenue(config: Config, secrets: Secrets, isOwnStack: boolean): Promise<Check[]> {
  let owners: readonly string[] = [];
  const key = await check('key', async () => {
    const accounts = await readAccounts(config, secrets);
    owners = accounts.map(({ owner }) => owner);
    const isPublic = accounts.some(({ privateKey }) => Buffer.from(privateKey).equals(paperPrivateKey()));
    return ok(`${owners.join(', ')}${isPublic ? ' (the public key of the paper exchange)' : ''}`);
  });
  let chainId: string;
  try {
    ({ chainId } = networkOf(config));
  } catch (error) {
    const names = ['block', 'account', 'indexer', 'indexer budget'];
    if (isOwnStack) return [key, ...skipped(['validator', ...names], '`npm start` runs its own exchange')];
    return [key, { name: 'validator', ...failed(error) }, ...skipped(names, 'the venue is not configured')];
  }
  const log = createLogger('doctor', 'silent');
  const validator = openValidator(config, log);
  const indexer = openIndexer(config, log, noTelemetry);
  const { indexerUrl, validatorUrls } = networkOf(config);
  try {
    const chain = await check('validator', async () => judgeChain(await validator.chainId(), chainId));
    let height: number | undefined;
    const block = async () => {
      const newest = await validator.latestBlock();
      height = newest.height;
      return judgeBlock(newest, Date.now());
    };
    const account = async () => {
      if (owners.length === 0) return skip('skipped: the key');
      const numbers = await Promise.all(owners.map(validator.accountNumber));
      return ok(`number ${numbers.join(', ')}`);
    };
    const onChain =
      chain.status === 'ok'
        ? [await check('block', block), await check('account', account)]
        : skipped(['block', 'account'], 'the validator');
    const indexerCheck = await check('indexer', async () => {
      const indexerHeight = await indexer.height();
      return judgeIndexer(indexerHeight, height);
    });
    return [
      key,
      at(validatorUrls, chain),
      ...onChain,
      at([indexerUrl], indexerCheck),
      indexerCheck.status === 'FAIL'
        ? { name: 'indexer budget', ...skip('skipped: the indexer') }
        : await check('indexer budget', async () =>
            judgeBudget(
              await readIndexerBudget(indexerUrl, config.INDEXER_TIMEOUT_MS),
              config.RECONCILE_INTERVAL_MS,
            ),
          ),
    ];
  } finally {
    for (const opened of [validator, indexer]) opened.close().catch(() => {});
  }
}

async function examineQueue(
  config: Config,
  { redisUrl, databaseDirectUrl: databaseUrl }: Secrets,
): Promise<Check[]> {
  if (redisUrl === undefined) {
    if (databaseUrl === undefined) return skipped(['queue'], 'no database');
    const queue = await check('queue', async () => {
      try {
        await requirePostgresQueue(databaseUrl, ASK_MS / 2);
      } catch (error) {
        const isMissing =
          error instanceof Error && /Migration|Mismatch|migrat/i.test(`${error.name} ${error.message}`);
        if (isMissing)
          return fail("BullMQ's tables are missing or of another version", 'run `router migrate`');
        return skip('skipped: the database');
      }
      return ok("BullMQ's PostgreSQL backend, schema up to date");
    });
    return [queue];
  }
  const names = ['redis version', 'redis eviction', 'redis persistence'];
  try {
    const nodes = await inTime(() => inspectRedis(redisUrl));
    const isStrict = isProduction(config);
    return [
      { name: 'queue', ...ok(`Redis, keys begin with ${config.QUEUE_PREFIX}`) },
      { name: 'redis version', ...judgeRedisVersion(nodes) },
      { name: 'redis eviction', ...judgeRedisEviction(nodes, isStrict) },
      { name: 'redis persistence', ...judgeRedisPersistence(nodes, isStrict) },
    ];
  } catch (error) {
    return [{ name: 'queue', ...failed(error) }, ...skipped(names, 'Redis')];
  }
}

function skipped(names: readonly string[], why: string): Check[] {
  return names.map((name) => ({ name, ...skip(`skipped: ${why}`) }));
}

/** An error names the place itself. */
function at(urls: readonly string[], one: Check): Check {
  const hosts = urls.map((url) => new URL(url).host).join(', ');
  return one.status === 'FAIL' ? one : { ...one, found: `${one.found} at ${hosts}` };
}

function chainIdOf(config: Config): string {
  const known = config.DYDX_NETWORK === 'paper' ? PAPER_CHAIN_ID : config.DYDX_CHAIN_ID;
  return known ?? networkOf(config).chainId;
}

/** Without user and password. */
function placeOf(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl);
  return `${host}${pathname}`;
}
