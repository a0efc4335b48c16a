// Percentiles of a Prometheus histogram between two scrapes. Exact only to its buckets: within one it is linear.

/** Cumulative counts by upper bound; the last bound is Infinity. */
export type Buckets = ReadonlyMap<number, number>;

/** @param text of /metrics */
export function bucketsOf(text: string, name: string): Buckets {
  const buckets = new Map<number, number>();
  for (const line of text.split('\n')) {
    const [, bound, count] =
      new RegExp(`^${name}_bucket\\{(?:[^}]*,)?le="([^"]+)"[^}]*\\} (\\S+)$`).exec(line) ?? [];
    if (bound === undefined) continue;
    const upper = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound);
    buckets.set(upper, (buckets.get(upper) ?? 0) + Number(count));
  }
  return buckets;
}

/** Of several processes: the sum. */
export function sumOf(all: readonly Buckets[]): Buckets {
  const sum = new Map<number, number>();
  for (const buckets of all) {
    for (const [bound, count] of buckets) sum.set(bound, (sum.get(bound) ?? 0) + count);
  }
  return sum;
}

/** In the unit of the histogram; undefined when nothing was counted between the two. */
export function quantileOf(before: Buckets, after: Buckets, share: number): number | undefined {
  const bounds = [...after.keys()].toSorted((left, right) => left - right);
  const counts = bounds.map((bound) => (after.get(bound) ?? 0) - (before.get(bound) ?? 0));
  const total = counts.at(-1) ?? 0;
  if (total === 0) return undefined;
  const wanted = total * share;
  const index = counts.findIndex((count) => count >= wanted);
  const upper = bounds[index] ?? Number.POSITIVE_INFINITY;
  const lower = bounds[index - 1] ?? 0;
  if (upper === Number.POSITIVE_INFINITY) return upper;
  const below = counts[index - 1] ?? 0;
  return lower + ((upper - lower) * (wanted - below)) / ((counts[index] ?? 0) - below);
}
