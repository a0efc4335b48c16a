// Applies migrations/*.sql in order, forward only, with Kysely's Migrator: what may be in a transaction is in one with
// its record, so that a failure leaves the schema as it was. Workers only check; `router migrate` and `router up` apply.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { Database } from './database.ts';
import {
  type MigrationFile,
  type MigrationStatus,
  migrationStatus,
  readMigrationFiles,
  refuseBreaking,
} from './migrations.ts';

const LOCK = 'dydx-order-router migrate';
const LOCK_POLL_MS = 100;

export type MigrateOptions = {
  readonly files?: readonly MigrationFile[];
  /** Another starter is at it: this one waits, and then has nothing to do. */
  readonly onWait?: () => void;
  /** Under the same lock, after the migrations. */
  readonly afterwards?: (db: Database) => Promise<void>;
};

/** Safe with many starters. @param db at least two connections @returns the names that it applied */
export async function migrate(db: Database, options: MigrateOptions = {}): Promise<readonly string[]> {
  const { files = readMigrationFiles(), onWait, afterwards } = options;
  return underMigrationLock(db, onWait, async () => {
    const newer = await refuseBreaking(db, files);
    const pending = (await migrationStatus(db, files)).filter(isPending);
    if (newer.length > 0) {
      if (pending.length === 0) return [];
      const names = pending.map(({ name }) => name).join(', ');
      throw new Error(
        `the database lacks ${names}, and has ${newer.join(', ')}, which this version does not know: run the newer version`,
      );
    }
    const applied: string[] = [];
    for (const run of runsOf(
      files.filter(({ name }) => pending.some((migration) => migration.name === name)),
    )) {
      applied.push(...(await apply(db, files, run)));
    }
    await afterwards?.(db);
    return applied;
  });
}

function isPending({ appliedAt }: MigrationStatus): boolean {
  return appliedAt === undefined;
}

/**
 * One of all who change the schema of this database, or the rights on it. @param db at least two connections
 *
 * The lock is asked for again and again instead of waited for: a statement that waits holds a snapshot, and CREATE
 * INDEX CONCURRENTLY in the session that has the lock would wait for the end of that one.
 */
export async function underMigrationLock<Result>(
  db: Database,
  onWait: (() => void) | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  return db.connection().execute(async (session) => {
    let hasWaited = false;
    for (;;) {
      const { rows } = await sql<{ locked: boolean }>`
        SELECT pg_try_advisory_lock(hashtext(${LOCK})) AS locked`.execute(session);
      if (rows[0]?.locked === true) break;
      if (!hasWaited) onWait?.();
      hasWaited = true;
      await delay(LOCK_POLL_MS);
    }
    try {
      return await work();
    } finally {
      // A session that broke has let go of it by its end, and must not hide what the work says.
      await sql`SELECT pg_advisory_unlock(hashtext(${LOCK}))`.execute(session).catch(() => {});
    }
  });
}

/** Those that follow each other and may share a transaction; the others each by itself. */
function runsOf(pending: readonly MigrationFile[]): MigrationFile[][] {
  const runs: MigrationFile[][] = [];
  for (const file of pending) {
    const last = runs.at(-1);
    if (file.isTransactional && last?.[0]?.isTransactional) last.push(file);
    else runs.push([file]);
  }
  return runs;
}

async function apply(
  db: Database,
  files: readonly MigrationFile[],
  run: readonly MigrationFile[],
): Promise<string[]> {
  const [first] = run;
  const last = run.at(-1);
  if (first === undefined || last === undefined) return [];
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrationsOf(files) } });
  const { error, results } = await migrator.migrateTo(last.name, {
    disableTransactions: !first.isTransactional,
  });
  if (error === undefined) return (results ?? []).map((result) => result.migrationName);
  const failed = results?.find((result) => result.status === 'Error')?.migrationName;
  // Before the first migration it is the connection: whoever reports it knows more about that.
  if (failed === undefined) throw error;
  const left = first.isTransactional
    ? 'nothing was changed'
    : 'it may have been done in part; run it again: it starts over';
  throw new Error(`${failed} failed and ${left}: ${error instanceof Error ? error.message : error}`, {
    cause: error,
  });
}

function migrationsOf(files: readonly MigrationFile[]) {
  return Object.fromEntries(
    files.map(({ name, statements, isTransactional }) => {
      const up = async (db: Database) => {
        // An index that is built concurrently waits for whoever reads, and meanwhile holds nobody up.
        if (!isTransactional) await sql`SET lock_timeout = 0`.execute(db);
        for (const statement of statements) await sql.raw(statement).execute(db);
        if (!isTransactional) await sql`RESET lock_timeout`.execute(db);
      };
      return [name, { up }];
    }),
  );
}
