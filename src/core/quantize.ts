// Decimal size and price ↔ the venue's integers. Off-grid is undefined, never rounded: the caller refuses.
// Source: v4-chain indexer protocol-translations.ts; quote atomic resolution is −6 (USDC).
import { fromScaled, toScaled } from './decimal.ts';
import type { Market } from './market.ts';

/** The client's protobuf encoder and PostgreSQL's bigint both end here. */
export const MAX_INTEGER = 2n ** 63n - 1n;

type Grid = Pick<
  Market,
  'atomicResolution' | 'quantumConversionExponent' | 'stepBaseQuantums' | 'subticksPerTick'
>;

function priceExponent(grid: Grid): number {
  return grid.atomicResolution - grid.quantumConversionExponent + 6;
}

function onGrid(scaled: bigint | undefined, step: bigint): bigint | undefined {
  return scaled !== undefined && scaled > 0n && scaled <= MAX_INTEGER && scaled % step === 0n
    ? scaled
    : undefined;
}

export function sizeToQuantums(size: string, grid: Grid): bigint | undefined {
  return onGrid(toScaled(size, -grid.atomicResolution), grid.stepBaseQuantums);
}

export function quantumsToSize(quantums: bigint, grid: Grid): string {
  return fromScaled(quantums, -grid.atomicResolution);
}

export function priceToSubticks(price: string, grid: Grid): bigint | undefined {
  return onGrid(toScaled(price, priceExponent(grid)), grid.subticksPerTick);
}

export function subticksToPrice(subticks: bigint, grid: Grid): string {
  return fromScaled(subticks, priceExponent(grid));
}

/** The smallest size, as a decimal. */
export function stepSize(grid: Grid): string {
  return quantumsToSize(grid.stepBaseQuantums, grid);
}

export function tickSize(grid: Grid): string {
  return subticksToPrice(grid.subticksPerTick, grid);
}

/**
 * The price `ppm` millionths away from the reference, on the grid and no further away than asked:
 * down for a BUY, up for a SELL. Undefined when the reference is no positive decimal.
 */
export function worstSubticks(
  side: 'BUY' | 'SELL',
  reference: string,
  ppm: number,
  grid: Grid,
): bigint | undefined {
  // Ten extra digits so that an oracle price finer than a subtick is not an obstacle.
  const exponent = priceExponent(grid);
  const extra = Math.max(0, (reference.split('.')[1]?.length ?? 0) - exponent);
  const scaled = toScaled(reference, exponent + extra);
  if (scaled === undefined || scaled <= 0n) return undefined;
  const factor = BigInt(1_000_000 + (side === 'BUY' ? ppm : -ppm));
  const divisor = 1_000_000n * 10n ** BigInt(extra);
  const tick = grid.subticksPerTick;
  const exact = scaled * factor;
  const ticks = side === 'BUY' ? exact / (divisor * tick) : (exact + divisor * tick - 1n) / (divisor * tick);
  return onGrid(ticks * tick, tick);
}
