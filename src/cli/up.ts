// `router up`: the whole system on one machine, from nothing. Database, exchange and workers are started, a file of
// intents is enqueued, a live table shows the orders, and at the end a summary says what is proven.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createRouterClient } from '../client.ts';
import { ConfigError, embeddedUrlFile, readConfig } from '../config.ts';
import { chooseBackend } from '../queue/backend.ts';
import { networkOf, privateKeyOf } from '../runtime/venue.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { startEmbeddedPostgres } from '../store/embedded-postgres.ts';
import { highestKnownBlock, requireChain } from '../store/installation.ts';
import { migrate } from '../store/migrator.ts';
import { PAPER_CHAIN_ID } from '../venue/networks.ts';
import { describeRefused, type Taken, takeIn } from './intake.ts';
import { type ProcessSpec, type Running, startProcess } from './processes.ts';
import { createScreen, type Screen } from './screen.ts';
import { watchUntilSettled } from './settle.ts';
import { exampleStory, type Summary, summarize, summaryAsText } from './summary.ts';

export type UpOptions = {
  /** JSON lines, `-` for standard input; absent: the examples, on the paper exchange only */
  readonly intents: string | undefined;
  readonly dataDir: string | undefined;
  /** of the paper exchange; 0 = any free one */
  readonly port: number;
  readonly seed: number;
  readonly blockMs: number;
  readonly exitWhenSettled: boolean;
  readonly json: boolean;
};

type Session = { readonly summary: Summary | undefined; readonly isSettled: boolean };

const ROOT = resolve(import.meta.dirname, '..', '..');
const EXAMPLES = join(ROOT, 'examples', 'intents.jsonl');
/** Shorter than the five seconds that Ctrl-C may take, database included. */
const CHILD_STOP_MS = 3_500;

/** @returns the exit code: 0, or 1 with --exit-when-settled when something is unsettled, unproven or mismatched */
export async function up(options: UpOptions): Promise<number> {
  const interrupt = new AbortController();
  // A second Ctrl-C does not wait: the data is safe, the next start ends what is left behind.
  const onSignal = () => (interrupt.signal.aborted ? process.exit(130) : interrupt.abort());
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const { summary, isSettled } = await runSession(options, interrupt.signal);
    if (options.json && summary) process.stdout.write(`${JSON.stringify(summary)}\n`);
    if (!options.exitWhenSettled) return 0;
    return isSettled && summary !== undefined && summary.unproven + (summary.mismatched ?? 0) === 0 ? 0 : 1;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** Whatever it started has ended when it returns. */
async function runSession(options: UpOptions, signal: AbortSignal): Promise<Session> {
  const startedMs = Date.now();
  const screen = createScreen(options.json ? process.stderr : process.stdout);
  const dataDir = resolve(options.dataDir ?? (process.env['DATA_DIR'] || '.data'));
  const { config, secrets } = readConfig({ ...process.env, DATA_DIR: dataDir });
  const isPaper = config.DYDX_NETWORK === 'paper';
  const isOwnPaper = isPaper && config.DYDX_VALIDATOR_URL === undefined;
  if (!isOwnPaper) networkOf(config);
  privateKeyOf(config, secrets);
  if (options.intents === undefined && !isPaper) {
    throw new ConfigError(
      `DYDX_NETWORK=${config.DYDX_NETWORK}: the examples are for the paper exchange, give --intents`,
    );
  }

  await using stack = new AsyncDisposableStack();
  mkdirSync(dataDir, { recursive: true });
  stack.defer(lockFolder(dataDir));
  stack.defer(() => screen.line('stopped'));
  const databaseUrl = await openServer(process.env['DATABASE_URL'], dataDir, screen, stack);
  const db = openDatabase({ url: databaseUrl, maxConnections: 4, applicationName: 'dydx-order-router up' });
  stack.defer(() => db.destroy());
  const applied = await migrate(db);
  await chooseBackend({ redisUrl: secrets.redisUrl, databaseUrl }).migrate();
  screen.line(applied.length > 0 ? `schema       ${applied.join(', ')} applied` : 'schema       up to date');

  const venueUrl = isOwnPaper ? await startPaperProcess(options, dataDir, db, screen, stack) : undefined;
  const environment = {
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    ...(venueUrl === undefined ? {} : { DYDX_VALIDATOR_URL: venueUrl, DYDX_INDEXER_URL: venueUrl }),
  };
  await startWorkers(environment, dataDir, screen, stack);
  if (signal.aborted) return { summary: undefined, isSettled: false };

  const client = createRouterClient({ databaseUrl, redisUrl: secrets.redisUrl });
  stack.defer(() => client.close());
  const since = new Date();
  const file = options.intents ?? EXAMPLES;
  screen.line(`intents      ${file === '-' ? 'standard input' : file}`);
  const taken: Taken[] = [];
  await takeIn(client, db, file, 'queued', (item) => {
    taken.push(item);
    if ('refusals' in item) {
      screen.line(`  ${describeRefused(item)}`);
    }
  });
  const keys = taken.flatMap((item) => ('refusals' in item ? [] : [item]));
  const watched = await watchUntilSettled(db, keys, since, screen, signal);
  const truthUrl = isPaper
    ? `${venueUrl ?? config.DYDX_VALIDATOR_URL?.replace(/\/+$/, '')}/paper/truth`
    : undefined;
  const run = { intents: taken.length, refused: taken.length - keys.length + watched.refused, startedMs };
  const summary = await summarize(db, run, truthUrl, (finding) => screen.line(finding));
  const story = await exampleStory(db, keys);
  if (story !== undefined) screen.line(`\none order, whole (npx router show CLIENT_ID):\n\n${story}`);
  screen.line(summaryAsText(summary));
  if (!watched.isSettled) screen.line('Not every intent is final yet: the next start goes on with them.');
  if (!options.exitWhenSettled && !signal.aborted) {
    screen.line(
      '\nrunning; Ctrl-C ends it. In another terminal: npx router orders, npx router show CLIENT_ID',
    );
    await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
    screen.line('\nstopping');
  }
  return { summary, isSettled: watched.isSettled };
}

/** Two of them on one folder would end each other's database. @returns how to unlock */
function lockFolder(dataDir: string): () => void {
  const file = join(dataDir, 'up.pid');
  const holder = existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
  if (holder !== undefined && holder !== process.pid && isAlive(holder)) {
    throw new Error(`process ${holder} is already using ${dataDir}: end it, or choose another --data-dir`);
  }
  writeFileSync(file, String(process.pid));
  return () => rmSync(file, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function openServer(
  given: string | undefined,
  dataDir: string,
  screen: Screen,
  stack: AsyncDisposableStack,
): Promise<string> {
  if (given) {
    screen.line('database     DATABASE_URL');
    return given;
  }
  screen.draw(['starting the database …']);
  const server = await startEmbeddedPostgres({ folder: join(dataDir, 'postgres') });
  stack.defer(server.stop);
  const urlFile = embeddedUrlFile(dataDir);
  writeFileSync(urlFile, server.url, { mode: 0o600 });
  stack.defer(() => rmSync(urlFile, { force: true }));
  screen.line(`database     embedded PostgreSQL, in ${join(dataDir, 'postgres')}`);
  return server.url;
}

/** Every database has an exchange of its own: one that knows other orders would contradict it. @returns its URL */
async function startPaperProcess(
  options: UpOptions,
  dataDir: string,
  db: Database,
  screen: Screen,
  stack: AsyncDisposableStack,
): Promise<string> {
  const installation = await requireChain(db, PAPER_CHAIN_ID);
  const folder = join(dataDir, `paper-${installation.slice(0, 8)}`);
  const known = await highestKnownBlock(db);
  if (known > 0 && !existsSync(folder)) {
    throw new Error(
      `the database has traded up to block ${known} of a paper exchange whose data is not in ${dataDir}: ` +
        'give the --data-dir of that time, or an empty database',
    );
  }
  const flags = ['--port', options.port, '--seed', options.seed, '--block-ms', options.blockMs].map(String);
  const args = [join(ROOT, 'src', 'cli.ts'), 'paper', ...flags, '--data-dir', folder];
  const running = await start({ name: 'paper', args, env: {} }, dataDir, screen, stack);
  const url = String(running.ready);
  screen.line(`exchange     paper exchange at ${url}`);
  return url;
}

async function startWorkers(
  env: Readonly<Record<string, string>>,
  dataDir: string,
  screen: Screen,
  stack: AsyncDisposableStack,
): Promise<void> {
  const names = ['reconciler', 'maintenance', 'submitter'];
  const specs = names.map((name) => ({ name, args: [join(ROOT, 'workers', `${name}.ts`)], env }));
  await Promise.all(specs.map((spec) => start(spec, dataDir, screen, stack)));
  screen.line(`workers      ${names.join(', ')}; logs in ${join(dataDir, 'logs')}`);
}

async function start(
  spec: ProcessSpec,
  dataDir: string,
  screen: Screen,
  stack: AsyncDisposableStack,
): Promise<Running> {
  const onExit = (name: string, how: string) => screen.line(`${name} ended (${how}), starting it again`);
  screen.draw([`starting ${spec.name} …`]);
  const running = await startProcess(spec, join(dataDir, 'logs'), onExit);
  stack.defer(() => running.stop(CHILD_STOP_MS));
  return running;
}
