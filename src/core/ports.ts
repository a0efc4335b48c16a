// What the use cases need from the outside, in the words of the core. Adapters implement these; tests and
// the runtime choose them. Every call has a deadline of its own: none of them may wait for ever.
import type { Market } from './market.ts';
import type { OrderId } from './order-uuid.ts';
import type { Side } from './status.ts';

/** What an order is made of, whatever its life and identity. */
export type OrderContent = {
  readonly side: Side;
  readonly quantums: bigint;
  readonly subticks: bigint;
  readonly timeInForce: 'GTT' | 'IOC' | 'POST_ONLY';
  readonly reduceOnly: boolean;
  /** 1 marks an order without a price of its own, as the official client does; the chain keeps it, nothing reads it */
  readonly clientMetadata: 0 | 1;
  /** of conditional orders (flags 32), and of no others */
  readonly condition?: Condition | undefined;
};

export type Condition = {
  readonly type: 'STOP_LOSS' | 'TAKE_PROFIT';
  readonly triggerSubticks: bigint;
};

/** Short-term orders (flags 0) end with a block, stateful ones (32, 64) at a time. */
export type Lifetime =
  | { readonly goodTilBlock: number; readonly goodTilBlockTime?: undefined }
  /** unix seconds */
  | { readonly goodTilBlock?: undefined; readonly goodTilBlockTime: number };

/** The order as it is signed: the venue's integers, nothing left to decide. */
export type VenueOrder = OrderContent & { readonly id: OrderId } & Lifetime;

/** A cancel lives at least as long as its order. */
export type VenueCancel = { readonly id: OrderId } & Lifetime;

/** Source: v4-chain x/clob/types/constants.go. */
export const MAX_BATCH_CANCELS = 100;

/** Cancels of short-term orders of one subaccount in one transaction, 1 to MAX_BATCH_CANCELS client ids altogether. */
export type VenueBatchCancel = {
  readonly owner: string;
  readonly subaccountNumber: number;
  readonly goodTilBlock: number;
  readonly lists: readonly { readonly clobPairId: number; readonly clientIds: readonly number[] }[];
};

/**
 * What makes a stateful transaction one that the chain takes once: a timestamp nonce (unix ms), signed in place of the
 * sequence. The memo tells siblings with the same nonce apart: a node swallows bytes that it has seen.
 */
export type TxStamp = { readonly nonce: number; readonly memo: string };

export type SignedTx = {
  readonly bytes: Uint8Array;
  /** sha256 of the bytes, upper-case hex: the hash that the node returns */
  readonly hash: string;
};

/** Signs for one account; pure computation, no I/O. A stamp is needed for stateful orders, and refused for others. */
export type Signer = {
  /** bech32 dydx address of the account that owns the orders */
  readonly owner: string;
  readonly sign: (order: VenueOrder, stamp?: TxStamp) => Promise<SignedTx>;
  readonly signCancel: (cancel: VenueCancel, stamp?: TxStamp) => Promise<SignedTx>;
  readonly signBatchCancel: (batch: VenueBatchCancel) => Promise<SignedTx>;
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

/** Where a transaction is, by a node that indexes them. */
export type TxLookup =
  | {
      readonly kind: 'included';
      readonly hash: string;
      readonly height: number;
      /** 0: carried out; any other: it failed in its block, after its nonce was taken only by MESSAGE_CODESPACES (proof.ts) */
      readonly code: number;
      readonly codespace: string;
      readonly log: string;
    }
  /** in no block from the one it was signed at up to this one */
  | { readonly kind: 'absent'; readonly block: Block };

/** A stateful order in the committed state of a node. */
export type StatefulLookup =
  | { readonly kind: 'present'; readonly height: number }
  /** never placed, or gone by this height */
  | { readonly kind: 'absent'; readonly height: number };

/** At most `limit` in any `blocks` blocks. */
export type BlockRateLimit = { readonly limit: number; readonly blocks: number };

export type BlockRateLimits = {
  /** placements and cancels of short-term orders together; a batch cancel counts 2 */
  readonly shortTerm: readonly BlockRateLimit[];
  /** placements of stateful orders */
  readonly stateful: readonly BlockRateLimit[];
};

/** From that equity on a subaccount may have so many open stateful orders. */
export type EquityTier = { readonly usdcQuantums: bigint; readonly limit: number };

/** One registered authenticator of an account: what a permissioned key may sign. */
export type Authenticator = {
  readonly id: bigint;
  /** SignatureVerification, MessageFilter, ClobPairIdFilter, SubaccountFilter, AllOf, AnyOf */
  readonly type: string;
  readonly config: Uint8Array;
};

export type Validator = {
  /**
   * Never throws: whatever happens is an answer.
   * @param mayLeave asked at the last moment, when a socket is free: false drops the request unsent
   * @param turn how often these bytes were sent before: another turn is another node, where there are several
   */
  readonly broadcast: (
    bytes: Uint8Array,
    mayLeave?: () => boolean,
    turn?: number,
  ) => Promise<BroadcastAnswer>;
  /** The newest committed block. Throws when the node cannot be asked. */
  readonly latestBlock: () => Promise<Block>;
  readonly chainId: () => Promise<string>;
  /** Throws when the address has never been funded. */
  readonly accountNumber: (address: string) => Promise<number>;
  /**
   * Throws when no node can say: one that indexes transactions and whose word counts (src/venue/witness.ts).
   * @param sinceHeight at which the transaction was signed: a node that lacks a block since then cannot say "absent"
   */
  readonly findTx: (hash: string, sinceHeight?: number) => Promise<TxLookup>;
  /** Whether any node can say where a transaction is. Throws when none can be asked. */
  readonly indexesTransactions: () => Promise<boolean>;
  /** @param minHeight an answer for a block below it does not count. Throws when no node can say. */
  readonly statefulOrder: (id: OrderId, minHeight: number) => Promise<StatefulLookup>;
  readonly blockRateLimits: () => Promise<BlockRateLimits>;
  /** Of stateful orders, ascending. */
  readonly equityTiers: () => Promise<readonly EquityTier[]>;
  readonly authenticators: (owner: string) => Promise<readonly Authenticator[]>;
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

/** A row of the indexer's list of orders; decimals are strings. */
export type ListedOrder = {
  /** the order's UUID */
  readonly id: string;
  readonly market: string;
  readonly side: Side;
  readonly size: string;
  readonly totalFilled: string;
  /** the indexer's word for it, which is never proof */
  readonly status: string;
  /** block of its last change; of an order that only a node has seen there is none */
  readonly updatedAtHeight: number | undefined;
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
  /** At most 1,000, those that live longest first. @param isOpen only those that may fill; else of every status */
  readonly orders: (
    owner: string,
    subaccountNumber: number,
    isOpen: boolean,
  ) => Promise<readonly ListedOrder[]>;
  /** Whether the indexer has a row of this order; false is its 404, which proves nothing by itself. */
  readonly hasOrder: (orderUuid: string) => Promise<boolean>;
  /** Of a subaccount, decimal USDC; undefined when the indexer does not know it (never funded). */
  readonly equity: (owner: string, subaccountNumber: number) => Promise<string | undefined>;
};
