// What making roles and giving rights share: statements that take no parameters, and who belongs to whom.
import { sql, type Transaction } from 'kysely';
import { OWNER, ROLES } from './roles.ts';
import type { DB } from './schema.ts';

export type Trx = Transaction<DB>;

/** Every role but the owner, for GRANT and REVOKE. */
export const USERS = ROLES.filter((role) => role !== OWNER).join(', ');
/** As in src/queue/postgres-backend.ts, which must not be imported from here. */
export const QUEUE_SCHEMA = 'bullmq';
/** VACUUM by others than an owner. */
export const MAINTAIN_SINCE = 170_000;
/** Before, a role inherits from all that it is a member of or from nothing. */
export const INHERIT_BY_GRANT_SINCE = 160_000;

export async function execute(trx: Trx, statement: string): Promise<void> {
  await sql.raw(statement).execute(trx);
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Directly, and with what it gives: a superuser is a member of everything, and who made a role is one from version 16
 * on that has only the right to grant it.
 */
export async function isMember(
  trx: Trx,
  member: string,
  role: string,
  how: 'inherits' | 'in any way' = 'in any way',
): Promise<boolean> {
  // Version 15 has no such columns.
  const { rows } = await sql<{ inherits: boolean; sets: boolean }>`
    SELECT coalesce(bool_or((to_jsonb(m) ->> 'inherit_option')::boolean), true) AS inherits,
      coalesce(bool_or((to_jsonb(m) ->> 'set_option')::boolean), true) AS sets
    FROM pg_auth_members m
    WHERE m.member = to_regrole(${quote(member)}) AND m.roleid = to_regrole(${quote(role)})
    HAVING count(*) > 0`.execute(trx);
  const [found] = rows;
  if (found === undefined) return false;
  return found.inherits || (how === 'in any way' && found.sets);
}
