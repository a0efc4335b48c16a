// What producers offer under one seed: intents of every kind, some of them bad, alone or together in a job.
import type { IntentInput } from '../../core/intent.ts';
import { quantumsToSize, subticksToPrice, worstSubticks } from '../../core/quantize.ts';
import { createMarkets, type PaperMarket } from '../../paper/markets.ts';
import type { Random } from './random.ts';
import { POISON_PREFIX } from './simulated-time.ts';

export type Offer = {
  readonly intent: IntentInput & { readonly client_id: string };
  /** order: it becomes one, whatever happens; refused: never; either: a market may be closed when it comes */
  readonly expected: 'order' | 'refused' | 'either';
};

export type OfferedJob = { readonly atMs: number; readonly offers: readonly Offer[] };

/** @param forMs offered within so long */
export function drawOffers(
  random: Random,
  options: {
    readonly tenantId: string;
    readonly account: string;
    readonly count: number;
    readonly startMs: number;
    readonly forMs: number;
    readonly pausedMarket: string | undefined;
  },
): OfferedJob[] {
  const { tenantId, account, count, startMs, forMs, pausedMarket } = options;
  const markets = createMarkets();
  const named = (ticker: string): PaperMarket => {
    const market = markets.ofTicker(ticker);
    if (market === undefined) throw new Error(`no market ${ticker}`);
    return market;
  };
  const jobs: OfferedJob[] = [];
  let made = 0;
  while (made < count) {
    const atMs = startMs + random.between(0, forMs);
    const size = random.chance(0.4) ? random.integer(2, 4) : 1;
    const offers: Offer[] = [];
    for (let index = 0; index < size && made < count; index++, made++) {
      const base = { tenant_id: tenantId, account, client_id: `${tenantId}-${made}` };
      const market = named(random.pick(['BTC-USD', 'ETH-USD', 'SOL-USD', 'DOGE-USD']));
      const intent = { ...base, ...drawOrder(random, market, atMs) };
      offers.push({ intent, expected: market.ticker === pausedMarket ? 'either' : 'order' });
    }
    if (random.chance(0.15)) offers.push(drawBad(random, `${tenantId}-bad-${made}`, { tenantId, account }));
    if (size > 1 && random.chance(0.3)) {
      const intent = {
        ...drawOrder(random, named('SOL-USD'), atMs),
        tenant_id: tenantId,
        account,
        client_id: `${POISON_PREFIX}-${tenantId}-${made}`,
      };
      offers.push({ intent, expected: 'refused' });
    }
    jobs.push({ atMs, offers });
  }
  return jobs;
}

type Order = Omit<IntentInput, 'client_id' | 'tenant_id' | 'account'>;

function drawOrder(random: Random, market: PaperMarket, atMs: number): Order {
  const side = random.pick(['BUY', 'SELL'] as const);
  const other = side === 'BUY' ? 'SELL' : 'BUY';
  const start = subticksToPrice(market.startSubticks, market);
  const price = (ppm: number): string => {
    const subticks = worstSubticks(side, start, ppm, market);
    if (subticks === undefined) throw new Error(`no price in ${market.ticker}`);
    return subticksToPrice(subticks, market);
  };
  const small = quantumsToSize(market.stepBaseQuantums * BigInt(random.integer(1, 200)), market);
  /** about a fifth of a million USD: more than a level of the book */
  const worth = (usd: number): string => {
    const steps = Math.max(1, Math.floor(usd / Number(start) / Number(market.stepSize)));
    return quantumsToSize(market.stepBaseQuantums * BigInt(steps), market);
  };
  const cross = price(30_000);
  const rest = price(-random.pick([500, 2_000, 30_000]));
  const large = worth(random.pick([50_000, 200_000, 1_000_000]));
  const size = random.pick([small, large]);
  const base = { market: market.ticker, side };
  const good_til_blocks = random.pick([1, 2, 3, 6, 12, 20]);
  const good_til_time = new Date(atMs + random.integer(20, 45) * 1_000).toISOString();
  return random.pick<() => Order>([
    () => ({ ...base, type: 'MARKET', size }),
    () => ({ ...base, type: 'LIMIT', time_in_force: 'IOC', size, price: cross }),
    () => ({ ...base, type: 'LIMIT', time_in_force: 'IOC', size: small, price: cross, reduce_only: true }),
    () => ({ ...base, type: 'LIMIT', size, price: cross, good_til_blocks: random.pick([1, 1, 2]) }),
    () => ({ ...base, type: 'LIMIT', size: small, price: cross, good_til_blocks: random.pick([1, 1, 2]) }),
    () => ({ ...base, type: 'LIMIT', size, price: cross, good_til_blocks }),
    () => ({ ...base, type: 'LIMIT', size, price: rest, good_til_blocks }),
    () => ({
      ...base,
      type: 'LIMIT',
      size: small,
      price: rest,
      good_til_blocks,
      post_only: random.chance(0.5),
    }),
    () => ({ ...base, type: 'LIMIT', size: small, price: random.pick([cross, rest]), good_til_time }),
    () => ({ ...base, type: 'LIMIT', size: small, price: random.pick([cross, rest]), good_til_time }),
    () => ({
      ...base,
      side: other,
      type: 'STOP_MARKET',
      size: small,
      trigger_price: price(-800),
      good_til_time,
    }),
    () => ({
      ...base,
      type: 'TAKE_PROFIT_LIMIT',
      size: small,
      price: cross,
      trigger_price: price(random.pick([500, -1_000])),
      good_til_time,
    }),
  ])();
}

function drawBad(
  random: Random,
  client_id: string,
  { tenantId, account }: { readonly tenantId: string; readonly account: string },
): Offer {
  const base = { client_id, tenant_id: tenantId, account, side: 'BUY', type: 'LIMIT' } as const;
  const intent = random.pick<IntentInput & { client_id: string }>([
    { ...base, market: 'BTC-USD', size: '0.00000001', price: '60000', good_til_blocks: 3 },
    { ...base, market: 'NOPE-USD', size: '1', price: '60000', good_til_blocks: 3 },
    { ...base, market: 'COMP-USD', size: '1', price: '50', good_til_blocks: 3 },
    { ...base, market: 'BTC-USD', size: '1', good_til_blocks: 3 },
    { ...base, market: 'BTC-USD', size: '1', price: '60000', good_til_blocks: 3, account: 'nobody' },
  ]);
  // Of a market that is not known yet nothing can be said at the door: it is recorded, and ends as never sent.
  return { intent, expected: 'either' };
}
