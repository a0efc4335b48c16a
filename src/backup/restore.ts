// A dump into a database of its own: for a drill, which is dropped again, or to go on with. That has its name only when it
// is whole, equal to what was dumped, and halted: broken off at any point, a repeat starts anew.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { openDatabase } from '../store/database.ts';
import { closeRoutines, finishRecovery, type Recovered, type Recovery } from '../store/recovery.ts';
import { holdingDatabase, type ServerDatabases } from '../store/server-databases.ts';
import { differences, type TableSums, withSnapshot } from '../store/snapshot.ts';
import { type ClientTools, findClientTools, runTool } from './client-tools.ts';
import type { Sidecar } from './folder.ts';
import { listOf, requireListed, requireWhole } from './verify.ts';

type Restoring = {
  readonly file: string;
  /** of a server, by a login that may create databases there */
  readonly url: string;
  readonly binDir: string | undefined;
  readonly signal: AbortSignal;
};

export type Drill = {
  readonly tables: number;
  readonly rows: number;
  /** undefined: the dump has no sidecar to compare with */
  readonly differences: readonly string[] | undefined;
};

/** Longest name that the server keeps whole. */
const MAX_NAME_BYTES = 63;

export async function drill({ file, url, binDir, signal }: Restoring): Promise<Drill> {
  const sidecar = await requireWhole(file, signal);
  const name = derived(databaseOf(url), 'drill');
  return holdingDatabase(url, name, (server) =>
    withDatabaseNamed(server, name, async () => {
      const tools = await findClientTools(binDir, server.version);
      await load({ tools, file, sidecar, url: server.urlOf(name), signal });
      const tables = await sumsOf(server.urlOf(name), signal);
      return {
        tables: Object.keys(tables).length,
        rows: Object.values(tables).reduce((total, { rows }) => total + rows, 0),
        differences: sidecar && differences(sidecar.tables, tables),
      };
    }),
  );
}

/** Dropped in the end, and a killed drill's in the beginning. */
async function withDatabaseNamed<Result>(
  server: ServerDatabases,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  await server.dropUnfinished(name);
  try {
    await server.create(name);
    return await work();
  } finally {
    await server.dropUnfinished(name);
  }
}

export type RestoreOptions = Restoring & {
  /** of the new database */
  readonly name: string;
  readonly recovery: Recovery;
  /** Brings the restored database to this version's schema, before it is halted. */
  readonly migrate: (url: string) => Promise<void>;
};

export type Restored = Recovered & {
  /** false: the dump has no sidecar */
  readonly isCompared: boolean;
};

export async function restore(options: RestoreOptions): Promise<Restored> {
  const { file, url, name, binDir, signal, recovery, migrate } = options;
  const sidecar = await requireWhole(file, signal);
  return holdingDatabase(url, name, async (server) => {
    await refuseUsed(server, name);
    const tools = await findClientTools(binDir, server.version);
    const unfinished = derived(name, 'restoring');
    const recovered = await unlessBroken(server, unfinished, async () => {
      const at = server.urlOf(unfinished);
      await load({ tools, file, sidecar, url: at, signal });
      if (sidecar !== undefined) await requireSame(at, file, sidecar, signal);
      await migrate(at);
      signal.throwIfAborted();
      return halt(at, recovery);
    });
    // Meanwhile somebody may have made tables there.
    await refuseUsed(server, name);
    await server.drop(name);
    await server.rename(unfinished, name);
    return { ...recovered, isCompared: sidecar !== undefined };
  });
}

async function refuseUsed(server: ServerDatabases, name: string): Promise<void> {
  if ((await server.look(name)) === 'used')
    throw new Error(`the database ${name} has tables: restore into a new one, under another name`);
}

/** Under a name of its own until it is whole; what a killed restore left under it goes first. */
async function unlessBroken<Result>(
  server: ServerDatabases,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  await server.dropUnfinished(name);
  try {
    await server.create(name);
    return await work();
  } catch (error) {
    await server.dropUnfinished(name).catch(() => {});
    throw error;
  }
}

type Load = {
  readonly tools: ClientTools;
  readonly file: string;
  readonly sidecar: Sidecar | undefined;
  /** an empty database */
  readonly url: string;
  readonly signal: AbortSignal;
};

/** Roles, rights and policies are `router roles`' to make: those of the dump may not be there. Extensions: `router migrate`'s. */
const LEFT_OUT = / (ACL|DEFAULT ACL|POLICY|EXTENSION) | COMMENT - EXTENSION | COMMENT public POLICY /;

async function load({ tools, file, sidecar, url, signal }: Load): Promise<void> {
  const lines = sidecar
    ? await requireListed(tools, file, sidecar.tables, signal)
    : await listOf(tools, file, signal);
  const folder = mkdtempSync(join(tmpdir(), 'router-restore-'));
  try {
    const list = join(folder, 'list');
    writeFileSync(list, lines.filter((line) => !LEFT_OUT.test(line)).join('\n'));
    const args = ['--no-owner', '--no-acl', '--exit-on-error', '--no-password', `--use-list=${list}`, file];
    await runTool({ program: tools.pathOf('pg_restore'), args, url, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`${basename(file)} was not restored: ${error instanceof Error ? error.message : error}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sumsOf(url: string, signal: AbortSignal): Promise<TableSums> {
  return withSnapshot(url, signal, (snapshot) => snapshot.sums());
}

async function requireSame(url: string, file: string, sidecar: Sidecar, signal: AbortSignal): Promise<void> {
  const [first, ...others] = differences(sidecar.tables, await sumsOf(url, signal));
  if (first === undefined) return;
  const more = others.length === 0 ? '' : `, and ${others.length} more`;
  throw new Error(`${basename(file)} was restored as something else: ${first}${more}`);
}

async function halt(url: string, recovery: Recovery): Promise<Recovered> {
  const db = openDatabase({ url, maxConnections: 1, isUnhurried: true });
  try {
    await closeRoutines(db);
    return await finishRecovery(db, recovery);
  } finally {
    await db.destroy();
  }
}

function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1)) || 'router';
}

function derived(name: string, what: string): string {
  return `${Buffer.from(name).subarray(0, MAX_NAME_BYTES - what.length - 1)}_${what}`;
}
