// What an order was filled at on average: Σ size × price / Σ size, exact until its one division.
import { fromAtoms, toAtoms } from './decimal.ts';

/**
 * Decimal strings in and out; null without fills. Rounded half-even at 18 digits behind the point, the scale of what is
 * stored: a sum of products has 36, and a quotient may have no end.
 */
export function averageFillPrice(
  fills: readonly { readonly size: string; readonly price: string }[],
): string | null {
  let [size, value] = [0n, 0n];
  for (const fill of fills) {
    const atoms = toAtoms(fill.size);
    size += atoms;
    value += atoms * toAtoms(fill.price);
  }
  return size === 0n ? null : fromAtoms(divideHalfEven(value, size));
}

/** Of what is not negative: sizes and prices of fills are above 0. */
function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const [quotient, twice] = [dividend / divisor, (dividend % divisor) * 2n];
  const isUp = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  return isUp ? quotient + 1n : quotient;
}
