// Which chain a database belongs to, and whether it is still where its record is complete. Ids and heights of another chain would be proof of nothing.
import { sql } from 'kysely';
import { type Database, REQUIRE_KNOWN_SERVER } from './database.ts';

/** The first chain that asks owns the database. @returns the database's own id */
export async function requireChain(db: Database, chainId: string): Promise<string> {
  const known = await findInstallation(db);
  if (known !== undefined) return idIf(known, chainId);
  await db
    .insertInto('installation')
    .values({ chain_id: chainId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const made = await findInstallation(db);
  if (made === undefined) throw new Error('the database has just lost its installation row');
  return idIf(made, chainId);
}

/** For those who only watch: a database that belongs to no chain yet may become this one's. */
export async function refuseOtherChain(db: Database, chainId: string): Promise<void> {
  const known = await findInstallation(db);
  if (known !== undefined) idIf(known, chainId);
}

type Installation = { readonly id: string; readonly chain_id: string };

function findInstallation(db: Database): Promise<Installation | undefined> {
  return db.selectFrom('installation').select(['id', 'chain_id']).executeTakeFirst();
}

function idIf({ id, chain_id }: Installation, chainId: string): string {
  if (chain_id === chainId) return id;
  throw new Error(
    `the database belongs to chain ${chain_id}, not ${chainId}: use another database (DATABASE_URL, or another --data-dir)`,
  );
}

/**
 * Throws where the database was restored, recovered or promoted since its record was complete. A connection asks before
 * anything else (src/store/database.ts); behind a pooler it outlives a failover, and who signs must ask again.
 */
export async function requireKnownServer(db: Database): Promise<void> {
  await sql.raw(REQUIRE_KNOWN_SERVER).execute(db);
}

/** The highest block up to which fills are booked; 0 in a database that never saw one. */
export async function highestKnownBlock(db: Database): Promise<number> {
  const row = await db
    .selectFrom('reconcile_cursors')
    .select((eb) => eb.fn.max('height').as('height'))
    .executeTakeFirst();
  return Number(row?.height ?? 0);
}
