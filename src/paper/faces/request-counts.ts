// How often the exchange was asked what, since its start: JSON-RPC by method, the indexer by path. Round trips per order
// are read from it. Names are bounded: whatever no route knows is counted as "other".
const RPC_METHODS = [
  'broadcast_tx_sync',
  'broadcast_tx_async',
  'status',
  'health',
  'abci_info',
  'abci_query',
  'block',
  'tx',
];
const INDEXER_PATHS = ['/v4/height', '/v4/time', '/v4/perpetualMarkets', '/v4/fills', '/v4/orders'];
/** Paths that have a part of their own for each order, owner or market. */
const TEMPLATES: readonly (readonly [prefix: string, template: string])[] = [
  ['/v4/orders/', '/v4/orders/:id'],
  ['/v4/orderbooks/', '/v4/orderbooks/perpetualMarket/:ticker'],
  ['/v4/addresses/', '/v4/addresses/:address/subaccountNumber/:number'],
];
const KNOWN = new Set([...RPC_METHODS, ...INDEXER_PATHS]);
const OTHER = 'other';

export type RequestCounts = {
  readonly countRpc: (method: string) => void;
  readonly countIndexer: (path: string) => void;
  /** by RPC method or path; what was never asked is absent */
  readonly list: () => Readonly<Record<string, number>>;
};

export function createRequestCounts(): RequestCounts {
  const counts = new Map<string, number>();
  const count = (name: string): void => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  };
  return {
    countRpc: (method) => count(KNOWN.has(method) ? method : OTHER),
    countIndexer(path) {
      const template = TEMPLATES.find(([prefix]) => path.startsWith(prefix))?.[1] ?? path;
      count(template !== path || KNOWN.has(path) ? template : OTHER);
    },
    list: () => Object.fromEntries(counts),
  };
}
