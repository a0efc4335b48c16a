// How long it takes until all orders that end in one block are settled. Times are the exchange's of that block and
// PostgreSQL's of the commits, on one clock: looking at the rows measures nothing.
import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../store/database.ts';
import { MAINTAINED } from '../../store/roles.ts';
import type { Servers } from '../lab/servers.ts';
import { openSite } from '../lab/site.ts';
import { heightOf, timeOfBlock, untilHeight } from './blocks.ts';
import { type Books, checkBooks, untilSettled } from './books.ts';
import { startExchange } from './exchange.ts';
import { addOpenOrders, LIFE_BLOCKS } from './open-orders.ts';
import { round, startUsage } from './reconciler-usage.ts';

export type SettleOptions = {
  readonly orders: number;
  readonly subaccounts: number;
  readonly reconcilers: number;
  readonly blockMs: number;
  readonly seed: number;
  /** of the router's processes, over what they have by themselves */
  readonly settings: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly onStage: (stage: string) => void;
};

export type SettleFigures = {
  readonly reconcilers: number;
  readonly orders: number;
  readonly subaccounts: number;
  /** from the block that ends the orders, their good-til-block, until the commit that settles the last of them */
  readonly settle_s: number;
  /** until the first of them, the router's margin of blocks included, and until half of them */
  readonly settle_first_s: number;
  readonly settle_half_s: number;
  /** from the block before that one until the last is settled */
  readonly cpu_ms_per_order: Readonly<Record<'reconciler' | 'postgres', number>>;
  /** to the indexer, in the same time */
  readonly requests: Readonly<Record<string, number>>;
  /** share of all cores that other processes took in the same time */
  readonly foreign: number;
} & Books;

const SETTLE_MS = 120_000;
const LOOK_MS = 50;

/** Needs track_commit_timestamp=on. Throws when the machine was too slow to be ready for that block. */
export async function runSettle(servers: Servers, options: SettleOptions): Promise<SettleFigures> {
  const { orders, subaccounts, signal, onStage } = options;
  await using opened = new AsyncDisposableStack();
  const exchange = await startExchange(servers, options);
  opened.defer(() => exchange.process.stop());
  const site = opened.use(await openSite(servers, { exchange, settings: options.settings }));
  const firstId = uuidv7();
  const height = await heightOf(exchange.url);
  // No block passes while the rows are written.
  exchange.process.signal('SIGSTOP');
  await addOpenOrders(site.db, { orders, subaccounts, height }, (done) => {
    signal.throwIfAborted();
    onStage(`${done} of ${orders} orders are open`);
  });
  // As in a database that has been running, whose statistics are known.
  await sql.raw(`VACUUM (ANALYZE) ${MAINTAINED.join(', ')}`).execute(site.db);
  exchange.process.signal('SIGCONT');
  const reconcilers = Array.from({ length: options.reconcilers }, () => site.start('reconciler'));
  await Promise.all(reconcilers.map(({ ready }) => ready));
  const lastBlock = height + LIFE_BLOCKS;
  onStage('waiting for their last block');
  await untilHeight(exchange.url, lastBlock - 1, signal);
  const usedSince = await startUsage({ servers, exchange, reconcilers });
  if ((await heightOf(exchange.url)) >= lastBlock)
    throw new Error('not ready before the orders ended: give more --block-ms, or a machine that does less');
  onStage('settling');
  await untilSettled(site.db, signal, SETTLE_MS, LOOK_MS);
  const used = await usedSince();
  onStage('comparing');
  return {
    reconcilers: options.reconcilers,
    orders,
    subaccounts,
    ...(await settleTimes(site.db, await timeOfBlock(exchange.url, lastBlock))),
    cpu_ms_per_order: {
      reconciler: round(used.cpu_ms.reconciler / orders, 4),
      postgres: round(used.cpu_ms.postgres / orders, 4),
    },
    requests: used.requests,
    foreign: used.foreign,
    ...(await checkBooks(site.db, exchange.url, firstId)),
  };
}

/** What settled a row is the last that wrote it. */
async function settleTimes(db: Database, endedAt: Date) {
  const { rows } = await sql<{ first: number; half: number; last: number }>`
    WITH s AS (
      SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - ${endedAt})::float8 AS seconds FROM orders
      WHERE status NOT IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
    )
    SELECT min(seconds) AS first, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS half, max(seconds) AS last
    FROM s`.execute(db);
  const [row] = rows;
  if (row === undefined || row.last === null) throw new Error('no order was settled: see its reconciler');
  return {
    settle_s: round(row.last, 3),
    settle_first_s: round(row.first, 3),
    settle_half_s: round(row.half, 3),
  };
}
