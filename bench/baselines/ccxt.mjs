// ccxt's dydx, its createOrder unchanged. What does not fit a private exchange is patched in PrivateDydx and nowhere
// else.
import ccxt from 'ccxt';
import { connectClient, openWallet, privateKeyOf } from './account.mjs';
import { createMarketSource, priceOf } from './indexer.mjs';

/** ccxt knows no resting short-term order: one that should rest for blocks becomes a long-term order of seconds. */
const SECONDS_PER_BLOCK = 1;

class PrivateDydx extends ccxt.dydx {
  // ccxt 4.5.84 hands the indexer's numeric exponents to string arithmetic: createOrder throws
  // `TypeError: str.indexOf is not a function` (measured).
  parseMarket(market) {
    const { atomicResolution, quantumConversionExponent } = market;
    return super.parseMarket({
      ...market,
      atomicResolution: String(atomicResolution),
      quantumConversionExponent: String(quantumConversionExponent),
    });
  }

  // ccxt asks a node by GET /method?params, the paper exchange takes JSON-RPC by POST only; the answers are the same.
  sign(path, section, method, params, headers, body) {
    if (section !== 'nodeRpc') return super.sign(path, section, method, params, headers, body);
    const { tx } = params;
    const call = tx === undefined ? {} : { tx: Buffer.from(tx.slice(2), 'hex').toString('base64') };
    return {
      url: this.urls.api.nodeRpc,
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: path, params: call }),
    };
  }

  // By GET a node answers a JSON-RPC error with HTTP 500, which ccxt throws; by POST it is a 200.
  handleErrors(...answer) {
    const [, , , , , body, response] = answer;
    if (response?.error) throw new ccxt.ExchangeNotAvailable(`${this.id} 500 ${body}`);
    return super.handleErrors(...answer);
  }
}

export async function openCcxt(settings) {
  const { validatorUrl, indexerUrl, chainId, subaccount, hasCcxtLimiter } = settings;
  const wallet = await openWallet(settings);
  const exchange = new PrivateDydx({
    walletAddress: wallet.address,
    enableRateLimit: hasCcxtLimiter,
    options: {
      privateKey: privateKeyOf(settings),
      chainName: chainId,
      // Public option of ccxt: otherwise it asks a node's REST port, which the paper exchange has not.
      dydxAccount: await accountOf(settings, wallet),
    },
  });
  exchange.urls.api = { indexer: `${indexerUrl}/v4`, nodeRpc: validatorUrl, nodeRest: validatorUrl };
  // As createOrder does while it has no account.
  await exchange.loadDydxProtos();
  await exchange.loadMarkets();
  const marketOf = createMarketSource(indexerUrl);

  return {
    owner: wallet.address,
    place: async (intent) => {
      const { symbol } = exchange.market(intent.market);
      const { id, clientOrderId } = await exchange.createOrder(
        symbol,
        intent.type === 'MARKET' || intent.type.endsWith('_MARKET') ? 'market' : 'limit',
        intent.side.toLowerCase(),
        Number(intent.size),
        await priceOf(intent, marketOf),
        paramsOf(intent, subaccount),
      );
      // ccxt does not tell which good-til-block it chose.
      return { dydxClientId: clientOrderId, venueOrderId: id, goodTilBlock: null };
    },
  };
}

function paramsOf(intent, subaccount) {
  const { type, time_in_force, good_til_time, good_til_blocks, trigger_price } = intent;
  const params = {
    subAccountId: subaccount,
    reduceOnly: intent.reduce_only ?? false,
    postOnly: intent.post_only ?? false,
    timeInForce: type === 'MARKET' || time_in_force === 'IOC' ? 'IOC' : 'GTT',
  };
  if (good_til_time !== undefined) {
    params.goodTillBlockTimeInSeconds = Math.round((Date.parse(good_til_time) - Date.now()) / 1000);
  } else if (good_til_blocks !== undefined) {
    params.goodTillBlockTimeInSeconds = good_til_blocks * SECONDS_PER_BLOCK;
  }
  if (type.startsWith('STOP_')) params.stopLossPrice = Number(trigger_price);
  if (type.startsWith('TAKE_PROFIT_')) params.takeProfitPrice = Number(trigger_price);
  return params;
}

async function accountOf(settings, { address, pubKey }) {
  const client = await connectClient(settings);
  const { accountNumber } = await client.validatorClient.get.getAccount(address);
  return { account_number: accountNumber, pub_key: { key: pubKey.value } };
}
