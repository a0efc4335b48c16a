// Golden bytes: what we plan and sign for a decimal intent is, byte for byte, what an unmodified CompositeClient makes of
// the same decimals: 10,000 random orders, by cell, over all markets of the paper exchange. Comparable is what lies on the
// grid below 2^53 quantums and subticks: elsewhere the client rounds, or its doubles do (facts/client.md §6). It takes
// good-til-blocks up to 21 ahead only, and has no worst price of its own: it is given ours.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import type { Intent } from '../../src/core/intent.ts';
import type { Market } from '../../src/core/market.ts';
import { planOrder, venueOrder } from '../../src/core/plan.ts';
import type { Signer, TxStamp, VenueOrder } from '../../src/core/ports.ts';
import { quantumsToSize, subticksToPrice } from '../../src/core/quantize.ts';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import type { Paper } from '../../src/paper/paper.ts';
import { validateBasic } from '../../src/paper/wire/validate-basic.ts';
import { ownerOf, paperPrivateKey } from '../../src/venue/keys.ts';
import { readMessage } from '../../src/venue/protobuf.ts';
import { createSigner } from '../../src/venue/signer.ts';
import { BTC_USD, parsed } from '../core/builders.ts';
import { CELLS, type Cell, type Venue } from '../core/cells.ts';
import { startTestPaper } from '../paper/trader.ts';

const ALLOWED = CELLS.flatMap((cell) =>
  'venue' in cell.expected ? [{ cell, venue: cell.expected.venue }] : [],
);
const RUNS = Math.ceil(10_000 / ALLOWED.length);
const SEED = 20_260_304;

const SETTINGS = { marketSlippagePpm: 10_000, iocGoodTilBlocks: 5 };
const ACCOUNT_NUMBER = 300;
const NOW = new Date('2026-03-04T05:06:07Z');
const MAX_DOUBLE = 2n ** 53n - 1n;
/** SHORT_BLOCK_WINDOW of the client, and the next block. */
const CLIENT_WINDOW_BLOCKS = 21;

const owner = await ownerOf(paperPrivateKey());
let paper: Paper;
let client: Awaited<ReturnType<typeof dydx.CompositeClient.connect>>;
let wallet: Awaited<ReturnType<typeof dydx.LocalWallet.fromPrivateKey>>;
let signer: Signer;

beforeAll(async () => {
  // The client makes a good-til-block-time of its clock and a number of seconds.
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  paper = await startTestPaper();
  const denoms = {
    USDC_DENOM: 'ibc/usdc',
    USDC_DECIMALS: 6,
    CHAINTOKEN_DENOM: 'adydx',
    CHAINTOKEN_DECIMALS: 18,
  };
  const network = new dydx.Network(
    paper.chainId,
    new dydx.IndexerConfig(paper.url, paper.url.replace('http', 'ws')),
    new dydx.ValidatorConfig(paper.url, paper.chainId, denoms),
  );
  client = await dydx.CompositeClient.connect(network);
  const privateKey = paperPrivateKey();
  wallet = await dydx.LocalWallet.fromPrivateKey(Buffer.from(privateKey).toString('hex'), 'dydx');
  signer = await createSigner({ privateKey, chainId: paper.chainId, accountNumber: ACCOUNT_NUMBER });
});

afterAll(async () => {
  vi.useRealTimers();
  await paper[Symbol.asyncDispose]();
});

/** An order of a cell as it is asked for, and the height at which it is signed. */
type Asked = {
  readonly market: Market;
  readonly intent: Intent;
  readonly clientId: number;
  readonly height: number;
};

/** On the grid, where a worst price 1 % above still lies below 2^53; the oracle price lies between two ticks. */
function askedOf(cell: Cell) {
  const some = (unit: bigint) =>
    fc.oneof(fc.bigInt({ min: 1n, max: MAX_DOUBLE / unit / 2n }), fc.bigInt({ min: 1n, max: 1_000n }));
  return fc.constantFrom(...PAPER_MARKETS).chain((paperMarket) => {
    const { stepBaseQuantums: step, subticksPerTick: tick } = paperMarket;
    const numbers = {
      steps: some(step),
      ticks: some(tick),
      triggerTicks: some(tick),
      oracleTenths: some(tick),
      side: fc.constantFrom('BUY', 'SELL'),
      blocks: fc.integer({ min: 1, max: CLIENT_WINDOW_BLOCKS }),
      seconds: fc.integer({ min: 1, max: 95 * 86_400 }),
      subaccount: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 128_000 })),
      clientId: fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0, 0xffffffff)),
      height: fc.integer({ min: 1, max: 4_000_000_000 }),
    };
    return fc.record(numbers).map((given): Asked => {
      const oracle = given.oracleTenths * (tick / 10n) + tick;
      const market = {
        ...paperMarket,
        status: 'ACTIVE',
        oraclePrice: subticksToPrice(oracle, paperMarket),
      };
      const price = subticksToPrice(given.ticks * tick, market);
      const trigger = subticksToPrice(given.triggerTicks * tick, market);
      const until = new Date(NOW.getTime() + given.seconds * 1_000).toISOString();
      const intent = parsed({
        ...cell.input,
        market: market.ticker,
        side: given.side,
        size: quantumsToSize(given.steps * step, market),
        subaccount_number: given.subaccount,
        ...('price' in cell.input ? { price } : {}),
        ...('trigger_price' in cell.input ? { trigger_price: trigger } : {}),
        ...('good_til_blocks' in cell.input ? { good_til_blocks: given.blocks } : {}),
        ...('good_til_time' in cell.input ? { good_til_time: until } : {}),
      });
      return { market, intent, clientId: given.clientId, height: given.height };
    });
  });
}

function planned({ market, intent, clientId }: Asked, height: number): VenueOrder {
  const result = planOrder(intent, market, SETTINGS);
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  return venueOrder(result.plan, owner, intent.subaccount_number, clientId, height);
}

const { OrderSide, OrderTimeInForce, OrderExecution } = dydx;
const TIMES_IN_FORCE = {
  GTT: dydx.Order_TimeInForce.TIME_IN_FORCE_UNSPECIFIED,
  IOC: dydx.Order_TimeInForce.TIME_IN_FORCE_IOC,
  POST_ONLY: dydx.Order_TimeInForce.TIME_IN_FORCE_POST_ONLY,
} as const;
const EXECUTIONS = {
  GTT: OrderExecution.DEFAULT,
  IOC: OrderExecution.IOC,
  POST_ONLY: OrderExecution.POST_ONLY,
} as const;

type Message = Awaited<ReturnType<(typeof client)['placeOrderMessage']>>;

/** Orders that rest for some blocks are made by placeShortTermOrder, all others by placeOrder. */
const isResting = (venue: Venue) => venue.class === 'short-term' && venue.timeInForce !== 'IOC';

async function resting(
  { market, intent, clientId }: Asked,
  timeInForce: Venue['timeInForce'],
): Promise<Message> {
  return client['placeShortTermOrderMessage'](
    dydx.SubaccountInfo.forLocalWallet(wallet, intent.subaccount_number),
    market.ticker,
    OrderSide[intent.side],
    Number(intent.price),
    Number(intent.size),
    clientId,
    paper.height() + (intent.good_til_blocks ?? 0),
    TIMES_IN_FORCE[timeInForce],
    intent.reduce_only,
  );
}

/**
 * The indexer's JSON has the clob pair as a text, which placeShortTermOrder hands on: of pair 0 it writes a zero that
 * protobuf leaves out.
 */
function withNumericPair({ typeUrl, value }: Message): Message {
  const { order } = value;
  const { orderId } = order;
  return {
    typeUrl,
    value: { order: { ...order, orderId: { ...orderId, clobPairId: Number(orderId.clobPairId) } } },
  };
}

/** The same decimals, as the numbers that the client takes. Those of a market type are the worst price that we chose. */
async function officially(asked: Asked, venue: Venue, ours: VenueOrder): Promise<Message> {
  if (isResting(venue)) return withNumericPair(await resting(asked, venue.timeInForce));
  const { market, intent, clientId, height } = asked;
  const isStateful = intent.good_til_time !== undefined;
  return client['placeOrderMessage'](
    dydx.SubaccountInfo.forLocalWallet(wallet, intent.subaccount_number),
    market.ticker,
    dydx.OrderType[intent.type],
    OrderSide[intent.side],
    Number(intent.price ?? subticksToPrice(ours.subticks, market)),
    Number(intent.size),
    clientId,
    isStateful ? OrderTimeInForce.GTT : OrderTimeInForce.IOC,
    isStateful ? (Date.parse(intent.good_til_time) - NOW.getTime()) / 1_000 : undefined,
    EXECUTIONS[venue.timeInForce],
    intent.post_only,
    intent.reduce_only,
    intent.trigger_price === undefined ? undefined : Number(intent.trigger_price),
    {
      clobPairId: market.clobPairId,
      atomicResolution: market.atomicResolution,
      stepBaseQuantums: Number(market.stepBaseQuantums),
      quantumConversionExponent: market.quantumConversionExponent,
      subticksPerTick: Number(market.subticksPerTick),
    },
    height,
    isStateful ? undefined : height + SETTINGS.iocGoodTilBlocks,
  );
}

/** placeShortTermOrder reads the height itself: both sides then sign at that of the exchange. */
function heightOf({ height }: Asked, venue: Venue): number {
  return isResting(venue) ? paper.height() : height;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const encoded = ({ value }: Message) => dydx.MsgPlaceOrder.encode(value).finish();

/** The message within a signed transaction, as it will reach the chain: TxRaw.body.messages[0].value. */
function messageIn(transaction: Uint8Array): Uint8Array {
  const within = (bytes: Uint8Array | undefined, field: number) =>
    readMessage(bytes ?? Uint8Array.of(0xff))?.bytes(field);
  return within(within(within(transaction, 1), 1), 2) ?? Uint8Array.of();
}

const stampOf = ({ id }: VenueOrder, nonce: number): TxStamp | undefined =>
  id.orderFlags === 0 ? undefined : { nonce, memo: 'r1' };

describe('the message of the unmodified client, byte for byte', () => {
  for (const { cell, venue } of ALLOWED) {
    test(`${cell.name}, ${RUNS} times`, async () => {
      const tickers: string[] = [];
      await fc.assert(
        fc.asyncProperty(askedOf(cell), async (asked) => {
          tickers.push(asked.market.ticker);
          const ours = planned(asked, heightOf(asked, venue));
          const { bytes } = await signer.sign(ours, stampOf(ours, 1_785_000_000_123));
          const theirs = await officially(asked, venue, ours);
          expect(hex(messageIn(bytes))).toBe(hex(encoded(theirs)));
        }),
        { numRuns: RUNS, seed: SEED },
      );
      expect(tickers).toHaveLength(RUNS);
      expect(new Set(tickers).size).toBe(PAPER_MARKETS.length);
    });
  }

  test('but for the zero that placeShortTermOrder writes for pair 0', async () => {
    const cell = CELLS.find(({ name }) => name === 'LIMIT GTT good_til_blocks');
    const asked = {
      market: BTC_USD,
      intent: parsed({ ...cell?.input, market: 'BTC-USD' }),
      clientId: 7,
      height: 1,
    };
    const ours = await signer.sign(planned(asked, paper.height()));
    const theirs = encoded(await resting(asked, 'GTT'));
    expect(hex(messageIn(ours.bytes))).not.toBe(hex(theirs));
    expect(hex(dydx.MsgPlaceOrder.encode(dydx.MsgPlaceOrder.decode(theirs)).finish())).toBe(
      hex(messageIn(ours.bytes)),
    );
    expect(theirs).toHaveLength(messageIn(ours.bytes).length + 2);
  });

  test('in each of the 26 cells that the venue allows', () => {
    expect(new Set(ALLOWED.map(({ cell }) => cell.name)).size).toBe(26);
  });
});

describe('the signed transaction of the unmodified client, byte for byte', () => {
  for (const { cell, venue } of ALLOWED) {
    test(cell.name, async () => {
      const nonces = fc.integer({ min: 1_700_000_000_000, max: 2_200_000_000_000 });
      await fc.assert(
        fc.asyncProperty(askedOf(cell), nonces, async (asked, nonce) => {
          const ours = planned(asked, heightOf(asked, venue));
          const stamp = stampOf(ours, nonce);
          const message = await officially(asked, venue, ours);
          const account = {
            address: owner,
            pubkey: null,
            accountNumber: ACCOUNT_NUMBER,
            sequence: stamp?.nonce ?? 0,
          };
          const subaccount = dydx.SubaccountInfo.forLocalWallet(wallet, 0);
          const theirs = await client.validatorClient.post.sign(
            subaccount,
            async () => [message],
            true,
            undefined,
            stamp?.memo ?? '',
            async () => account,
          );
          expect(hex((await signer.sign(ours, stamp)).bytes)).toBe(hex(theirs));
        }),
        { numRuns: 10, seed: SEED },
      );
    });
  }
});

describe("passes the venue's own ValidateBasic, as the paper exchange has it", () => {
  for (const { cell, venue } of ALLOWED) {
    test(cell.name, async () => {
      await fc.assert(
        fc.asyncProperty(askedOf(cell), async (asked) => {
          const ours = planned(asked, heightOf(asked, venue));
          const { bytes } = await signer.sign(ours, stampOf(ours, 1_785_000_000_123));
          const { order } = dydx.MsgPlaceOrder.decode(messageIn(bytes));
          expect(order && validateBasic({ kind: 'place', order })).toBeUndefined();
        }),
        { numRuns: 10, seed: SEED },
      );
    });
  }
});
