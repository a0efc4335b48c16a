// Numbers from a seed, and what is told of many durations.
import { noise } from '../src/paper/synthetic.ts';

/** Another number in [0, 1) at every call; one seed, one series. */
export type Random = () => number;

export function randomOf(seed: number): Random {
  let turn = 0;
  return () => noise(seed, turn++);
}

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** ms, each with the share of calls that were as fast or faster */
export type Spread = {
  readonly calls: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
};

export function spreadOf(durationsMs: readonly number[]): Spread {
  const sorted = durationsMs.toSorted((left, right) => left - right);
  const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  return { calls: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

export function medianOf(values: readonly number[]): number {
  return spreadOf(values).p50;
}

export async function msOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
