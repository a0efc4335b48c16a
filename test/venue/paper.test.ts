// The whole adapter against the paper exchange: markets and height in, one signed order out, its fill back.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { orderUuid } from '../../src/core/order-uuid.ts';
import type { Signer, VenueOrder } from '../../src/core/ports.ts';
import { quantumsToSize, worstSubticks } from '../../src/core/quantize.ts';
import { type Paper, startPaper } from '../../src/paper/paper.ts';
import { createHeightFeed } from '../../src/venue/height-feed.ts';
import { createIndexer } from '../../src/venue/indexer.ts';
import { paperPrivateKey } from '../../src/venue/keys.ts';
import { createMarketTable } from '../../src/venue/market-table.ts';
import { resolveNetwork } from '../../src/venue/networks.ts';
import { createSigner } from '../../src/venue/signer.ts';
import { type ClosableValidator, createValidators } from '../../src/venue/validators.ts';

let paper: Paper;
let validator: ClosableValidator;
let indexer: ReturnType<typeof createIndexer>;
let signer: Signer;
let order: VenueOrder;
const unexpected: unknown[] = [];
const onError = (error: unknown) => unexpected.push(error);

beforeAll(async () => {
  paper = await startPaper({ blockMs: 0 });
  paper.produceBlock();
  const network = resolveNetwork('paper', { validatorUrls: [paper.url], indexerUrl: paper.url });
  validator = createValidators({ urls: network.validatorUrls, timeoutMs: 5_000 });
  indexer = createIndexer({ url: network.indexerUrl, timeoutMs: 5_000, onBadMarket: onError });
  const privateKey = paperPrivateKey();
  const { owner } = await createSigner({ privateKey, chainId: network.chainId, accountNumber: 0 });
  const accountNumber = await validator.accountNumber(owner);
  signer = await createSigner({ privateKey, chainId: await validator.chainId(), accountNumber });

  const feed = createHeightFeed({ validator, intervalMs: 1_000, maxAgeMs: 5_000, onError });
  const table = createMarketTable({ indexer, intervalMs: 1_000, onError });
  feed.start();
  table.start();
  await Promise.all([feed.ready(5_000), table.ready(5_000)]);
  const market = table.get('BTC-USD');
  const height = feed.current()?.height;
  await Promise.all([feed.stop(), table.stop()]);
  if (market === undefined || height === undefined) throw new Error('no market or height');
  const subticks = worstSubticks('BUY', market.oraclePrice, 50_000, market);
  if (subticks === undefined) throw new Error('no price');
  order = {
    id: { owner, subaccountNumber: 0, clientId: 7, clobPairId: market.clobPairId, orderFlags: 0 },
    side: 'BUY',
    quantums: market.stepBaseQuantums,
    subticks,
    timeInForce: 'IOC',
    reduceOnly: false,
    goodTilBlock: height + 5,
    clientMetadata: 1,
  };
});
afterAll(async () => {
  await Promise.all([validator.close(), indexer.close()]);
  await paper.close();
});

test('an order that is signed and broadcast comes back as a fill with its UUID', async () => {
  const { bytes } = await signer.sign(order);
  expect(await validator.broadcast(bytes)).toMatchObject({ kind: 'check_tx', code: 0 });
  paper.produceBlock();
  const height = await indexer.height();
  expect(height).toBe((await validator.latestBlock()).height);

  const { fills, totalResults } = await indexer.fills(signer.owner, 0, 1, 100);
  expect(totalResults).toBe(1);
  const market = (await indexer.markets()).find((one) => one.ticker === 'BTC-USD');
  if (market === undefined) throw new Error('no market');
  expect(fills).toEqual([
    expect.objectContaining({
      orderUuid: orderUuid(order.id),
      market: 'BTC-USD',
      side: 'BUY',
      size: quantumsToSize(order.quantums, market),
      liquidity: 'TAKER',
      height,
    }),
  ]);
  expect(unexpected).toEqual([]);
});

test('the same bytes again are known to the node', async () => {
  const { bytes } = await signer.sign(order);
  expect(await validator.broadcast(bytes)).toMatchObject({
    kind: 'rpc_error',
    message: 'tx already exists in cache',
  });
});

test('a signature for another chain is refused by the node, as sdk/4', async () => {
  const accountNumber = await validator.accountNumber(signer.owner);
  const stranger = await createSigner({
    privateKey: paperPrivateKey(),
    chainId: 'dydx-mainnet-1',
    accountNumber,
  });
  const { bytes } = await stranger.sign(order);
  expect(await validator.broadcast(bytes)).toMatchObject({ kind: 'check_tx', codespace: 'sdk', code: 4 });
});
