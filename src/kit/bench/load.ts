// The orders of a bench: small orders that cross the book and fill in the next block, both sides in turn so that no
// position grows, in several markets and subaccounts. One seed and prefix, one series.
import type { IntentInput } from '../../core/intent.ts';

/** [market, size, a BUY's limit, a SELL's limit]: five percent beyond where the paper exchange's prices stay. */
const MARKETS = [
  ['BTC-USD', '0.0001', '66000', '54000'],
  ['ETH-USD', '0.001', '3300', '2700'],
  ['SOL-USD', '0.1', '165', '135'],
  ['DOGE-USD', '100', '0.165', '0.135'],
] as const;

export type LoadOptions = {
  /** of the client ids */
  readonly prefix: string;
  /** over which the orders go in turn */
  readonly subaccounts: number;
};

export function intentOf(index: number, { prefix, subaccounts }: LoadOptions): IntentInput {
  const [market, size, buy, sell] = MARKETS[index % MARKETS.length] ?? MARKETS[0];
  const isBuy = Math.floor(index / MARKETS.length) % 2 === 0;
  return {
    client_id: `${prefix}-${index}`,
    market,
    side: isBuy ? 'BUY' : 'SELL',
    type: 'LIMIT',
    time_in_force: 'IOC',
    size,
    price: isBuy ? buy : sell,
    subaccount_number: index % subaccounts,
  };
}
