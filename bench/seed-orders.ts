// Fills a migrated database with orders: 90 days of them, of several tenants and markets, nearly all final, the active
// ones among the newest. Reproducible: one seed, one set of rows (bench/seed-rows.ts).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { openDatabase } from '../src/store/database.ts';
import { MAINTAINED } from '../src/store/roles.ts';
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
import { insertSeeded, type SeedPlan } from './seed-rows.ts';

export const DEFAULT_ORDERS = 2_000_000;
const CHUNK_ORDERS = 20_000;
const PROGRESS_EVERY = 200_000;
/** Of the newest orders, how many may still be active: about four hours of them at 2 million in 90 days. */
const RECENT_SHARE = 0.02;
const MAX_RECENT = 4_000;
const SOURCES = ['seed-rows.ts', 'seed-shares.ts'].map((file) =>
  readFileSync(join(import.meta.dirname, file), 'utf8'),
);

export type SeedOptions = {
  readonly orders: number;
  readonly seed: number;
  /** false: all are final; default true */
  readonly hasActive?: boolean;
};

/** @param url a superuser's: triggers are switched off, for the history comes ready-made */
export async function seedOrders(
  url: string,
  options: SeedOptions,
  onProgress: (orders: number) => void = () => {},
): Promise<void> {
  const plan = planOf(options);
  const db = openDatabase({ url, maxConnections: 1, isUnhurried: true });
  try {
    await db.connection().execute(async (session) => {
      await sql`SET session_replication_role = replica`.execute(session);
      for (let from = 1; from <= plan.orders; from += CHUNK_ORDERS) {
        const to = Math.min(from + CHUNK_ORDERS - 1, plan.orders);
        await insertSeeded(plan, from, to).execute(session);
        if (to % PROGRESS_EVERY === 0) onProgress(to);
      }
      await sql.raw(`VACUUM (ANALYZE) ${MAINTAINED.join(', ')}`).execute(session);
    });
  } finally {
    await db.destroy();
  }
}

function planOf({ orders, seed, hasActive = true }: SeedOptions): SeedPlan {
  const recent = hasActive ? Math.min(Math.ceil(orders * RECENT_SHARE), MAX_RECENT) : 0;
  return { orders, seed, recent };
}

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
