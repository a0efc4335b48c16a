// Sizes and prices on the grid go to the venue's integers and back unchanged; everything else is undefined.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  MAX_INTEGER,
  priceToSubticks,
  quantumsToSize,
  sizeToQuantums,
  stepSize,
  subticksToPrice,
  tickSize,
  worstSubticks,
} from '../../src/core/quantize.ts';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { BTC_USD, PEPE_USD } from './builders.ts';

const grids = fc.record({
  atomicResolution: fc.integer({ min: -14, max: 6 }),
  quantumConversionExponent: fc.integer({ min: -12, max: -4 }),
  stepBaseQuantums: fc.bigInt({ min: 1n, max: 10n ** 10n }),
  subticksPerTick: fc.bigInt({ min: 1n, max: 10n ** 8n }),
});
const counts = fc.bigInt({ min: 1n, max: 9n * 10n ** 8n });

test('every size on a grid comes back as the same quantums and the same decimal', () => {
  fc.assert(
    fc.property(grids, counts, (grid, count) => {
      const quantums = count * grid.stepBaseQuantums;
      const size = quantumsToSize(quantums, grid);
      expect(sizeToQuantums(size, grid)).toBe(quantums);
      expect(quantumsToSize(sizeToQuantums(size, grid) ?? 0n, grid)).toBe(size);
    }),
  );
});

test('every price on a grid comes back as the same subticks and the same decimal', () => {
  fc.assert(
    fc.property(grids, counts, (grid, count) => {
      const subticks = count * grid.subticksPerTick;
      const price = subticksToPrice(subticks, grid);
      expect(priceToSubticks(price, grid)).toBe(subticks);
      expect(subticksToPrice(priceToSubticks(price, grid) ?? 0n, grid)).toBe(price);
    }),
  );
});

test('nothing off the grid is rounded onto it', () => {
  fc.assert(
    fc.property(grids, counts, fc.bigInt({ min: 1n, max: 10n ** 10n }), (grid, count, offset) => {
      const { stepBaseQuantums: step, subticksPerTick: tick } = grid;
      if (offset % step !== 0n) {
        expect(sizeToQuantums(quantumsToSize(count * step + offset, grid), grid)).toBeUndefined();
      }
      if (offset % tick !== 0n) {
        expect(priceToSubticks(subticksToPrice(count * tick + offset, grid), grid)).toBeUndefined();
      }
    }),
  );
});

describe('BTC-USD', () => {
  test('has steps of 0.0001 and ticks of 1', () => {
    expect([stepSize(BTC_USD), tickSize(BTC_USD)]).toEqual(['0.0001', '1']);
  });

  test('0.0001 are a million quantums, 60000 are six billion subticks', () => {
    expect(sizeToQuantums('0.0001', BTC_USD)).toBe(1_000_000n);
    expect(sizeToQuantums('0.25', BTC_USD)).toBe(2_500_000_000n);
    expect(priceToSubticks('60000', BTC_USD)).toBe(6_000_000_000n);
    expect(priceToSubticks('60000.00', BTC_USD)).toBe(6_000_000_000n);
  });

  test('0.00001, which the official client sends as 0.0001, is off the grid', () => {
    for (const size of ['0.00001', '0.00015', '0', '-1', 'NaN', '1e-4', '']) {
      expect(sizeToQuantums(size, BTC_USD), size).toBeUndefined();
    }
    for (const price of ['60000.5', '0', '-60000', '0.00000000001']) {
      expect(priceToSubticks(price, BTC_USD), price).toBeUndefined();
    }
  });

  test('123456789.123, which a float loses, is exact', () => {
    expect(sizeToQuantums('123456789.123', BTC_USD)).toBe(1_234_567_891_230_000_000n);
  });
});

describe('PEPE-USD', () => {
  test('has steps of ten million and ticks of 1e-10', () => {
    expect([stepSize(PEPE_USD), tickSize(PEPE_USD)]).toEqual(['10000000', '0.0000000001']);
  });

  test('is quantized through a positive atomic resolution', () => {
    expect(sizeToQuantums('30000000', PEPE_USD)).toBe(3_000_000n);
    expect(quantumsToSize(3_000_000n, PEPE_USD)).toBe('30000000');
    expect(priceToSubticks('0.0000123457', PEPE_USD)).toBe(123_457_000_000n);
    expect(subticksToPrice(123_457_000_000n, PEPE_USD)).toBe('0.0000123457');
  });

  test('15000000 and a tenth of a tick are off the grid', () => {
    expect(sizeToQuantums('15000000', PEPE_USD)).toBeUndefined();
    expect(sizeToQuantums('10000000.5', PEPE_USD)).toBeUndefined();
    expect(priceToSubticks('0.00001234571', PEPE_USD)).toBeUndefined();
  });
});

describe('on every market of the paper exchange', () => {
  for (const market of PAPER_MARKETS) {
    const { stepBaseQuantums: step, subticksPerTick: tick } = market;
    // To the last of 63 bits: half of them beyond 2^53, where a float holds only every second integer and fewer.
    const onGrid = (unit: bigint) =>
      fc.oneof(
        fc.bigInt({ min: 1n, max: MAX_INTEGER / unit }),
        fc.bigInt({ min: 1n, max: 10n ** 6n }),
        fc.bigInt({ min: 2n ** 53n / unit + 1n, max: MAX_INTEGER / unit }),
      );

    test(`${market.ticker}: decimal → integer → decimal is the identity on the grid`, () => {
      fc.assert(
        fc.property(onGrid(step), onGrid(tick), (steps, ticks) => {
          const size = quantumsToSize(steps * step, market);
          const price = subticksToPrice(ticks * tick, market);
          expect(sizeToQuantums(size, market)).toBe(steps * step);
          expect(priceToSubticks(price, market)).toBe(ticks * tick);
          expect(quantumsToSize(sizeToQuantums(size, market) ?? 0n, market)).toBe(size);
          expect(subticksToPrice(priceToSubticks(price, market) ?? 0n, market)).toBe(price);
        }),
      );
    });

    test(`${market.ticker}: one quantum or subtick beside the grid is refused, not rounded`, () => {
      fc.assert(
        fc.property(onGrid(step), onGrid(tick), fc.constantFrom(1n, -1n), (steps, ticks, offset) => {
          expect(sizeToQuantums(quantumsToSize(steps * step + offset, market), market)).toBeUndefined();
          expect(priceToSubticks(subticksToPrice(ticks * tick + offset, market), market)).toBeUndefined();
        }),
      );
    });

    test(`${market.ticker}: an integer that no float holds is exact`, () => {
      const unit = { ...market, stepBaseQuantums: 1n, subticksPerTick: 1n };
      for (const integer of [2n ** 53n + 1n, MAX_INTEGER]) {
        expect(BigInt(Number(integer))).not.toBe(integer);
        expect(sizeToQuantums(quantumsToSize(integer, unit), unit)).toBe(integer);
        expect(priceToSubticks(subticksToPrice(integer, unit), unit)).toBe(integer);
      }
    });
  }
});

test('what does not fit into 63 bits is off the grid', () => {
  const grid = { ...BTC_USD, atomicResolution: 0, stepBaseQuantums: 1n };
  expect(MAX_INTEGER).toBe(9_223_372_036_854_775_807n);
  expect(sizeToQuantums(MAX_INTEGER.toString(), grid)).toBe(MAX_INTEGER);
  expect(sizeToQuantums((MAX_INTEGER + 1n).toString(), grid)).toBeUndefined();
});

describe('the worst price', () => {
  test('of a BUY lies above the oracle, of a SELL below it, both rounded towards it', () => {
    expect(worstSubticks('BUY', '60000', 10_000, BTC_USD)).toBe(6_060_000_000n);
    expect(worstSubticks('SELL', '60000', 10_000, BTC_USD)).toBe(5_940_000_000n);
    expect(worstSubticks('BUY', '60000.37', 10_000, BTC_USD)).toBe(6_060_000_000n); // 60600.3737
    expect(worstSubticks('SELL', '60000.37', 10_000, BTC_USD)).toBe(5_940_100_000n); // 59400.3663
    expect(worstSubticks('BUY', '60000.123456789', 10_000, BTC_USD)).toBe(6_060_000_000n); // finer than a subtick
    expect(worstSubticks('BUY', '0.000012345678', 50_000, PEPE_USD)).toBe(129_629_000_000n); // 0.0000129629619
    expect(worstSubticks('SELL', '0.000012345678', 50_000, PEPE_USD)).toBe(117_284_000_000n); // 0.0000117283941
  });

  test('is never beyond the asked distance and less than one tick closer', () => {
    const references = fc.tuple(fc.bigInt({ min: 1n, max: 10n ** 15n }), fc.integer({ min: 0, max: 22 }));
    fc.assert(
      fc.property(
        fc.constantFrom('BUY', 'SELL'),
        references,
        fc.nat(999_999),
        grids,
        (side, [digits, places], ppm, grid) => {
          const reference =
            places === 0
              ? `${digits}`
              : `${digits / 10n ** BigInt(places)}.${(digits % 10n ** BigInt(places)).toString().padStart(places, '0')}`;
          const subticks = worstSubticks(side, reference, ppm, grid);
          // Both sides as integers of 10^-60: reference × (10^6 ± ppm) / 10^6 against subticks × 10^-exponent.
          const exponent = grid.atomicResolution - grid.quantumConversionExponent + 6;
          const limit =
            digits * BigInt(side === 'BUY' ? 1_000_000 + ppm : 1_000_000 - ppm) * 10n ** BigInt(54 - places);
          const subtick = 10n ** BigInt(60 - exponent);
          const tick = grid.subticksPerTick * subtick;
          if (subticks === undefined) {
            // Only below the first tick or beyond 63 bits is there none.
            expect((side === 'BUY' && limit < tick) || limit + tick > MAX_INTEGER * subtick).toBe(true);
            return;
          }
          const chosen = subticks * subtick;
          const distance = side === 'BUY' ? limit - chosen : chosen - limit;
          expect(distance >= 0n && distance < tick).toBe(true);
          expect(subticks % grid.subticksPerTick).toBe(0n);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('does not exist for a reference that is no positive decimal, nor below one tick', () => {
    for (const reference of ['', '0', '-1', 'NaN', '1e5']) {
      expect(worstSubticks('BUY', reference, 10_000, BTC_USD), reference).toBeUndefined();
    }
    expect(worstSubticks('BUY', '0.5', 10_000, BTC_USD)).toBeUndefined();
    expect(worstSubticks('SELL', '60000', 1_000_000, BTC_USD)).toBeUndefined();
  });
});
