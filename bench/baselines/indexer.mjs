// What both baselines read of the indexer over REST, with the timeout that most teams give a GET.
import { createHash } from 'node:crypto';

const TIMEOUT_MS = 10_000;
const MARKET_MAX_AGE_MS = 5_000;
/** Of the oracle price or the trigger; a market type goes out with a worst price. */
const SLIPPAGE = 0.05;
const NAMESPACE = Buffer.from('0f9da948a6fb4c459edc4685c3f3317d', 'hex');

/** Undefined for a 404. */
export async function getJson(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.status === 404) {
    await response.body?.cancel();
    return undefined;
  }
  if (!response.ok) throw new Error(`${response.status} of ${new URL(url).pathname}`);
  return response.json();
}

export async function indexerHeight(indexerUrl) {
  const { height } = await getJson(`${indexerUrl}/v4/height`);
  return Number(height);
}

/** A market's row of the indexer, remembered for a few seconds. */
export function createMarketSource(indexerUrl) {
  const known = new Map();
  return async (ticker) => {
    const remembered = known.get(ticker);
    if (remembered !== undefined && Date.now() - remembered.at < MARKET_MAX_AGE_MS) return remembered.market;
    const answer = await getJson(`${indexerUrl}/v4/perpetualMarkets?ticker=${encodeURIComponent(ticker)}`);
    const market = answer?.markets[ticker];
    if (market === undefined) throw new Error(`unknown market ${ticker}`);
    known.set(ticker, { market, at: Date.now() });
    return market;
  };
}

/** An order's own price, or the worst one of a market type. */
export async function priceOf({ market, side, price, trigger_price }, marketOf) {
  if (price !== undefined) return Number(price);
  const reference = trigger_price ?? (await marketOf(market)).oraclePrice;
  return Number(reference) * (side === 'BUY' ? 1 + SLIPPAGE : 1 - SLIPPAGE);
}

/** The indexer's id of an order, as dYdX's documentation computes it. */
export function venueOrderId({ owner, subaccount, dydxClientId, clobPairId, orderFlags }) {
  return uuidV5(`${uuidV5(`${owner}-${subaccount}`)}-${dydxClientId}-${clobPairId}-${orderFlags}`);
}

function uuidV5(name) {
  const hash = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
