// `npm run bench:queries`: how long the source schema's queries take on a table of millions, as a role that sees all
// and as a tenant's under row-level security, and by which plans. Exits 1 when a target is missed.
import { sql } from 'kysely';
import { wholeNumber } from '../src/cli/whole-number.ts';
import { BUSIEST_TENANT } from '../src/kit/bench/seed-shares.ts';
import { type Database, openDatabase } from '../src/store/database.ts';
import { setUpRoles } from '../src/store/role-setup.ts';
import { asTenant } from '../src/store/tenant.ts';
import { capturing, explainAnalyze } from './explain.ts';
import { medianOf, msOf, randomOf, type Spread, spreadOf } from './measure.ts';
import { type CaseCounts, type QueryCase, queryCases } from './query-cases.ts';
import { machineFacts, ms, printTable, sizesOf } from './report.ts';
import { type BenchOptions, benchCommand, runBench } from './run.ts';
import { DEFAULT_ORDERS, startSeeded } from './seed-orders.ts';

type Options = BenchOptions &
  CaseCounts & { readonly rounds: number; readonly plans: boolean; readonly json: boolean };

/** Who asks: a role that sees all, or one tenant in a transaction that names it. */
type Reader = {
  readonly name: string;
  readonly ask: <Result>(work: (db: Database) => Promise<Result>) => Promise<Result>;
};

/** p50, p95 and p99 are the medians over the rounds: the machine's neighbours come in bursts, the database's cost does not. */
type Measured = Spread & {
  readonly reader: string;
  readonly query: string;
  /** of the worst round */
  readonly worstP99: number;
  readonly targetMs: number;
  readonly isMissed: boolean;
};

const WARM_UP_CALLS = 50;
const SAMPLED_IDS = 5_000;

const options = benchCommand('bench:queries', 'Times the queries of the source schema.', DEFAULT_ORDERS)
  .option('--rounds <n>', 'of all queries, of whose figures the medians are told', wholeNumber(1), 7)
  .option('--calls <n>', 'of each query in a round', wholeNumber(1), 200)
  .option('--whole-calls <n>', 'of each count of everything in a round', wholeNumber(1), 10)
  .option('--no-plans', 'leave out the plans')
  .option('--json', 'one JSON object instead of a report', false)
  .parse()
  .opts<Options>();
await runBench((signal) => benchQueries(options, signal));

/** @returns the exit code */
async function benchQueries(
  { dataDir, seed, orders, rounds, plans, json, ...counts }: Options,
  signal: AbortSignal,
): Promise<number> {
  const { server, url } = await startSeeded(dataDir, { orders, seed }, signal);
  await using opened = new AsyncDisposableStack();
  opened.defer(server.stop);
  // One by one: a connection each is enough for them, but not for the roles.
  const open = (role?: string) =>
    opened.adopt(openDatabase({ url, maxConnections: 2, role }), (pool) => pool.destroy());
  const db = open();
  await setUpRoles(db);
  const tenantDb = open('cryptopulse_app');
  const readers: readonly Reader[] = [
    { name: 'all', ask: (work) => work(db) },
    { name: BUSIEST_TENANT, ask: (work) => asTenant(tenantDb, BUSIEST_TENANT, work) },
  ];
  const ids = await sampleIds(db, seed);

  const cases = readers.flatMap((reader) =>
    queryCases(counts, ids).map((query, index) => ({
      reader,
      query,
      seed: seed + index,
      spreads: [] as Spread[],
    })),
  );
  for (let round = 0; round < rounds; round++) {
    for (const each of cases) {
      signal.throwIfAborted();
      each.spreads.push(await measure(each.reader, each.query, each.seed + 1000 * round));
    }
  }
  const measured = cases.map(({ reader, query, spreads }) => judge(reader, query, spreads));
  const shown: string[] = [];
  if (plans) for (const each of cases) shown.push(await plansOf(each.reader, each.query, each.seed));

  const facts = { ...(await machineFacts(db)), seed, orders, sizes: await sizesOf(db) };
  const missed = measured.filter(({ isMissed }) => isMissed);
  if (json) console.log(JSON.stringify({ ...facts, measured, missed }));
  else print(facts, measured, shown);
  return missed.length === 0 ? 0 : 1;
}

/** The same ones with the same seed, of the tenant whom both readers may see. */
async function sampleIds(db: Database, seed: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM orders TABLESAMPLE SYSTEM (10) REPEATABLE (${seed}) WHERE tenant_id = ${BUSIEST_TENANT}
    ORDER BY md5(id::text) LIMIT ${SAMPLED_IDS}`.execute(db);
  return rows.map(({ id }) => id);
}

/** The transaction around a tenant's call is not in the figures, what row-level security makes of the call is. */
async function measure(reader: Reader, query: QueryCase, seed: number): Promise<Spread> {
  const random = randomOf(seed);
  const call = () => {
    const work = query.next(random);
    return reader.ask((db) => msOf(() => work(db)));
  };
  for (let turn = 0; turn < Math.min(WARM_UP_CALLS, query.calls); turn++) await call();
  const durationsMs: number[] = [];
  while (durationsMs.length < query.calls) durationsMs.push(await call());
  return spreadOf(durationsMs);
}

function judge(reader: Reader, { name, targetMs }: QueryCase, rounds: readonly Spread[]): Measured {
  const all = (key: keyof Spread) => rounds.map((spread) => spread[key]);
  const p99 = medianOf(all('p99'));
  return {
    reader: reader.name,
    query: name,
    calls: all('calls').reduce((sum, calls) => sum + calls, 0),
    p50: medianOf(all('p50')),
    p95: medianOf(all('p95')),
    p99,
    worstP99: Math.max(...all('p99')),
    max: Math.max(...all('max')),
    targetMs,
    isMissed: p99 > targetMs,
  };
}

/** Of the first call's statements, as they were really sent. */
async function plansOf(reader: Reader, query: QueryCase, seed: number): Promise<string> {
  const work = query.next(randomOf(seed));
  const plans = await reader.ask(async (db) => {
    const captured = capturing(db);
    await work(captured.db);
    const explained: string[] = [];
    for (const each of captured.queries) {
      explained.push(`${each.sql}\n-- ${JSON.stringify(each.parameters)}\n${await explainAnalyze(db, each)}`);
    }
    return explained;
  });
  return `\n=== ${query.name} (reader: ${reader.name})\n${plans.join('\n\n')}`;
}

function print(facts: object, measured: readonly Measured[], plans: readonly string[]): void {
  console.log(JSON.stringify(facts, undefined, 2));
  printTable(
    ['reader', 'query', 'calls', 'p50 ms', 'p95', 'p99', 'worst round', 'max', 'target p99', ''],
    measured.map(({ reader, query, calls, p50, p95, p99, worstP99, max, targetMs, isMissed }) => [
      reader,
      query,
      String(calls),
      ...[p50, p95, p99, worstP99, max].map(ms),
      `${targetMs}`,
      isMissed ? 'MISSED' : '',
    ]),
  );
  for (const plan of plans) console.log(plan);
}
