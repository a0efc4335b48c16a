// Which chain a database belongs to. Ids and heights of another chain would be proof of nothing.
import type { Database } from './database.ts';

/** The first chain that asks owns the database. @returns the database's own id */
export async function requireChain(db: Database, chainId: string): Promise<string> {
  await db
    .insertInto('installation')
    .values({ chain_id: chainId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const { id, chain_id } = await db
    .selectFrom('installation')
    .select(['id', 'chain_id'])
    .executeTakeFirstOrThrow();
  if (chain_id !== chainId) {
    throw new Error(
      `the database belongs to chain ${chain_id}, not ${chainId}: use another database (DATABASE_URL, or another --data-dir)`,
    );
  }
  return id;
}

/** The highest block up to which fills are booked; 0 in a database that never saw one. */
export async function highestKnownBlock(db: Database): Promise<number> {
  const row = await db
    .selectFrom('reconcile_cursors')
    .select((eb) => eb.fn.max('height').as('height'))
    .executeTakeFirst();
  return Number(row?.height ?? 0);
}
