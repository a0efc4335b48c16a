// Writes src/store/schema.ts from a freshly migrated database; --check only compares and fails on drift.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from './database.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { migrate } from './migrator.ts';

const TARGET = join(import.meta.dirname, 'schema.ts');

const scratch = mkdtempSync(join(tmpdir(), 'router-schema-'));
const server = await startEmbeddedPostgres({ folder: join(scratch, 'postgres') });
try {
  const db = openDatabase({ url: server.url });
  await migrate(db);
  await db.destroy();
  const generated = join(scratch, 'schema.ts');
  const args = ['kysely-codegen', '--dialect=postgres', `--url=${server.url}`, `--out-file=${generated}`];
  execFileSync('npx', [...args, '--exclude-pattern=kysely_*', '--log-level=error'], { stdio: 'inherit' });
  const text = readFileSync(generated, 'utf8');
  if (!process.argv.includes('--check')) {
    execFileSync('cp', [generated, TARGET]);
  } else if (readFileSync(TARGET, 'utf8') !== text) {
    console.error('src/store/schema.ts differs from the migrations: run `npm run schema:generate`');
    process.exitCode = 1;
  }
} finally {
  await server.stop();
  rmSync(scratch, { recursive: true, force: true });
}
