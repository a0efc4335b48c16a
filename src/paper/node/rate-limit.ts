// The block rate limits of one node: points per owner in windows of the last N blocks. Counted before they are
// compared, so an attempt that is refused counts too and hammering extends the ban, as on the chain.

export type RateLimit = { readonly limit: number; readonly blocks: number };

/** Short-term orders and cancels: the newest value in the venue's documentation; mainnet's genesis had 200 a block. */
export const DEFAULT_RATE_LIMIT: RateLimit = { limit: 4000, blocks: 5 };
/** Stateful placements; stateful cancels are free. */
export const DEFAULT_STATEFUL_RATE_LIMITS: readonly RateLimit[] = [
  { limit: 2, blocks: 1 },
  { limit: 20, blocks: 100 },
];

type Excess = RateLimit & { readonly total: number };

export type RateLimiter = {
  /** The first limit that the owner's points in its window are above, if any. */
  readonly charge: (owner: string, points: number) => Excess | undefined;
  /** Called after a block is committed: the oldest block leaves each window. */
  readonly advance: () => void;
};

type Window = {
  readonly charge: (owner: string, points: number) => number;
  readonly advance: () => void;
};

function createWindow(blocks: number): Window {
  const perBlock: Map<string, number>[] = [new Map()];
  const totals = new Map<string, number>();
  return {
    charge(owner, points) {
      const newest = perBlock[perBlock.length - 1];
      newest?.set(owner, (newest.get(owner) ?? 0) + points);
      const total = (totals.get(owner) ?? 0) + points;
      totals.set(owner, total);
      return total;
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

export function createRateLimiter(limits: readonly RateLimit[]): RateLimiter {
  const windows = limits.map((rate) => ({ rate, window: createWindow(rate.blocks) }));
  return {
    charge(owner, points) {
      let excess: Excess | undefined;
      for (const { rate, window } of windows) {
        const total = window.charge(owner, points);
        if (total > rate.limit) excess ??= { ...rate, total };
      }
      return excess;
    },
    advance() {
      for (const { window } of windows) window.advance();
    },
  };
}
