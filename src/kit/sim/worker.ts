// A process of the simulation: runs the seeds that it is sent on the database that it is sent, one after the other, and
// tells what came of each. Ends with its parent.
import { sql as tag } from 'kysely';
import { openDatabase } from '../../store/database.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { simulateTime } from './simulated-time.ts';

/** Seeds in a row on one database. */
export type Batch = {
  /** of a migrated database of its own */
  readonly url: string;
  readonly seeds: readonly number[];
  readonly orders: number;
  /** run on the database before the first seed */
  readonly sql: readonly string[];
  /** tell everything that happens */
  readonly isVerbose: boolean;
};

export type Told =
  | { readonly kind: 'result'; readonly result: SeedResult }
  | { readonly kind: 'note'; readonly line: string }
  /** the batch is over, early after a seed that failed: what it left would disturb the next */
  | { readonly kind: 'done'; readonly left: readonly number[] }
  | { readonly kind: 'broken'; readonly why: string };

const tell = (told: Told) => process.send?.(told);

process.on('message', (batch: Batch) => {
  run(batch).catch((error: unknown) => {
    tell({ kind: 'broken', why: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  });
});
process.once('disconnect', () => process.exit());

async function run({ url, seeds, orders, sql, isVerbose }: Batch): Promise<void> {
  const preparing = openDatabase({ url, maxConnections: 1 });
  try {
    for (const statement of sql) await tag.raw(statement).execute(preparing);
    await simulateTime(preparing);
  } finally {
    await preparing.destroy();
  }
  // One connection: statements come in the order in which they were asked for.
  const db = openDatabase({ url, maxConnections: 1 });
  const note = isVerbose ? (line: string) => tell({ kind: 'note', line }) : undefined;
  let left = seeds;
  try {
    for (const seed of seeds) {
      left = left.slice(1);
      const result = await runSeed(db, { seed, orders, note });
      tell({ kind: 'result', result });
      if (result.wrong.length > 0) break;
    }
  } finally {
    await db.destroy();
  }
  tell({ kind: 'done', left });
}
