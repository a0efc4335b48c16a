// `npm run sim`: many seeds on the real SQL in simulated time, on several processes. Exits 1 when a seed fails, and says
// how to see it again; what it started has ended and nothing is left on disk, however it ends.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { type Servers, startServers } from '../lab/servers.ts';
import type { SeedResult } from './run-seed.ts';
import type { Batch, Told } from './worker.ts';

const USAGE = `Usage: npm run sim -- [options]

Runs the router on its real SQL, in simulated time, against an exchange in the same process: under each seed everything
goes wrong that the seed draws, then nothing does any more, and then every order must have a proven end and the books
must be the exchange's.

Options:
  --seeds <n>      how many seeds (default: 300)
  --first <n>      the first of them (default: 1)
  --seed <n>       this one only, and tell everything that happens
  --orders <n>     intents per seed, about (default: 10)
  --workers <n>    processes (default: 4)
  --sql <text>     run on each database before the first seed; may be given again
  --json           one JSON object at the end instead of a report
  --help           this text

Examples:
  npm run sim -- --seeds 300
  npm run sim -- --seed 17 > seed-17.log
  npm run sim -- --first 1000 --seeds 50 --orders 30 --json
`;

type Options = {
  readonly seeds: readonly number[];
  readonly orders: number;
  readonly workers: number;
  readonly sql: readonly string[];
  readonly isVerbose: boolean;
  readonly isJson: boolean;
};

/** Intents per seed: other numbers are other seeds. */
const ORDERS = 10;
/** Seeds on one database: a new one takes a moment, one that has grown slows every statement down. */
const BATCH = 15;
/** Nothing of it outlives the run. */
const POSTGRES_SETTINGS = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'autovacuum=off',
  'shared_buffers=64MB',
  'max_wal_size=4GB',
  'jit=off',
];

async function main(): Promise<number> {
  const options = readOptions();
  if (typeof options === 'string') {
    console.error(options);
    return 2;
  }
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stopping.abort(new Error(`ended by ${signal}`)));
  }
  try {
    return await simulate(options, stopping.signal);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    console.error(`\nsim: ${why}`);
    return 1;
  }
}

/** @returns undefined: help is wanted; a text: what is wrong */
function readOptions(): Options | string | undefined {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '300' },
        first: { type: 'string', default: '1' },
        seed: { type: 'string' },
        orders: { type: 'string', default: String(ORDERS) },
        workers: { type: 'string', default: '4' },
        sql: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return undefined;
    const first = wholeNumber('seed', values.seed ?? values.first, 0, 1_000_000_000);
    const count = values.seed === undefined ? wholeNumber('seeds', values.seeds, 1, 1_000_000) : 1;
    return {
      seeds: Array.from({ length: count }, (_, index) => first + index),
      orders: wholeNumber('orders', values.orders, 1, 60),
      workers: wholeNumber('workers', values.workers, 1, 16),
      sql: values.sql,
      isVerbose: values.seed !== undefined && !values.json,
      isJson: values.json,
    };
  } catch (error) {
    return `sim: ${error instanceof Error ? error.message : String(error)}\nSee npm run sim -- --help`;
  }
}

function wholeNumber(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new Error(`--${name} must be a whole number between ${low} and ${high}, not ${text}`);
  }
  return value;
}

/** @returns the exit code */
async function simulate(options: Options, signal: AbortSignal): Promise<number> {
  const startedMs = performance.now();
  await using opened = new AsyncDisposableStack();
  const servers = opened.use(
    await startServers({ queue: 'postgres', postgresSettings: POSTGRES_SETTINGS, signal }),
  );
  const left = [...options.seeds];
  const results: SeedResult[] = [];
  const progress = createProgress(options, startedMs);
  const size = Math.min(BATCH, Math.ceil(options.seeds.length / options.workers));
  const workers = Array.from({ length: Math.min(options.workers, options.seeds.length) }, async () => {
    const worker = startWorker(signal);
    try {
      for (let batch = left.splice(0, size); batch.length > 0; batch = left.splice(0, size)) {
        const told = (result: SeedResult) => {
          results.push(result);
          progress.tell(results);
        };
        // What a seed that failed leaves behind would disturb the others of its batch: they begin anew.
        for (let rest: readonly number[] = batch; rest.length > 0; ) {
          rest = await runBatch(servers, worker, { ...options, seeds: rest }, told, signal);
        }
      }
    } finally {
      await worker.stop();
    }
  });
  await Promise.all(workers);
  return report(options, results, performance.now() - startedMs);
}

type Worker = {
  readonly child: ChildProcess;
  readonly stop: () => Promise<void>;
};

function startWorker(signal: AbortSignal): Worker {
  // In a group of its own: Ctrl-C reaches this process first, which ends it.
  const child = fork(new URL('worker.ts', import.meta.url), { stdio: 'inherit', detached: true });
  const exited = once(child, 'exit');
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  process.once('exit', kill);
  return {
    child,
    stop: async () => {
      kill();
      await exited;
      process.off('exit', kill);
    },
  };
}

let databases = 0;

/** @returns seeds that are left after one that failed */
async function runBatch(
  servers: Servers,
  { child }: Worker,
  { seeds, orders, sql, isVerbose }: Options,
  told: (result: SeedResult) => void,
  signal: AbortSignal,
): Promise<readonly number[]> {
  databases += 1;
  const name = `sim_${databases}`;
  const { admin: url } = await servers.makeDatabase(name);
  const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
  const onExit = (code: number | null, by: string | null) =>
    reject(signal.aborted ? signal.reason : new Error(`a process of the simulation ended: ${by ?? code}`));
  const onMessage = (message: Told) => {
    if (message.kind === 'result') told(message.result);
    else if (message.kind === 'note') console.log(message.line);
    else if (message.kind === 'done') resolve(message.left);
    else reject(new Error(message.why));
  };
  child.once('exit', onExit);
  child.on('message', onMessage);
  child.send({ url, seeds, orders, sql, isVerbose } satisfies Batch);
  try {
    return await promise;
  } finally {
    child.off('exit', onExit);
    child.off('message', onMessage);
    if (!signal.aborted) await servers.dropDatabase(name);
  }
}

function createProgress({ seeds, isVerbose, isJson }: Options, startedMs: number) {
  const isShown = process.stderr.isTTY && !isVerbose && !isJson;
  return {
    tell: (results: readonly SeedResult[]) => {
      if (!isShown) return;
      const failed = results.filter(({ wrong }) => wrong.length > 0).length;
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
      process.stderr.write(`\r${results.length} of ${seeds.length} seeds, ${failed} failed, ${seconds} s `);
    },
  };
}

function report({ seeds, orders, isJson }: Options, results: readonly SeedResult[], tookMs: number): number {
  const failed = results.filter(({ wrong }) => wrong.length > 0).toSorted((a, b) => a.seed - b.seed);
  const sum = (of: (result: SeedResult) => number) => results.reduce((total, each) => total + of(each), 0);
  const figures = {
    ok: failed.length === 0,
    seeds: seeds.length,
    failed: failed.map(({ seed, wrong }) => ({ seed, wrong })),
    orders: sum((result) => result.orders),
    fills: sum((result) => result.fills),
    simulated_s: Math.round(sum(({ simulatedMs }) => simulatedMs) / 1_000),
    took_s: Math.round(tookMs / 100) / 10,
  };
  if (isJson) console.log(JSON.stringify(figures));
  else {
    if (process.stderr.isTTY) process.stderr.write('\n');
    for (const { seed, wrong } of failed) {
      console.log(`seed ${seed} fails:`);
      for (const line of wrong.slice(0, 10)) console.log(`  ${line}`);
      if (wrong.length > 10) console.log(`  and ${wrong.length - 10} more`);
      console.log(`  again: npm run sim -- --seed ${seed}${orders === ORDERS ? '' : ` --orders ${orders}`}`);
    }
    console.log(
      `${figures.seeds} seeds, ${failed.length} failed: ${figures.orders} orders, ${figures.fills} fills, ` +
        `${figures.simulated_s} s of simulated time in ${figures.took_s} s`,
    );
  }
  return figures.ok ? 0 : 1;
}

process.exitCode = await main();
