// What a baseline carries on the same machine, against the same exchange, with its queue and database as durable as the
// router's: the orders that reached the exchange within a window, its best case, for it proves nothing afterwards.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type BaselineName, baselineProgram } from '../lab/baselines.ts';
import type { Servers } from '../lab/servers.ts';
import { openSite } from '../lab/site.ts';
import { cpuSecondsOf } from './cpu.ts';
import { startExchange } from './exchange.ts';
import { broadcastsOf, countRequests } from './requests.ts';

export type BaselineOptions = {
  readonly concurrency: number;
  readonly warmUpS: number;
  readonly seconds: number;
  readonly blockMs: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStage?: (stage: string) => void;
};

export type BaselineFigures = {
  readonly concurrency: number;
  readonly window_s: number;
  /** that reached the exchange within the window */
  readonly orders: number;
  readonly orders_per_s: number;
  /** of its worker process */
  readonly cpu_ms_per_order: number;
  /** requests to the node per order, the order itself included */
  readonly round_trips_per_order: number;
};

const PRODUCER = join(import.meta.dirname, 'baseline-load-process.ts');

export async function runBaseline(
  servers: Servers,
  name: BaselineName,
  options: BaselineOptions,
): Promise<BaselineFigures> {
  const { signal, onStage = () => {} } = options;
  await using opened = new AsyncDisposableStack();
  const exchange = await startExchange(servers, options);
  opened.defer(() => exchange.process.stop());
  const site = opened.use(await openSite(servers, { exchange }));
  const env = {
    // It makes its tables itself, as its user.
    DATABASE_URL: site.urls.admin,
    VALIDATOR_URL: exchange.url,
    INDEXER_URL: exchange.url,
    CONCURRENCY: String(options.concurrency),
    // Of its poller: at a hundred it misses fills above a hundred a second.
    POLL_LIMIT: '1000',
  };
  onStage(`${name}: starting`);
  const worker = site.startProgram([baselineProgram('worker'), name], env);
  await worker.ready;
  const load = site.startProgram(
    [PRODUCER, JSON.stringify({ name, exchangeUrl: exchange.url, producer: baselineProgram('producer') })],
    env,
  );
  await load.ready;
  onStage(`${name}: warming up`);
  await delay(options.warmUpS * 1_000, undefined, { signal });
  onStage(`${name}: measuring`);
  const before = { cpu: cpuSecondsOf(worker.pid), requests: await countRequests(exchange.url) };
  const startedMs = performance.now();
  await delay(options.seconds * 1_000, undefined, { signal });
  const after = { cpu: cpuSecondsOf(worker.pid), requests: await countRequests(exchange.url) };
  const seconds = (performance.now() - startedMs) / 1_000;
  for (const each of [worker, load, exchange.process]) {
    if (each.hasEnded()) throw new Error(`${name}: ${each.name} ended during the run: ${site.said(1)}`);
  }
  const orders = broadcastsOf(after.requests) - broadcastsOf(before.requests);
  const rpc = rpcCalls(after.requests) - rpcCalls(before.requests);
  return {
    concurrency: options.concurrency,
    window_s: Number(seconds.toFixed(2)),
    orders,
    orders_per_s: Number((orders / seconds).toFixed(1)),
    cpu_ms_per_order: Number((((after.cpu - before.cpu) * 1_000) / orders).toFixed(4)),
    round_trips_per_order: Number((rpc / orders).toFixed(3)),
  };
}

/** Methods have no slash, paths of the indexer do. */
function rpcCalls(requests: Readonly<Record<string, number>>): number {
  return Object.entries(requests).reduce((sum, [name, count]) => sum + (name.includes('/') ? 0 : count), 0);
}
