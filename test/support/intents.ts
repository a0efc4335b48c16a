// Random intents for the paper exchange: every kind that ends differently, on five markets, by seed.
import type { IntentInput } from '../../src/core/intent.ts';

/** [market, small size, a size beyond the book, a price that crosses, a price that rests], for a BUY. */
const MARKETS = [
  ['BTC-USD', '0.01', '40', '63000', '57000'],
  ['ETH-USD', '0.25', '600', '3150', '2850'],
  ['SOL-USD', '3', '12000', '157.5', '142.5'],
  ['DOGE-USD', '1000', '12000000', '0.1575', '0.1425'],
  ['PEPE-USD', '10000000', '200000000000', '0.0000105', '0.0000095'],
] as const;

/** mulberry32: small, seeded, good enough to choose with. */
export function randomBySeed(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** So that no order outlives its blocks before it is sent, however loaded the machine: 12 to 17 blocks instead of 3 to 27. */
export function unhurried<Intent extends IntentInput>(intents: readonly Intent[]): Intent[] {
  return intents.map((intent) =>
    intent.good_til_blocks === undefined
      ? intent
      : { ...intent, good_til_blocks: 12 + (intent.good_til_blocks % 6) },
  );
}

export function randomIntents(
  count: number,
  seed: number,
  prefix: string,
): (IntentInput & { tenant_id: string })[] {
  const random = randomBySeed(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  return Array.from({ length: count }, (_, index) => {
    const [market, small, huge, cross, rest] = pick(MARKETS);
    const base = { client_id: `${prefix}-${index}`, tenant_id: 'default', market, side: 'BUY' } as const;
    const good_til_blocks = 3 + Math.floor(random() * 25);
    return pick<() => IntentInput & { tenant_id: string }>([
      () => ({ ...base, type: 'MARKET', size: small }),
      () => ({ ...base, type: 'LIMIT', time_in_force: 'IOC', size: small, price: cross }),
      () => ({ ...base, type: 'LIMIT', time_in_force: 'IOC', size: small, price: rest }),
      () => ({ ...base, type: 'LIMIT', time_in_force: 'IOC', size: huge, price: cross }),
      () => ({ ...base, type: 'LIMIT', size: small, price: cross, good_til_blocks }),
      () => ({ ...base, type: 'LIMIT', size: small, price: rest, good_til_blocks }),
      () => ({ ...base, type: 'LIMIT', size: huge, price: cross, good_til_blocks }),
      () => ({ ...base, type: 'LIMIT', size: small, price: cross, good_til_blocks, post_only: true }),
      () => ({ ...base, side: 'SELL', type: 'MARKET', size: small }),
    ])();
  });
}
