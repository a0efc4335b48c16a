// The paper exchange in this process, in simulated time: nodes and indexer answer the router's own adapters with the text
// that they would send over HTTP, or with what a fault makes of it.
import { createChain } from '../../paper/blocks/chain.ts';
import { createControls } from '../../paper/faces/controls.ts';
import { fillsRoute, ordersRoute } from '../../paper/faces/indexer-lists.ts';
import { showOrder } from '../../paper/faces/indexer-orders.ts';
import { type Answer, BadParameter } from '../../paper/faces/indexer-query.ts';
import { showSubaccount } from '../../paper/faces/indexer-subaccount.ts';
import { showMarkets, type View } from '../../paper/faces/indexer-view.ts';
import { answerQuery } from '../../paper/faces/rpc-queries.ts';
import { createNetwork, type Interference, type Submission } from '../../paper/node/network.ts';
import type { PaperNode } from '../../paper/node/node.ts';
import { DEFAULT_RATE_LIMIT, DEFAULT_STATEFUL_RATE_LIMITS } from '../../paper/node/rate-limit.ts';
import { DEFAULT_EQUITY_TIERS, toQuoteQuantums } from '../../paper/state/equity.ts';
import { NO_JOURNAL } from '../../paper/state/journal.ts';
import { findSubaccount, type PaperFill } from '../../paper/state/ledger.ts';
import { type Truth, tellTruth } from '../../paper/truth.ts';
import type { HttpClient, HttpOutcome } from '../../venue/http.ts';
import { drawFault } from './mishaps.ts';
import type { World } from './world.ts';

export const CHAIN_ID = 'dydx-sim-1';
/** Of calls to a node and to the indexer, as in src/config.ts. */
export const DEADLINE_MS = { validator: 3_000, indexer: 5_000 };

export type Exchange = {
  readonly height: () => number;
  readonly blockTimeMs: (height: number) => number | undefined;
  readonly produceBlock: () => void;
  readonly truth: (owner: string) => Truth;
  readonly setMarket: (ticker: string, status: 'ACTIVE' | 'PAUSED') => void;
  readonly setNode: (
    index: number,
    change: { lag_blocks?: number; is_down?: boolean; tx_index?: boolean },
  ) => void;
  readonly node: (index: number) => HttpClient;
  readonly indexer: HttpClient;
  /** what went wrong in the exchange itself: nothing it says counts then */
  readonly broken: readonly string[];
};

const HTML = '<html><body>Something went wrong</body></html>';
const HTTP_MS = { low: 2, high: 120 };

export function createExchange(world: World): Exchange {
  const { scheduler, random, mishaps, seed } = world;
  const chain = createChain({
    chainId: CHAIN_ID,
    seed,
    limits: { equityTiers: DEFAULT_EQUITY_TIERS, maxLeverage: 20 },
    startQuoteQuantums: toQuoteQuantums('10000000'),
    journal: NO_JOURNAL,
    now: scheduler.now,
  });
  const network = createNetwork(chain, {
    nodes: mishaps.nodes,
    gossipBlocks: mishaps.gossipBlocks,
    limits: { shortTerm: DEFAULT_RATE_LIMIT, stateful: DEFAULT_STATEFUL_RATE_LIMITS },
  });
  const controls = createControls(chain, network);
  const broken: string[] = [];
  // Height and fills are read from one place (facts of the venue): fills are behind it only where seeds allow it.
  const mayLag = mishaps.withheld === 'single';
  let shownHeight = 0;

  const latency = () => scheduler.sleep(random.between(HTTP_MS.low, HTTP_MS.high));
  const fault = <Kind extends string>(rates: Parameters<typeof drawFault<Kind>>[1]): Kind | undefined =>
    world.isHealed() ? undefined : drawFault(random, rates);

  const indexerHeight = (): number => {
    const lag = world.isHealed() ? 0 : mishaps.indexerLagBlocks;
    shownHeight = Math.max(shownHeight, chain.ledger.height - lag);
    return shownHeight;
  };

  /** Which fills are not shown although the height is. By the fill alone: asked twice, the answer is the same. */
  const isWithheld = (height: number) =>
    world.isHealed() || mishaps.withheld === 'none'
      ? undefined
      : (fill: PaperFill): boolean =>
          mishaps.withheld === 'newest'
            ? fill.height >= height
            : Number.parseInt(fill.id.slice(0, 2), 16) < 64 && fill.timeMs + 20_000 > scheduler.now();

  const node = (index: number): HttpClient => ({
    get: () => Promise.reject(new Error('a node is asked by POST')),
    postJson: async (body, mayLeave = () => true): Promise<HttpOutcome> => {
      await latency();
      const target = network.nodes[index];
      if (!mayLeave()) return { kind: 'failed', isSent: false, reason: 'too late to be sent' };
      if (target === undefined || target.settings.is_down)
        return { kind: 'failed', isSent: false, reason: 'ECONNREFUSED' };
      const call = JSON.parse(body);
      if (call.method === 'broadcast_tx_sync')
        return broadcast(target, Buffer.from(call.params.tx, 'base64'));
      const text = JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        ...answerQuery(target, call.method, call.params),
      });
      const kind = fault(mishaps.rpc);
      if (kind === 'hang') return silence(DEADLINE_MS.validator);
      await latency();
      if (kind === undefined) return answer(200, text);
      if (kind === 'drop') return dropped();
      return kind === 'http_502' ? answer(502, HTML) : answer(200, text.slice(0, text.length / 2));
    },
    close: async () => {},
  });

  const submitted = (target: PaperNode, bytes: Buffer, interference: Interference): Submission => {
    try {
      return network.submit(target, bytes, interference);
    } catch (error) {
      broken.push(`the exchange failed: ${error instanceof Error ? error.stack : String(error)}`);
      return { kind: 'seen' };
    }
  };

  const broadcast = async (target: PaperNode, bytes: Buffer): Promise<HttpOutcome> => {
    const kind = fault(mishaps.broadcast);
    const submit = (interference: Interference = {}): string => {
      const told = outcomeOf(submitted(target, bytes, interference));
      world.note(`node ${target.index}`, 'was sent a transaction', { fault: kind, ...told });
      return JSON.stringify({ jsonrpc: '2.0', id: 1, ...told });
    };
    if (kind !== undefined) world.note(`node ${target.index}`, kind);
    switch (kind) {
      case undefined: {
        const text = submit();
        await latency();
        return answer(200, text);
      }
      case 'not_sent':
        return { kind: 'failed', isSent: false, reason: 'ECONNREFUSED' };
      case 'drop_before':
        return dropped();
      case 'hang_before':
        return silence(DEADLINE_MS.validator);
      case 'http_502':
        return answer(502, HTML);
      case 'html':
        return answer(200, HTML);
      case 'arrives_late':
        scheduler.after(random.between(3_500, 15_000), () => submit());
        return silence(DEADLINE_MS.validator);
      case 'drop_after':
        submit();
        return dropped();
      case 'hang_after':
        submit();
        return silence(DEADLINE_MS.validator);
      case 'http_502_after':
        submit();
        return answer(502, HTML);
      case 'empty':
        submit();
        return answer(200, '');
      case 'truncate': {
        const text = submit();
        return answer(200, text.slice(0, text.length / 2));
      }
      case 'unknown_outcome':
        submit();
        return answer(200, JSON.stringify({ jsonrpc: '2.0', id: 1, error: UNKNOWN }));
      case 'not_now':
        return answer(200, submit({ checkTx: random.pick(NOT_NOW) }));
      case 'lose':
        return answer(200, submit({ isLost: true }));
      case 'fail_in_block':
        return answer(
          200,
          submit({ deliverTx: { codespace: 'clob', code: 3007, log: 'undercollateralized' } }),
        );
    }
  };

  const route = (view: View, url: URL): Answer => {
    const [, , resource, first, , third] = url.pathname.split('/');
    if (resource === 'height') return { status: 200, body: { height: String(view.height) } };
    if (resource === 'perpetualMarkets')
      return { status: 200, body: showMarkets(view, view.ledger.markets.all()) };
    if (resource === 'fills') return withOwnIds(fillsRoute(view, url.searchParams));
    if (resource === 'orders' && first === undefined) return ordersRoute(view, url.searchParams);
    if (resource === 'orders') {
      const order = view.ledger.orders.get(first ?? '');
      const row = order && showOrder(view, order);
      return row
        ? { status: 200, body: row }
        : { status: 404, body: { errors: [{ msg: 'Unable to find' }] } };
    }
    const owner = first ?? '';
    const number = Number(third);
    const found = findSubaccount(view.ledger, owner, number);
    return { status: 200, body: { subaccount: showSubaccount(view, owner, number, found) } };
  };

  /** A fill's id follows from its place in the chain, and every seed has a chain of its own: in one database they must differ. */
  const ownId = (id: string): string =>
    ((Number.parseInt(id.slice(0, 8), 16) ^ Math.imul(seed, 0x9e3779b1)) >>> 0)
      .toString(16)
      .padStart(8, '0') + id.slice(8);
  const withOwnIds = ({ status, body }: Answer): Answer => {
    const page = body as { readonly fills?: readonly { readonly id: string }[] };
    return { status, body: { ...page, fills: page.fills?.map((fill) => ({ ...fill, id: ownId(fill.id) })) } };
  };

  const indexer: HttpClient = {
    get: async (path) => {
      await latency();
      const kind = fault(mishaps.indexer);
      if (kind !== undefined) world.note('indexer', kind, { path });
      if (kind === 'hang') return silence(DEADLINE_MS.indexer);
      if (kind === 'http_502') return answer(502, HTML);
      if (kind === 'html') return answer(200, HTML);
      if (kind === 'http_429')
        return answer(429, '{"errors":[{"msg":"Too many requests"}]}', { 'retry-after': '500' });
      const height = Math.max(
        0,
        indexerHeight() - (kind === 'stale' && (mayLag || !path.startsWith('/v4/fills')) ? 5 : 0),
      );
      const view: View = { ledger: chain.ledger, seed, height, isWithheld: isWithheld(height) };
      const { status, body } = answerOf(() => route(view, new URL(path, 'http://indexer')));
      const text = JSON.stringify(garbled(kind, body));
      await latency();
      return answer(status, kind === 'truncate' ? text.slice(0, text.length / 2) : text);
    },
    postJson: () => Promise.reject(new Error('the indexer is asked by GET')),
    close: async () => {},
  };

  /** A page of fills with a row twice, in another order within a block, or without its last row. */
  const garbled = (kind: string | undefined, body: unknown): unknown => {
    if (kind !== 'duplicate' && kind !== 'shuffle' && kind !== 'short') return body;
    const page = body as { fills?: { createdAtHeight: string }[]; pageSize?: number };
    if (page.fills === undefined || page.fills.length === 0) return body;
    const { fills } = page;
    if (kind === 'short') return { ...page, fills: fills.slice(0, -1) };
    const at = random.integer(0, fills.length - 1);
    if (kind === 'duplicate') {
      // A row more than was asked for is refused by its count alone.
      const isFull = fills.length >= (page.pageSize ?? 0);
      return isFull ? body : { ...page, fills: fills.toSpliced(at, 0, ...fills.slice(at, at + 1)) };
    }
    const block = fills[at]?.createdAtHeight;
    const reversed = fills.filter((fill) => fill.createdAtHeight === block).reverse();
    return {
      ...page,
      fills: fills.map((fill) => (fill.createdAtHeight === block ? reversed.shift() : fill)),
    };
  };

  const silence = async (deadlineMs: number): Promise<HttpOutcome> => {
    await scheduler.sleep(deadlineMs);
    return { kind: 'failed', isSent: true, reason: `no answer within ${deadlineMs} ms` };
  };

  return {
    height: () => chain.ledger.height,
    blockTimeMs: (height) => chain.ledger.blockTimesMs.get(height),
    produceBlock: network.produceBlock,
    truth: (owner) => {
      const truth = tellTruth(chain, network.pendingOrders(), indexerHeight(), owner);
      return { ...truth, fills: truth.fills.map((fill) => ({ ...fill, id: ownId(fill.id) })) };
    },
    setMarket: (ticker, status) => controls.setMarket({ ticker, status }),
    setNode: (index, change) => {
      controls.setNode(index, change);
    },
    node,
    indexer,
    broken,
  };
}

const UNKNOWN = {
  code: -32603,
  message: 'Internal error',
  data: 'broadcast confirmation not received: context deadline exceeded',
};
const NOT_NOW = [
  { codespace: 'clob', code: 5001, log: 'block rate limit exceeded' },
  { codespace: 'clob', code: 47, log: 'clob is not initialized' },
  { codespace: 'clob', code: 11, log: 'good-til-block exceeds the window' },
  { codespace: 'sdk', code: 20, log: 'mempool is full' },
];

function outcomeOf(submission: Submission): object {
  if (submission.kind === 'seen') {
    return { error: { code: -32603, message: 'Internal error', data: 'tx already exists in cache' } };
  }
  const { hash, refusal } = submission;
  const { code = 0, codespace = '', log = '[]' } = refusal ?? {};
  return { result: { code, data: '', log, codespace, hash } };
}

function answerOf(route: () => Answer): Answer {
  try {
    return route();
  } catch (error) {
    if (error instanceof BadParameter) return error.answer;
    throw error;
  }
}

function answer(status: number, body: string, headers: Record<string, string> = {}): HttpOutcome {
  return { kind: 'answer', status, headers, body };
}

function dropped(): HttpOutcome {
  return { kind: 'failed', isSent: true, reason: 'ECONNRESET' };
}
