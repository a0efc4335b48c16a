// The indexer as clients see it: REST under /v4. It knows a height of its own, which lags behind the chain and
// never goes back; fills are visible up to it and no further.
import { quantumsToSize, subticksToPrice } from '../../core/quantize.ts';
import { refreshLevels } from '../blocks/book.ts';
import type { Chain } from '../blocks/chain.ts';
import { findSubaccount } from '../state/ledger.ts';
import { isDydxAddress } from '../wire/accounts.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { FaultOn } from './fault-schema.ts';
import type { Faults } from './faults.ts';
import { duplicateRows, shuffleRows, swapTypes } from './garble.ts';
import { type Exchange, sendErrors, sendJson } from './http-reply.ts';
import { fillsRoute, ordersRoute } from './indexer-lists.ts';
import { showOrder } from './indexer-orders.ts';
import { type Answer, BadParameter, MAX_SUBACCOUNT, notFound, ok, tickerQuery } from './indexer-query.ts';
import { showSubaccount } from './indexer-subaccount.ts';
import { showMarkets, type View } from './indexer-view.ts';
import type { RequestCounts } from './request-counts.ts';
import { spoil } from './spoil.ts';
import { withholding } from './withhold.ts';

/** Levels a side. */
const BOOK_DEPTH = 100;
/** More resting orders than make up the depth are not looked at. */
const MAX_BOOK_ORDERS = 1000;
const RETRY_AFTER_MS = 10_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export type IndexerDeps = {
  readonly chain: Chain;
  readonly faults: Faults;
  readonly requests: RequestCounts;
  readonly cache: AnswerCache;
  readonly indexerHeight: () => number;
  /** unix milliseconds */
  readonly now: () => number;
};

function orderRoute(view: View, id: string): Answer {
  if (!UUID.test(id)) throw new BadParameter('orderId must be a valid uuid', 'orderId', id, 'params');
  const order = view.ledger.orders.get(id.toLowerCase());
  const row = order && showOrder(view, order);
  return row ? ok(row) : notFound(`Unable to find order id ${id}`);
}

function orderbookRoute(chain: Chain, view: View, ticker: string): Answer {
  const market = tickerQuery(view, new URLSearchParams({ ticker }), 'ticker', 'params');
  const book = market && chain.memclob.books.get(market.clobPairId);
  if (!book) return notFound(`no order book for ${ticker}`);
  const levels = refreshLevels(book, chain.ledger.height);
  const side = (name: 'BUY' | 'SELL'): unknown[] => {
    const sizes = new Map<bigint, bigint>();
    const add = (subticks: bigint, quantums: bigint): void => {
      if (quantums > 0n) sizes.set(subticks, (sizes.get(subticks) ?? 0n) + quantums);
    };
    for (const level of levels[name]) add(level.subticks, level.quantums);
    for (const resting of book.users[name].slice(0, MAX_BOOK_ORDERS))
      add(resting.subticks, resting.remaining);
    const sorted = [...sizes].sort(([left], [right]) => (left < right ? -1 : 1));
    return (name === 'BUY' ? sorted.reverse() : sorted).slice(0, BOOK_DEPTH).map(([subticks, quantums]) => ({
      price: subticksToPrice(subticks, book.market),
      size: quantumsToSize(quantums, book.market),
    }));
  };
  return ok({ bids: side('BUY'), asks: side('SELL') });
}

function addressRoute(view: View, owner: string, number: number): Answer {
  if (!isDydxAddress(owner) || number > MAX_SUBACCOUNT) {
    return notFound(`No subaccount found with address ${owner} and subaccountNumber ${number}`);
  }
  return ok({ subaccount: showSubaccount(view, owner, number, findSubaccount(view.ledger, owner, number)) });
}

function route(deps: IndexerDeps, view: View, path: string, query: URLSearchParams): Answer {
  const [, , resource, first, second, third] = path.split('/');
  if (resource === 'height' && first === undefined) {
    const timeMs = view.ledger.blockTimesMs.get(view.height) ?? view.ledger.timeMs;
    return ok({ height: String(view.height), time: new Date(timeMs).toISOString() });
  }
  if (resource === 'time' && first === undefined) {
    const now = deps.now();
    return ok({ iso: new Date(now).toISOString(), epoch: now / 1000 });
  }
  if (resource === 'perpetualMarkets' && first === undefined) {
    const market = tickerQuery(view, query, 'ticker');
    return ok(showMarkets(view, market ? [market] : view.ledger.markets.all()));
  }
  if (resource === 'fills' && first === undefined) return fillsRoute(view, query);
  if (resource === 'orders') return first === undefined ? ordersRoute(view, query) : orderRoute(view, first);
  if (resource === 'orderbooks' && first === 'perpetualMarket' && second !== undefined) {
    return orderbookRoute(deps.chain, view, second);
  }
  if (
    resource === 'addresses' &&
    first !== undefined &&
    second === 'subaccountNumber' &&
    /^\d+$/.test(third ?? '')
  ) {
    return addressRoute(view, first, Number(third));
  }
  return notFound('Not Found');
}

type IndexerFault = FaultOn<'indexer'> | undefined;

function isAboutState(fault: IndexerFault): boolean {
  return fault?.action === 'lag' || fault?.action === 'stale' || fault?.action === 'withhold_fills';
}

function askAt(deps: IndexerDeps, fault: IndexerFault, url: URL): Answer {
  const isOld = fault?.action === 'lag' || fault?.action === 'stale';
  const height = Math.max(0, deps.indexerHeight() - (isOld ? (fault.params?.blocks ?? 0) : 0));
  const { ledger, seed } = deps.chain;
  const isWithheld = withholding(fault, { seed, height, nowMs: deps.now() });
  try {
    return route(deps, { ledger, seed, height, isWithheld }, url.pathname, url.searchParams);
  } catch (error) {
    if (!(error instanceof BadParameter)) throw error;
    return error.answer;
  }
}

export function answerIndexer(deps: IndexerDeps, exchange: Exchange, url: URL): undefined {
  deps.requests.countIndexer(url.pathname);
  const fault = deps.faults.take('indexer', exchange.request, { path: url.pathname.split('/')[2] });
  if (exchange.request.method !== 'GET') return sendErrors(exchange, 404, 'Not Found');
  const ask = (): Answer => askAt(deps, fault, url);
  // A fault that is about the state goes round the cache: it would be another's answer, or stay in it.
  const answer = isAboutState(fault) ? ask() : deps.cache.through(url, ask);
  if (!fault) return sendJson(exchange, answer.status, answer.body);
  switch (fault.action) {
    case 'lag':
    case 'stale':
    case 'withhold_fills':
      return sendJson(exchange, answer.status, answer.body);
    case 'duplicate':
      return sendJson(exchange, answer.status, duplicateRows(answer.body));
    case 'shuffle':
      return sendJson(exchange, answer.status, shuffleRows(answer.body, deps.chain.seed));
    case 'wrong_types':
      return sendJson(exchange, answer.status, swapTypes(answer.body));
    default:
      return spoil(exchange, fault.action, answer, fault.params, RETRY_AFTER_MS);
  }
}
