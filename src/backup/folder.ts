// The folder of the dumps: what a file is called, what is written beside it, what is kept and for how long. Whatever has
// a final name is whole: it is written under another one, brought to the disk, and renamed.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

const DUMP = /^cryptopulse_\d{8}(_\d{6}(_\d+)?)?\.backup$/;
const UNFINISHED = '.unfinished';
const DAY_MS = 86_400_000;

const sidecarSchema = z.object({
  taken_at: z.iso.datetime(),
  router: z.string(),
  server: z.number(),
  database: z.string(),
  installation: z.string().nullable(),
  chain_id: z.string().nullable(),
  schema: z.string().nullable(),
  bytes: z.number(),
  sha256: z.string(),
  tables: z.record(z.string(), z.object({ rows: z.number(), checksum: z.string() })),
});
/** Beside each dump, as FILE.json: what was in it, counted and summed at the dump's own moment. */
export type Sidecar = z.output<typeof sidecarSchema>;

export type Dump = { readonly file: string; readonly sidecar: Sidecar };

/** @throws with what to set */
export function requireFolder(folder: string | undefined): string {
  if (folder === undefined)
    throw new Error('no folder for backups: set BACKUP_DIR, best on another disk than the database');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(`BACKUP_DIR: ${error instanceof Error ? error.message : error}`);
  }
  return folder;
}

/** The source document's name, and the time of day behind it when the day has one already. */
export function nameOf(folder: string, at: Date): string {
  const [day = '', time = ''] = stampOf(at).split('_');
  const names = [day, `${day}_${time}`, ...Array.from({ length: 100 }, (_, n) => `${day}_${time}_${n}`)];
  const free = names
    .map((name) => `cryptopulse_${name}.backup`)
    .find((name) => !existsSync(join(folder, name)));
  if (free === undefined) throw new Error(`${folder} has too many dumps of this second`);
  return join(folder, free);
}

/** UTC, as 20260304_013000 */
export function stampOf(at: Date): string {
  return at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
}

export function unfinishedOf(file: string): string {
  return `${file}${UNFINISHED}`;
}

/** The dump's name appears last, so that whoever sees it sees its sidecar, too. */
export async function finishDump(file: string, sidecar: Sidecar): Promise<void> {
  const beside = sidecarFileOf(file);
  const handle = await open(unfinishedOf(beside), 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(sidecar, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinishedOf(beside), beside);
  await rename(unfinishedOf(file), file);
  await syncFolder(dirname(file));
}

/** A name is on the disk when its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

function sidecarFileOf(file: string): string {
  return `${file}.json`;
}

/** undefined: there is none */
export function readSidecar(file: string): Sidecar | undefined {
  const beside = sidecarFileOf(file);
  if (!existsSync(beside)) return undefined;
  try {
    return sidecarSchema.parse(JSON.parse(readFileSync(beside, 'utf8')));
  } catch {
    throw new Error(
      `${beside} is not what router backup wrote: take another dump, or remove it to do without`,
    );
  }
}

/** The newest first; those without a sidecar are not ours. */
export function listDumps(folder: string): Dump[] {
  const dumps = namesIn(folder)
    .filter((name) => DUMP.test(name))
    .flatMap((name) => {
      const file = join(folder, name);
      const sidecar = readSidecar(file);
      return sidecar === undefined ? [] : [{ file, sidecar }];
    });
  return dumps.toSorted((left, right) => right.sidecar.taken_at.localeCompare(left.sidecar.taken_at));
}

/** @param given a path, or a name in the folder; undefined: the newest */
export function findDump(folder: string | undefined, given: string | undefined): string {
  if (given === undefined) {
    const [newest] = listDumps(requireFolder(folder));
    if (newest === undefined) throw new Error(`${folder} holds no dump: router backup dump`);
    return newest.file;
  }
  const places = [given, ...(folder === undefined ? [] : [join(folder, basename(given))])];
  const file = places.find((place) => existsSync(place) && statSync(place).isFile());
  if (file === undefined)
    throw new Error(`there is no file ${given}: router backup list shows what there is`);
  return file;
}

/** What killed runs have left; nobody else writes here while this one has the turn. @returns how many */
export function removeLeftovers(folder: string): number {
  const names = namesIn(folder);
  const isLeftover = (name: string) => {
    if (name.startsWith('cryptopulse_') && name.endsWith(UNFINISHED)) return true;
    const dump = name.replace(/\.json$/, '');
    return name.endsWith('.json') && DUMP.test(dump) && !names.includes(dump);
  };
  const leftovers = names.filter(isLeftover);
  for (const name of leftovers) rmSync(join(folder, name), { force: true });
  return leftovers.length;
}

/** The newest stays, however old it is. @returns the names of those that went */
export function removeOld(folder: string, keepDays: number, now: Date): string[] {
  const [, ...others] = listDumps(folder);
  const old = others.filter(
    ({ sidecar }) => Date.parse(sidecar.taken_at) < now.getTime() - keepDays * DAY_MS,
  );
  for (const { file } of old) {
    rmSync(file, { force: true });
    rmSync(sidecarFileOf(file), { force: true });
  }
  return old.map(({ file }) => basename(file));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw new Error(`BACKUP_DIR: ${error instanceof Error ? error.message : error}`);
  }
}
