// Plain text for people: columns, decimals, times.

/** Left-aligned columns, two spaces apart. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
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
