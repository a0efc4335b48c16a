// The contract for stateful orders and permissioned keys: the unmodified @dydxprotocol/v4-client-js places them in its
// default mode, in which it polls for the transaction, cancels them, and registers and uses a key.
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { abci, findStateful } from './ask.ts';
import { connect } from './official-client.ts';
import { startTestPaper } from './trader.ts';

const Long: { fromNumber: (value: number) => never } = createRequire(import.meta.url)('long');

/** Blocks go on by themselves: the client waits for its transaction in steps of 300 ms. */
const BLOCKS = { blockMs: 50 };
const MINUTE = 60;

type Connected = Awaited<ReturnType<typeof connect>>;

function placeLongTerm({ client, subaccount }: Connected, price: number, clientId: number) {
  return client.placeOrder(
    subaccount,
    'BTC-USD',
    dydx.OrderType.LIMIT,
    dydx.OrderSide.BUY,
    price,
    0.01,
    clientId,
    dydx.OrderTimeInForce.GTT,
    MINUTE,
    dydx.OrderExecution.DEFAULT,
    false,
    false,
  );
}

test('a long-term order is placed, found, filled or cancelled', async () => {
  await using paper = await startTestPaper(BLOCKS);
  const connected = await connect(paper);
  const { client, subaccount, owner } = connected;
  const placed = await placeLongTerm(connected, 50_000, 1);
  expect(placed).toMatchObject({ code: 0, hash: paper.truth().transactions[0]?.hash });
  expect(await findStateful(paper.url, owner, 1)).toBeDefined();
  const cancelled = await client.cancelOrder(
    subaccount,
    1,
    dydx.OrderFlags.LONG_TERM,
    'BTC-USD',
    0,
    2 * MINUTE,
  );
  expect(cancelled).toMatchObject({ code: 0 });
  expect(await findStateful(paper.url, owner, 1)).toBeUndefined();
  await placeLongTerm(connected, 70_000, 2);
  await expect.poll(() => paper.truth().fills).toMatchObject([{ liquidity: 'TAKER', size: '0.01' }]);
  expect((await client.validatorClient.get.getAccount(owner)).sequence).toBe(3);
});

test('a conditional order is placed and cancelled', async () => {
  await using paper = await startTestPaper(BLOCKS);
  const { client, subaccount, owner } = await connect(paper);
  await client.placeOrder(
    subaccount,
    'BTC-USD',
    dydx.OrderType.STOP_LIMIT,
    dydx.OrderSide.SELL,
    49_000,
    0.01,
    3,
    dydx.OrderTimeInForce.GTT,
    MINUTE,
    dydx.OrderExecution.DEFAULT,
    false,
    false,
    50_000,
  );
  expect(await findStateful(paper.url, owner, 3, dydx.OrderFlags.CONDITIONAL)).toMatchObject({
    triggered: false,
  });
  const orders = await client.indexerClient.account.getSubaccountOrders(owner, 0);
  expect(orders).toMatchObject([{ type: 'STOP_LIMIT', status: 'UNTRIGGERED', triggerPrice: '50000' }]);
  await client.cancelOrder(subaccount, 3, dydx.OrderFlags.CONDITIONAL, 'BTC-USD', 0, 2 * MINUTE);
  expect(paper.truth().orders).toMatchObject([{ live: false, removal: 'USER_CANCELED' }]);
});

test('with timestamp nonces the sequence stays where it is', async () => {
  await using paper = await startTestPaper(BLOCKS);
  const connected = await connect(paper, { useTimestampNonce: true });
  await placeLongTerm(connected, 50_000, 1);
  await placeLongTerm(connected, 50_000, 2);
  expect(paper.truth().orders.map(({ live }) => live)).toEqual([true, true]);
  expect(paper.truth().transactions.every(({ nonce }) => nonce > 2 ** 40)).toBe(true);
  expect((await connected.client.validatorClient.get.getAccount(connected.owner)).sequence).toBe(0);
});

test('a refusal by the chain is reported with codespace and code', async () => {
  await using paper = await startTestPaper(BLOCKS);
  const connected = await connect(paper);
  await placeLongTerm(connected, 50_000, 1);
  await expect(placeLongTerm(connected, 50_000, 1)).rejects.toMatchObject({ code: 3005, codespace: 'clob' });
});

test('a permissioned key is registered by its owner, listed, and trades for it', async () => {
  await using paper = await startTestPaper(BLOCKS);
  const connected = await connect(paper);
  const { client, owner, subaccount } = connected;
  const trading = await dydx.LocalWallet.fromPrivateKey('22'.repeat(32), 'dydx');
  const { type, data } = dydx.tradingKeyUtils.getAuthorizeNewTradingKeyArguments({
    generatedWalletPubKey: trading.pubKey?.value ?? '',
  });
  await client.addAuthenticator(subaccount, type, data);
  await expect.poll(() => paper.truth().transactions).toMatchObject([{ code: 0, kinds: ['other'] }]);
  const { accountAuthenticators } = await client.getAuthenticators(owner);
  const [key] = dydx.tradingKeyUtils.getAuthorizedTradingKeysMetadata(accountAuthenticators);
  expect(key).toMatchObject({ address: trading.address });

  const ids = [Long.fromNumber(Number(key?.id))];
  const permissioned = dydx.SubaccountInfo.forPermissionedWallet(trading, owner, 0, ids);
  await placeLongTerm({ client, owner, subaccount: permissioned }, 50_000, 1);
  await client.placeShortTermOrder(
    permissioned,
    'BTC-USD',
    dydx.OrderSide.BUY,
    50_000,
    0.01,
    2,
    paper.height() + 15,
    dydx.Order_TimeInForce.TIME_IN_FORCE_UNSPECIFIED,
    false,
  );
  expect(paper.truth(owner).orders.map(({ live }) => live)).toEqual([true, true]);

  const elsewhere = dydx.SubaccountInfo.forPermissionedWallet(trading, owner, 1, ids);
  await expect(placeLongTerm({ client, owner, subaccount: elsewhere }, 50_000, 3)).rejects.toMatchObject({
    code: 104,
    codespace: 'accountplus',
  });
});

test('limits are read as the chain tells them', async () => {
  await using paper = await startTestPaper({
    equityTiers: [
      { usd: '0', limit: 0 },
      { usd: '20', limit: 4 },
    ],
  });
  const { client } = await connect(paper);
  const { equityTierLimitConfig } = await client.validatorClient.get.getEquityTierLimitConfiguration();
  const tiers = equityTierLimitConfig?.statefulOrderEquityTiers.map(({ usdTncRequired, limit }) => [
    Buffer.from(usdTncRequired).toString('hex'),
    limit,
  ]);
  // A sign byte, then 20,000,000 quote quantums.
  expect(tiers).toEqual([
    ['02', 0],
    ['0201312d00', 4],
  ]);
  const { value } = await abci(
    paper.url,
    '/dydxprotocol.clob.Query/BlockRateLimitConfiguration',
    new Uint8Array(),
  );
  const rates = dydx.ClobModule.QueryBlockRateLimitConfigurationResponse.decode(
    Buffer.from(value ?? '', 'base64'),
  );
  expect(rates.blockRateLimitConfig).toMatchObject({
    maxStatefulOrdersPerNBlocks: [
      { numBlocks: 1, limit: 2 },
      { numBlocks: 100, limit: 20 },
    ],
    maxShortTermOrdersAndCancelsPerNBlocks: [{ numBlocks: 5, limit: 4000 }],
  });
});
