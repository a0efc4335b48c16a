// Exact decimals: strings outside, bigint inside, never a float on the way.

const PATTERN = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * value × 10^exponent as an exact integer; undefined when it is no plain decimal ("1e3", "", "NaN")
 * or when digits would be lost.
 */
export function toScaled(value: string, exponent: number): bigint | undefined {
  const match = PATTERN.exec(value);
  if (!match) return undefined;
  const [, sign = '', whole = '', fraction = ''] = match;
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  const shift = exponent - fraction.length;
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  return digits % divisor === 0n ? digits / divisor : undefined;
}

/** scaled × 10^-exponent as the shortest plain decimal: no exponent, no trailing zeros. */
export function fromScaled(scaled: bigint, exponent: number): string {
  if (exponent <= 0) return (scaled * 10n ** BigInt(-exponent)).toString();
  const sign = scaled < 0n ? '-' : '';
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(exponent + 1, '0');
  const whole = digits.slice(0, -exponent);
  const fraction = digits.slice(-exponent).replace(/0+$/, '');
  return fraction === '' ? `${sign}${whole}` : `${sign}${whole}.${fraction}`;
}

/** The scale of NUMERIC(38,18), in which prices and sizes are stored and summed. */
export const SCALE = 18;

/** A stored decimal as an integer of 10^-18. Throws on what cannot have come from the database. */
export function toAtoms(value: string): bigint {
  const atoms = toScaled(value, SCALE);
  if (atoms === undefined) throw new Error(`not a decimal of at most ${SCALE} places: ${value}`);
  return atoms;
}

export function fromAtoms(atoms: bigint): string {
  return fromScaled(atoms, SCALE);
}

export function normalizeDecimal(value: string): string {
  return fromAtoms(toAtoms(value));
}
