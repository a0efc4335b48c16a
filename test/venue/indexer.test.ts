// What the indexer may say, and that everything else is an IndexerError.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createIndexer, IndexerError } from '../../src/venue/indexer.ts';
import { json, type ScriptedServer, silent, startServer, text } from './scripted-server.ts';

let server: ScriptedServer;
let indexer: ReturnType<typeof createIndexer>;
let badMarkets: string[];

beforeEach(async () => {
  server = await startServer();
  badMarkets = [];
  const onBadMarket = (ticker: string, reason: string) => badMarkets.push(`${ticker} ${reason}`);
  indexer = createIndexer({ url: `${server.url}/`, timeoutMs: 250, onBadMarket });
});
afterEach(async () => {
  await indexer.close();
  await server.close();
});

const FILL = {
  id: '0ef4a74e-6916-5a1e-9744-baa9c37d5ce3',
  orderId: '5a1c10aa-66bb-5cf2-a106-32d6470eb43e',
  market: 'BTC-USD',
  marketType: 'PERPETUAL',
  side: 'BUY',
  size: '0.0001',
  price: '60000',
  fee: '-0.00066',
  liquidity: 'MAKER',
  type: 'LIMIT',
  createdAtHeight: '77',
  createdAt: '2026-03-04T05:06:07.123Z',
  subaccountNumber: 0,
};
const page = (fills: unknown[], rest: object = {}) => json({ fills, totalResults: fills.length, ...rest });
const failure = async (promise: Promise<unknown>): Promise<IndexerError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(IndexerError);
  return error as IndexerError;
};

describe('height', () => {
  test('reads the height, which is a string in REST', async () => {
    server.answer = json({ height: '123', time: '2026-03-04T05:06:07.123Z' });
    expect(await indexer.height()).toBe(123);
    expect(server.paths).toEqual(['GET /v4/height']);
  });

  for (const height of ['-1', '1.5', 'x', -1, 1.5, null, undefined]) {
    test(`a height of ${JSON.stringify(height)} is malformed`, async () => {
      server.answer = json({ height });
      expect((await failure(indexer.height())).message).toMatch(/malformed answer to \/v4\/height: height/);
    });
  }
});

describe('fills', () => {
  test('asks for one page and keeps decimals as strings', async () => {
    server.answer = json({ fills: [FILL], pageSize: 100, totalResults: 201, offset: 200 });
    expect(await indexer.fills('dydx1abc', 3, 3, 100)).toEqual({
      totalResults: 201,
      fills: [
        {
          id: FILL.id,
          orderUuid: FILL.orderId,
          market: 'BTC-USD',
          side: 'BUY',
          size: '0.0001',
          price: '60000',
          fee: '-0.00066',
          liquidity: 'MAKER',
          type: 'LIMIT',
          height: 77,
          createdAt: new Date('2026-03-04T05:06:07.123Z'),
        },
      ],
    });
    expect(server.paths).toEqual(['GET /v4/fills?address=dydx1abc&subaccountNumber=3&page=3&limit=100']);
  });

  test('a fill without an order, such as a liquidation, has no order UUID', async () => {
    const { orderId: _, ...liquidation } = FILL;
    server.answer = page([liquidation, { ...FILL, id: FILL.orderId, orderId: null }]);
    const { fills } = await indexer.fills('a', 0, 1, 10);
    expect(fills.map((fill) => fill.orderUuid)).toEqual([undefined, undefined]);
  });

  const malformed: readonly (readonly [name: string, change: object, field: RegExp])[] = [
    ['a size with an exponent', { size: '1e-4' }, /fills\.1\.size: not a plain decimal/],
    ['a size that is a number', { size: 0.0001 }, /fills\.1\.size/],
    ['a negative size', { size: '-1' }, /fills\.1\.size/],
    ['an empty price', { price: '' }, /fills\.1\.price/],
    ['a missing fee', { fee: undefined }, /fills\.1\.fee/],
    ['an unknown side', { side: 'buy' }, /fills\.1\.side/],
    ['an unknown liquidity', { liquidity: 'BOTH' }, /fills\.1\.liquidity/],
    ['a negative height', { createdAtHeight: '-5' }, /fills\.1\.createdAtHeight/],
    ['no time', { createdAt: 'yesterday' }, /fills\.1\.createdAt/],
    ['an id that is no UUID', { id: '17' }, /fills\.1\.id/],
    ['the row before once more', {}, /fills: a row twice/],
    [
      'a lower height than the row before',
      { createdAtHeight: '76' },
      /fills\.1\.createdAtHeight: 76 after 77/,
    ],
  ];
  for (const [name, change, field] of malformed) {
    test(`${name} makes the page malformed and is named`, async () => {
      server.answer = page([FILL, { ...FILL, ...change }]);
      expect((await failure(indexer.fills('a', 0, 1, 10))).message).toMatch(field);
    });
  }

  test('a page without a total, or of another size or offset than asked, is malformed', async () => {
    server.answer = json({ fills: [FILL] });
    expect((await failure(indexer.fills('a', 0, 1, 10))).message).toMatch(/totalResults/);
    server.answer = page([FILL], { pageSize: 5 });
    expect((await failure(indexer.fills('a', 0, 1, 10))).message).toMatch(/pageSize: is 5, asked 10/);
    server.answer = page([FILL], { pageSize: 10, offset: 0 });
    expect((await failure(indexer.fills('a', 0, 2, 10))).message).toMatch(/offset: is 0/);
    server.answer = page([FILL, FILL]);
    expect((await failure(indexer.fills('a', 0, 1, 1))).message).toMatch(/2 rows, asked 1/);
  });
});

const BTC = {
  clobPairId: '0',
  ticker: 'BTC-USD',
  status: 'ACTIVE',
  oraclePrice: '60000.123',
  atomicResolution: -10,
  quantumConversionExponent: -9,
  stepBaseQuantums: 1_000_000,
  subticksPerTick: 100_000,
};

describe('markets', () => {
  test('reads the grid exactly', async () => {
    server.answer = json({ markets: { 'BTC-USD': { ...BTC, tickSize: '1', stepSize: '0.0001' } } });
    expect(await indexer.markets()).toEqual([
      { ...BTC, clobPairId: 0, stepBaseQuantums: 1_000_000n, subticksPerTick: 100_000n },
    ]);
    expect(badMarkets).toEqual([]);
  });

  test('a malformed market is reported and does not lose the others', async () => {
    server.answer = json({
      markets: {
        'BTC-USD': BTC,
        'A-USD': { ...BTC, ticker: 'A-USD', stepBaseQuantums: 2 ** 53 },
        'B-USD': { ...BTC, ticker: 'B-USD', oraclePrice: null },
        'C-USD': { ...BTC, ticker: 'C-USD', clobPairId: 3 },
        'D-USD': BTC,
        'E-USD': null,
        'F-USD': { ...BTC, ticker: 'F-USD', subticksPerTick: 0 },
      },
    });
    expect((await indexer.markets()).map((market) => market.ticker)).toEqual(['BTC-USD']);
    expect(badMarkets.map((line) => line.slice(0, 24))).toEqual([
      expect.stringMatching(/^A-USD stepBaseQuantums/),
      expect.stringMatching(/^B-USD oraclePrice/),
      expect.stringMatching(/^C-USD clobPairId/),
      expect.stringMatching(/^D-USD ticker: is BTC-USD/),
      expect.stringMatching(/^E-USD /),
      expect.stringMatching(/^F-USD subticksPerTick/),
    ]);
  });

  test('not one readable market is an error, and so is another shape', async () => {
    server.answer = json({ markets: { 'E-USD': {} } });
    expect((await failure(indexer.markets())).message).toMatch(/not one market/);
    server.answer = json({ markets: [] });
    expect((await failure(indexer.markets())).message).toMatch(
      /malformed answer to \/v4\/perpetualMarkets: markets/,
    );
  });
});

const NOT_FOUND = json({ errors: [{ msg: 'no such thing' }] }, 404);

describe('hasOrder', () => {
  const { orderId: id } = FILL;

  test('is true for a row of that order, whatever its status', async () => {
    server.answer = json({ id, status: 'BEST_EFFORT_CANCELED', size: '1' });
    expect(await indexer.hasOrder(id)).toBe(true);
    expect(server.paths).toEqual([`GET /v4/orders/${id}`]);
  });

  test("is false for the indexer's own 404, which is asked for once", async () => {
    server.answer = NOT_FOUND;
    expect(await indexer.hasOrder(id)).toBe(false);
    expect(server.paths).toHaveLength(1);
  });

  test("a gateway's 404 is a failure, and so is another order", async () => {
    server.answer = text('<html>not here</html>', 404);
    expect(await failure(indexer.hasOrder(id))).toMatchObject({ status: 404 });
    server.answer = json({}, 404);
    expect(await failure(indexer.hasOrder(id))).toMatchObject({ status: 404 });
    server.answer = json({ id: FILL.id });
    expect((await failure(indexer.hasOrder(id))).message).toMatch(/id: is 0ef4a74e/);
    server.answer = json({});
    expect((await failure(indexer.hasOrder(id))).message).toMatch(/malformed answer/);
    server.answer = json({ errors: [{ msg: 'Too many requests' }] }, 429);
    expect(await failure(indexer.hasOrder(id))).toMatchObject({ status: 429 });
  });
});

describe('equity', () => {
  test('is the decimal of the subaccount, negative ones included', async () => {
    server.answer = json({ subaccount: { equity: '-12.5', freeCollateral: '0' } });
    expect(await indexer.equity('dydx1abc', 3)).toBe('-12.5');
    expect(server.paths).toEqual(['GET /v4/addresses/dydx1abc/subaccountNumber/3']);
  });

  test('is undefined for a subaccount that was never funded', async () => {
    server.answer = NOT_FOUND;
    expect(await indexer.equity('dydx1abc', 0)).toBeUndefined();
  });

  test.each([{ subaccount: { equity: 5 } }, { subaccount: { equity: '1e3' } }, { subaccount: {} }, {}])(
    '%j is malformed',
    async (answer) => {
      server.answer = json(answer);
      expect((await failure(indexer.equity('a', 0))).message).toMatch(
        /malformed answer to .*subaccountNumber\/0/,
      );
    },
  );
});

describe('failures', () => {
  test('429 carries the status and Retry-After, which is in milliseconds', async () => {
    server.answer = json({ errors: [{ msg: 'Too many requests' }] }, 429, { 'retry-after': '432' });
    const error = await failure(indexer.height());
    expect(error).toMatchObject({ name: 'IndexerError', status: 429, retryAfterMs: 432 });
    expect(error.message).toMatch(/Too many requests/);
  });

  test('a Retry-After that is no number is ignored', async () => {
    server.answer = json({}, 503, { 'retry-after': 'Fri, 31 Dec 1999 23:59:59 GMT' });
    expect(await failure(indexer.height())).toMatchObject({ status: 503, retryAfterMs: undefined });
  });

  test('a call that failed is made once more, after the time that the venue asks for', async () => {
    server.answer = (exchange) => {
      const answer =
        server.paths.length === 1 ? json({}, 429, { 'retry-after': '30' }) : json({ height: '9' });
      answer(exchange);
    };
    expect(await indexer.height()).toBe(9);
    expect(server.paths).toHaveLength(2);
    server.answer = json({}, 502);
    await failure(indexer.height());
    expect(server.paths).toHaveLength(4);
  });

  test('404 is a failure like any other', async () => {
    server.answer = json({ errors: [{ msg: 'not found' }] }, 404);
    expect(await failure(indexer.fills('a', 0, 1, 10))).toMatchObject({ status: 404 });
  });

  test('HTML with status 200 is a failure', async () => {
    server.answer = text('<html>');
    expect((await failure(indexer.height())).message).toMatch(/not JSON: <html>/);
  });

  test('silence ends at the deadline', async () => {
    server.answer = silent;
    expect(await failure(indexer.height())).toMatchObject({
      status: undefined,
      message: 'no answer to /v4/height: no answer within 250 ms',
    });
  });

  test('a reset is a failure', async () => {
    server.answer = ({ req }) => req.socket.resetAndDestroy();
    expect((await failure(indexer.height())).message).toMatch(/no answer to \/v4\/height/);
  });
});

const cut: ScriptedServer['answer'] = ({ res }) => {
  res.destroy();
};

test.each([
  ['ok', json({ height: '7' })],
  ['rate_limited', json({}, 429)],
  ['http_error', json({}, 502)],
  ['malformed', json({ height: 'x' })],
  ['malformed', text('<html>')],
  ['no_answer', cut],
] as const)('every request is told as %s, the repeat included', async (result, script) => {
  const told: string[] = [];
  const watched = createIndexer({ url: server.url, timeoutMs: 250, onRequest: (one) => told.push(one) });
  server.answer = script;
  await watched.height().catch(() => {});
  await watched.close();
  expect(told).toEqual(result === 'ok' ? ['ok'] : [result, result]);
});

test('an absence that was asked for is told as an answer', async () => {
  const told: string[] = [];
  const watched = createIndexer({ url: server.url, timeoutMs: 250, onRequest: (one) => told.push(one) });
  server.answer = NOT_FOUND;
  await watched.equity('dydx1abc', 0);
  await watched.close();
  expect(told).toEqual(['ok']);
});
