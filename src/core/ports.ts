// What the use cases need from the outside, in the words of the core. Adapters implement these; tests and
// the runtime choose them. Every call has a deadline of its own: none of them may wait for ever.
import type { Market } from './market.ts';
import type { OrderId } from './order-uuid.ts';
import type { Side } from './status.ts';

/** The order as it is signed: the venue's integers, nothing left to decide. */
export type VenueOrder = {
  readonly id: OrderId;
  readonly side: Side;
  readonly quantums: bigint;
  readonly subticks: bigint;
  readonly timeInForce: 'GTT' | 'IOC' | 'POST_ONLY';
  readonly reduceOnly: boolean;
  readonly goodTilBlock: number;
  /** 1 marks a MARKET order, as the official client does; the chain keeps it, nothing reads it */
  readonly clientMetadata: 0 | 1;
};

export type SignedTx = {
  readonly bytes: Uint8Array;
  /** sha256 of the bytes, upper-case hex: the hash that the node returns */
  readonly hash: string;
};

/** Signs for one account; pure computation, no I/O. */
export type Signer = {
  /** bech32 dydx address of the account that owns the orders */
  readonly owner: string;
  readonly sign: (order: VenueOrder) => Promise<SignedTx>;
};

/** What came back from broadcast_tx_sync, before anyone judged it (core/answers.ts does). */
export type BroadcastAnswer =
  /** CheckTx answered; code 0 is acceptance by this node, not proof that it is on the book */
  | { readonly kind: 'check_tx'; readonly codespace: string; readonly code: number; readonly log: string }
  /** a JSON-RPC error object, e.g. "tx already exists in cache" */
  | { readonly kind: 'rpc_error'; readonly code: number; readonly message: string }
  /** no byte can have arrived: connection refused, name not found */
  | { readonly kind: 'not_sent'; readonly reason: string }
  /** anything else: timeout, reset, 5xx, HTML, half a body */
  | { readonly kind: 'no_answer'; readonly reason: string };

export type Block = { readonly height: number; readonly time: Date };

export type Validator = {
  /**
   * Never throws: whatever happens is an answer.
   * @param mayLeave asked at the last moment, when a socket is free: false drops the request unsent
   */
  readonly broadcast: (bytes: Uint8Array, mayLeave?: () => boolean) => Promise<BroadcastAnswer>;
  /** The newest committed block. Throws when the node cannot be asked. */
  readonly latestBlock: () => Promise<Block>;
  readonly chainId: () => Promise<string>;
  /** Throws when the address has never been funded. */
  readonly accountNumber: (address: string) => Promise<number>;
};

/** One side of one match, as the indexer reports it; decimals are strings. */
export type Fill = {
  /** UUID, globally unique and deterministic */
  readonly id: string;
  /** the order's UUID; absent for liquidations and the like */
  readonly orderUuid: string | undefined;
  readonly market: string;
  readonly side: Side;
  readonly size: string;
  readonly price: string;
  /** USDC, negative = rebate */
  readonly fee: string;
  readonly liquidity: 'TAKER' | 'MAKER';
  /** LIMIT, LIQUIDATED, … */
  readonly type: string;
  readonly height: number;
  readonly createdAt: Date;
};

export type FillsPage = {
  /** ascending by height and position in the block */
  readonly fills: readonly Fill[];
  readonly totalResults: number;
};

/** Throws IndexerError on anything but a well-formed answer: silence is never data. */
export type Indexer = {
  readonly height: () => Promise<number>;
  /** page is 1-based; limit 1–1000 */
  readonly fills: (
    owner: string,
    subaccountNumber: number,
    page: number,
    limit: number,
  ) => Promise<FillsPage>;
  readonly markets: () => Promise<readonly Market[]>;
};
