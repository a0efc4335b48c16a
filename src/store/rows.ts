// Many rows as one FROM item: a fixed text with one array parameter a column, so that a batch of any size is the
// same statement (multi-VALUES is another text for every size and wraps silently at 65,535 parameters).
import { type RawBuilder, sql } from 'kysely';

type Columns<Row> = { readonly [Column in keyof Row & string]: string };

/** `unnest($1::uuid[], …) AS alias(id, …)`; types are PostgreSQL element types. */
export function rowsAs<Row extends object>(
  alias: string,
  columns: Columns<Row>,
  rows: readonly Row[],
): RawBuilder<Row> {
  const names = Object.keys(columns) as (keyof Row & string)[];
  const arrays = names.map((name) => {
    const values = rows.map((row) => toParameter(row[name]));
    return sql`${values}::${sql.raw(`${columns[name]}[]`)}`;
  });
  return sql`unnest(${sql.join(arrays)}) AS ${sql.id(alias)} (${sql.join(names.map((name) => sql.id(name)))})`;
}

function toParameter(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date || Buffer.isBuffer(value)) return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return value ?? null;
}
