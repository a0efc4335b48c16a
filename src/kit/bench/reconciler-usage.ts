// What reconcilers cost between two moments: CPU of theirs and of PostgreSQL, and what they asked the indexer.
import type { Servers } from '../lab/servers.ts';
import type { WorkerProcess } from '../lab/worker-process.ts';
import { coreCount, cpuSecondsOf, machineCpuSeconds } from './cpu.ts';
import { countRequests, type Requests } from './requests.ts';

type Moment = {
  readonly atMs: number;
  /** CPU seconds so far */
  readonly reconciler: number;
  readonly postgres: number;
  readonly exchange: number;
  readonly machine: number;
  readonly requests: Requests;
};

export type Usage = {
  readonly seconds: number;
  readonly cpu_ms: Readonly<Record<'reconciler' | 'postgres', number>>;
  /** of the indexer, by path, by the exchange's own count */
  readonly requests: Readonly<Record<string, number>>;
  /** share of all cores that other processes took meanwhile, this one among them */
  readonly foreign: number;
};

export type UsageOf = {
  readonly servers: Servers;
  readonly exchange: { readonly url: string; readonly process: WorkerProcess };
  readonly reconcilers: readonly WorkerProcess[];
};

/** Throws when one of them has ended. @returns what was used since, each time it is called */
export async function startUsage(of: UsageOf): Promise<() => Promise<Usage>> {
  const before = await momentOf(of);
  return async () => usageBetween(before, await momentOf(of));
}

async function momentOf({ servers, exchange, reconcilers }: UsageOf): Promise<Moment> {
  for (const each of [exchange.process, ...reconcilers])
    if (each.hasEnded()) throw new Error(`${each.name} ended during the run`);
  return {
    atMs: performance.now(),
    reconciler: reconcilers.reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0),
    postgres: cpuSecondsOf(servers.postgres.pid()),
    exchange: cpuSecondsOf(exchange.process.pid),
    machine: machineCpuSeconds(),
    requests: await countRequests(exchange.url),
  };
}

function usageBetween(before: Moment, after: Moment): Usage {
  const used = (name: 'reconciler' | 'postgres' | 'exchange' | 'machine') => after[name] - before[name];
  const seconds = (after.atMs - before.atMs) / 1_000;
  const foreign = used('machine') - used('reconciler') - used('postgres') - used('exchange');
  const paths = Object.keys(after.requests).filter((path) => path.startsWith('/v4/'));
  return {
    seconds: round(seconds, 2),
    cpu_ms: { reconciler: round(used('reconciler') * 1_000), postgres: round(used('postgres') * 1_000) },
    requests: Object.fromEntries(
      paths.map((path) => [path, (after.requests[path] ?? 0) - (before.requests[path] ?? 0)]),
    ),
    foreign: round(Math.max(0, foreign) / (coreCount() * seconds), 3),
  };
}

export function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}
