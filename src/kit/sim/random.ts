// Chance from a seed: one seed, one series.

export type Random = {
  /** in [0, 1) */
  readonly next: () => number;
  readonly chance: (probability: number) => boolean;
  /** in [low, high) */
  readonly between: (low: number, high: number) => number;
  /** low to high, both included */
  readonly integer: (low: number, high: number) => number;
  readonly pick: <Item>(items: readonly Item[]) => Item;
};

/** mulberry32: small, seeded, good enough to choose with. */
export function randomOf(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    chance: (probability) => next() < probability,
    between: (low, high) => low + next() * (high - low),
    integer,
    pick: (items) => {
      if (items.length === 0) throw new Error('nothing to pick from');
      return items[integer(0, items.length - 1)] as (typeof items)[number];
    },
  };
}
