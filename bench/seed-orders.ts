// The databases of benches that need orders to begin with: made once, kept under a name that tells what is in them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planOf, type SeedOptions, seedOrders } from '../src/kit/bench/seed-orders.ts';
import {
  type BenchServer,
  dropDatabasesLike,
  fingerprintOf,
  hasDatabase,
  LOADING,
  makeDatabase,
  startBenchServer,
} from './database.ts';
import { type BenchOptions, benchCommand, runBench } from './run.ts';

export const DEFAULT_ORDERS = 2_000_000;
const SOURCES = ['seed-rows.ts', 'seed-shares.ts'].map((file) =>
  readFileSync(join(import.meta.dirname, '..', 'src', 'kit', 'bench', file), 'utf8'),
);

export type Seeded = { readonly server: BenchServer; readonly name: string; readonly url: string };

/**
 * Starts the server with a database of such rows; one that an earlier run has made is used again.
 * @param settings of the server while it is measured
 */
export async function startSeeded(
  dataDir: string,
  options: SeedOptions,
  signal: AbortSignal,
  settings: readonly string[] = [],
): Promise<Seeded> {
  const { orders, seed, recent } = planOf(options);
  const stem = `bench_${orders}_${seed}_${recent}_`;
  const name = `${stem}${fingerprintOf(...SOURCES)}`;
  let server = await startBenchServer(dataDir, settings, signal);
  if (!(await hasDatabase(server, name))) {
    await server.stop();
    server = await startBenchServer(dataDir, LOADING, signal);
    await dropDatabasesLike(server, stem);
    await load(server, name, options);
    await server.stop();
    server = await startBenchServer(dataDir, settings, signal);
  }
  return { server, name, url: server.urlOf(name) };
}

async function load(server: BenchServer, name: string, options: SeedOptions): Promise<void> {
  const startedMs = Date.now();
  const tell = (what: string) =>
    console.error(`${((Date.now() - startedMs) / 1000).toFixed(0).padStart(4)} s  ${what}`);
  tell(`seeding ${options.orders} orders, seed ${options.seed}`);
  await makeDatabase(server, name, (url) =>
    seedOrders(url, options, (orders) => tell(`${orders} of ${options.orders} orders`)),
  );
  tell('vacuumed and analysed');
}

if (import.meta.main) {
  const command = benchCommand('seed-orders', 'Seeds the database of bench:queries.', DEFAULT_ORDERS).parse();
  const { dataDir, ...options } = command.opts<BenchOptions>();
  await runBench(async (signal) => {
    const { server, name } = await startSeeded(dataDir, options, signal);
    console.log(`${name} in ${dataDir}`);
    await server.stop();
    return 0;
  });
}
