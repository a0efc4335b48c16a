// The indexer as clients see it: REST under /v4. It knows a height of its own, which lags behind the chain and
// never goes back; fills are visible up to it and no further.

import { quantumsToSize, subticksToPrice } from '../core/quantize.ts';
import { isDydxAddress } from './accounts.ts';
import { refreshLevels } from './book.ts';
import type { Chain } from './chain.ts';
import type { Faults } from './faults.ts';
import { type Exchange, sendErrors, sendJson } from './http-reply.ts';
import { type ShownOrder, showOrder } from './indexer-orders.ts';
import { showSubaccount } from './indexer-subaccount.ts';
import { showFill, showMarkets, type View, visibleCount } from './indexer-view.ts';
import { findSubaccount, type PaperFill, type PaperOrder } from './ledger.ts';
import type { PaperMarket } from './markets.ts';
import { spoil } from './spoil.ts';

const MAX_LIMIT = 1000;
const MAX_SUBACCOUNT = 128_000;
const RETRY_AFTER_MS = 10_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export type IndexerDeps = {
  readonly chain: Chain;
  readonly faults: Faults;
  readonly indexerHeight: () => number;
};

type Answer = { readonly status: number; readonly body: unknown };

/** A query parameter that breaks a rule; becomes a 400 in the indexer's words. */
class BadParameter extends Error {
  readonly answer: Answer;
  constructor(msg: string, param: string, value: unknown, location = 'query') {
    super(msg);
    this.answer = { status: 400, body: { errors: [{ value, msg, param, location }] } };
  }
}

function notFound(msg: string): Answer {
  return { status: 404, body: { errors: [{ msg }] } };
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function integer(query: URLSearchParams, name: string, low: number, high: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new BadParameter(`${name} must be an integer between ${low} and ${high}`, name, text);
  }
  return value;
}

function subaccountQuery(query: URLSearchParams): { owner: string; number: number } {
  const owner = query.get('address') ?? '';
  if (!isDydxAddress(owner)) throw new BadParameter('address must be a valid dydx address', 'address', owner);
  const number = integer(query, 'subaccountNumber', 0, MAX_SUBACCOUNT);
  if (number === undefined) {
    throw new BadParameter('subaccountNumber must be a non-negative integer', 'subaccountNumber', undefined);
  }
  return { owner, number };
}

function tickerQuery(
  view: View,
  query: URLSearchParams,
  name: string,
  location = 'query',
): PaperMarket | undefined {
  const ticker = query.get(name);
  if (ticker === null) return undefined;
  const market = view.ledger.markets.ofTicker(ticker);
  if (!market) throw new BadParameter('ticker must be a valid ticker (BTC-USD, etc)', name, ticker, location);
  return market;
}

type Visible = { readonly fills: readonly PaperFill[]; readonly count: number };

/** The first `count` of `fills`; nothing is copied unless a filter asks for it (accounts have 10^5 fills). */
function visibleFills(fills: readonly PaperFill[], view: View, query: URLSearchParams): Visible {
  const before = integer(query, 'createdBeforeOrAtHeight', 0, Number.MAX_SAFE_INTEGER) ?? view.height;
  const count = visibleCount(fills, Math.min(before, view.height));
  const market = tickerQuery(view, query, 'market');
  const beforeTime = query.get('createdBeforeOrAt');
  if (market === undefined && beforeTime === null) return { fills, count };
  const beforeMs = beforeTime === null ? Number.POSITIVE_INFINITY : Date.parse(beforeTime);
  if (Number.isNaN(beforeMs)) {
    throw new BadParameter('createdBeforeOrAt must be an ISO time', 'createdBeforeOrAt', beforeTime);
  }
  const chosen = fills
    .slice(0, count)
    .filter(
      (fill) =>
        (market === undefined || fill.order.clobPairId === market.clobPairId) && fill.timeMs <= beforeMs,
    );
  return { fills: chosen, count: chosen.length };
}

/** With `page`: ascending by event, numbered from 1, with totals. Without: newest first. */
function fillsRoute(view: View, query: URLSearchParams): Answer {
  const { owner, number } = subaccountQuery(query);
  const limit = integer(query, 'limit', 1, MAX_LIMIT) ?? MAX_LIMIT;
  const page = integer(query, 'page', 1, Number.MAX_SAFE_INTEGER);
  const { fills, count } = visibleFills(findSubaccount(view.ledger, owner, number)?.fills ?? [], view, query);
  if (page === undefined)
    return ok({
      fills: fills
        .slice(Math.max(0, count - limit), count)
        .reverse()
        .map(showFill),
    });
  const offset = (page - 1) * limit;
  return ok({
    pageSize: limit,
    totalResults: count,
    offset,
    fills: fills.slice(offset, Math.min(offset + limit, count)).map(showFill),
  });
}

function timeQuery(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const timeMs = Date.parse(text);
  if (Number.isNaN(timeMs)) throw new BadParameter(`${name} must be an ISO time`, name, text);
  return timeMs;
}

type OrderFilter = (order: PaperOrder) => boolean;

/** An order without a good-til-block fits no bound of blocks, one without a time no bound of times. */
function lifetimeFilter(query: URLSearchParams): OrderFilter {
  const atMost = integer(query, 'goodTilBlockBeforeOrAt', 0, Number.MAX_SAFE_INTEGER);
  const above = integer(query, 'goodTilBlockAfter', 0, Number.MAX_SAFE_INTEGER);
  const until = timeQuery(query, 'goodTilBlockTimeBeforeOrAt');
  const after = timeQuery(query, 'goodTilBlockTimeAfter');
  const isWithin = (value: number, most: number | undefined, least: number | undefined): boolean =>
    (most === undefined || (value > 0 && value <= most)) && (least === undefined || value > least);
  return ({ goodTilBlock, goodTilBlockTime }) =>
    isWithin(goodTilBlock, atMost, above) && isWithin(goodTilBlockTime * 1000, until, after);
}

function ordersRoute(view: View, query: URLSearchParams): Answer {
  const { owner, number } = subaccountQuery(query);
  const limit = integer(query, 'limit', 1, MAX_LIMIT) ?? MAX_LIMIT;
  const market = tickerQuery(view, query, 'ticker');
  const side = query.get('side');
  const type = query.get('type');
  const statuses = query.get('status')?.split(',');
  const orders = (findSubaccount(view.ledger, owner, number)?.orders ?? [])
    .filter(lifetimeFilter(query))
    .filter((order) => market === undefined || order.clobPairId === market.clobPairId)
    .sort(
      (left, right) =>
        right.goodTilBlock - left.goodTilBlock || right.goodTilBlockTime - left.goodTilBlockTime,
    );
  const shown: ShownOrder[] = [];
  for (const order of orders) {
    if (shown.length >= limit) break;
    const row = showOrder(view, order);
    if (!row || (side !== null && row.side !== side) || (type !== null && row.type !== type)) continue;
    if (statuses === undefined || statuses.includes(row.status)) shown.push(row);
  }
  return ok(shown);
}

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
    for (const resting of book.users[name].slice(0, MAX_LIMIT)) add(resting.subticks, resting.remaining);
    const sorted = [...sizes].sort(([left], [right]) => (left < right ? -1 : 1));
    return (name === 'BUY' ? sorted.reverse() : sorted).slice(0, 100).map(([subticks, quantums]) => ({
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
    const now = Date.now();
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

export function answerIndexer(deps: IndexerDeps, exchange: Exchange, url: URL): undefined {
  const fault = deps.faults.take('indexer');
  if (exchange.request.method !== 'GET') return sendErrors(exchange, 404, 'Not Found');
  const lagBlocks = fault?.action === 'lag' ? (fault.params?.blocks ?? 0) : 0;
  const height = Math.max(0, deps.indexerHeight() - lagBlocks);
  const { ledger, seed } = deps.chain;
  let answer: Answer;
  try {
    answer = route(deps, { ledger, seed, height }, url.pathname, url.searchParams);
  } catch (error) {
    if (!(error instanceof BadParameter)) throw error;
    answer = error.answer;
  }
  if (fault === undefined || fault.action === 'lag') return sendJson(exchange, answer.status, answer.body);
  spoil(exchange, fault.action, answer.body, fault.params?.retry_after_ms ?? RETRY_AFTER_MS);
}
