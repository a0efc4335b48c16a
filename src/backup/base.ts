// A base backup: the whole cluster as files, onto which archived WAL is replayed up to a moment. It has its name only when
// it was verified; what a dump is to a database, this is to a point in time.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Archiving, readArchiving, requireReplication } from '../store/archiving.ts';
import type { Work } from '../store/maintenance.ts';
import { findClientTools, runTool } from './client-tools.ts';
import { requireFolder, stampOf, syncFolder, unfinishedOf } from './folder.ts';

export type BaseSettings = {
  /** by a login with REPLICATION */
  readonly url: string;
  readonly folder: string | undefined;
  readonly keepDays: number;
  readonly binDir: string | undefined;
};

const STAMP = /^\d{8}_\d{6}$/;
const DAY_MS = 86_400_000;

export function base({ url, folder: given, keepDays, binDir }: BaseSettings): Work {
  return async ({ signal }) => {
    const folder = join(requireFolder(given), 'base');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { version } = await requireReplication(url);
    const tools = await findClientTools(binDir, version);
    for (const name of readdirSync(folder)) if (name.endsWith('.unfinished')) remove(join(folder, name));
    const startedAt = new Date();
    const target = join(folder, stampOf(startedAt));
    if (existsSync(target)) throw new Error(`${target} is there already: wait a second`);
    const unfinished = unfinishedOf(target);
    try {
      const how = [
        '--format=plain',
        '--wal-method=stream',
        '--checkpoint=fast',
        '--manifest-checksums=SHA256',
      ];
      await runTool({
        program: tools.pathOf('pg_basebackup'),
        args: [`--pgdata=${unfinished}`, ...how, '--no-password'],
        url,
        signal,
      });
      await runTool({ program: tools.pathOf('pg_verifybackup'), args: ['--quiet', unfinished], signal });
      renameSync(unfinished, target);
      await syncFolder(folder);
    } catch (error) {
      remove(unfinished);
      throw error;
    }
    const removed = removeOld(folder, keepDays, startedAt);
    return { base: target, bytes: bytesIn(target), first_wal: firstWalOf(target), removed };
  };
}

/** What keeps a base backup from ever being recovered to a moment after it; one line each. */
export async function whyNotArchived(url: string): Promise<string[]> {
  return judgeArchiving(await readArchiving(url));
}

function judgeArchiving({ mode, archived, failed, failedWal }: Archiving): string[] {
  if (mode === 'off')
    return [
      'archive_mode is off: this base backup recovers to its own moment only (deploy/postgresql.conf, docs/operations.md)',
    ];
  if (failed !== undefined && (archived === undefined || failed > archived))
    return [
      `archiving fails since ${failed.toISOString()} at ${failedWal}: look at archive_command and its disk`,
    ];
  return [];
}

/** Which archived file recovery begins with: older ones only older base backups need. */
function firstWalOf(folder: string): string {
  const [, file = '?'] =
    /^START WAL LOCATION: .* \(file ([0-9A-F]{24})\)/m.exec(
      readFileSync(join(folder, 'backup_label'), 'utf8'),
    ) ?? [];
  return file;
}

/** The newest stays. @returns how many went */
function removeOld(folder: string, keepDays: number, now: Date): number {
  const [, ...others] = readdirSync(folder)
    .filter((name) => STAMP.test(name))
    .sort()
    .reverse();
  const limit = stampOf(new Date(now.getTime() - keepDays * DAY_MS));
  const old = others.filter((name) => name < limit);
  for (const name of old) remove(join(folder, name));
  return old.length;
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return files.reduce((total, file) => total + statSync(join(file.parentPath, file.name)).size, 0);
}
