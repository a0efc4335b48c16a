// One turn of a layout: so many orders through their three writes, and what each of the writes cost.
import { existsSync, readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { type Cursor, claimCursors, ensureCursor } from '../src/store/cursors.ts';
import type { Database } from '../src/store/database.ts';
import type { Layout } from './index-sets.ts';
import { msOf, randomOf } from './measure.ts';
import {
  acceptAll,
  BATCH_START_HEIGHT,
  BATCH_SUBACCOUNT,
  fillAll,
  newBatch,
  recordAll,
} from './order-batches.ts';

export const BATCH = 100;
export const WRITES = ['record', 'accept', 'fill'] as const;
export type Write = (typeof WRITES)[number];

export type Cost = {
  readonly perSecond: number;
  /** of the server's process, for each order: hardly moved by what else the machine does. NaN where there is no /proc. */
  readonly cpuMicros: number;
  /** for each order */
  readonly walBytes: number;
};
export type Measured = Readonly<Record<Write, Cost>>;

/** One layout's database, and how far it is. */
export type Run = {
  readonly layout: Layout;
  readonly db: Database;
  readonly measured: Measured[];
  cursor: Cursor;
  written: number;
};

/** @param db of one connection: its statistics are read by itself, after it has handed them in */
export async function startRun(layout: Layout, db: Database): Promise<Run> {
  await ensureCursor(db, BATCH_SUBACCOUNT, BATCH_START_HEIGHT);
  const [cursor] = await claimCursors(db, { limit: 1, deadAt: -1, leaseMs: 0 });
  if (cursor === undefined) throw new Error('the cursor was not made');
  return { layout, db, measured: [], cursor, written: 0 };
}

/** All are recorded, then all accepted, then all filled; vacuumed and analysed before, which is not measured. */
export async function writeRound(run: Run, seed: number, batchCount: number): Promise<Measured> {
  const { db } = run;
  await sql`VACUUM (ANALYZE) orders, order_attempts, order_keys, order_status_history, order_fills`.execute(
    db,
  );
  const random = randomOf(seed);
  const count = batchCount * BATCH;
  const batches = Array.from({ length: batchCount }, (_, index) =>
    newBatch(random, run.written + index * BATCH, BATCH),
  );
  run.written += count;
  const timed = async (write: (batch: (typeof batches)[number]) => Promise<void>): Promise<Cost> => {
    const before = await spentBy(db);
    const ms = await msOf(async () => {
      for (const batch of batches) await write(batch);
    });
    const after = await spentBy(db);
    return {
      perSecond: (1000 * count) / ms,
      cpuMicros: (after.cpuMicros - before.cpuMicros) / count,
      walBytes: (after.walBytes - before.walBytes) / count,
    };
  };
  return {
    record: await timed((batch) => recordAll(db, batch)),
    accept: await timed((batch) => acceptAll(db, batch)),
    fill: await timed(async (batch) => {
      run.cursor = await fillAll(db, batch, run.cursor);
    }),
  };
}

/** By this connection's process, and by the server. */
async function spentBy(db: Database): Promise<{ readonly cpuMicros: number; readonly walBytes: number }> {
  const { rows } = await sql<{ pid: number; wal: number }>`
    SELECT pg_backend_pid() AS pid, (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('the server does not say how much it has written');
  return { cpuMicros: cpuMicrosOf(row.pid), walBytes: row.wal };
}

function cpuMicrosOf(pid: number): number {
  const path = `/proc/${pid}/schedstat`;
  return existsSync(path) ? Number.parseInt(readFileSync(path, 'utf8'), 10) / 1000 : Number.NaN;
}
