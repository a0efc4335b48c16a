// `router roles`: makes the roles, gives each its rights in this database and takes all others away. Roles belong to
// the whole server, so this is no migration; it may be repeated and run by many at once.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { type Database, SESSION_SETTINGS } from './database.ts';
import { requireSchema } from './migrations.ts';
import { underMigrationLock } from './migrator.ts';
import { giveRights } from './role-rights.ts';
import {
  execute,
  INHERIT_BY_GRANT_SINCE,
  isMember,
  MAINTAIN_SINCE,
  quote,
  type Trx,
  USERS,
} from './role-sql.ts';
import { OWNER, QUEUE_USERS, ROLES, type Role } from './roles.ts';
import { scramVerifier } from './scram.ts';
import { sqlstateOf } from './sqlstate.ts';

const MAX_REPEATS = 20;
const REPEAT_MS = 25;

/** @property password given: the login is made, or gets this password; absent: it must be there */
export type RoleGrant = { readonly user: string; readonly role: Role; readonly password?: string };

export type RoleSetup = {
  readonly created: readonly Role[];
  /** What could not be done with the rights of whoever ran it, and what that costs; one line each. */
  readonly lacking: readonly string[];
  /** false: the migrations have not been applied yet, so there was nothing to give rights on */
  readonly hasTables: boolean;
};

/**
 * @param db at least two connections, as a superuser or as a role with CREATEROLE that owns the database and its tables
 * @param grants logins that become members of a role; they get the timeouts of a runtime connection as their own
 */
export async function setUpRoles(db: Database, grants: readonly RoleGrant[] = []): Promise<RoleSetup> {
  // A migration that builds an index concurrently and a change of owner would wait for each other.
  return underMigrationLock(db, undefined, () => repeatRaces(() => setUpInOneTransaction(db, grants)));
}

function setUpInOneTransaction(db: Database, grants: readonly RoleGrant[]): Promise<RoleSetup> {
  return db.transaction().execute(async (trx) => {
    const server = await askServer(trx);
    const created = await createRoles(trx, server);
    await revokeMemberships(trx, server);
    const lacking = await giveServerRights(trx, server);
    await execute(trx, `GRANT CREATE, CONNECT ON DATABASE ${quote(server.database)} TO ${OWNER}`);
    await execute(trx, `GRANT CREATE, USAGE ON SCHEMA public TO ${OWNER}`);
    await execute(trx, `REVOKE CREATE ON SCHEMA public FROM PUBLIC, ${USERS}`);
    // A table of one's own is a place to hang other people's functions on; BullMQ adds many jobs by way of one.
    await execute(trx, `REVOKE TEMPORARY ON DATABASE ${quote(server.database)} FROM PUBLIC, ${USERS}`);
    await execute(trx, `GRANT TEMPORARY ON DATABASE ${quote(server.database)} TO ${QUEUE_USERS.join(', ')}`);
    await execute(trx, `GRANT USAGE ON SCHEMA public TO ${USERS}`);
    const hasTables = await exists(trx, 'orders');
    if (hasTables) {
      await requireSchema(trx);
      await giveRights(trx);
    }
    for (const grant of grants) await addMember(trx, server, grant);
    return { created, lacking, hasTables };
  });
}

/**
 * After migrations and under their lock, for a database that has been under roles before: new tables get their owner
 * and rights.
 * @returns false when it has not
 */
export async function renewRights(db: Database): Promise<boolean> {
  if (!(await isUnderRoles(db))) return false;
  await repeatRaces(() => db.transaction().execute(giveRights));
  return true;
}

/** @returns whether `router roles` was run in this database and the current user may act as the owner */
export async function isUnderRoles(db: Database): Promise<boolean> {
  const { rows } = await sql<{ is: boolean }>`
    SELECT coalesce(bool_or(has_database_privilege(oid, current_database(), 'CREATE')
      AND pg_has_role(oid, 'MEMBER')), false) AS is
    FROM pg_roles WHERE rolname = ${OWNER}`.execute(db);
  return rows[0]?.is === true;
}

type Server = {
  readonly database: string;
  readonly version: number;
  readonly user: string;
  readonly isSuperuser: boolean;
  readonly canBypass: boolean;
};

async function askServer(trx: Trx): Promise<Server> {
  const { rows } = await sql<Server>`
    SELECT current_database() AS database, current_setting('server_version_num')::int AS version,
      current_user::text AS user, rolsuper AS "isSuperuser", rolsuper OR rolbypassrls AS "canBypass"
    FROM pg_roles WHERE rolname = current_user`.execute(trx);
  if (rows[0] === undefined) throw new Error('the server does not say who is asking');
  return rows[0];
}

async function createRoles(trx: Trx, server: Server): Promise<Role[]> {
  const { rows } = await sql<{ rolname: string }>`
    SELECT rolname FROM pg_roles WHERE rolname = ANY(${[...ROLES]})`.execute(trx);
  const known = new Set(rows.map(({ rolname }) => rolname));
  const created = ROLES.filter((role) => !known.has(role));
  for (const role of created) {
    await execute(trx, `CREATE ROLE ${role} NOLOGIN`);
    // What one creates without being a superuser one may grant, and must be a member of to give things away to.
    if (role === OWNER && !server.isSuperuser) await execute(trx, `GRANT ${OWNER} TO ${quote(server.user)}`);
  }
  return created;
}

/** None of our roles has the rights of another, but for maintenance, which before version 17 must act as the owner. */
async function revokeMemberships(trx: Trx, { version }: Server): Promise<void> {
  const { rows } = await sql<{ member: string; role: string }>`
    SELECT m.member::regrole::text AS member, m.roleid::regrole::text AS role FROM pg_auth_members m
    JOIN pg_roles a ON a.oid = m.member JOIN pg_roles b ON b.oid = m.roleid
    WHERE a.rolname = ANY(${[...ROLES]}) AND b.rolname = ANY(${[...ROLES]})`.execute(trx);
  for (const { member, role } of rows) {
    const isNeeded = member === 'cryptopulse_maintenance' && role === OWNER && version < MAINTAIN_SINCE;
    if (!isNeeded) await execute(trx, `REVOKE ${role} FROM ${member}`);
  }
}

/** What only a superuser can give; without it the rest works. */
async function giveServerRights(trx: Trx, server: Server): Promise<string[]> {
  const lacking: string[] = [];
  if (!(await hasAttribute(trx, 'cryptopulse_backup', 'rolbypassrls'))) {
    if (server.canBypass) await execute(trx, 'ALTER ROLE cryptopulse_backup BYPASSRLS');
    else lacking.push('cryptopulse_backup has no BYPASSRLS, so pg_dump fails: run this once as a superuser');
  }
  if (!(await isMember(trx, 'cryptopulse_maintenance', 'pg_read_all_stats'))) {
    if (server.isSuperuser) await execute(trx, 'GRANT pg_read_all_stats TO cryptopulse_maintenance');
    else
      lacking.push(
        'cryptopulse_maintenance sees only its own statements in pg_stat_statements: run this once as a superuser',
      );
  }
  return lacking;
}

async function addMember(trx: Trx, server: Server, { user, role, password }: RoleGrant): Promise<void> {
  const { rows } = await sql<{ found: boolean }>`
    SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = ${user}) AS found`.execute(trx);
  const isThere = rows[0]?.found === true;
  if (password !== undefined) {
    const how = `LOGIN PASSWORD '${scramVerifier(password)}'`;
    await execute(trx, `${isThere ? 'ALTER' : 'CREATE'} ROLE ${quote(user)} ${how}`);
  } else if (!isThere) {
    throw new Error(`no login ${user}: make it first, e.g. CREATE ROLE ${quote(user)} LOGIN PASSWORD '…'`);
  }
  await makeMember(trx, server, user, role);
  const inheritsNothing = role === 'cryptopulse_maintenance' && server.version < INHERIT_BY_GRANT_SINCE;
  if (inheritsNothing && server.isSuperuser) await execute(trx, `GRANT pg_read_all_stats TO ${quote(user)}`);
  // Whoever migrates or dumps takes as long as it takes.
  if (role === OWNER || role === 'cryptopulse_backup') return;
  const database = quote(server.database);
  await execute(trx, `GRANT CONNECT ON DATABASE ${database} TO ${role}`);
  for (const [name, ms] of Object.entries(SESSION_SETTINGS)) {
    await execute(trx, `ALTER ROLE ${quote(user)} IN DATABASE ${database} SET ${name} = ${ms}`);
  }
}

/** One that inherits: without it a login would have to SET ROLE, and no process does. */
async function makeMember(trx: Trx, { version }: Server, user: string, role: Role): Promise<void> {
  if (version >= INHERIT_BY_GRANT_SINCE) {
    if (await isMember(trx, user, role, 'inherits')) return;
    await execute(trx, `GRANT ${role} TO ${quote(user)} WITH INHERIT TRUE, SET TRUE`);
    return;
  }
  if (!(await hasAttribute(trx, user, 'rolinherit'))) {
    throw new Error(`the login ${user} inherits no rights: ALTER ROLE ${quote(user)} INHERIT`);
  }
  if (!(await isMember(trx, user, role))) await execute(trx, `GRANT ${role} TO ${quote(user)}`);
}

async function hasAttribute(
  trx: Trx,
  role: string,
  attribute: 'rolbypassrls' | 'rolinherit',
): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    SELECT ${sql.ref(attribute)} AS has FROM pg_roles WHERE rolname = ${role}`.execute(trx);
  return rows[0]?.has === true;
}

async function exists(trx: Trx, table: string): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    SELECT to_regclass(${table}) IS NOT NULL AS found`.execute(trx);
  return rows[0]?.found === true;
}

/** Roles are made and granted from other databases of the server, too, whose sessions this lock does not hold up. */
async function repeatRaces<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let repeat = 0; ; repeat++) {
    try {
      return await work();
    } catch (error) {
      if (!isRace(error) || repeat >= MAX_REPEATS) throw error;
      await delay(REPEAT_MS * (1 + Math.random()));
    }
  }
}

/** unique_violation and duplicate_object of a role, a deadlock, or a catalogue row that another session just wrote */
function isRace(error: unknown): boolean {
  const state = sqlstateOf(error);
  if (state === '23505' || state === '42710' || state === '40P01') return true;
  return state === 'XX000' && error instanceof Error && /tuple concurrently/.test(error.message);
}
