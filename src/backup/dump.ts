// The daily dump: of one moment of the database, with counts and checksums of that same moment beside it, listed before it
// gets its name. Broken off at any point it leaves nothing under a final name.
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import packageJson from '../../package.json' with { type: 'json' };
import type { Counts } from '../core/upkeep.ts';
import type { Run, Work } from '../store/maintenance.ts';
import { QUEUE_SCHEMA } from '../store/role-sql.ts';
import { type Snapshot, type TableSums, withSnapshot } from '../store/snapshot.ts';
import { sqlstateOf } from '../store/sqlstate.ts';
import { type ClientTools, findClientTools, runTool } from './client-tools.ts';
import {
  finishDump,
  listDumps,
  nameOf,
  removeLeftovers,
  removeOld,
  requireFolder,
  type Sidecar,
  unfinishedOf,
} from './folder.ts';
import { requireListed } from './verify.ts';

export type DumpSettings = {
  /** by a login that may read everything: of cryptopulse_backup, or the owner */
  readonly url: string;
  readonly folder: string | undefined;
  readonly keepDays: number;
  /** of the client tools */
  readonly binDir: string | undefined;
};

/** The work of the task `backup`. */
export function dump({ url, folder: given, keepDays, binDir }: DumpSettings): Work {
  return async ({ session, signal, progress }) => {
    const folder = requireFolder(given);
    return withSnapshot(url, signal, async (snapshot) => {
      await requireSameDatabase(session, snapshot);
      const tools = await findClientTools(binDir, snapshot.source.version);
      refuseOtherDatabase(folder, snapshot);
      const leftovers = removeLeftovers(folder);
      const takenAt = new Date();
      const file = nameOf(folder, takenAt);
      try {
        const written = await write(file, { url, snapshot, tools, signal, progress });
        await requireListed(tools, unfinishedOf(file), written.tables, signal);
        await finishDump(file, sidecarOf(snapshot, takenAt, written));
        // The turn is still ours; and the dump is made, whatever becomes of old ones.
        await session.query('SELECT');
        const removed = removeOldOnes(folder, keepDays, takenAt);
        return {
          file: basename(file),
          bytes: written.bytes,
          tables: Object.keys(written.tables).length,
          rows: Object.values(written.tables).reduce((total, { rows }) => total + rows, 0),
          removed,
          leftovers,
        } satisfies Counts;
      } catch (error) {
        rmSync(unfinishedOf(file), { force: true });
        throw explained(error, snapshot.source.login, folder);
      }
    });
  };
}

/** Whoever restores into another database and forgets BACKUP_DATABASE_URL would go on dumping the old one. */
async function requireSameDatabase(session: Run['session'], { source }: Snapshot): Promise<void> {
  const { rows } = await session.query(
    'SELECT current_database() AS database, pg_postmaster_start_time()::text AS server',
  );
  const [{ database, server }] = rows;
  if (database === source.database && server === source.serverStart) return;
  throw new Error(
    `BACKUP_DATABASE_URL is database ${source.database}, and DATABASE_URL is ${database}: both must name the same one`,
  );
}

/** @returns how many went, or why none did */
function removeOldOnes(folder: string, keepDays: number, now: Date): number | string {
  try {
    return removeOld(folder, keepDays, now).length;
  } catch (error) {
    return `none: ${error instanceof Error ? error.message : error}`;
  }
}

/** Names do not tell databases apart, and retention would take those of the other one. */
function refuseOtherDatabase(folder: string, { source }: Snapshot): void {
  const own = source.installation?.id ?? null;
  const other = listDumps(folder).find(
    ({ sidecar: { installation } }) => installation !== null && installation !== own,
  );
  if (other !== undefined) {
    throw new Error(
      `BACKUP_DIR ${folder} holds dumps of another database (${other.sidecar.database}): give each its own`,
    );
  }
}

type Written = { readonly bytes: number; readonly sha256: string; readonly tables: TableSums };
type Writing = { readonly url: string; readonly snapshot: Snapshot; readonly tools: ClientTools } & Pick<
  Run,
  'signal' | 'progress'
>;

const PROGRESS_BYTES = 16 * 2 ** 20;

/** pg_dump writes to this process, which writes the file: whoever kills the one has ended the other. */
async function write(file: string, { url, snapshot, tools, signal, progress }: Writing): Promise<Written> {
  const hash = createHash('sha256');
  let bytes = 0;
  const take = (chunk: Buffer) => {
    hash.update(chunk);
    const before = bytes;
    bytes += chunk.length;
    if (Math.floor(before / PROGRESS_BYTES) < Math.floor(bytes / PROGRESS_BYTES)) progress({ bytes });
  };
  const handle = await open(unfinishedOf(file), 'w', 0o600);
  try {
    const unread = new AbortController();
    const sums = snapshot.sums();
    // A table that may not be read ends the dump, too. The other way round the snapshot's session ends with this work.
    sums.catch((error: unknown) => unread.abort(error));
    await runTool({
      program: tools.pathOf('pg_dump'),
      args: [
        '--format=custom',
        '--compress=9',
        `--snapshot=${snapshot.id}`,
        // Wake-ups and what rests on them: of an earlier moment they would be carried out again.
        `--exclude-schema=${QUEUE_SCHEMA}`,
        '--no-unlogged-table-data',
        '--lock-wait-timeout=30s',
        '--no-password',
        ...(snapshot.source.role === undefined ? [] : [`--role=${snapshot.source.role}`]),
      ],
      url,
      signal: AbortSignal.any([signal, unread.signal]),
      read: (stdout) => copy(stdout, handle, take),
    });
    const tables = await sums;
    await handle.sync();
    return { bytes, sha256: hash.digest('hex'), tables };
  } finally {
    await handle.close();
  }
}

async function copy(stdout: Readable, handle: FileHandle, take: (chunk: Buffer) => void): Promise<void> {
  for await (const chunk of stdout) {
    await handle.writeFile(chunk);
    take(chunk);
  }
}

function sidecarOf({ source }: Snapshot, takenAt: Date, { bytes, sha256, tables }: Written): Sidecar {
  const { version, database, installation, schema } = source;
  return {
    taken_at: takenAt.toISOString(),
    router: packageJson.version,
    server: version,
    database,
    installation: installation?.id ?? null,
    chain_id: installation?.chainId ?? null,
    schema: schema ?? null,
    bytes,
    sha256,
    tables,
  };
}

function explained(error: unknown, login: string, folder: string): unknown {
  if (!(error instanceof Error)) return error;
  if ('code' in error && error.code === 'ENOSPC')
    return new Error(`no space left in ${folder}: make room, or lower BACKUP_KEEP_DAYS`);
  const isForbidden =
    sqlstateOf(error) === '42501' || /permission denied|row-level security/.test(error.message);
  if (!isForbidden) return error;
  return new Error(
    `the login ${login} may not read everything (${error.message}): give one of cryptopulse_backup as BACKUP_DATABASE_URL, or run router roles`,
  );
}
