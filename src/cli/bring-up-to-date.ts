// What `router migrate` and `router up` do to a database: migrations, the queue's own tables, extensions, and the
// rights on what is new. One starter at a time; the others wait and then have nothing to do.
import type { QueueBackend } from '../queue/backend.ts';
import { openDatabase } from '../store/database.ts';
import { createExtensions } from '../store/extensions.ts';
import { migrate } from '../store/migrator.ts';
import { isUnderRoles, renewRights } from '../store/role-setup.ts';
import { OWNER } from '../store/roles.ts';

export type UpToDate = {
  /** names of the migrations that were applied */
  readonly applied: readonly string[];
  /** what could not be had, and what is missed by it; one line each */
  readonly notes: readonly string[];
};

/** @param databaseUrl past a pooler @param onWait another starter is at it */
export async function bringUpToDate(
  databaseUrl: string,
  queue: Pick<QueueBackend, 'migrate'>,
  onWait: () => void = () => {},
): Promise<UpToDate> {
  const open = (role: string | undefined) =>
    openDatabase({
      url: databaseUrl,
      role,
      maxConnections: 3,
      isUnhurried: true,
      applicationName: 'dydx-order-router migrate',
    });
  await using opened = new AsyncDisposableStack();
  const login = opened.adopt(open(undefined), (db) => db.destroy());
  // What is made belongs to the owner, once `router roles` has been here.
  const role = (await isUnderRoles(login)) ? OWNER : undefined;
  const db = role === undefined ? login : opened.adopt(open(role), (owned) => owned.destroy());
  let notes: readonly string[] = [];
  const applied = await migrate(db, {
    onWait,
    afterwards: async () => {
      await queue.migrate(role);
      notes = await createExtensions(login);
      // Also when there was no role above: `router roles` may have had the lock first.
      await renewRights(db);
    },
  });
  return { applied, notes };
}
