// From an intent to the venue's integers: refused with field and code, or exactly what was asked for.
import { describe, expect, test } from 'vitest';
import {
  type Plannable,
  type Planned,
  type PlanSettings,
  planOrder,
  resignedOrder,
  type SignedContent,
  venueOrder,
} from '../../src/core/plan.ts';
import { BTC_USD, type Json, marketInput, PEPE_USD, parsed, restingInput } from './builders.ts';

const SETTINGS: PlanSettings = { marketSlippagePpm: 10_000, iocGoodTilBlocks: 5 };
const IOC: Json = { ...restingInput, time_in_force: 'IOC', good_til_blocks: undefined };

const plan = (input: Json, market: typeof BTC_USD | undefined = BTC_USD) =>
  planOrder(parsed(input), market, SETTINGS);
function planned(result: Planned) {
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  return result.plan;
}
const refusal = (result: Planned) =>
  result.ok ? undefined : `${result.refusal.field} ${result.refusal.code}`;

describe('an order becomes', () => {
  test('for LIMIT GTT, a resting short-term order of as many blocks as asked', () => {
    expect(planned(plan({ ...restingInput, good_til_blocks: 7 }))).toEqual({
      clobPairId: 0,
      orderFlags: 0,
      side: 'BUY',
      quantums: 2_500_000_000n,
      subticks: 5_900_000_000n,
      timeInForce: 'GTT',
      reduceOnly: false,
      clientMetadata: 0,
      goodTilBlocks: 7,
    });
  });

  test('for post_only, one of the venue time in force POST_ONLY', () => {
    expect(planned(plan({ ...restingInput, post_only: true })).timeInForce).toBe('POST_ONLY');
  });

  test('for LIMIT IOC, an IOC at its own price with the blocks of the setting', () => {
    const result = planned(plan({ ...IOC, reduce_only: true }));
    expect(result).toMatchObject({
      subticks: 5_900_000_000n,
      timeInForce: 'IOC',
      goodTilBlocks: 5,
      reduceOnly: true,
      clientMetadata: 0,
    });
  });

  test('for MARKET, an IOC at the worst price, marked as the official client does', () => {
    const ioc = { timeInForce: 'IOC', goodTilBlocks: 5, clientMetadata: 1 };
    expect(planned(plan(marketInput))).toMatchObject({ ...ioc, side: 'BUY', subticks: 6_060_000_000n });
    expect(planned(plan({ ...marketInput, side: 'SELL' }))).toMatchObject({
      ...ioc,
      subticks: 5_940_000_000n,
    });
  });

  test('on PEPE-USD, with ticks of 1e-10, exactly what was asked', () => {
    const input = { ...restingInput, market: 'PEPE-USD', size: '30000000', price: '0.0000123457' };
    expect(planned(plan(input, PEPE_USD))).toMatchObject({
      clobPairId: 28,
      quantums: 3_000_000n,
      subticks: 123_457_000_000n,
    });
  });
});

describe('an order is refused', () => {
  const unknownMarket = (input: Json) => planOrder(parsed(input), undefined, SETTINGS);

  test('on a market that the venue does not have, with clob/8', () => {
    const result = unknownMarket({ ...restingInput, market: 'NO-USD' });
    expect(refusal(result)).toBe('market clob/8');
    expect(result).toMatchObject({ refusal: { reason: expect.stringContaining('NO-USD') } });
  });

  for (const status of ['PAUSED', 'CANCEL_ONLY', 'POST_ONLY', 'INITIALIZING', 'FINAL_SETTLEMENT', '']) {
    test(`on a market that is ${status || 'of no status'}, with clob/34`, () => {
      expect(refusal(plan(restingInput, { ...BTC_USD, status }))).toBe('market clob/34');
    });
  }

  for (const type of ['STOP_MARKET', 'STOP_LIMIT', 'TAKE_PROFIT_MARKET', 'TAKE_PROFIT_LIMIT'] as const) {
    test(`as ${type}, which this version does not carry`, () => {
      const order: Plannable = { ...parsed(restingInput), type, good_til_time: '2026-03-05T00:00:00Z' };
      expect(refusal(planOrder(order, BTC_USD, SETTINGS))).toBe('type unsupported');
    });
  }

  test('as a stateful LIMIT, which this version does not carry', () => {
    const input = { ...restingInput, good_til_blocks: undefined, good_til_time: '2026-03-05T00:00:00Z' };
    expect(refusal(plan(input))).toBe('good_til_time unsupported');
  });

  test('when its size is off the grid, naming the step; nothing is rounded', () => {
    const result = plan({ ...restingInput, size: '0.00015' });
    expect(refusal(result)).toBe('size clob/12');
    expect(result).toMatchObject({ refusal: { reason: expect.stringContaining('0.0001 of BTC-USD') } });
    expect(refusal(plan({ ...restingInput, size: '99999999999999999999' }))).toBe('size clob/12');
  });

  test('when its price is off the grid, naming the tick', () => {
    const result = plan({ ...restingInput, price: '59000.5' });
    expect(refusal(result)).toBe('price clob/12');
    expect(result).toMatchObject({ refusal: { reason: expect.stringContaining('tick 1 of BTC-USD') } });
  });

  test('when a LIMIT row has no price', () => {
    for (const price of [undefined, null]) {
      expect(refusal(planOrder({ ...parsed(restingInput), price }, BTC_USD, SETTINGS))).toBe('price clob/12');
    }
  });

  test('when a resting row does not say for how many blocks', () => {
    for (const good_til_blocks of [undefined, null]) {
      const row: Plannable = { ...parsed(restingInput), good_til_blocks };
      expect(refusal(planOrder(row, BTC_USD, SETTINGS))).toBe('good_til_blocks schema');
    }
  });

  test('as MARKET where there is no oracle price', () => {
    for (const oraclePrice of ['', '0', 'NaN']) {
      expect(refusal(plan(marketInput, { ...BTC_USD, oraclePrice }))).toBe('market clob/12');
    }
  });
});

test('a row is planned like the intent that it was made of', () => {
  const row: Plannable = { ...parsed(restingInput), good_til_time: null };
  expect(planOrder(row, BTC_USD, SETTINGS)).toEqual(plan(restingInput));
});

test('the venue order lives as many blocks above the height as planned', () => {
  const order = venueOrder(planned(plan(restingInput)), 'dydx1owner', 3, 4_294_967_295, 1000);
  expect(order).toEqual({
    id: { owner: 'dydx1owner', subaccountNumber: 3, clientId: 4_294_967_295, clobPairId: 0, orderFlags: 0 },
    side: 'BUY',
    quantums: 2_500_000_000n,
    subticks: 5_900_000_000n,
    timeInForce: 'GTT',
    reduceOnly: false,
    clientMetadata: 0,
    goodTilBlock: 1010,
  });
});

describe('signing again', () => {
  const INPUTS: Readonly<Record<string, Json>> = {
    'LIMIT GTT': restingInput,
    'post-only LIMIT': { ...restingInput, post_only: true },
    'LIMIT IOC': IOC,
    MARKET: marketInput,
    'reduce-only MARKET SELL': { ...marketInput, side: 'SELL', reduce_only: true },
  };
  for (const [name, input] of Object.entries(INPUTS)) {
    test(`changes nothing of a ${name} but the good-til-block`, () => {
      const intent = parsed(input);
      const first = venueOrder(planned(plan(input)), 'dydx1owner', 3, 7, 1000);
      const content: SignedContent = {
        owner: 'dydx1owner',
        subaccountNumber: 3,
        clientId: 7,
        clobPairId: BTC_USD.clobPairId,
        side: intent.side,
        type: intent.type,
        timeInForce: intent.time_in_force,
        quantums: first.quantums,
        subticks: first.subticks,
        reduceOnly: intent.reduce_only,
        postOnly: intent.post_only,
      };
      expect(resignedOrder(content, 1020)).toEqual({ ...first, goodTilBlock: 1020 });
    });
  }
});
