// The paper exchange: one process, one HTTP port, three faces (validators at POST / and /nodes/k, indexer under /v4,
// its websocket at /v4/ws, control under /paper) over one chain. Every request is answered from one consistent state: faces run to the end in
// one turn.
import { type Chain, createChain } from './blocks/chain.ts';
import { createAnswerCache } from './faces/answer-cache.ts';
import { answerControl } from './faces/control-face.ts';
import { type Controls, createControls } from './faces/controls.ts';
import { createFaults, FaultHeaderError, type Faults } from './faces/faults.ts';
import { type Exchange, readBody, sendErrors } from './faces/http-reply.ts';
import { answerIndexer } from './faces/indexer-face.ts';
import { createRequestCounts } from './faces/request-counts.ts';
import { type Served, serve } from './faces/serve.ts';
import { createSocketFace } from './faces/socket-face.ts';
import { answerRpc } from './faces/validator-face.ts';
import { createNetwork } from './node/network.ts';
import type { PaperNode } from './node/node.ts';
import { type PaperOptions, resolveOptions } from './options.ts';
import { toQuoteQuantums } from './state/equity.ts';
import { type Journal, type Log, NO_JOURNAL, openJournal } from './state/journal.ts';
import { type Truth, tellTruth } from './truth.ts';

export type { PaperOptions } from './options.ts';

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
  /** by RPC method and indexer path, since the start */
  readonly requests: () => Readonly<Record<string, number>>;
  readonly close: () => Promise<void>;
};

/** Node 0 at /, node k also at /nodes/k. */
function nodeAt(nodes: readonly PaperNode[], target: string): PaperNode | undefined {
  if (target === '/') return nodes[0];
  const [pathname = ''] = target.split('?', 1);
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
  const settings = resolveOptions(options);
  const { host, blockMs, seed, chainId, dataDir, log } = settings;
  const journal: Journal = dataDir === undefined ? NO_JOURNAL : openJournal(dataDir, chainId, seed, log);
  const chain = createChain({
    chainId,
    trustsSignatures: settings.trustsSignatures,
    seed,
    limits: { equityTiers: settings.equityTiers, maxLeverage: settings.maxLeverage },
    startQuoteQuantums: toQuoteQuantums(settings.startUsdc),
    journal,
    now: settings.now,
  });
  const network = createNetwork(chain, {
    nodes: settings.nodes,
    gossipBlocks: settings.gossipBlocks,
    limits: { shortTerm: settings.rateLimit, stateful: settings.statefulRateLimits },
  });
  const faults = createFaults(seed, () => chain.ledger.height);
  const requests = createRequestCounts();
  const controls = createControls(chain, network);
  const indexerHeight = createIndexerHeight(chain, faults, settings.indexerLagBlocks);
  const truth = (owner?: string): Truth => tellTruth(chain, network.pendingOrders(), indexerHeight(), owner);
  const { now } = settings;
  const cache = createAnswerCache(settings.indexerCacheMs, now);
  const deps = { chain, network, controls, faults, requests, cache, truth, indexerHeight, blockMs, now };

  const socketFace = createSocketFace({ chain, faults, indexerHeight });

  const answer = async (exchange: Exchange): Promise<void> => {
    const { request } = exchange;
    const body = await readBody(request);
    if (body === undefined) return sendErrors(exchange, 413, 'the body is larger than 1 MiB');
    const target = request.url ?? '/';
    // Before anything is parsed: most of what comes in is for a node.
    const node = request.method === 'POST' ? nodeAt(network.nodes, target) : undefined;
    if (node) return answerRpc(deps, node, exchange, body);
    const url = new URL(target, 'http://paper');
    if (url.pathname.startsWith('/v4/')) return answerIndexer(deps, exchange, url);
    if (url.pathname.startsWith('/paper/')) return answerControl(deps, exchange, url, body);
    sendErrors(exchange, 404, `no such route: ${request.method} ${url.pathname}`);
  };

  let server: Served;
  try {
    server = await serve(
      (exchange) =>
        answer(exchange).catch((error: unknown) => {
          if (!(error instanceof FaultHeaderError)) throw error;
          sendErrors(exchange, 400, error.message);
        }),
      (request, socket, head) => {
        if (request.url?.split('?', 1)[0] === '/v4/ws') socketFace.upgrade(request, socket, head);
        else socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
      },
      settings,
    );
  } catch (error) {
    journal.close();
    throw error;
  }
  const produceBlock = () => {
    network.produceBlock();
    socketFace.announce();
  };
  const stopBlocks = startBlocks(produceBlock, blockMs, log);
  log('info', 'paper exchange started', {
    port: server.port,
    chain_id: chainId,
    height: chain.ledger.height,
  });

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    stopBlocks();
    socketFace.close();
    closing ??= server.close().then(() => journal.close());
    return closing;
  };
  const paperUrl = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${server.port}`;
  return {
    url: paperUrl,
    nodes: network.nodes.map(({ index }) => (index === 0 ? paperUrl : `${paperUrl}/nodes/${index}`)),
    chainId,
    height: () => chain.ledger.height,
    truth,
    produceBlock,
    setNode: controls.setNode,
    setMarket: controls.setMarket,
    setBalance: controls.setBalance,
    addAuthenticator: controls.addAuthenticator,
    requests: requests.list,
    faults: { add: faults.add, clear: faults.clear, list: faults.list },
    close,
    [Symbol.asyncDispose]: close,
  };
}
