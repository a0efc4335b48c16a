// VACUUM and ANALYZE with their record, one run at a time over all replicas. VACUUM cannot run in a transaction, so
// the lock is a session's; the session is closed afterwards, which frees it whatever happened.
import pg from 'pg';
import type { Database } from './database.ts';
import { MAINTAINED } from './roles.ts';

export type UpkeepTask = 'vacuum' | 'analyze';

const STATEMENTS = { vacuum: 'VACUUM (ANALYZE)', analyze: 'ANALYZE' } as const satisfies Record<
  UpkeepTask,
  string
>;
const LOCK_TIMEOUT = '5s';

export async function lastMaintenanceRun(db: Database, task: UpkeepTask): Promise<Date | undefined> {
  const row = await db
    .selectFrom('maintenance_runs')
    .select('started_at')
    .where('task', '=', task)
    .where('outcome', '=', 'done')
    .orderBy('started_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.started_at;
}

/** @returns false when another process is at it. Throws, and records it, when a table was skipped or failed. */
export async function runMaintenance(db: Database, url: string, task: UpkeepTask): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, application_name: `dydx-order-router ${task}` });
  const skipped: string[] = [];
  client.on('notice', (notice) => {
    // A table of another owner is skipped with a warning only: not maintained is failed.
    if (notice.message?.includes('skipping')) skipped.push(notice.message);
  });
  // The statement that is under way fails with it.
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query('SELECT pg_try_advisory_lock(hashtext($1)) AS locked', [
      `maintenance ${task}`,
    ]);
    if (rows[0]?.locked !== true) return false;
    const { id } = await db
      .insertInto('maintenance_runs')
      .values({ task })
      .returning('id')
      .executeTakeFirstOrThrow();
    const end = (outcome: 'done' | 'failed', error: string | null) =>
      db
        .updateTable('maintenance_runs')
        .set({ ended_at: new Date(), outcome, error })
        .where('id', '=', id)
        .execute();
    try {
      await actAsOwner(client);
      // The login's own is for statements of a moment.
      await client.query('SET statement_timeout = 0');
      await client.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
      for (const table of MAINTAINED) await client.query(`${STATEMENTS[task]} ${table}`);
      if (skipped.length > 0) throw new Error(skipped.join('; '));
    } catch (error) {
      await end('failed', error instanceof Error ? error.message : String(error));
      throw error;
    }
    await end('done', null);
    return true;
  } finally {
    await client.end();
  }
}

/**
 * Before version 17 only an owner may VACUUM. A login that may act as one without being one (`router roles`) does so
 * in this session.
 */
async function actAsOwner(client: pg.Client): Promise<void> {
  const { rows } = await client.query(`
    SELECT r.rolname AS owner FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
    WHERE c.oid = to_regclass('orders') AND current_setting('server_version_num')::int < 170000
      AND pg_has_role(c.relowner, 'MEMBER') AND NOT pg_has_role(c.relowner, 'USAGE')`);
  const owner: unknown = rows[0]?.owner;
  if (typeof owner === 'string') await client.query(`SET ROLE ${pg.escapeIdentifier(owner)}`);
}
