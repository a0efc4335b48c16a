// The source's extensions, where the server has them. The router itself needs neither.
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { sqlstateOf } from './sqlstate.ts';

const EXTENSIONS = {
  'uuid-ossp': 'only uuid_generate_v4() in queries of your own',
  pg_stat_statements: 'the slow statements',
} as const;

const INSUFFICIENT_PRIVILEGE = '42501';

/** @returns what could not be had, and what is missed by it; one line each */
export async function createExtensions(db: Database): Promise<string[]> {
  const { rows } = await sql<{ name: string; installed: boolean }>`
    SELECT name, installed_version IS NOT NULL AS installed FROM pg_available_extensions
    WHERE name = ANY(${Object.keys(EXTENSIONS)})`.execute(db);
  const notes: string[] = [];
  for (const [name, use] of Object.entries(EXTENSIONS)) {
    const found = rows.find((row) => row.name === name);
    if (found?.installed) continue;
    if (found === undefined) notes.push(`extension ${name}: this server does not have it; missed is ${use}`);
    else if (!(await create(db, name))) {
      notes.push(
        `extension ${name}: needs a superuser, as whom CREATE EXTENSION "${name}" once; missed is ${use}`,
      );
    }
  }
  return notes;
}

async function create(db: Database, name: string): Promise<boolean> {
  try {
    await sql`CREATE EXTENSION IF NOT EXISTS ${sql.id(name)}`.execute(db);
    return true;
  } catch (error) {
    if (sqlstateOf(error) === INSUFFICIENT_PRIVILEGE) return false;
    throw error;
  }
}
