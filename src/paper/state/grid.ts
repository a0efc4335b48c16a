// Whether an order fits its market: grid first, then the market's status (x/clob keeper/orders.go, clob_pair.go).

import type { Side } from '../../core/status.ts';
import type { PaperMarket } from '../markets.ts';
import { midSubticks } from '../synthetic.ts';
import { isStateful, type PlaceOrder, sideOf } from '../wire/message.ts';
import { type Refusal, refuseClob } from '../wire/refusal.ts';
import { TIF } from '../wire/validate-basic.ts';

type Placed = {
  readonly orderFlags: number;
  readonly side: Side;
  readonly timeInForce: number;
  readonly quantums: bigint;
  readonly subticks: bigint;
};

/** A market that begins takes short-term post-only orders on the right side of the oracle price, nothing else. */
function mayInitialize(market: PaperMarket, order: Placed, seed: number, height: number): boolean {
  const oracle = midSubticks(seed, market, height);
  const isOnItsSide = order.side === 'BUY' ? order.subticks <= oracle : order.subticks >= oracle;
  return !isStateful(order.orderFlags) && order.timeInForce === TIF.POST_ONLY && isOnItsSide;
}

export function checkGrid(
  market: PaperMarket,
  order: Placed,
  seed: number,
  height: number,
): Refusal | undefined {
  if (order.subticks % market.subticksPerTick !== 0n)
    return refuseClob(12, `subticks must be a multiple of ${market.subticksPerTick}`);
  if (order.quantums % market.stepBaseQuantums !== 0n)
    return refuseClob(12, `quantums must be a multiple of ${market.stepBaseQuantums}`);
  if (market.status === 'ACTIVE') return undefined;
  if (market.status === 'INITIALIZING' && mayInitialize(market, order, seed, height)) return undefined;
  return refuseClob(34, `${market.ticker} is ${market.status}`);
}

export function placedOf(content: PlaceOrder): Placed {
  return {
    orderFlags: content.orderId?.orderFlags ?? 0,
    side: sideOf(content),
    timeInForce: content.timeInForce,
    quantums: BigInt(content.quantums.toString()),
    subticks: BigInt(content.subticks.toString()),
  };
}
