// What really happened, for tests and scores: every order and fill of users, whatever the faults made the clients
// believe. The schema is for readers over HTTP.
import { z } from 'zod';
import { fromScaled } from '../core/decimal.ts';
import { quantumsToSize, subticksToPrice } from '../core/quantize.ts';
import {
  type IncludedTransaction,
  isLive,
  type Ledger,
  type PaperFill,
  type PaperOrder,
} from './state/ledger.ts';

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
  /** unix seconds, highest accepted; 0 when none was, and for short-term orders */
  good_til_block_time: z.number(),
  deliveries: z.number(),
  accepted: z.number(),
  filled_quantums: z.string(),
  filled_size: z.string(),
  /** it may fill yet: on the book, matched, in state, or on its way to the proposer */
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

/** Included in a block; failed ones too. */
const truthTransactionSchema = z.object({
  hash: z.string(),
  height: z.number(),
  index: z.number(),
  code: z.number(),
  codespace: z.string(),
  nonce: z.number(),
  kinds: z.array(z.enum(['place', 'cancel', 'other'])),
  order_ids: z.array(z.string()),
});

/** What CheckTx has answered to clients, all nodes together. */
const truthRefusalSchema = z.object({ codespace: z.string(), code: z.number(), count: z.number() });

export const truthSchema = z.object({
  chain_id: z.string(),
  height: z.number(),
  indexer_height: z.number(),
  orders: z.array(truthOrderSchema),
  fills: z.array(truthFillSchema),
  transactions: z.array(truthTransactionSchema),
  refusals: z.array(truthRefusalSchema),
});

export type Truth = z.infer<typeof truthSchema>;
type TruthOrder = Truth['orders'][number];
type TruthFill = Truth['fills'][number];
type TruthTransaction = Truth['transactions'][number];

function truthOrder(order: PaperOrder, isPending: boolean): TruthOrder {
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
    good_til_block_time: order.goodTilBlockTime,
    deliveries: order.deliveries,
    accepted: order.accepted,
    filled_quantums: order.filled.toString(),
    filled_size: order.market ? quantumsToSize(order.filled, order.market) : '0',
    live: isPending || isLive(order),
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

function truthTransaction(tx: IncludedTransaction): TruthTransaction {
  const { hash, height, index, code, codespace, nonce, kinds, orderIds } = tx;
  return { hash, height, index, code, codespace, nonce, kinds: [...kinds], order_ids: [...orderIds] };
}

function truthRefusals(refusals: ReadonlyMap<string, number>): Truth['refusals'] {
  return [...refusals].map(([name, count]) => {
    const [codespace = '', code] = name.split('/');
    return { codespace, code: Number(code), count };
  });
}

/** pending: uuids of orders that are on their way to the proposer or into its next block. */
export function tellTruth(
  chain: { readonly chainId: string; readonly ledger: Ledger },
  pending: ReadonlySet<string>,
  indexerHeight: number,
  owner?: string,
): Truth {
  const { ledger, chainId } = chain;
  const isAsked = (order: PaperOrder): boolean => owner === undefined || order.subaccount.owner === owner;
  return {
    chain_id: chainId,
    height: ledger.height,
    indexer_height: indexerHeight,
    orders: [...ledger.orders.values()]
      .filter(isAsked)
      .map((order) => truthOrder(order, pending.has(order.id))),
    fills: ledger.fills.filter((fill) => isAsked(fill.order)).map(truthFill),
    transactions: [...ledger.transactions.values()]
      .filter((tx) => owner === undefined || tx.owner === owner)
      .map(truthTransaction),
    refusals: truthRefusals(ledger.refusals),
  };
}
