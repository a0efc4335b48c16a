// Halts and limits as a submitter asks for them, on a real database: each scope, each limit with its words, and silence.
import { afterAll, describe, expect, test } from 'vitest';
import type { Scope } from '../../src/core/controls.ts';
import type { Limits } from '../../src/core/limits.ts';
import { setLimits, setMode } from '../../src/store/controls.ts';
import { BTC_USD } from '../core/builders.ts';
import { nextName, signed, unsigned } from '../store/builders.ts';
import { createDatabase } from '../support/databases.ts';
import { openGate, placementOf } from '../support/gates.ts';
import { asLogin } from '../support/logins.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());
const DATABASE_URL = asLogin(database.url, 'worker');
const WITHIN_1_S = { timeout: 1_000, interval: 10 };

const EVERYTHING: Scope = { tenantId: '', account: '', market: '' };
const alice = { reason: 'fat finger', setBy: 'alice' };
const limit = (set: Limits, scope: Partial<Scope> = {}) =>
  setLimits(db, { ...EVERYTHING, ...scope, ...alice, set, unset: [] });

describe('a halt', () => {
  test.each([
    [{}, 'HALTED for all orders by alice: fat finger'],
    [{ tenantId: 't1' }, 'HALTED for tenant t1 by alice: fat finger'],
    [{ account: 'a1' }, 'HALTED for account a1 by alice: fat finger'],
    [{ market: 'M1-USD' }, 'HALTED for market M1-USD by alice: fat finger'],
    [
      { tenantId: 't1', account: 'a1', market: 'M1-USD' },
      'HALTED for tenant t1, account a1, market M1-USD by alice: fat finger',
    ],
  ])(
    'of %j holds its orders within a second of its commit, and lets them go when it ends',
    async (scope, reason) => {
      await using held = await openGate({ DATABASE_URL });
      const inside = placementOf({ tenantId: 't1', account: 'a1', market: 'M1-USD' });
      const outside = placementOf({ tenantId: 't2', account: 'a2', market: 'M2-USD' });
      const [of, ofOutside] = [inside, outside].map((placement) => () => held.gate.whyHeld(placement));
      expect([of?.(), ofOutside?.()]).toEqual([undefined, undefined]);
      await setMode(db, { ...EVERYTHING, ...scope, ...alice, mode: 'HALTED' });
      await expect.poll(() => of?.(), WITHIN_1_S).toEqual({ mode: 'HALTED', reason });
      expect(ofOutside?.()?.mode).toBe(Object.keys(scope).length === 0 ? 'HALTED' : undefined);
      await setMode(db, { ...EVERYTHING, ...scope, ...alice, mode: 'RUNNING' });
      await expect.poll(() => of?.(), WITHIN_1_S).toBeUndefined();
    },
  );

  test('that reduces lets reduce-only orders pass', async () => {
    await using held = await openGate({ DATABASE_URL });
    await setMode(db, { ...EVERYTHING, market: 'R-USD', ...alice, mode: 'REDUCING' });
    const placement = placementOf({ market: 'R-USD' });
    await expect.poll(() => held.gate.whyHeld(placement)?.mode, WITHIN_1_S).toBe('REDUCING');
    expect(held.gate.whyHeld({ ...placement, reduceOnly: true })).toBeUndefined();
  });
});

test.each([
  ['goes away', 'aim'],
  ['falls silent', 'silence'],
] as const)(
  'when the database %s, nothing is known a second later, and all is again when it is back',
  async (_, how) => {
    await using proxy = await startTcpProxy();
    const behind = new URL(DATABASE_URL);
    const port = Number(behind.port);
    behind.hostname = '127.0.0.1';
    behind.port = String(proxy.port);
    proxy.aim(port);
    await using held = await openGate({ DATABASE_URL: behind.href });
    const placement = placementOf();
    expect(held.gate.whyHeld(placement)).toBeUndefined();
    if (how === 'aim') proxy.aim(undefined);
    else proxy.silence();
    await expect
      .poll(() => held.gate.whyHeld(placement), WITHIN_1_S)
      .toEqual({
        mode: 'UNKNOWN',
        reason: 'whether there is a halt is not known, the database has not answered lately',
      });
    proxy.aim(port);
    await expect.poll(() => held.gate.whyHeld(placement), { timeout: 5_000 }).toBeUndefined();
  },
);

test('a gate that was stopped knows nothing any more, and is stopped again without harm', async () => {
  await using held = await openGate({ DATABASE_URL });
  await held.gate.stop();
  await expect.poll(() => held.gate.whyHeld(placementOf())?.mode, { timeout: 2_000 }).toBe('UNKNOWN');
  await held.gate.stop();
});

describe('a limit of the settings refuses', () => {
  test.each([
    [{ MAX_ORDER_NOTIONAL: '59999' }, 'size', 'notional 60000 USD is above 59999 (MAX_ORDER_NOTIONAL)'],
    [
      { PRICE_COLLAR_PPM: '50000' },
      'price',
      'price 66000 is above 63000, 50000 ppm from the oracle price 60000 (PRICE_COLLAR_PPM)',
    ],
    [
      { MAX_EXPOSURE: '59999' },
      'size',
      'exposure of account default in BTC-USD would be 60000 USD, above 59999 (MAX_EXPOSURE)',
    ],
    [
      { MAX_OPEN_ORDERS: '0' },
      'market',
      'account default has 0 open orders in BTC-USD, the limit is 0 (MAX_OPEN_ORDERS)',
    ],
  ])('by %j', async (settings, field, reason) => {
    await using limited = await openGate({ DATABASE_URL, ...settings });
    const price = 'PRICE_COLLAR_PPM' in settings ? '66000' : '60000';
    const placement = placementOf({ owner: nextName('dydx1'), price });
    expect(await limited.gate.whyBeyond(placement, BTC_USD)).toEqual({ field, code: 'limit', reason });
    await using open = await openGate({ DATABASE_URL });
    expect(await open.gate.whyBeyond(placement, BTC_USD)).toBeUndefined();
  });
});

describe('a limit of a control refuses in its scope', () => {
  test.each([
    [{ max_order_size: '0.5' }, 'size 1 is above 0.5 (max_order_size of'],
    [{ max_order_notional: '100' }, 'notional 60000 USD is above 100 (max_order_notional of'],
    [
      { max_open_orders: 0 },
      'account default has 0 open orders in MARKET, the limit is 0 (max_open_orders of',
    ],
    [
      { max_exposure: '1' },
      'exposure of account default in MARKET would be 60000 USD, above 1 (max_exposure of',
    ],
    [
      { price_collar_ppm: 1 },
      'price 60000 is above 1.000001, 1 ppm from the oracle price 1 (price_collar_ppm of',
    ],
  ] as const)('by %j, with its scope', async (set, words) => {
    const ticker = nextName('M');
    await limit(set, { market: ticker });
    await using limited = await openGate({ DATABASE_URL, MAX_ORDER_NOTIONAL: '1000000' });
    const market = { ...BTC_USD, oraclePrice: 'price_collar_ppm' in set ? '1' : '60000' };
    const refusal = await limited.gate.whyBeyond(placementOf({ market: ticker }), market);
    expect(refusal).toMatchObject({
      code: 'limit',
      reason: `${words.replace('MARKET', ticker)} market ${ticker})`,
    });
    expect(await limited.gate.whyBeyond(placementOf({ market: nextName('M') }), market)).toBeUndefined();
  });
});

describe('what is open', () => {
  test('is what is signed and what was let through, each once, whoever asks again', async () => {
    const owner = nextName('dydx1');
    await using limited = await openGate({ DATABASE_URL, MAX_OPEN_ORDERS: '3' });
    const ask = (changes = {}) => limited.gate.whyBeyond(placementOf({ owner, ...changes }), BTC_USD);
    await signed(db, {}, { owner });
    const waiting = await unsigned(db);
    const { client_id: clientId, tenant_id: tenantId } = waiting.intent;
    expect(await ask({ clientId, tenantId })).toBeUndefined();
    expect(await ask({ clientId, tenantId })).toBeUndefined();
    expect(await ask()).toBeUndefined();
    expect(await ask()).toMatchObject({
      reason: 'account default has 3 open orders in BTC-USD, the limit is 3 (MAX_OPEN_ORDERS)',
    });
    expect(await ask({ reduceOnly: true })).toBeUndefined();
    expect(await ask({ market: 'ETH-USD' })).toBeUndefined();
    expect(await ask({ owner: nextName('dydx1') })).toBeUndefined();
  });

  test('is asked for again before an order is refused: one that has ended makes room at once', async () => {
    const owner = nextName('dydx1');
    await using limited = await openGate({ DATABASE_URL, MAX_EXPOSURE: '700000', EXPOSURE_POLL_MS: '60000' });
    const order = await signed(db, {}, { owner });
    const ask = () => limited.gate.whyBeyond(placementOf({ owner, size: '5' }), BTC_USD);
    expect(await ask()).toMatchObject({
      reason: 'exposure of account default in BTC-USD would be 900000 USD, above 700000 (MAX_EXPOSURE)',
    });
    await db
      .updateTable('orders')
      .set({ filled_size: '8', status: 'PARTIALLY_FILLED' })
      .where('id', '=', order.id)
      .execute();
    await expect.poll(ask, { timeout: 2_000, interval: 50 }).toBeUndefined();
  });

  test('bounds what many ask for at the same time', async () => {
    const owner = nextName('dydx1');
    await using limited = await openGate({ DATABASE_URL, MAX_EXPOSURE: '600000' });
    const asked = await Promise.all(
      Array.from({ length: 50 }, () => limited.gate.whyBeyond(placementOf({ owner }), BTC_USD)),
    );
    expect(asked.filter((answer) => answer === undefined)).toHaveLength(10);
  });

  test('counts positions', async () => {
    const owner = nextName('dydx1');
    await db
      .insertInto('positions')
      .values({ owner, subaccount_number: 7, market: 'BTC-USD', size: '-9.5' })
      .execute();
    await using limited = await openGate({ DATABASE_URL, MAX_EXPOSURE: '600000' });
    const ask = (changes = {}) => limited.gate.whyBeyond(placementOf({ owner, ...changes }), BTC_USD);
    expect(await ask({ side: 'SELL' })).toMatchObject({ reason: expect.stringContaining('630000 USD') });
    expect(await ask({ side: 'SELL', size: '0.5' })).toBeUndefined();
    expect(await ask({ side: 'BUY', size: '19.5' })).toBeUndefined();
  });

  test('is not known while the database is away: the order waits and is not refused', async () => {
    await using proxy = await startTcpProxy();
    const behind = new URL(DATABASE_URL);
    proxy.aim(Number(behind.port));
    behind.hostname = '127.0.0.1';
    behind.port = String(proxy.port);
    await using limited = await openGate({ DATABASE_URL: behind.href, MAX_OPEN_ORDERS: '5' });
    proxy.aim(undefined);
    expect(await limited.gate.whyBeyond(placementOf(), BTC_USD)).toMatchObject({
      mode: 'UNKNOWN',
      reason: expect.stringMatching(/^what is open is not known: /),
    });
  });
});

test('with an oracle price of long ago, orders of its market wait for limits that need it, and no others', async () => {
  const stale = { staleOracles: ['BTC-USD'] };
  await using limited = await openGate({ DATABASE_URL, PRICE_COLLAR_PPM: '50000' }, stale);
  const unknown = {
    mode: 'UNKNOWN',
    reason: 'the oracle price of BTC-USD is older than ORACLE_MAX_AGE_MS, no limit can be held against it',
  };
  expect(await limited.gate.whyBeyond(placementOf(), BTC_USD)).toEqual(unknown);
  const stop = placementOf({ type: 'STOP_LIMIT', triggerPrice: '60000' });
  expect(await limited.gate.whyBeyond(stop, BTC_USD)).toEqual(unknown);
  const other = placementOf({ market: 'ETH-USD' });
  expect(await limited.gate.whyBeyond(other, { ...BTC_USD, ticker: 'ETH-USD' })).toBeUndefined();
  await using unlimited = await openGate({ DATABASE_URL, MAX_ORDER_NOTIONAL: '60000' }, stale);
  expect(await unlimited.gate.whyBeyond(placementOf(), BTC_USD)).toBeUndefined();
});

describe('the equity tier', () => {
  const tiers = [{ usdcQuantums: 20_000_000n, limit: 2 }];

  test('refuses a stateful order too many, with the venue’s code, and counts those let through', async () => {
    const owner = nextName('dydx1');
    await using limited = await openGate({ DATABASE_URL }, { tiers, equity: '25.5' });
    const ask = (changes = {}) =>
      limited.gate.whyBeyond(placementOf({ owner, isStateful: true, ...changes }), BTC_USD);
    expect([await ask(), await ask()]).toEqual([undefined, undefined]);
    expect(await ask()).toEqual({
      field: 'subaccount_number',
      code: 'clob/10001',
      reason:
        "subaccount 0 of account default has 2 open stateful orders, its equity of 25.5 USD allows 2 (the chain's equity tiers, tier from 20 USD)",
    });
    expect(await ask({ isStateful: false })).toBeUndefined();
    expect(await ask({ subaccountNumber: 1 })).toBeUndefined();
  });

  test.each([new Error('the indexer is away'), undefined])(
    'is left to the chain when the equity is %s',
    async (equity) => {
      await using limited = await openGate(
        { DATABASE_URL },
        { tiers: [{ usdcQuantums: 0n, limit: 0 }], equity },
      );
      expect(await limited.gate.whyBeyond(placementOf({ isStateful: true }), BTC_USD)).toBeUndefined();
    },
  );
});

describe('intents a second', () => {
  test('are those of the settings for each tenant', async () => {
    await using limited = await openGate({ DATABASE_URL, MAX_INTENTS_PER_SECOND: '50' });
    const [a, b] = [nextName('t'), nextName('t')];
    expect(await limited.gate.takeIntents(a, 51)).toEqual({
      field: 'tenant_id',
      code: 'limit',
      reason: `tenant ${a} offers more than 50 intents a second, 51 of them at once (MAX_INTENTS_PER_SECOND)`,
    });
    const taken = await Promise.all(Array.from({ length: 200 }, () => limited.gate.takeIntents(a, 1)));
    // The second may have turned meanwhile.
    expect([50, 100]).toContain(taken.filter((answer) => answer === undefined).length);
    expect(await limited.gate.takeIntents(b, 50)).toBeUndefined();
  });

  test('are those of the tenant’s control where that is stricter', async () => {
    const tenantId = nextName('t');
    await limit({ intents_per_second: 2 }, { tenantId });
    await using limited = await openGate({ DATABASE_URL, MAX_INTENTS_PER_SECOND: '50' });
    expect(await limited.gate.takeIntents(tenantId, 3)).toMatchObject({
      reason: `tenant ${tenantId} offers more than 2 intents a second, 3 of them at once (intents_per_second of tenant ${tenantId})`,
    });
    expect(await limited.gate.takeIntents(nextName('t'), 50)).toBeUndefined();
  });

  test('are not limited unless somebody says so', async () => {
    await using open = await openGate({ DATABASE_URL });
    expect(await open.gate.takeIntents('default', 1_000_000)).toBeUndefined();
  });
});

test('while the height is not known no point is taken: nothing could be signed', async () => {
  await using limited = await openGate({ DATABASE_URL }, { height: undefined });
  expect(await limited.gate.takeRate('dydx1', 'short_term')).toBe(false);
  limited.venue.height = 5;
  expect(await limited.gate.takeRate('dydx1', 'short_term')).toBe(true);
});

test('who is told that the rate is used up is told when there will be more, at the pace of the chain', async () => {
  await using limited = await openGate({ DATABASE_URL }, { height: undefined });
  const owner = nextName('dydx1');
  const retry = () => limited.gate.rateRetryMs(owner, 'stateful');
  expect(retry()).toBe(1_000);
  // Buckets of 104 blocks, of which the 21st begins at 2080.
  Object.assign(limited.venue, { height: 2_000, timeMs: 0 });
  while (await limited.gate.takeRate(owner, 'stateful'));
  expect(retry()).toBe(30_000);
  Object.assign(limited.venue, { height: 2_060, timeMs: 60 * 800 });
  expect(await limited.gate.takeRate(owner, 'stateful')).toBe(false);
  expect(retry()).toBe(20 * 800);
  limited.venue.height = 2_080;
  expect(await limited.gate.takeRate(owner, 'stateful')).toBe(true);
});
