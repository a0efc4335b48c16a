// Which share of the seeded orders is whose, and of which market.

export const BUSIEST_TENANT = 'default';

const TENANT_SHARES = { [BUSIEST_TENANT]: 0.8, alpha: 0.1, beta: 0.06, gamma: 0.03, delta: 0.01 };

/** By share of orders, falling: the first has 35 %, the first two half, the last one 1 %. */
const PRICES = {
  'BTC-USD': 60_000,
  'ETH-USD': 3_000,
  'SOL-USD': 150,
  'XRP-USD': 0.6,
  'DOGE-USD': 0.15,
  'LINK-USD': 15,
  'AVAX-USD': 25,
  'LTC-USD': 80,
  'ATOM-USD': 5,
  'PEPE-USD': 0.00001,
  'ADA-USD': 0.4,
  'DOT-USD': 6,
  'UNI-USD': 8,
  'BCH-USD': 400,
  'TRX-USD': 0.12,
  'NEAR-USD': 5,
  'MKR-USD': 2_500,
  'XLM-USD': 0.1,
  'ETC-USD': 25,
  'FIL-USD': 4,
} as const;
const SKEW = 1.2;

type Share = { readonly name: string; readonly share: number };
type Slice = { readonly name: string; readonly since: number; readonly upto: number };

/** Shares as slices of [0, 1): of `draw >= since AND draw < upto` exactly one is true. */
function urnOf<Item extends Share>(items: readonly Item[]): (Omit<Item, 'share'> & Slice)[] {
  const total = items.reduce((sum, { share }) => sum + share, 0);
  let upto = 0;
  return items.map(({ share, ...item }, index) => {
    const since = upto;
    // Rounding must leave no gap below 1.
    upto = index === items.length - 1 ? 1 : since + share / total;
    return { ...item, since, upto };
  });
}

export const TENANT_URN = urnOf(Object.entries(TENANT_SHARES).map(([name, share]) => ({ name, share })));

export const MARKET_URN = urnOf(
  Object.entries(PRICES).map(([name, price], pair) => ({ name, pair, price, share: (pair + 1) ** -SKEW })),
);
