// The block rate limit of one node: points per owner in a window of the last N blocks. Counted before it is
// compared, so an attempt that is refused counts too and hammering extends the ban, as on the chain.

export type RateLimit = { readonly limit: number; readonly blocks: number };

/** Newest value in the venue's documentation; mainnet's genesis had 200 a block. */
export const DEFAULT_RATE_LIMIT: RateLimit = { limit: 4000, blocks: 5 };

export type RateLimiter = {
  /** The owner's points in the window when that is above the limit, else undefined. */
  readonly charge: (owner: string, points: number) => number | undefined;
  /** Called after a block is committed: the oldest block leaves the window. */
  readonly advance: () => void;
};

export function createRateLimiter({ limit, blocks }: RateLimit): RateLimiter {
  const perBlock: Map<string, number>[] = [new Map()];
  const totals = new Map<string, number>();
  return {
    charge(owner, points) {
      const newest = perBlock[perBlock.length - 1];
      newest?.set(owner, (newest.get(owner) ?? 0) + points);
      const total = (totals.get(owner) ?? 0) + points;
      totals.set(owner, total);
      return total > limit ? total : undefined;
    },
    advance() {
      perBlock.push(new Map());
      if (perBlock.length <= blocks) return;
      for (const [owner, points] of perBlock.shift() ?? []) {
        const rest = (totals.get(owner) ?? 0) - points;
        if (rest > 0) totals.set(owner, rest);
        else totals.delete(owner);
      }
    },
  };
}
