// The paper exchange: one process, one HTTP port, three faces (validators at POST / and /nodes/k, indexer under /v4,
// control under /paper) over one chain. Every request is answered from one consistent state: faces run to the end in
// one turn.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Chain, createChain } from './chain.ts';
import { answerControl } from './control-face.ts';
import { type Controls, createControls } from './controls.ts';
import { DEFAULT_EQUITY_TIERS, type EquityTier, toQuoteQuantums } from './equity.ts';
import { createFaults, type Faults } from './faults.ts';
import { type Exchange, readBody, sendErrors } from './http-reply.ts';
import { answerIndexer } from './indexer-face.ts';
import { type Journal, type Log, NO_JOURNAL, openJournal } from './journal.ts';
import { createNetwork } from './network.ts';
import type { PaperNode } from './node.ts';
import { DEFAULT_RATE_LIMIT, DEFAULT_STATEFUL_RATE_LIMITS, type RateLimit } from './rate-limit.ts';
import { type Truth, tellTruth } from './truth.ts';
import { answerRpc } from './validator-face.ts';

export type PaperOptions = {
  /** 0 (default) = any free port */
  readonly port?: number;
  readonly host?: string;
  /** milliseconds between blocks, default 500; 0 = blocks only by produceBlock() */
  readonly blockMs?: number;
  /** the price path, the book and probabilities of faults follow from it; default 1 */
  readonly seed?: number;
  /** folder of the journal; absent = memory only */
  readonly dataDir?: string;
  readonly chainId?: string;
  /** how many blocks the indexer is behind, default 0 */
  readonly indexerLagBlocks?: number;
  /** 1 (default) to 8; node 0 is the proposer's own */
  readonly nodes?: number;
  /** blocks until what one node accepts reaches the others; default 0 = at once */
  readonly gossipBlocks?: number;
  /** short-term orders and cancels per owner; default 4000 per 5 blocks */
  readonly rateLimit?: RateLimit;
  /** stateful placements per owner; default 2 per block and 20 per 100 blocks; empty = none */
  readonly statefulRateLimits?: readonly RateLimit[];
  /** open stateful orders per subaccount by equity, ascending; default as in facts §3.5; empty = none */
  readonly equityTiers?: readonly EquityTier[];
  /** what every subaccount starts with, decimal string; default 1000000 */
  readonly startUsdc?: string;
  /** a long-term order's notional may not exceed equity times this; default 20 */
  readonly maxLeverage?: number;
  readonly log?: Log;
};

export type Paper = AsyncDisposable & {
  /** serves all three faces, no trailing slash */
  readonly url: string;
  /** RPC base URL per node; the first is `url` */
  readonly nodes: readonly string[];
  readonly chainId: string;
  readonly height: () => number;
  readonly truth: (owner?: string) => Truth;
  readonly produceBlock: () => void;
  readonly setNode: Controls['setNode'];
  readonly setMarket: Controls['setMarket'];
  readonly setBalance: Controls['setBalance'];
  readonly addAuthenticator: Controls['addAuthenticator'];
  readonly faults: Pick<Faults, 'add' | 'clear' | 'list'>;
  readonly close: () => Promise<void>;
};

const DEFAULT_START_USDC = '1000000';
const DEFAULT_MAX_LEVERAGE = 20;

/** Node 0 at /, node k also at /nodes/k. */
function nodeAt(nodes: readonly PaperNode[], pathname: string): PaperNode | undefined {
  if (pathname === '/') return nodes[0];
  const index = /^\/nodes\/(\d+)\/?$/.exec(pathname)?.[1];
  return index === undefined ? undefined : nodes[Number(index)];
}

/** Committed height less the lag. A growing lag stalls it; it never goes back. */
function createIndexerHeight(chain: Chain, faults: Faults, lagBlocks: number): () => number {
  let shown = 0;
  return () => {
    shown = Math.max(shown, chain.ledger.height - Math.max(lagBlocks, faults.steadyLagBlocks()));
    return shown;
  };
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      const message = isTaken
        ? `port ${port} on ${host} is in use; choose another (0 = any free port)`
        : `the paper exchange cannot listen on ${host}:${port}: ${cause.message}`;
      reject(new Error(message, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

function startBlocks(produceBlock: () => void, blockMs: number, log: Log): () => void {
  if (blockMs === 0) return () => {};
  const timer = setInterval(() => {
    try {
      produceBlock();
    } catch (error) {
      // A block that cannot be journalled must not be shown: the chain halts, as a real one would.
      clearInterval(timer);
      log('error', 'paper exchange: no more blocks', { error: String(error) });
    }
  }, blockMs);
  return () => clearInterval(timer);
}

export async function startPaper(options: PaperOptions = {}): Promise<Paper> {
  const { port = 0, host = '127.0.0.1', blockMs = 500, seed = 1, chainId = 'dydx-paper-1' } = options;
  const log = options.log ?? (() => {});
  const journal: Journal =
    options.dataDir === undefined ? NO_JOURNAL : openJournal(options.dataDir, chainId, seed, log);
  const chain = createChain({
    chainId,
    seed,
    limits: {
      equityTiers: options.equityTiers ?? DEFAULT_EQUITY_TIERS,
      maxLeverage: options.maxLeverage ?? DEFAULT_MAX_LEVERAGE,
    },
    startQuoteQuantums: toQuoteQuantums(options.startUsdc ?? DEFAULT_START_USDC),
    journal,
    now: Date.now,
  });
  const network = createNetwork(chain, {
    nodes: options.nodes ?? 1,
    gossipBlocks: options.gossipBlocks ?? 0,
    limits: {
      shortTerm: options.rateLimit ?? DEFAULT_RATE_LIMIT,
      stateful: options.statefulRateLimits ?? DEFAULT_STATEFUL_RATE_LIMITS,
    },
  });
  const faults = createFaults(seed);
  const controls = createControls(chain, network);
  const indexerHeight = createIndexerHeight(chain, faults, options.indexerLagBlocks ?? 0);
  const truth = (owner?: string): Truth => tellTruth(chain, network.pendingOrders(), indexerHeight(), owner);
  const deps = { chain, network, controls, faults, truth, indexerHeight, blockMs };

  const answer = async (exchange: Exchange): Promise<void> => {
    const { request } = exchange;
    const body = await readBody(request);
    if (body === undefined) return sendErrors(exchange, 413, 'the body is larger than 1 MiB');
    const url = new URL(request.url ?? '/', 'http://paper');
    const node = request.method === 'POST' ? nodeAt(network.nodes, url.pathname) : undefined;
    if (node) return answerRpc(deps, node, exchange, body);
    if (url.pathname.startsWith('/v4/')) return answerIndexer(deps, exchange, url);
    if (url.pathname.startsWith('/paper/')) return answerControl(deps, exchange, url, body);
    sendErrors(exchange, 404, `no such route: ${request.method} ${url.pathname}`);
  };

  const server = createServer(
    { keepAliveTimeout: 60_000 },
    (request: IncomingMessage, response: ServerResponse) => {
      answer({ request, response }).catch((error: unknown) => {
        if (request.destroyed && !request.complete) return;
        log('error', 'paper exchange: request failed', { error: String(error), url: request.url });
        if (!response.headersSent)
          sendErrors({ request, response }, 500, 'internal error of the paper exchange');
      });
    },
  );
  let boundPort: number;
  try {
    boundPort = await listen(server, port, host);
  } catch (error) {
    journal.close();
    throw error;
  }
  const stopBlocks = startBlocks(network.produceBlock, blockMs, log);
  log('info', 'paper exchange started', { port: boundPort, chain_id: chainId, height: chain.ledger.height });

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise<void>((resolve) => {
      stopBlocks();
      server.close(() => resolve());
      server.closeAllConnections();
    }).then(() => journal.close());
    return closing;
  };
  const paperUrl = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${boundPort}`;
  return {
    url: paperUrl,
    nodes: network.nodes.map(({ index }) => (index === 0 ? paperUrl : `${paperUrl}/nodes/${index}`)),
    chainId,
    height: () => chain.ledger.height,
    truth,
    produceBlock: network.produceBlock,
    setNode: controls.setNode,
    setMarket: controls.setMarket,
    setBalance: controls.setBalance,
    addAuthenticator: controls.addAuthenticator,
    faults: { add: faults.add, clear: faults.clear, list: faults.list },
    close,
    [Symbol.asyncDispose]: close,
  };
}
