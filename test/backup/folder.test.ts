// The folder of the dumps: names, retention, and what killed runs leave.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  findDump,
  finishDump,
  listDumps,
  nameOf,
  readSidecar,
  removeLeftovers,
  removeOld,
  requireFolder,
  unfinishedOf,
} from '../../src/backup/folder.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'router-dumps-'));
  folders.push(folder);
  return folder;
}

const NOW = new Date('2026-03-04T01:30:05Z');
const daysAgo = (days: number) => new Date(NOW.getTime() - days * 86_400_000);

async function addDump(folder: string, at: Date): Promise<string> {
  const file = nameOf(folder, at);
  writeFileSync(unfinishedOf(file), 'a dump');
  await finishDump(file, {
    taken_at: at.toISOString(),
    router: '0.1.0',
    server: 150_018,
    database: 'router',
    installation: null,
    chain_id: null,
    schema: null,
    bytes: 6,
    sha256: '',
    tables: {},
  });
  return file;
}

const namesOf = (folder: string) => listDumps(folder).map(({ file }) => file.slice(folder.length + 1));

describe('a dump', () => {
  test('has the day in its name, a second one of that day the time as well, a third one of that second a number', async () => {
    const folder = newFolder();
    for (let count = 0; count < 3; count++) await addDump(folder, NOW);
    expect(
      readdirSync(folder)
        .filter((name) => name.endsWith('.backup'))
        .sort(),
    ).toEqual([
      'cryptopulse_20260304.backup',
      'cryptopulse_20260304_013005.backup',
      'cryptopulse_20260304_013005_0.backup',
    ]);
  });

  test('is found by its path, by its name, or as the newest', async () => {
    const folder = newFolder();
    const older = await addDump(folder, daysAgo(1));
    const newest = await addDump(folder, NOW);
    expect(findDump(folder, undefined)).toBe(newest);
    expect(findDump(folder, 'cryptopulse_20260303.backup')).toBe(older);
    expect(findDump(undefined, older)).toBe(older);
    expect(() => findDump(folder, 'cryptopulse_20200101.backup')).toThrow('there is no file');
    expect(() => findDump(newFolder(), undefined)).toThrow('router backup dump');
    expect(() => requireFolder(undefined)).toThrow('set BACKUP_DIR');
  });

  test('whose sidecar is not ours is not read past', async () => {
    const folder = newFolder();
    const file = await addDump(folder, NOW);
    writeFileSync(`${file}.json`, '{"taken_at"');
    expect(() => readSidecar(file)).toThrow('is not what router backup wrote');
  });
});

describe('retention', () => {
  test('takes what is older than it keeps, and never the newest, nor what others have put there', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'cryptopulse_20200101.backup'), 'by hand, without a sidecar');
    for (const days of [40, 20, 10]) await addDump(folder, daysAgo(days));
    expect(removeOld(folder, 14, NOW).sort()).toEqual([
      'cryptopulse_20260123.backup',
      'cryptopulse_20260212.backup',
    ]);
    expect(removeOld(folder, 1, NOW)).toEqual([]);
    expect(namesOf(folder)).toEqual(['cryptopulse_20260222.backup']);
    expect(readdirSync(folder).sort()).toEqual([
      'cryptopulse_20200101.backup',
      'cryptopulse_20260222.backup',
      'cryptopulse_20260222.backup.json',
    ]);
  });

  test('removes what killed runs have left, and nothing else', async () => {
    const folder = newFolder();
    const file = await addDump(folder, NOW);
    const leftovers = [
      'cryptopulse_20260303.backup.unfinished',
      'cryptopulse_20260303.backup.json.unfinished',
      'cryptopulse_20260302.backup.json',
    ];
    for (const name of [...leftovers, 'notes.txt']) writeFileSync(join(folder, name), '');
    expect(removeLeftovers(folder)).toBe(3);
    expect(readdirSync(folder).sort()).toEqual(
      [file, `${file}.json`, join(folder, 'notes.txt')].map((path) => path.slice(folder.length + 1)).sort(),
    );
  });
});
