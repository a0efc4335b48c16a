// Applies migrations/*.sql in order, forward only, under Kysely's lock, each in a transaction with its record.
// Workers only check; `router migrate` and `router up` apply.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type { Database } from './database.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'migrations');

export type MigrationStatus = { readonly name: string; readonly appliedAt: Date | undefined };

export async function migrate(db: Database): Promise<readonly string[]> {
  const { error, results } = await migratorOf(db).migrateToLatest();
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === 'Error')?.migrationName;
    // Before the first migration it is the connection: whoever reports it knows more about that.
    if (failed === undefined) throw error;
    throw new Error(`${failed} failed and nothing was changed: ${messageOf(error)}`, { cause: error });
  }
  return (results ?? []).map((result) => result.migrationName);
}

export async function migrationStatus(db: Database): Promise<readonly MigrationStatus[]> {
  const migrations = await migratorOf(db).getMigrations();
  return migrations.map(({ name, executedAt }) => ({ name, appliedAt: executedAt }));
}

/** Throws with what to do unless exactly the known migrations are applied. */
export async function requireSchema(db: Database): Promise<void> {
  const unknown = await newerMigrations(db);
  if (unknown.length > 0) {
    throw new Error(
      `the database has ${unknown.join(', ')}, which this version does not know: run the newer version`,
    );
  }
  const pending = (await migrationStatus(db)).filter(({ appliedAt }) => appliedAt === undefined);
  if (pending.length > 0) {
    const names = pending.map(({ name }) => name).join(', ');
    throw new Error(`the database lacks ${names}: run \`router migrate\``);
  }
}

async function newerMigrations(db: Database): Promise<string[]> {
  const known = Object.keys(readMigrations());
  const { rows } = await sql<{
    exists: boolean;
  }>`SELECT to_regclass('kysely_migration') IS NOT NULL AS exists`.execute(db);
  if (rows[0]?.exists !== true) return [];
  const applied = await sql<{ name: string }>`SELECT name FROM kysely_migration ORDER BY name`.execute(db);
  return applied.rows.map(({ name }) => name).filter((name) => !known.includes(name));
}

function migratorOf(db: Database): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => readMigrations() } });
}

function readMigrations(): Record<string, Migration> {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.sql'));
  return Object.fromEntries(
    files.sort().map((file) => {
      const text = readFileSync(join(FOLDER, file), 'utf8');
      const up: Migration['up'] = async (db) => {
        await sql.raw(text).execute(db);
      };
      return [basename(file, '.sql'), { up }];
    }),
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
