// Plain text for people: columns, and one readable line for an error.
import { ConfigError } from '../config.ts';

/** Left-aligned columns, two spaces apart. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A decimal without the trailing zeros of NUMERIC(38,18). */
export function short(decimal: string | null): string {
  if (decimal === null) return '-';
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal;
}

export function time(date: Date | null): string {
  return date === null ? '-' : date.toISOString().replace('T', ' ').slice(0, 23);
}

/** Names what to do where the bare error would not. */
export function readableError(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof AggregateError && error.errors.length > 0) return readableError(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') return `${error.message}: is the server running? (DATABASE_URL, REDIS_URL)`;
  if (code === '28P01' || code === '28000')
    return `${error.message}: check user and password in DATABASE_URL`;
  if (code === '3D000') return `${error.message}: create it, or correct DATABASE_URL`;
  return error.message;
}
