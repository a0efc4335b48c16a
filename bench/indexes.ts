// `npm run bench:indexes`: what indexes and free room in pages cost the writes: the same orders through the same
// statements into one layout after the other, in turns, so that whatever else the machine does hits them alike.
import { wholeNumber } from '../src/cli/whole-number.ts';
import { ask } from '../src/kit/lab/servers.ts';
import { openDatabase } from '../src/store/database.ts';
import { type BenchServer, dropDatabase } from './database.ts';
import { LAYOUTS, type Layout } from './index-sets.ts';
import { printResults, resultOf } from './layout-results.ts';
import { machineFacts } from './report.ts';
import { type BenchOptions, benchCommand, runBench } from './run.ts';
import { startSeeded } from './seed-orders.ts';
import { BATCH, type Run, startRun, writeRound } from './write-rounds.ts';

type Options = BenchOptions & {
  readonly rounds: number;
  readonly roundBatches: number;
  readonly json: boolean;
};

const DEFAULT_ORDERS = 100_000;
/** No checkpoint while it runs: full pages in the WAL after one would be whoever's turn it is. */
const SERVER = ['max_wal_size=16GB', 'checkpoint_timeout=1h', 'autovacuum=off', 'synchronous_commit=on'];

const options = benchCommand('bench:indexes', 'Times writes with several sets of indexes.', DEFAULT_ORDERS)
  .option('--rounds <n>', 'turns of each layout, after one that is not counted', wholeNumber(1, 100), 10)
  .option('--round-batches <n>', `batches of ${BATCH} orders in a turn`, wholeNumber(1, 10_000), 10)
  .option('--json', 'one JSON object instead of a report', false)
  .parse()
  .opts<Options>();
await runBench((signal) => benchIndexes(options, signal));

async function benchIndexes(
  { dataDir, orders, seed, rounds, roundBatches, json }: Options,
  signal: AbortSignal,
): Promise<number> {
  const { server, name } = await startSeeded(dataDir, { orders, seed, hasActive: false }, signal, SERVER);
  await using opened = new AsyncDisposableStack();
  opened.defer(server.stop);
  const runs: Run[] = [];
  for (const [index, layout] of LAYOUTS.entries()) {
    signal.throwIfAborted();
    const database = `bench_layout_${index}`;
    opened.defer(() => dropDatabase(server, database));
    await clone(server, name, database, layout);
    const db = openDatabase({ url: server.urlOf(database), maxConnections: 1 });
    opened.defer(() => db.destroy());
    runs.push(await startRun(layout, db));
  }
  for (let round = 0; round <= rounds; round++) {
    // There and back: what gets slower as time passes hits first and last alike.
    for (const run of round % 2 === 0 ? runs : runs.toReversed()) {
      signal.throwIfAborted();
      const measured = await writeRound(run, seed + round, roundBatches);
      if (round > 0) run.measured.push(measured);
    }
  }
  const [ours] = runs;
  if (ours === undefined) throw new Error('no layout to measure');
  const facts = { ...(await machineFacts(ours.db)), seed, orders, rounds, roundBatches };
  const results = await Promise.all(runs.map((run) => resultOf(run, ours)));
  if (json) console.log(JSON.stringify({ ...facts, results }));
  else {
    console.log(JSON.stringify(facts, undefined, 2));
    printResults(results);
  }
  return 0;
}

async function clone(
  server: BenchServer,
  template: string,
  database: string,
  { statements }: Layout,
): Promise<void> {
  await dropDatabase(server, database);
  await server.administer(`CREATE DATABASE ${database} TEMPLATE ${template}`);
  for (const statement of [...statements, 'VACUUM (ANALYZE)']) await ask(server.urlOf(database), statement);
}
