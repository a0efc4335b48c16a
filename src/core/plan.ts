// From a recorded intent to the venue order that will be signed: on the market's grid, or refused with the field,
// the venue's code and the reason. Nothing is rounded; only the worst price of a market type is chosen here.
import type { Refusal } from './intent.ts';
import type { Market } from './market.ts';
import { CONDITIONAL, LONG_TERM, type OrderId, SHORT_TERM } from './order-uuid.ts';
import type { Condition, Lifetime, OrderContent, VenueOrder } from './ports.ts';
import { priceToSubticks, sizeToQuantums, stepSize, tickSize, worstSubticks } from './quantize.ts';
import { isConditional, isMarketType, type OrderType, type Side, type TimeInForce } from './status.ts';

/** The part of an intent (or of its row) that decides the venue order. */
export type Plannable = {
  readonly market: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly time_in_force: TimeInForce;
  readonly size: string;
  readonly price?: string | null | undefined;
  readonly trigger_price?: string | null | undefined;
  readonly good_til_blocks?: number | null | undefined;
  readonly good_til_time?: string | Date | null | undefined;
  readonly reduce_only: boolean;
  readonly post_only: boolean;
};

export type PlanSettings = {
  /**
   * Market types: worst price = oracle, or trigger price, × (1 ± this). Too low: no match in a fast market. Too high: bad
   * fills. Millionths.
   */
  readonly marketSlippagePpm: number;
  /** Blocks an IOC may wait for its block. Too low: a lagging node refuses it; too high: proof comes late. */
  readonly iocGoodTilBlocks: number;
};

/** Everything of the venue order but what is chosen at the moment of signing. */
export type Plan = OrderContent & { readonly clobPairId: number } & (
    | {
        readonly orderFlags: typeof SHORT_TERM;
        /** good-til-block = height at signing + this */
        readonly goodTilBlocks: number;
      }
    | {
        readonly orderFlags: typeof CONDITIONAL | typeof LONG_TERM;
        /** unix seconds */
        readonly goodTilBlockTime: number;
      }
  );

export type Planned =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly refusal: Refusal };

export function planOrder(order: Plannable, market: Market | undefined, settings: PlanSettings): Planned {
  if (market === undefined) return refuse('market', 'clob/8', `${order.market} is not a market of the venue`);
  if (market.status !== 'ACTIVE') return refuse('market', 'clob/34', whyClosed(market));
  const quantums = sizeToQuantums(order.size, market);
  if (quantums === undefined) {
    const step = stepSize(market);
    return refuse(
      'size',
      'clob/12',
      `${order.size} is not a multiple of the step ${step} of ${market.ticker}`,
    );
  }
  const condition = conditionOf(order, market);
  if (condition === 'off_grid') return offTick('trigger_price', order.trigger_price, market);
  const subticks = subticksOf(order, market, settings);
  if (subticks === undefined) {
    if (!isMarketType(order.type)) return offTick('price', order.price, market);
    const reference = order.trigger_price ?? market.oraclePrice;
    return refuse('market', 'clob/12', `no worst price for ${market.ticker} can be made of ${reference}`);
  }
  const isImmediate = isMarketType(order.type) || order.time_in_force === 'IOC';
  const content: OrderContent & { readonly clobPairId: number } = {
    clobPairId: market.clobPairId,
    side: order.side,
    quantums,
    subticks,
    timeInForce: isImmediate ? 'IOC' : order.post_only ? 'POST_ONLY' : 'GTT',
    reduceOnly: order.reduce_only,
    clientMetadata: isMarketType(order.type) ? 1 : 0,
    ...(condition === undefined ? {} : { condition }),
  };
  const goodTilBlockTime = goodTilSeconds(order.good_til_time);
  if (goodTilBlockTime !== undefined) {
    const orderFlags = condition === undefined ? LONG_TERM : CONDITIONAL;
    return { ok: true, plan: { ...content, orderFlags, goodTilBlockTime } };
  }
  const goodTilBlocks = isImmediate ? settings.iocGoodTilBlocks : order.good_til_blocks;
  if (goodTilBlocks === undefined || goodTilBlocks === null || condition !== undefined) {
    const field = condition === undefined ? 'good_til_blocks' : 'good_til_time';
    return refuse(field, 'schema', 'is required for an order that rests');
  }
  return { ok: true, plan: { ...content, orderFlags: SHORT_TERM, goodTilBlocks } };
}

function whyClosed({ ticker, status }: Market): string {
  if (status === 'FINAL_SETTLEMENT')
    return `${ticker} is being settled for good (${status}): it trades no more`;
  return `${ticker} is ${status}: the venue takes no orders for it now`;
}

function offTick(field: string, price: string | null | undefined, market: Market): Planned {
  const tick = tickSize(market);
  return refuse(field, 'clob/12', `${price} is not a multiple of the tick ${tick} of ${market.ticker}`);
}

function conditionOf(order: Plannable, market: Market): Condition | 'off_grid' | undefined {
  if (!isConditional(order.type)) return undefined;
  const triggerSubticks =
    typeof order.trigger_price === 'string' ? priceToSubticks(order.trigger_price, market) : undefined;
  if (triggerSubticks === undefined) return 'off_grid';
  return { type: conditionType(order.type), triggerSubticks };
}

function conditionType(type: OrderType): Condition['type'] {
  return type.startsWith('STOP') ? 'STOP_LOSS' : 'TAKE_PROFIT';
}

function subticksOf(order: Plannable, market: Market, settings: PlanSettings): bigint | undefined {
  if (isMarketType(order.type)) {
    const reference = order.trigger_price ?? market.oraclePrice;
    return worstSubticks(order.side, reference, settings.marketSlippagePpm, market);
  }
  return typeof order.price === 'string' ? priceToSubticks(order.price, market) : undefined;
}

/** Whole seconds, as the chain counts: never later than asked for. */
export function goodTilSeconds(time: string | Date | null | undefined): number | undefined {
  return time === undefined || time === null ? undefined : Math.floor(new Date(time).getTime() / 1000);
}

function refuse(field: string, code: string, reason: string): Planned {
  return { ok: false, refusal: { field, code, reason } };
}

/** The order as it is signed for the first time. */
export function venueOrder(
  plan: Plan,
  owner: string,
  subaccountNumber: number,
  clientId: number,
  height: number,
): VenueOrder {
  const { clobPairId, orderFlags, ...rest } = plan;
  const id = { owner, subaccountNumber, clientId, clobPairId, orderFlags };
  if ('goodTilBlockTime' in rest) return { ...rest, id };
  const { goodTilBlocks, ...content } = rest;
  return { ...content, id, goodTilBlock: height + goodTilBlocks };
}

/** What a recorded row says of the order that was signed for it. */
export type SignedContent = {
  readonly owner: string;
  readonly subaccountNumber: number;
  readonly clientId: number;
  readonly clobPairId: number;
  readonly orderFlags: number;
  readonly side: Side;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce;
  readonly quantums: bigint;
  readonly subticks: bigint;
  readonly triggerSubticks: bigint | undefined;
  readonly reduceOnly: boolean;
  readonly postOnly: boolean;
};

export function signedId({
  owner,
  subaccountNumber,
  clientId,
  clobPairId,
  orderFlags,
}: SignedContent): OrderId {
  return { owner, subaccountNumber, clientId, clobPairId, orderFlags };
}

/** The same order again: of a short-term one only the good-til-block changes, of a stateful one nothing. */
export function resignedOrder(content: SignedContent, lifetime: Lifetime): VenueOrder {
  const { triggerSubticks, type } = content;
  return {
    id: signedId(content),
    side: content.side,
    quantums: content.quantums,
    subticks: content.subticks,
    timeInForce: content.timeInForce === 'IOC' ? 'IOC' : content.postOnly ? 'POST_ONLY' : 'GTT',
    reduceOnly: content.reduceOnly,
    clientMetadata: isMarketType(type) ? 1 : 0,
    ...(triggerSubticks === undefined ? {} : { condition: { type: conditionType(type), triggerSubticks } }),
    ...lifetime,
  };
}
