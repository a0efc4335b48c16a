// Everything that waits in a queue is gone, as after a FLUSHALL or a lost volume: what then remains is what a system has
// stored elsewhere.
import { sql } from 'kysely';
import type { Servers } from '../lab/servers.ts';
import type { Site } from '../lab/site.ts';

/** Deadlocks with the queue's own workers: one of the two has to give way. */
const TRIES = 20;

export async function wipeQueue(servers: Servers, site: Site): Promise<void> {
  if (servers.redis !== undefined) return servers.redis.command('FLUSHALL');
  const { rows } = await sql<{ name: string }>`
    SELECT format('bullmq.%I', tablename) AS name FROM pg_tables
    WHERE schemaname = 'bullmq' AND tablename NOT LIKE '%migration%'`.execute(site.db);
  const tables = sql.raw(rows.map(({ name }) => name).join(', '));
  for (let tries = 1; ; tries++) {
    try {
      await sql`TRUNCATE ${tables}`.execute(site.db);
      return;
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}
