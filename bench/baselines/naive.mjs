// The official client as its examples use it: placeShortTermOrder and placeOrder, a random client id a try, nothing
// stored before the send, no timeouts of its own, no handler for what it rejects beside the promise it returns.
import { randomInt } from 'node:crypto';
import { connectClient, dydx, openWallet } from './account.mjs';
import { createMarketSource, priceOf, venueOrderId } from './indexer.mjs';

/** From now, as in the client's example. */
const GOOD_TIL_BLOCKS = 10;
/** placeShortTermOrder takes no more. */
const MAX_GOOD_TIL_BLOCKS = 20;
const MAX_CLIENT_ID = 2 ** 32;

export async function openNaive(settings) {
  const client = await connectClient(settings);
  const wallet = await openWallet(settings);
  const subaccount = dydx.SubaccountInfo.forLocalWallet(wallet, settings.subaccount);
  const marketOf = createMarketSource(settings.indexerUrl);

  const placed = async (intent, dydxClientId, orderFlags, goodTilBlock = null) => {
    const { clobPairId } = await marketOf(intent.market);
    const id = {
      owner: wallet.address,
      subaccount: settings.subaccount,
      dydxClientId,
      clobPairId,
      orderFlags,
    };
    return { dydxClientId, goodTilBlock, venueOrderId: venueOrderId(id) };
  };

  const placeShortTerm = async (intent, dydxClientId) => {
    const blocks = Math.min(intent.good_til_blocks ?? GOOD_TIL_BLOCKS, MAX_GOOD_TIL_BLOCKS);
    const goodTilBlock = (await client.validatorClient.get.latestBlockHeight()) + blocks;
    await client.placeShortTermOrder(
      subaccount,
      intent.market,
      intent.side,
      await priceOf(intent, marketOf),
      Number(intent.size),
      dydxClientId,
      goodTilBlock,
      timeInForceOf(intent),
      intent.reduce_only ?? false,
    );
    return placed(intent, dydxClientId, dydx.OrderFlags.SHORT_TERM, goodTilBlock);
  };

  const placeStateful = async (intent, dydxClientId) => {
    const isLimit = intent.type === 'LIMIT';
    await client.placeOrder(
      subaccount,
      intent.market,
      // The client calls a TAKE_PROFIT_LIMIT a TAKE_PROFIT.
      intent.type === 'TAKE_PROFIT_LIMIT' ? 'TAKE_PROFIT' : intent.type,
      intent.side,
      await priceOf(intent, marketOf),
      Number(intent.size),
      dydxClientId,
      'GTT',
      Math.round((Date.parse(intent.good_til_time) - Date.now()) / 1000),
      intent.type.endsWith('_MARKET') ? 'IOC' : 'DEFAULT',
      intent.post_only ?? false,
      intent.reduce_only ?? false,
      intent.trigger_price === undefined ? undefined : Number(intent.trigger_price),
    );
    return placed(intent, dydxClientId, isLimit ? dydx.OrderFlags.LONG_TERM : dydx.OrderFlags.CONDITIONAL);
  };

  return {
    owner: wallet.address,
    place: (intent) => {
      const dydxClientId = randomInt(MAX_CLIENT_ID);
      return intent.good_til_time === undefined
        ? placeShortTerm(intent, dydxClientId)
        : placeStateful(intent, dydxClientId);
    },
  };
}

function timeInForceOf({ type, time_in_force, post_only }) {
  if (type === 'MARKET' || time_in_force === 'IOC') return dydx.Order_TimeInForce.TIME_IN_FORCE_IOC;
  if (post_only) return dydx.Order_TimeInForce.TIME_IN_FORCE_POST_ONLY;
  return dydx.Order_TimeInForce.TIME_IN_FORCE_UNSPECIFIED;
}
