// The indexer's lists of fills and of orders: filters, order and pages are those of the venue (facts §7.2).
import { findSubaccount, type PaperFill, type PaperOrder } from '../state/ledger.ts';
import { type ShownOrder, showOrder } from './indexer-orders.ts';
import {
  type Answer,
  integer,
  MAX_LIMIT,
  ok,
  subaccountQuery,
  tickerQuery,
  timeQuery,
} from './indexer-query.ts';
import { showFill, type View, visibleCount } from './indexer-view.ts';

type Visible = { readonly fills: readonly PaperFill[]; readonly count: number };

/** The first `count` of `fills`; nothing is copied unless a filter asks for it (accounts have 10^5 fills). */
function visibleFills(fills: readonly PaperFill[], view: View, query: URLSearchParams): Visible {
  const before = integer(query, 'createdBeforeOrAtHeight', 0, Number.MAX_SAFE_INTEGER) ?? view.height;
  const count = visibleCount(fills, Math.min(before, view.height));
  const market = tickerQuery(view, query, 'market');
  const beforeMs = timeQuery(query, 'createdBeforeOrAt');
  const { isWithheld } = view;
  if (market === undefined && beforeMs === undefined && !isWithheld) return { fills, count };
  const chosen = fills
    .slice(0, count)
    .filter(
      (fill) =>
        !isWithheld?.(fill) &&
        (market === undefined || fill.order.clobPairId === market.clobPairId) &&
        (beforeMs === undefined || fill.timeMs <= beforeMs),
    );
  return { fills: chosen, count: chosen.length };
}

/** With `page`: ascending by event, numbered from 1, with totals. Without: newest first. */
export function fillsRoute(view: View, query: URLSearchParams): Answer {
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

export function ordersRoute(view: View, query: URLSearchParams): Answer {
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
