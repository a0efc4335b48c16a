// The synthetic market: a mid price that is a pure function of (seed, market, height), and the levels around it.
// Value noise of four octaves, so any height can be asked without walking there, and the sum of the amplitudes
// (2.9 %) is the bound: the path can never leave ±3 % of the start price.
import type { Side } from '../core/status.ts';
import type { PaperMarket } from './markets.ts';

export type Level = { readonly subticks: bigint; quantums: bigint };
export type Levels = Readonly<Record<Side, Level[]>>;

/** Blocks between two lattice points, and the swing in millionths of the start price. */
const OCTAVES = [
  { periodBlocks: 600, ppm: 14_000 },
  { periodBlocks: 120, ppm: 8_000 },
  { periodBlocks: 30, ppm: 5_000 },
  { periodBlocks: 8, ppm: 2_000 },
] as const;
const LEVELS_PER_SIDE = 12;
const SPACING_PPM = 300n;
const MIN_LEVEL_USD = 5_000;
const MAX_LEVEL_USD = 50_000;

/** A number in [0, 1) from integers, by murmur3's mixing: the same everywhere, no state. */
export function noise(...keys: readonly number[]): number {
  let hash = 0x9747b28c;
  for (const key of keys) {
    let mixed = Math.imul(key | 0, 0xcc9e2d51);
    mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
    hash ^= mixed;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

function octave(seed: number, pair: number, index: number, height: number, periodBlocks: number): number {
  const cell = Math.floor(height / periodBlocks);
  const part = height / periodBlocks - cell;
  const smooth = part * part * (3 - 2 * part);
  const from = noise(seed, pair, index, cell);
  const to = noise(seed, pair, index, cell + 1);
  return 2 * (from + (to - from) * smooth) - 1;
}

/** On the market's grid. */
export function midSubticks(seed: number, market: PaperMarket, height: number): bigint {
  const ppm = OCTAVES.reduce(
    (sum, { periodBlocks, ppm: swing }, index) =>
      sum + swing * octave(seed, market.clobPairId, index, height, periodBlocks),
    0,
  );
  const exact = (market.startSubticks * BigInt(1_000_000 + Math.round(ppm))) / 1_000_000n;
  return exact - (exact % market.subticksPerTick);
}

function levelQuantums(market: PaperMarket, subticks: bigint, usd: number): bigint {
  // quote quantums (10^-6 USD) = quantums × subticks × 10^qce, turned round
  const scale = 10n ** BigInt(-market.quantumConversionExponent);
  const quantums = (BigInt(Math.round(usd)) * 1_000_000n * scale) / subticks;
  const steps = quantums / market.stepBaseQuantums;
  return (steps > 0n ? steps : 1n) * market.stepBaseQuantums;
}

/** Fresh levels, best first; the caller takes quantums away as they are hit. */
export function syntheticLevels(seed: number, market: PaperMarket, height: number): Levels {
  const mid = midSubticks(seed, market, height);
  const tick = market.subticksPerTick;
  const spacing = ((mid * SPACING_PPM) / 1_000_000n / tick) * tick || tick;
  const side = (sign: bigint, salt: number): Level[] =>
    Array.from({ length: LEVELS_PER_SIDE }, (_, index) => {
      const usd =
        MIN_LEVEL_USD + (MAX_LEVEL_USD - MIN_LEVEL_USD) * noise(seed, market.clobPairId, salt, height, index);
      const subticks = mid + sign * spacing * BigInt(index + 1);
      return { subticks, quantums: levelQuantums(market, subticks, usd) };
    });
  return { BUY: side(-1n, 101), SELL: side(1n, 102) };
}
