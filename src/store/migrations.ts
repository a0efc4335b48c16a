// The migration files, and how they compare with a database. A name that ends in `.breaking` tells older code, which
// does not know the file, that it must not run on that schema.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sql } from 'kysely';
import type { Database } from './database.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'migrations');
const BREAKING = '.breaking';

export type MigrationFile = {
  readonly name: string;
  /** false: its first line says `-- no-transaction`, and each of its statements stands alone */
  readonly isTransactional: boolean;
  readonly statements: readonly string[];
};

/** In the order in which they are applied. */
export function readMigrationFiles(folder = FOLDER): readonly MigrationFile[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'));
  return files.sort().map((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const isTransactional = !text.startsWith('-- no-transaction');
    return {
      name: basename(file, '.sql'),
      isTransactional,
      statements: isTransactional ? [text] : statementsOf(text),
    };
  });
}

/** Statements end with a semicolon at the end of a line: such files hold no function bodies. */
function statementsOf(text: string): string[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('--'));
  return lines
    .join('\n')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

export type MigrationStatus = { readonly name: string; readonly appliedAt: Date | undefined };

export async function migrationStatus(
  db: Database,
  files = readMigrationFiles(),
): Promise<readonly MigrationStatus[]> {
  const applied = await appliedMigrations(db);
  const names = new Set([...files.map(({ name }) => name), ...applied.keys()]);
  return [...names].sort().map((name) => ({ name, appliedAt: applied.get(name) }));
}

async function appliedMigrations(db: Database): Promise<ReadonlyMap<string, Date>> {
  const { rows: found } = await sql<{ exists: boolean }>`
    SELECT to_regclass('kysely_migration') IS NOT NULL AS exists`.execute(db);
  if (found[0]?.exists !== true) return new Map();
  const { rows } = await sql<{ name: string; timestamp: string }>`
    SELECT name, timestamp FROM kysely_migration`.execute(db);
  return new Map(rows.map(({ name, timestamp }) => [name, new Date(timestamp)]));
}

/** The schema belongs to a newer version that this one must not work with. Its processes exit with this code. */
export class NewerSchemaError extends Error {
  override readonly name = 'NewerSchemaError';
  readonly exitCode = 3;
}

/**
 * Throws with what to do unless every known migration is applied and no unknown one breaks this version.
 * @returns the unknown ones: of a newer version, and harmless to this one
 */
export async function requireSchema(db: Database, files = readMigrationFiles()): Promise<readonly string[]> {
  const newer = await refuseBreaking(db, files);
  const pending = (await migrationStatus(db, files)).filter(({ appliedAt }) => appliedAt === undefined);
  if (pending.length > 0) {
    const names = pending.map(({ name }) => name).join(', ');
    throw new Error(`the database lacks ${names}: run \`router migrate\``);
  }
  return newer;
}

/** @returns the applied migrations that this version does not know and may run with */
export async function refuseBreaking(
  db: Database,
  files: readonly MigrationFile[],
): Promise<readonly string[]> {
  const known = new Set(files.map(({ name }) => name));
  const unknown = [...(await appliedMigrations(db)).keys()].filter((name) => !known.has(name)).sort();
  const breaking = unknown.filter((name) => name.endsWith(BREAKING));
  if (breaking.length > 0) {
    throw new NewerSchemaError(
      `the database has ${breaking.join(', ')}, which this version cannot work with: run the newer version`,
    );
  }
  return unknown;
}
