// The whole adapter against the paper exchange: markets and height in, one signed order out, its fill back.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publicKeyOf } from '../../src/chain/ecdsa.ts';
import { orderUuid } from '../../src/core/order-uuid.ts';
import type { SignedTx, Signer, VenueOrder } from '../../src/core/ports.ts';
import { quantumsToSize, worstSubticks } from '../../src/core/quantize.ts';
import { type Paper, startPaper } from '../../src/paper/paper.ts';
import { createHeightFeed } from '../../src/venue/height-feed.ts';
import { createIndexer } from '../../src/venue/indexer.ts';
import { paperPrivateKey } from '../../src/venue/keys.ts';
import { createMarketTable } from '../../src/venue/market-table.ts';
import { resolveNetwork } from '../../src/venue/networks.ts';
import { createSigner } from '../../src/venue/signer.ts';
import { selectAuthenticators, whyNotTradeOnly } from '../../src/venue/trade-only.ts';
import { type ClosableValidator, createValidators } from '../../src/venue/validators.ts';
import { OWNER, TRADING_KEY, tradeOnly } from '../support/trading-keys.ts';

let paper: Paper;
let validator: ClosableValidator;
let indexer: ReturnType<typeof createIndexer>;
let signer: Signer;
let order: VenueOrder & { readonly goodTilBlock: number };
const unexpected: unknown[] = [];
const onError = (error: unknown) => unexpected.push(error);

beforeAll(async () => {
  paper = await startPaper({ blockMs: 0, nodes: 2 });
  paper.produceBlock();
  const network = resolveNetwork('paper', { validatorUrls: paper.nodes, indexerUrl: paper.url });
  validator = createValidators({ urls: network.validatorUrls, chainId: network.chainId, timeoutMs: 5_000 });
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

describe('a stateful order', () => {
  let resting: VenueOrder;
  let placed: SignedTx;

  beforeAll(async () => {
    const { time } = await validator.latestBlock();
    const seconds = Math.floor(time.getTime() / 1_000);
    const { goodTilBlock: _, ...content } = order;
    resting = {
      ...content,
      id: { ...order.id, clientId: 8, orderFlags: 64 },
      side: 'SELL',
      subticks: order.subticks * 2n,
      timeInForce: 'GTT',
      clientMetadata: 0,
      goodTilBlockTime: seconds + 3_600,
    };
    placed = await signer.sign(resting, { nonce: time.getTime(), memo: 'first' });
  });

  test('is absent, by its hash and by its id, until it is in a block', async () => {
    const { height } = await validator.latestBlock();
    expect(await validator.findTx(placed.hash)).toMatchObject({ kind: 'absent', block: { height } });
    expect(await validator.statefulOrder(resting.id, height)).toEqual({ kind: 'absent', height });
    expect(await indexer.hasOrder(orderUuid(resting.id))).toBe(false);
    await expect(validator.statefulOrder(resting.id, height + 1)).rejects.toThrow(
      `answered for block ${height}`,
    );
  });

  test('is found by its hash and by its id once it is in a block', async () => {
    expect(await validator.broadcast(placed.bytes)).toMatchObject({ kind: 'check_tx', code: 0 });
    paper.produceBlock();
    const height = paper.height();
    expect(await validator.findTx(placed.hash)).toMatchObject({ kind: 'included', height, code: 0 });
    expect(await validator.statefulOrder(resting.id, height)).toEqual({
      kind: 'present',
      height,
    });
    expect(await indexer.hasOrder(orderUuid(resting.id))).toBe(true);
  });

  test('is gone after its cancel', async () => {
    const { time } = await validator.latestBlock();
    const cancel = { id: resting.id, goodTilBlockTime: (resting.goodTilBlockTime ?? 0) + 1 };
    const { bytes } = await signer.signCancel(cancel, { nonce: time.getTime() + 1, memo: '' });
    expect(await validator.broadcast(bytes, undefined, 1)).toMatchObject({ kind: 'check_tx', code: 0 });
    paper.produceBlock();
    expect(await validator.statefulOrder(resting.id, paper.height())).toMatchObject({ kind: 'absent' });
  });

  test('is said to be absent only by a node that indexes transactions', async () => {
    const { hash } = await signer.sign(resting, { nonce: 2 ** 41, memo: 'never sent' });
    paper.setNode(0, { tx_index: false });
    expect(await validator.findTx(hash)).toMatchObject({ kind: 'absent' });
    paper.setNode(1, { tx_index: false });
    await expect(validator.findTx(hash)).rejects.toThrow('transaction indexing is disabled');
    for (const index of [0, 1]) paper.setNode(index, { tx_index: true });
  });
});

test('a conditional order is placed untriggered, and a batch of cancels is taken', async () => {
  const { time, height } = await validator.latestBlock();
  const { goodTilBlock: _, ...content } = order;
  const stop: VenueOrder = {
    ...content,
    id: { ...order.id, clientId: 9, orderFlags: 32 },
    condition: { type: 'TAKE_PROFIT', triggerSubticks: (order.subticks / 100_000n / 2n) * 100_000n },
    goodTilBlockTime: Math.floor(time.getTime() / 1_000) + 3_600,
  };
  const { bytes } = await signer.sign(stop, { nonce: time.getTime() + 2, memo: '' });
  expect(await validator.broadcast(bytes)).toMatchObject({ kind: 'check_tx', code: 0 });
  paper.produceBlock();
  expect(await validator.statefulOrder(stop.id, height + 1)).toMatchObject({
    kind: 'present',
  });
  const batch = await signer.signBatchCancel({
    owner: signer.owner,
    subaccountNumber: 0,
    goodTilBlock: height + 10,
    lists: [{ clobPairId: order.id.clobPairId, clientIds: [7, 8] }],
  });
  expect(await validator.broadcast(batch.bytes)).toMatchObject({ kind: 'check_tx', code: 0 });
});

test('limits and tiers are read as the chain has them', async () => {
  expect(await validator.blockRateLimits()).toEqual({
    shortTerm: [{ limit: 4_000, blocks: 5 }],
    stateful: [
      { limit: 2, blocks: 1 },
      { limit: 20, blocks: 100 },
    ],
  });
  const tiers = await validator.equityTiers();
  expect(tiers[0]).toEqual({ usdcQuantums: 0n, limit: 0 });
  expect(tiers[1]).toEqual({ usdcQuantums: 20_000_000n, limit: 10 });
});

test('the equity of a subaccount is a decimal', async () => {
  expect(await indexer.equity(signer.owner, 0)).toMatch(/^\d+(\.\d+)?$/);
});

test('a trade-only key is registered, found to be one, and its order is accepted', async () => {
  const { type, config } = tradeOnly(0n);
  const { id } = paper.addAuthenticator({
    owner: OWNER,
    type,
    config: Buffer.from(config).toString('base64'),
  });
  const authenticators = await validator.authenticators(OWNER);
  expect(authenticators).toEqual([{ id: BigInt(id), type, config: Buffer.from(config) }]);
  const ids = [BigInt(id)];
  const publicKey = publicKeyOf(TRADING_KEY);
  expect(whyNotTradeOnly(authenticators, ids, publicKey)).toBeUndefined();
  const selection = selectAuthenticators(authenticators, ids, publicKey);
  if (!selection.ok) throw new Error(selection.lacking);
  const trader = await createSigner({
    privateKey: TRADING_KEY,
    chainId: paper.chainId,
    accountNumber: await validator.accountNumber(OWNER),
    owner: OWNER,
    authenticators: selection.selected,
  });
  const goodTilBlock = paper.height() + 5;
  const signed = await trader.sign({ ...order, id: { ...order.id, owner: OWNER }, goodTilBlock });
  expect(await validator.broadcast(signed.bytes)).toMatchObject({ kind: 'check_tx', code: 0 });

  const stranger = await createSigner({
    privateKey: TRADING_KEY,
    chainId: paper.chainId,
    accountNumber: await validator.accountNumber(OWNER),
    owner: OWNER,
    authenticators: { place: 99n, cancel: 99n, batchCancel: 99n },
  });
  const refused = await stranger.sign({
    ...order,
    id: { ...order.id, owner: OWNER, clientId: 1 },
    goodTilBlock,
  });
  expect(await validator.broadcast(refused.bytes)).toMatchObject({ codespace: 'accountplus' });
});

test('of two nodes the one that lags is left out until it has caught up', async () => {
  const ahead = (turn: number) =>
    signer.sign({ ...order, id: { ...order.id, clientId: 100 + turn }, goodTilBlock: paper.height() + 5 });
  paper.setNode(1, { lag_blocks: 5 });
  for (let block = 0; block < 5; block++) paper.produceBlock();
  await validator.latestBlock();
  expect((await validator.latestBlock()).height).toBe(paper.height());
  paper.setNode(0, { is_down: true });
  // The one that lags is not asked while nothing better is known of the other.
  expect(await validator.broadcast((await ahead(1)).bytes, undefined, 1)).toMatchObject({
    kind: 'no_answer',
  });
  await validator.latestBlock().catch(() => {});
  expect((await validator.broadcast((await ahead(2)).bytes, undefined, 1)).kind).toBe('check_tx');
  paper.setNode(0, { is_down: false });
  paper.setNode(1, { lag_blocks: 0 });
  await validator.latestBlock();
  expect((await validator.broadcast((await ahead(3)).bytes, undefined, 1)).kind).toBe('check_tx');
});
