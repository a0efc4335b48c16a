// One tenant's view of the database. The setting lasts for the transaction only, so that it is right behind a pooler,
// too; what a role under row-level security does outside of one sees no tenant's rows.
import { sql, type Transaction } from 'kysely';
import type { Database } from './database.ts';
import { TENANT_SETTING } from './roles.ts';
import type { DB } from './schema.ts';

export function asTenant<Result>(
  db: Database,
  tenantId: string,
  work: (trx: Transaction<DB>) => Promise<Result>,
  isolation: 'read committed' | 'repeatable read' = 'read committed',
): Promise<Result> {
  return db
    .transaction()
    .setIsolationLevel(isolation)
    .execute(async (trx) => {
      await sql`SELECT set_config(${TENANT_SETTING}, ${tenantId}, true)`.execute(trx);
      return work(trx);
    });
}
