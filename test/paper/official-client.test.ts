// The contract: the unmodified @dydxprotocol/v4-client-js connects, trades, cancels and reads, and notices nothing.
import { expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { orderUuid } from '../../src/core/order-uuid.ts';
import { connect } from './official-client.ts';
import { startTestPaper } from './trader.ts';

type Position = { side: string; size: string };

test('the official client places a short-term order, sees its fill, cancels, and cancels in a batch', async () => {
  await using paper = await startTestPaper();
  const { client, subaccount, owner } = await connect(paper);
  const goodTil = paper.height() + 10;

  await client.placeShortTermOrder(
    subaccount,
    'BTC-USD',
    dydx.OrderSide.BUY,
    70_000,
    0.01,
    7,
    goodTil,
    dydx.Order_TimeInForce.TIME_IN_FORCE_IOC,
    false,
  );
  expect(paper.truth().fills).toEqual([]);
  paper.produceBlock();

  const id = orderUuid({ owner, subaccountNumber: 0, clientId: 7, clobPairId: 0, orderFlags: 0 });
  const { fills } = await client.indexerClient.account.getSubaccountFills(owner, 0);
  expect(fills).toMatchObject([
    { orderId: id, size: '0.01', side: 'BUY', liquidity: 'TAKER', createdAtHeight: '2' },
  ]);
  const { subaccount: shown } = await client.indexerClient.account.getSubaccount(owner, 0);
  const position: Position = shown.openPerpetualPositions['BTC-USD'];
  expect(position).toMatchObject({ side: 'LONG', size: '0.01' });

  await client.placeShortTermOrder(
    subaccount,
    'BTC-USD',
    dydx.OrderSide.BUY,
    50_000,
    0.01,
    8,
    goodTil,
    dydx.Order_TimeInForce.TIME_IN_FORCE_UNSPECIFIED,
    false,
  );
  expect(paper.truth().orders.find((order) => order.client_id === 8)).toMatchObject({
    live: true,
    accepted: 1,
  });
  await client.cancelOrder(subaccount, 8, dydx.OrderFlags.SHORT_TERM, 'BTC-USD', goodTil);
  expect(paper.truth().orders.find((order) => order.client_id === 8)).toMatchObject({
    live: false,
    removal: 'USER_CANCELED',
  });

  for (const clientId of [9, 10]) {
    await client.placeShortTermOrder(
      subaccount,
      'BTC-USD',
      dydx.OrderSide.BUY,
      50_000,
      0.01,
      clientId,
      goodTil,
      dydx.Order_TimeInForce.TIME_IN_FORCE_UNSPECIFIED,
      false,
    );
  }
  await client.batchCancelShortTermOrdersWithClobPairId(
    subaccount,
    [{ clobPairId: 0, clientIds: [9, 10] }] as never,
    goodTil,
  );
  expect(paper.truth().orders.filter((order) => order.live)).toEqual([]);
});

test('the official client reads height, block, status, markets, order book and account', async () => {
  await using paper = await startTestPaper();
  paper.produceBlock();
  const { client, owner } = await connect(paper);
  const base = client.validatorClient.get.tendermintClient.baseClient;

  expect(await client.validatorClient.get.latestBlockHeight()).toBe(2);
  expect((await base.status()).syncInfo.latestBlockHeight).toBe(2);
  expect((await base.abciInfo()).lastBlockHeight).toBe(2);
  expect((await client.indexerClient.utility.getHeight()).height).toBe('2');
  const { markets } = await client.indexerClient.markets.getPerpetualMarkets('PEPE-USD');
  expect(markets['PEPE-USD']).toMatchObject({
    clobPairId: '28',
    tickSize: '0.0000000001',
    stepBaseQuantums: 1_000_000,
  });
  const book = await client.indexerClient.markets.getPerpetualMarketOrderbook('BTC-USD');
  expect(Number(book.asks[0].price)).toBeGreaterThan(Number(book.bids[0].price));
  expect((await client.validatorClient.get.getAccount(owner)).sequence).toBe(0);
});

test('the official client reports a refusal with codespace and code', async () => {
  await using paper = await startTestPaper();
  const { client, subaccount } = await connect(paper);
  const order = client.placeShortTermOrder(
    subaccount,
    'COMP-USD',
    dydx.OrderSide.BUY,
    50,
    1,
    1,
    paper.height() + 10,
    dydx.Order_TimeInForce.TIME_IN_FORCE_IOC,
    false,
  );
  await expect(order).rejects.toMatchObject({ name: 'BroadcastError', code: 34, codespace: 'clob' });
});
