// `router up`: the whole system on one machine, from nothing. Database, exchange and workers are started, a file of
// intents is enqueued, a live table shows the orders, and at the end a summary says what is proven. Whatever ends it,
// an interrupt in any phase included, everything that it started has ended within five seconds.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createRouterClient, type RouterClient } from '../client.ts';
import { ConfigError, embeddedUrlFile, readConfig } from '../config.ts';
import { chooseBackend } from '../queue/backend.ts';
import { readAccounts } from '../runtime/configured-accounts.ts';
import { networkOf } from '../runtime/venue.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { startEmbeddedPostgres } from '../store/embedded-postgres.ts';
import { highestKnownBlock, requireChain } from '../store/installation.ts';
import type { OrderKey } from '../store/standings.ts';
import { PAPER_CHAIN_ID } from '../venue/networks.ts';
import { bringUpToDate } from './bring-up-to-date.ts';
import { lockFolder } from './folder-lock.ts';
import { describeRefused, type Taken, takeIn } from './intake.ts';
import { type ProcessSpec, type Running, startProcess, within } from './processes.ts';
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

/** What every step of a session needs; what it starts it puts on the stack, which ends it in reverse. */
type Run = {
  readonly options: UpOptions;
  readonly dataDir: string;
  readonly screen: Screen;
  readonly stack: AsyncDisposableStack;
  readonly end: AbortController;
};

/** Somebody wants it to end; any other reason of the signal is a failure. */
class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const ROOT = resolve(import.meta.dirname, '..', '..');
const EXAMPLES = join(ROOT, 'examples', 'intents.jsonl');
/** The steps of an end, one after the other: together, with the database's, less than END_MS. */
const CLOSE_MS = 500;
const WORKER_STOP_MS = 2_500;
const PAPER_STOP_MS = 500;
/** Past this the process exits: the database ends by itself, the workers when they notice. */
const END_MS = 4_700;
/** A terminal sends Ctrl-C to npm too, and npm passes it on: what comes sooner than this is the same one. */
const SAME_SIGNAL_MS = 500;
const SHOWN_REFUSALS = 100;
const PROGRESS_EVERY = 2_000;

/** @returns the exit code: 0, or 1 with --exit-when-settled when something is unsettled, unproven or mismatched */
export async function up(options: UpOptions): Promise<number> {
  const end = new AbortController();
  const ignoreSignals = endOnSignals(end);
  try {
    const summary = await runSession(options, end);
    if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    const isClean = summary.unproven + (summary.mismatched ?? 0) === 0;
    return options.exitWhenSettled && !isClean ? 1 : 0;
  } catch (error) {
    if (!end.signal.aborted) throw error;
    // What a broken-off step says after a failure of the database follows from that failure.
    if (!(end.signal.reason instanceof Interrupted)) throw end.signal.reason;
    if (error !== end.signal.reason) throw error;
    return options.exitWhenSettled ? 1 : 0;
  } finally {
    ignoreSignals();
  }
}

/** @returns how to stop listening */
function endOnSignals(end: AbortController): () => void {
  let firstMs: number | undefined;
  const onSignal = () => {
    if (firstMs === undefined) end.abort(new Interrupted('interrupted'));
    // A second Ctrl-C does not wait: the data is safe, the children end by themselves.
    else if (Date.now() - firstMs > SAME_SIGNAL_MS) process.exit(130);
    firstMs ??= Date.now();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  // Nobody reads any more (`| head`, a closed terminal). For good: late writes fail as well.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => end.abort(new Interrupted('the output is closed')));
  }
  end.signal.addEventListener('abort', () => {
    const exit = () => process.exit(end.signal.reason instanceof Interrupted ? 130 : 1);
    // It only has to fire when something else, such as a query that hangs, holds the process.
    setTimeout(exit, END_MS).unref();
  });
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/** The work, or the signal's reason when that comes first. Only for work that starts nothing which must be ended. */
function unlessEnded<Result>({ end: { signal } }: Run, work: () => Promise<Result>): Promise<Result> {
  signal.throwIfAborted();
  return new Promise((done, fail) => {
    const onAbort = () => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work()
      .then(done, fail)
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Whatever it started has ended when it returns or throws. */
async function runSession(options: UpOptions, end: AbortController): Promise<Summary> {
  const startedMs = Date.now();
  const screen = createScreen(options.json ? process.stderr : process.stdout);
  const dataDir = resolve(options.dataDir ?? (process.env['DATA_DIR'] || '.data'));
  const { config, secrets } = readConfig({ ...process.env, DATA_DIR: dataDir });
  const isPaper = config.DYDX_NETWORK === 'paper';
  const isOwnPaper = isPaper && config.DYDX_VALIDATOR_URLS === undefined;
  if (!isOwnPaper) networkOf(config);
  await readAccounts(config, secrets);
  if (options.intents === undefined && !isPaper) {
    throw new ConfigError(
      `DYDX_NETWORK=${config.DYDX_NETWORK}: the examples are for the paper exchange, give --intents`,
    );
  }

  await using stack = new AsyncDisposableStack();
  const run: Run = { options, dataDir, screen, stack, end };
  mkdirSync(dataDir, { recursive: true });
  stack.defer(await lockFolder(dataDir, end.signal));
  stack.defer(() => screen.line('stopped'));
  const sayStopping = () => {
    screen.finish();
    screen.line('\nstopping; the next start goes on where this one ends');
  };
  end.signal.addEventListener('abort', sayStopping, { once: true });

  const databaseUrl = await openServer(process.env['DATABASE_URL'], run);
  const db = openDatabase({ url: databaseUrl, maxConnections: 4, applicationName: 'dydx-order-router up' });
  stack.defer(closeInTime(() => db.destroy()));
  await unlessEnded(run, async () => {
    const backend = chooseBackend({ databaseUrl, redisUrl: secrets.redisUrl });
    const { applied, notes } = await bringUpToDate(databaseUrl, backend);
    for (const note of notes) screen.line(`note         ${note}`);
    end.signal.throwIfAborted();
    screen.line(
      applied.length > 0 ? `schema       ${applied.join(', ')} applied` : 'schema       up to date',
    );
  });

  const venueUrl = isOwnPaper ? await startPaperProcess(db, run) : undefined;
  const venue = venueUrl === undefined ? {} : { DYDX_VALIDATOR_URLS: venueUrl, DYDX_INDEXER_URL: venueUrl };
  // Three workers cannot share one PORT.
  await startWorkers({ DATA_DIR: dataDir, DATABASE_URL: databaseUrl, PORT: '', ...venue }, run);

  const client = createRouterClient({
    databaseUrl,
    redisUrl: secrets.redisUrl,
    queuePrefix: config.QUEUE_PREFIX,
  });
  stack.defer(closeInTime(() => client.close()));
  const paperUrl = venueUrl ?? config.DYDX_VALIDATOR_URLS?.[0]?.replace(/\/+$/, '');
  const truthUrl = isPaper ? `${paperUrl}/paper/truth` : undefined;
  const summary = await unlessEnded(run, async () => {
    const taken = await takeAll(client, db, run);
    const refused = await watchUntilSettled(db, taken.keys, taken.since, screen, end.signal);
    const counts = { intents: taken.lines, refused: taken.refused + refused, startedMs };
    const found = await summarize(db, counts, truthUrl, (finding) => screen.line(finding));
    const story = await exampleStory(db, taken.keys);
    end.signal.throwIfAborted();
    if (story !== undefined) screen.line(`\none order, whole (npx router show CLIENT_ID):\n\n${story}`);
    screen.line(summaryAsText(found));
    return found;
  });
  if (!options.exitWhenSettled) await untilEnded(run);
  end.signal.removeEventListener('abort', sayStopping);
  return summary;
}

async function untilEnded({ end: { signal }, screen }: Run): Promise<void> {
  screen.line('\nrunning; Ctrl-C ends it. In another terminal: npx router orders, npx router show CLIENT_ID');
  if (!signal.aborted) {
    await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
  }
  if (!(signal.reason instanceof Interrupted)) throw signal.reason;
}

/** A connection that does not close, for its query hangs or its server is gone, must not hold up the end. */
function closeInTime(close: () => Promise<void>): () => Promise<void> {
  return () =>
    within(
      CLOSE_MS,
      close().catch(() => {}),
    );
}

async function openServer(given: string | undefined, run: Run): Promise<string> {
  const { dataDir, screen, stack, end } = run;
  if (given) {
    screen.line('database     DATABASE_URL');
    return given;
  }
  screen.draw(['starting the database …']);
  const server = await startEmbeddedPostgres({
    folder: join(dataDir, 'postgres'),
    signal: end.signal,
    onEnd: (how) => end.abort(new Error(`the database ended (${how}); start again, the data is kept`)),
  });
  stack.defer(server.stop);
  const urlFile = embeddedUrlFile(dataDir);
  writeFileSync(urlFile, server.url, { mode: 0o600 });
  stack.defer(() => rmSync(urlFile, { force: true }));
  screen.line(`database     embedded PostgreSQL, in ${join(dataDir, 'postgres')}`);
  return server.url;
}

/** Every database has an exchange of its own: one that knows other orders would contradict it. @returns its URL */
async function startPaperProcess(db: Database, run: Run): Promise<string> {
  const { dataDir, options, screen, stack } = run;
  const { installation, known } = await unlessEnded(run, async () => ({
    installation: await requireChain(db, PAPER_CHAIN_ID),
    known: await highestKnownBlock(db),
  }));
  const folder = join(dataDir, `paper-${installation.slice(0, 8)}`);
  if (known > 0 && !existsSync(folder)) {
    throw new Error(
      `the database has traded up to block ${known} of a paper exchange whose data is not in ${dataDir}: ` +
        'give the --data-dir of that time, or an empty database',
    );
  }
  const argsOn = (port: number | string): string[] => {
    const flags = ['--port', port, '--seed', options.seed, '--block-ms', options.blockMs].map(String);
    return [join(ROOT, 'src', 'cli.ts'), 'paper', ...flags, '--data-dir', folder];
  };
  // The workers know the URL of the first start only.
  const argsAgain = (url: unknown) => argsOn(new URL(String(url)).port);
  const paper = start({ name: 'paper', args: argsOn(options.port), env: {}, argsAgain }, run);
  stack.defer(() => paper.stop(PAPER_STOP_MS));
  const url = String(await unlessEnded(run, () => paper.ready));
  screen.line(`exchange     paper exchange at ${url}`);
  return url;
}

async function startWorkers(env: ProcessSpec['env'], run: Run): Promise<void> {
  const names = ['reconciler', 'maintenance', 'submitter'];
  const workers: Running[] = [];
  // They end together, or their deadlines would add up.
  run.stack.defer(async () => {
    await Promise.all(workers.map((worker) => worker.stop(WORKER_STOP_MS)));
  });
  for (const name of names) {
    workers.push(start({ name, args: [join(ROOT, 'workers', `${name}.ts`)], env }, run));
  }
  await unlessEnded(run, () => Promise.all(workers.map(({ ready }) => ready)));
  run.screen.line(`workers      ${names.join(', ')}; logs in ${join(run.dataDir, 'logs')}`);
}

function start(spec: ProcessSpec, { dataDir, screen }: Run): Running {
  screen.draw([`starting ${spec.name} …`]);
  return startProcess(spec, join(dataDir, 'logs'), (name, how, pauseMs) =>
    screen.line(`${name} ended (${how}), starting it again in ${pauseMs / 1000} s`),
  );
}

type TakenAll = {
  readonly keys: readonly OrderKey[];
  readonly lines: number;
  readonly refused: number;
  readonly since: Date;
};

async function takeAll(client: RouterClient, db: Database, { options, screen, end }: Run): Promise<TakenAll> {
  const since = new Date();
  const file = options.intents ?? EXAMPLES;
  screen.line(`intents      ${file === '-' ? 'standard input' : file}`);
  const keys: OrderKey[] = [];
  let lines = 0;
  let refused = 0;
  const take = (taken: Taken): void => {
    lines += 1;
    if (lines % PROGRESS_EVERY === 0) screen.draw([`${lines} intents taken …`]);
    if (!('refusals' in taken)) {
      keys.push({ tenant_id: taken.tenant_id, client_id: taken.client_id });
      return;
    }
    refused += 1;
    if (refused <= SHOWN_REFUSALS) screen.line(`  ${describeRefused(taken)}`);
  };
  await takeIn(client, db, file, 'queued', take, end.signal);
  if (refused > SHOWN_REFUSALS) {
    screen.line(`  … and ${refused - SHOWN_REFUSALS} more refused; the table intent_rejections has all`);
  }
  return { keys, lines, refused, since };
}
