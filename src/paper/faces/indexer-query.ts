// The query parameters of the indexer's routes: absent is undefined, wrong is a 400 in the indexer's words.
import type { PaperMarket } from '../markets.ts';
import { isDydxAddress } from '../wire/accounts.ts';
import type { View } from './indexer-view.ts';

export const MAX_LIMIT = 1000;
export const MAX_SUBACCOUNT = 128_000;

export type Answer = { readonly status: number; readonly body: unknown };

/** A query parameter that breaks a rule; becomes a 400 in the indexer's words. */
export class BadParameter extends Error {
  readonly answer: Answer;
  constructor(msg: string, param: string, value: unknown, location = 'query') {
    super(msg);
    this.answer = { status: 400, body: { errors: [{ value, msg, param, location }] } };
  }
}

export function notFound(msg: string): Answer {
  return { status: 404, body: { errors: [{ msg }] } };
}

export function ok(body: unknown): Answer {
  return { status: 200, body };
}

export function integer(query: URLSearchParams, name: string, low: number, high: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new BadParameter(`${name} must be an integer between ${low} and ${high}`, name, text);
  }
  return value;
}

export function subaccountQuery(query: URLSearchParams): { owner: string; number: number } {
  const owner = query.get('address') ?? '';
  if (!isDydxAddress(owner)) throw new BadParameter('address must be a valid dydx address', 'address', owner);
  const number = integer(query, 'subaccountNumber', 0, MAX_SUBACCOUNT);
  if (number === undefined) {
    throw new BadParameter('subaccountNumber must be a non-negative integer', 'subaccountNumber', undefined);
  }
  return { owner, number };
}

export function tickerQuery(
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

export function timeQuery(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const timeMs = Date.parse(text);
  if (Number.isNaN(timeMs)) throw new BadParameter(`${name} must be an ISO time`, name, text);
  return timeMs;
}
