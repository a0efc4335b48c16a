// A subaccount as the indexer shows it: balance and positions are summed from the visible fills, so they never disagree
// with them.
import { fromScaled } from '../../core/decimal.ts';
import { quantumsToSize } from '../../core/quantize.ts';
import type { PaperMarket } from '../markets.ts';
import { worthOf } from '../state/equity.ts';
import { addTo, type Subaccount } from '../state/ledger.ts';
import { type View, visibleCount } from './indexer-view.ts';

type Exposure = { readonly market: PaperMarket; readonly quantums: bigint };

function exposures(view: View, positions: ReadonlyMap<number, bigint>): Exposure[] {
  return view.ledger.markets.all().flatMap((market) => {
    const quantums = positions.get(market.clobPairId);
    return quantums === undefined ? [] : [{ market, quantums }];
  });
}

export function showSubaccount(
  view: View,
  owner: string,
  number: number,
  subaccount: Subaccount | undefined,
) {
  const fills = subaccount?.fills.slice(0, visibleCount(subaccount.fills, view.height)) ?? [];
  const positions = new Map<number, bigint>();
  let usdc = subaccount?.startQuoteQuantums ?? view.ledger.startQuoteQuantums;
  for (const fill of fills) {
    addTo(positions, fill.order.clobPairId, fill.side, fill.quantums);
    usdc += (fill.side === 'BUY' ? -fill.quoteQuantums : fill.quoteQuantums) - fill.feeQuantums;
  }
  const open = exposures(view, positions);
  const worth = open.reduce(
    (sum, { market, quantums }) => sum + worthOf(view.seed, market, quantums, view.height),
    0n,
  );
  const equity = fromScaled(usdc + worth, 6);
  return {
    address: owner,
    subaccountNumber: number,
    equity,
    freeCollateral: equity,
    openPerpetualPositions: Object.fromEntries(
      open.map(({ market, quantums }) => [
        market.ticker,
        {
          market: market.ticker,
          status: 'OPEN',
          side: quantums > 0n ? 'LONG' : 'SHORT',
          size: quantumsToSize(quantums, market),
          subaccountNumber: number,
        },
      ]),
    ),
    assetPositions: {
      USDC: {
        symbol: 'USDC',
        side: usdc < 0n ? 'SHORT' : 'LONG',
        size: fromScaled(usdc < 0n ? -usdc : usdc, 6),
        assetId: '0',
        subaccountNumber: number,
      },
    },
    marginEnabled: true,
    updatedAtHeight: String(fills.at(-1)?.height ?? 1),
    latestProcessedBlockHeight: String(view.height),
  };
}
