// From a recorded intent to the venue order that will be signed: on the market's grid, or refused with the field,
// the venue's code and the reason. Nothing is rounded; only a MARKET order's worst price is chosen here.
import type { Refusal } from './intent.ts';
import type { Market } from './market.ts';
import type { VenueOrder } from './ports.ts';
import { priceToSubticks, sizeToQuantums, stepSize, tickSize, worstSubticks } from './quantize.ts';
import type { OrderType, Side, TimeInForce } from './status.ts';

/** The part of an intent (or of its row) that decides the venue order. */
export type Plannable = {
  readonly market: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly time_in_force: TimeInForce;
  readonly size: string;
  readonly price?: string | null | undefined;
  readonly good_til_blocks?: number | null | undefined;
  readonly good_til_time?: unknown;
  readonly reduce_only: boolean;
  readonly post_only: boolean;
};

export type PlanSettings = {
  /** MARKET: worst price = oracle × (1 ± this). Too low: no match in a fast market. Too high: bad fills. Millionths. */
  readonly marketSlippagePpm: number;
  /** Blocks an IOC may wait for its block. Too low: a lagging node refuses it; too high: proof comes late. */
  readonly iocGoodTilBlocks: number;
};

/** Everything of the venue order but what is chosen at the moment of signing. */
export type Plan = Omit<VenueOrder, 'id' | 'goodTilBlock'> & {
  readonly clobPairId: number;
  readonly orderFlags: 0;
  /** good-til-block = height at signing + this */
  readonly goodTilBlocks: number;
};

export type Planned =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly refusal: Refusal };

export function planOrder(order: Plannable, market: Market | undefined, settings: PlanSettings): Planned {
  if (market === undefined) return refuse('market', 'clob/8', `${order.market} is not a market of the venue`);
  if (market.status !== 'ACTIVE') return refuse('market', 'clob/34', `${market.ticker} is ${market.status}`);
  if (order.type !== 'MARKET' && order.type !== 'LIMIT') {
    return refuse('type', 'unsupported', `${order.type} orders are not carried by this version`);
  }
  if (order.good_til_time !== undefined && order.good_til_time !== null) {
    return refuse(
      'good_til_time',
      'unsupported',
      'stateful orders are not carried by this version: use good_til_blocks',
    );
  }
  const isImmediate = order.type === 'MARKET' || order.time_in_force === 'IOC';
  const goodTilBlocks = isImmediate ? settings.iocGoodTilBlocks : order.good_til_blocks;
  if (goodTilBlocks === undefined || goodTilBlocks === null) {
    return refuse('good_til_blocks', 'schema', 'is required for an order that rests');
  }
  const quantums = sizeToQuantums(order.size, market);
  if (quantums === undefined) {
    return refuse(
      'size',
      'clob/12',
      `${order.size} is not a multiple of the step ${stepSize(market)} of ${market.ticker}`,
    );
  }
  const subticks = subticksOf(order, market, settings);
  if (subticks === undefined) {
    const tick = tickSize(market);
    return order.type === 'MARKET'
      ? refuse('market', 'clob/12', `${market.ticker} has no usable oracle price (${market.oraclePrice})`)
      : refuse(
          'price',
          'clob/12',
          `${order.price} is not a multiple of the tick ${tick} of ${market.ticker}`,
        );
  }
  return {
    ok: true,
    plan: {
      clobPairId: market.clobPairId,
      orderFlags: 0,
      side: order.side,
      quantums,
      subticks,
      timeInForce: isImmediate ? 'IOC' : order.post_only ? 'POST_ONLY' : 'GTT',
      reduceOnly: order.reduce_only,
      clientMetadata: order.type === 'MARKET' ? 1 : 0,
      goodTilBlocks,
    },
  };
}

function subticksOf(order: Plannable, market: Market, settings: PlanSettings): bigint | undefined {
  if (order.type === 'MARKET') {
    return worstSubticks(order.side, market.oraclePrice, settings.marketSlippagePpm, market);
  }
  return typeof order.price === 'string' ? priceToSubticks(order.price, market) : undefined;
}

function refuse(field: string, code: string, reason: string): Planned {
  return { ok: false, refusal: { field, code, reason } };
}

/** Re-signing changes nothing but the good-til-block. */
export function venueOrder(
  plan: Plan,
  owner: string,
  subaccountNumber: number,
  clientId: number,
  height: number,
): VenueOrder {
  const { clobPairId, orderFlags, goodTilBlocks, ...content } = plan;
  return {
    ...content,
    id: { owner, subaccountNumber, clientId, clobPairId, orderFlags },
    goodTilBlock: height + goodTilBlocks,
  };
}

/** What a recorded row says of the order that was signed for it. */
export type SignedContent = {
  readonly owner: string;
  readonly subaccountNumber: number;
  readonly clientId: number;
  readonly clobPairId: number;
  readonly side: Side;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce;
  readonly quantums: bigint;
  readonly subticks: bigint;
  readonly reduceOnly: boolean;
  readonly postOnly: boolean;
};

/** The same order again, with nothing changed but its good-til-block. */
export function resignedOrder(content: SignedContent, goodTilBlock: number): VenueOrder {
  const { owner, subaccountNumber, clientId, clobPairId } = content;
  return {
    id: { owner, subaccountNumber, clientId, clobPairId, orderFlags: 0 },
    side: content.side,
    quantums: content.quantums,
    subticks: content.subticks,
    timeInForce: content.timeInForce === 'IOC' ? 'IOC' : content.postOnly ? 'POST_ONLY' : 'GTT',
    reduceOnly: content.reduceOnly,
    clientMetadata: content.type === 'MARKET' ? 1 : 0,
    goodTilBlock,
  };
}
