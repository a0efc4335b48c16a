// From an intent to the venue's integers: refused with field and code, or exactly what was asked for.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  goodTilSeconds,
  type Plannable,
  type Planned,
  type PlanSettings,
  planOrder,
  resignedOrder,
  type SignedContent,
  signedId,
  venueOrder,
} from '../../src/core/plan.ts';
import { quantumsToSize, subticksToPrice } from '../../src/core/quantize.ts';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { BTC_USD, type Json, marketInput, PEPE_USD, parsed, restingInput } from './builders.ts';

const SETTINGS: PlanSettings = { marketSlippagePpm: 10_000, iocGoodTilBlocks: 5 };
const TIME = '2026-03-05T00:00:00Z';
const IOC: Json = { ...restingInput, time_in_force: 'IOC', good_til_blocks: undefined };

const stopInput: Json = {
  ...restingInput,
  type: 'STOP_LIMIT',
  trigger_price: '58000',
  good_til_blocks: undefined,
  good_til_time: TIME,
};
const stopMarketInput: Json = { ...stopInput, type: 'STOP_MARKET', price: undefined };

const plan = (input: Json, market: typeof BTC_USD | undefined = BTC_USD) =>
  planOrder(parsed(input), market, SETTINGS);
function planned(result: Planned) {
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  return result.plan;
}
const refusal = (result: Planned) =>
  result.ok ? undefined : `${result.refusal.field} ${result.refusal.code}`;

describe('an order becomes', () => {
  test('for LIMIT good_til_time, a long-term order to the second', () => {
    const input = { ...restingInput, good_til_blocks: undefined, good_til_time: '2026-03-05T00:00:00.999Z' };
    expect(planned(plan(input))).toEqual({
      clobPairId: 0,
      orderFlags: 64,
      side: 'BUY',
      quantums: 2_500_000_000n,
      subticks: 5_900_000_000n,
      timeInForce: 'GTT',
      reduceOnly: false,
      clientMetadata: 0,
      goodTilBlockTime: 1_772_668_800,
    });
  });

  test('for STOP_LIMIT, a conditional order at its own price', () => {
    expect(planned(plan(stopInput))).toMatchObject({
      orderFlags: 32,
      subticks: 5_900_000_000n,
      timeInForce: 'GTT',
      condition: { type: 'STOP_LOSS', triggerSubticks: 5_800_000_000n },
      goodTilBlockTime: 1_772_668_800,
    });
  });

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

describe('on any market of the paper exchange', () => {
  const onGrid = fc.record({
    paper: fc.constantFrom(...PAPER_MARKETS),
    steps: fc.bigInt({ min: 1n, max: 10n ** 12n }),
    ticks: fc.bigInt({ min: 1n, max: 10n ** 9n }),
    triggerTicks: fc.bigInt({ min: 1n, max: 10n ** 9n }),
  });
  const inputOn = (market: typeof BTC_USD, quantums: bigint, subticks: bigint, trigger: bigint) => ({
    ...stopInput,
    market: market.ticker,
    size: quantumsToSize(quantums, market),
    price: subticksToPrice(subticks, market),
    trigger_price: subticksToPrice(trigger, market),
  });

  test('what is on its grid is planned as it was asked for, to the last digit', () => {
    fc.assert(
      fc.property(onGrid, ({ paper, steps, ticks, triggerTicks }) => {
        const market = { ...paper, status: 'ACTIVE', oraclePrice: '1' };
        const { stepBaseQuantums: step, subticksPerTick: tick } = market;
        const input = inputOn(market, steps * step, ticks * tick, triggerTicks * tick);
        expect(planned(plan(input, market))).toMatchObject({
          quantums: steps * step,
          subticks: ticks * tick,
          condition: { triggerSubticks: triggerTicks * tick },
        });
      }),
    );
  });

  test('what is off its grid in one of its numbers is refused for that one', () => {
    fc.assert(
      fc.property(onGrid, fc.constantFrom('size', 'price', 'trigger_price'), ({ paper, ...units }, wrong) => {
        const market = { ...paper, status: 'ACTIVE', oraclePrice: '1' };
        const { stepBaseQuantums: step, subticksPerTick: tick } = market;
        const off = (field: string) => (field === wrong ? 1n : 0n);
        const input = inputOn(
          market,
          units.steps * step + off('size'),
          units.ticks * tick + off('price'),
          units.triggerTicks * tick + off('trigger_price'),
        );
        expect(refusal(plan(input, market))).toBe(`${wrong} clob/12`);
      }),
    );
  });
});

describe('the worst price of a market type', () => {
  const subticks = (input: Json, market = BTC_USD) => planned(plan(input, market)).subticks;

  for (const type of ['STOP_MARKET', 'TAKE_PROFIT_MARKET']) {
    test(`is for ${type} the trigger price and the slippage limit, whatever the oracle says`, () => {
      for (const oraclePrice of ['60000', '1', '']) {
        const market = { ...BTC_USD, oraclePrice };
        expect(subticks({ ...stopMarketInput, type }, market)).toBe(5_858_000_000n); // 58000 × 1.01
        expect(subticks({ ...stopMarketInput, type, side: 'SELL' }, market)).toBe(5_742_000_000n);
      }
    });
  }

  test('lies on the grid, a part of a tick nearer to the trigger than the limit', () => {
    const at = (trigger_price: string, side: string) => subticks({ ...stopMarketInput, trigger_price, side });
    expect(at('58051', 'BUY')).toBe(5_863_100_000n); // 58631.51
    expect(at('58051', 'SELL')).toBe(5_747_100_000n); // 57470.49
  });

  test('is never further from the trigger than the limit, on every market and for every trigger on its grid', () => {
    const rows = fc.record({
      paper: fc.constantFrom(...PAPER_MARKETS),
      side: fc.constantFrom('BUY', 'SELL'),
      type: fc.constantFrom('STOP_MARKET', 'TAKE_PROFIT_MARKET'),
      // From 100 ticks on, so that 1 % of it is a tick at least.
      ticks: fc.bigInt({ min: 100n, max: 10n ** 6n }),
    });
    fc.assert(
      fc.property(rows, ({ paper, side, type, ticks }) => {
        const market = { ...paper, status: 'ACTIVE', oraclePrice: '1' };
        const trigger = ticks * market.subticksPerTick;
        const input = {
          ...stopMarketInput,
          market: market.ticker,
          size: market.stepSize,
          trigger_price: subticksToPrice(trigger, market),
          side,
          type,
        };
        const worst = subticks(input, market);
        const distance = side === 'BUY' ? worst - trigger : trigger - worst;
        expect(distance * 100n <= trigger).toBe(true);
        expect((distance + market.subticksPerTick) * 100n > trigger).toBe(true);
        expect(worst % market.subticksPerTick).toBe(0n);
      }),
    );
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

  test('with the reason why its market is closed: for now, or for good', () => {
    expect(plan(restingInput, { ...BTC_USD, status: 'PAUSED' })).toMatchObject({
      refusal: { reason: 'BTC-USD is PAUSED: the venue takes no orders for it now' },
    });
    expect(plan(restingInput, { ...BTC_USD, status: 'FINAL_SETTLEMENT' })).toMatchObject({
      refusal: { reason: expect.stringMatching(/^BTC-USD is being settled for good/) },
    });
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

  test('when its trigger price is off the grid, naming the tick', () => {
    const result = plan({ ...stopInput, trigger_price: '58000.5' });
    expect(refusal(result)).toBe('trigger_price clob/12');
    expect(result).toMatchObject({ refusal: { reason: expect.stringContaining('tick 1 of BTC-USD') } });
  });

  test('when a conditional row has no trigger price', () => {
    for (const trigger_price of [undefined, null]) {
      const row: Plannable = { ...parsed(stopInput), trigger_price };
      expect(refusal(planOrder(row, BTC_USD, SETTINGS))).toBe('trigger_price clob/12');
    }
  });

  test('when a conditional row has no time, for the venue has no conditional order that ends with a block', () => {
    for (const good_til_time of [undefined, null]) {
      const row: Plannable = { ...parsed(stopInput), good_til_time, good_til_blocks: 5 };
      expect(refusal(planOrder(row, BTC_USD, SETTINGS))).toBe('good_til_time schema');
    }
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

  test('as STOP_MARKET when its worst price would lie below the first tick', () => {
    const settings = { ...SETTINGS, marketSlippagePpm: 1_000_000 };
    const selling = parsed({ ...stopMarketInput, side: 'SELL' });
    const result = planOrder(selling, BTC_USD, settings);
    expect(refusal(result)).toBe('market clob/12');
    expect(result).toMatchObject({ refusal: { reason: expect.stringContaining('58000') } });
  });
});

test('a row is planned like the intent that it was made of', () => {
  const row: Plannable = { ...parsed(restingInput), good_til_time: null, trigger_price: null };
  expect(planOrder(row, BTC_USD, SETTINGS)).toEqual(plan(restingInput));
  const stop: Plannable = { ...parsed(stopInput), good_til_time: new Date(TIME), good_til_blocks: null };
  expect(planOrder(stop, BTC_USD, SETTINGS)).toEqual(plan(stopInput));
});

describe('the venue order', () => {
  const id = { owner: 'dydx1owner', subaccountNumber: 3, clientId: 4_294_967_295, clobPairId: 0 };

  test('lives as many blocks above the height as planned', () => {
    const order = venueOrder(planned(plan(restingInput)), 'dydx1owner', 3, 4_294_967_295, 1000);
    expect(order).toEqual({
      id: { ...id, orderFlags: 0 },
      side: 'BUY',
      quantums: 2_500_000_000n,
      subticks: 5_900_000_000n,
      timeInForce: 'GTT',
      reduceOnly: false,
      clientMetadata: 0,
      goodTilBlock: 1010,
    });
  });

  test('of a stateful order ends at its time, whatever the height', () => {
    for (const height of [1, 1000]) {
      const order = venueOrder(planned(plan(stopInput)), 'dydx1owner', 3, 4_294_967_295, height);
      expect(order).toEqual({
        id: { ...id, orderFlags: 32 },
        side: 'BUY',
        quantums: 2_500_000_000n,
        subticks: 5_900_000_000n,
        timeInForce: 'GTT',
        reduceOnly: false,
        clientMetadata: 0,
        condition: { type: 'STOP_LOSS', triggerSubticks: 5_800_000_000n },
        goodTilBlockTime: 1_772_668_800,
      });
    }
  });
});

test('a time is cut to whole seconds, never later than asked for; without one there is none', () => {
  expect(goodTilSeconds('2026-03-05T00:00:00.999Z')).toBe(1_772_668_800);
  expect(goodTilSeconds(new Date('2026-03-05T00:00:00Z'))).toBe(1_772_668_800);
  expect([goodTilSeconds(null), goodTilSeconds(undefined)]).toEqual([undefined, undefined]);
});

describe('signing again', () => {
  const { good_til_blocks: _, ...unending } = restingInput;
  const INPUTS: Readonly<Record<string, Json>> = {
    'LIMIT GTT': restingInput,
    'post-only LIMIT': { ...restingInput, post_only: true },
    'LIMIT IOC': IOC,
    MARKET: marketInput,
    'reduce-only MARKET SELL': { ...marketInput, side: 'SELL', reduce_only: true },
    'long-term LIMIT': { ...unending, good_til_time: TIME },
    'long-term post-only LIMIT': { ...unending, good_til_time: TIME, post_only: true },
    STOP_LIMIT: stopInput,
    'post-only TAKE_PROFIT_LIMIT': { ...stopInput, type: 'TAKE_PROFIT_LIMIT', post_only: true },
    'reduce-only STOP_LIMIT IOC': { ...stopInput, time_in_force: 'IOC', reduce_only: true },
    STOP_MARKET: stopMarketInput,
    'reduce-only TAKE_PROFIT_MARKET': { ...stopMarketInput, type: 'TAKE_PROFIT_MARKET', reduce_only: true },
  };
  for (const [name, input] of Object.entries(INPUTS)) {
    const isStateful = 'good_til_time' in input;
    test(`changes nothing of a ${name}${isStateful ? '' : ' but the good-til-block'}`, () => {
      const intent = parsed(input);
      const first = venueOrder(planned(plan(input)), 'dydx1owner', 3, 7, 1000);
      const content: SignedContent = {
        ...first.id,
        side: intent.side,
        type: intent.type,
        timeInForce: intent.time_in_force,
        quantums: first.quantums,
        subticks: first.subticks,
        triggerSubticks: first.condition?.triggerSubticks,
        reduceOnly: intent.reduce_only,
        postOnly: intent.post_only,
      };
      expect(signedId(content)).toEqual(first.id);
      if (isStateful) {
        expect(resignedOrder(content, { goodTilBlockTime: 1_772_668_800 })).toEqual(first);
      } else {
        expect(resignedOrder(content, { goodTilBlock: 1020 })).toEqual({ ...first, goodTilBlock: 1020 });
      }
    });
  }
});
