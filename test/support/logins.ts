// Logins of the roles of `router roles`, one for each kind of process: what the suite runs has the rights that it has
// in production, and no more.
import { inject } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { setUpRoles } from '../../src/store/role-setup.ts';
import { administer } from './databases.ts';

const ROLE_OF = {
  app: 'cryptopulse_app',
  worker: 'cryptopulse_worker',
  maintenance: 'cryptopulse_maintenance',
  producer: 'cryptopulse_producer',
  readonly: 'cryptopulse_readonly',
} as const;

export type Login = keyof typeof ROLE_OF;
const LOGINS = Object.keys(ROLE_OF) as Login[];

const nameOf = (login: Login, run: string) => `router_test_${run}_${login}`;

/** @param url of a migrated database, as a superuser @param run tells runs on one server apart */
export async function makeLogins(url: string, run: string): Promise<void> {
  // The cheapest password that scram allows: tests connect thousands of times.
  const create = LOGINS.map((login) => `CREATE ROLE ${nameOf(login, run)} LOGIN PASSWORD '${run}'`);
  await administer(url, `SET scram_iterations = 1; ${create.join('; ')}`).catch(() =>
    // Before version 16 their number is fixed.
    administer(url, create.join('; ')),
  );
  const db = openDatabase({ url });
  await setUpRoles(
    db,
    LOGINS.map((login) => ({ user: nameOf(login, run), role: ROLE_OF[login] })),
  );
  await db.destroy();
}

/** After every database in which they have settings of their own was dropped. */
export async function dropLogins(url: string, run: string): Promise<void> {
  await administer(url, `DROP ROLE IF EXISTS ${LOGINS.map((login) => nameOf(login, run)).join(', ')}`);
}

/** The same database by another login. */
export function asLogin(url: string, login: Login): string {
  const run = inject('loginRun');
  const as = new URL(url);
  as.username = nameOf(login, run);
  as.password = run;
  return as.href;
}
