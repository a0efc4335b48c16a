// What every report of a bench says of where it was measured, and its tables.
import { cpus, loadavg } from 'node:os';
import { sql } from 'kysely';
import { table } from '../src/cli/output.ts';
import { signatureMicroseconds } from '../src/kit/bench/machine.ts';
import type { Database } from '../src/store/database.ts';

export async function machineFacts(db: Database) {
  const { rows } = await sql<{ version: string }>`SELECT version() AS version`.execute(db);
  return {
    command: `npm run ${process.env['npm_lifecycle_event'] ?? 'bench'} -- ${process.argv.slice(2).join(' ')}`,
    postgres: rows[0]?.version,
    node: process.version,
    /** processes that ran or wanted to in the last minute: well above the number of CPUs, others were busy here */
    load: loadavg()[0],
    cpus: `${cpus().length} × ${cpus()[0]?.model}`,
    /** µs of one secp256k1 signature: how fast the cores were at the end */
    signature: signatureMicroseconds(),
  };
}

/** Of the tables that hold orders: rows, MB of the table, MB of each index. */
export async function sizesOf(db: Database): Promise<Record<string, Readonly<Record<string, number>>>> {
  const { rows } = await sql<{ name: string; rows: number; mb: number; indexes: Record<string, number> }>`
    SELECT c.relname AS name, c.reltuples::float8 AS rows, round(pg_table_size(c.oid) / 1e6, 1)::float8 AS mb,
      (SELECT json_object_agg(x.relname, round(pg_relation_size(x.oid) / 1e6, 1) ORDER BY x.relname)
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid) AS indexes
    FROM pg_class c WHERE c.oid IN ('orders'::regclass, 'order_status_history'::regclass, 'order_attempts'::regclass,
      'order_fills'::regclass, 'order_keys'::regclass)
    ORDER BY pg_total_relation_size(c.oid) DESC`.execute(db);
  return Object.fromEntries(
    rows.map(({ name, indexes, ...own }) => [name, { rows: own.rows, table_mb: own.mb, ...indexes }]),
  );
}

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(`\n${table([head, ...rows])}`);
}

export function ms(value: number): string {
  return value.toFixed(2);
}
