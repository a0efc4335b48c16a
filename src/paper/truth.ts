// What really happened, for tests and scores: every order and fill of users, whatever the faults made the clients
// believe. The schema is for readers over HTTP.
import { z } from 'zod';
import { fromScaled } from '../core/decimal.ts';
import { quantumsToSize, subticksToPrice } from '../core/quantize.ts';
import { isLive, type Ledger, type PaperFill, type PaperOrder } from './ledger.ts';

const sideSchema = z.enum(['BUY', 'SELL']);

const truthOrderSchema = z.object({
  id: z.string(),
  owner: z.string(),
  subaccount_number: z.number(),
  client_id: z.number(),
  clob_pair_id: z.number(),
  /** empty when there is no such pair */
  market: z.string(),
  order_flags: z.number(),
  side: sideSchema,
  quantums: z.string(),
  subticks: z.string(),
  /** highest accepted; 0 when none was */
  good_til_block: z.number(),
  deliveries: z.number(),
  accepted: z.number(),
  filled_quantums: z.string(),
  filled_size: z.string(),
  live: z.boolean(),
  removal: z.string().optional(),
});

const truthFillSchema = z.object({
  id: z.string(),
  order_id: z.string(),
  owner: z.string(),
  subaccount_number: z.number(),
  market: z.string(),
  side: sideSchema,
  size: z.string(),
  price: z.string(),
  fee: z.string(),
  liquidity: z.enum(['TAKER', 'MAKER']),
  height: z.number(),
});

export const truthSchema = z.object({
  chain_id: z.string(),
  height: z.number(),
  indexer_height: z.number(),
  orders: z.array(truthOrderSchema),
  fills: z.array(truthFillSchema),
});

export type Truth = z.infer<typeof truthSchema>;
type TruthOrder = Truth['orders'][number];
type TruthFill = Truth['fills'][number];

function truthOrder(order: PaperOrder): TruthOrder {
  return {
    id: order.id,
    owner: order.subaccount.owner,
    subaccount_number: order.subaccount.number,
    client_id: order.clientId,
    clob_pair_id: order.clobPairId,
    market: order.market?.ticker ?? '',
    order_flags: order.orderFlags,
    side: order.side,
    quantums: order.quantums.toString(),
    subticks: order.subticks.toString(),
    good_til_block: order.goodTilBlock,
    deliveries: order.deliveries,
    accepted: order.accepted,
    filled_quantums: order.filled.toString(),
    filled_size: order.market ? quantumsToSize(order.filled, order.market) : '0',
    live: isLive(order),
    ...(order.removal === undefined ? {} : { removal: order.removal }),
  };
}

export function fillSize(fill: PaperFill): string {
  return fill.order.market ? quantumsToSize(fill.quantums, fill.order.market) : '0';
}

export function fillPrice(fill: PaperFill): string {
  return fill.order.market ? subticksToPrice(fill.subticks, fill.order.market) : '0';
}

/** USDC */
export function fillFee(fill: PaperFill): string {
  return fromScaled(fill.feeQuantums, 6);
}

function truthFill(fill: PaperFill): TruthFill {
  return {
    id: fill.id,
    order_id: fill.order.id,
    owner: fill.order.subaccount.owner,
    subaccount_number: fill.order.subaccount.number,
    market: fill.order.market?.ticker ?? '',
    side: fill.side,
    size: fillSize(fill),
    price: fillPrice(fill),
    fee: fillFee(fill),
    liquidity: fill.liquidity,
    height: fill.height,
  };
}

export function tellTruth(ledger: Ledger, chainId: string, indexerHeight: number, owner?: string): Truth {
  const isAsked = (order: PaperOrder): boolean => owner === undefined || order.subaccount.owner === owner;
  return {
    chain_id: chainId,
    height: ledger.height,
    indexer_height: indexerHeight,
    orders: [...ledger.orders.values()].filter(isAsked).map(truthOrder),
    fills: ledger.fills.filter((fill) => isAsked(fill.order)).map(truthFill),
  };
}
