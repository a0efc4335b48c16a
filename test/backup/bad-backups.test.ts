// What can be wrong around a backup: each is one line that says what to do, and leaves nothing half done in the folder or
// on the server.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findClientTools } from '../../src/backup/client-tools.ts';
import { listDumps } from '../../src/backup/folder.ts';
import { drill, restore } from '../../src/backup/restore.ts';
import { commandLineOf } from '../../src/ops/command-line.ts';
import { openSession, untilBlocked } from '../store/builders.ts';
import { bareEnvironment } from '../support/child-environment.ts';
import { createDatabase } from '../support/databases.ts';
import { binaries, makeLogin, type Site, startSite } from './site.ts';

const started = new AsyncDisposableStack();
let site: Site;
beforeAll(async () => {
  site = started.use(await startSite());
  await site.db.insertInto('installation').values({ chain_id: 'dydx-paper-1' }).execute();
  expect(await site.router(['backup', 'dump'])).toMatchObject({ code: 0, stderr: '' });
});
afterAll(() => started.disposeAsync());

const lastRun = () =>
  site.db.selectFrom('maintenance_runs').selectAll().orderBy('id', 'desc').executeTakeFirst();
const newestDump = () => listDumps(site.folder)[0]?.file ?? '';
/** Exactly one line, which ends the command with status 1. */
const oneLine = (pattern: RegExp) => ({
  code: 1,
  stdout: '',
  stderr: expect.stringMatching(new RegExp(`^error: [^\\n]*${pattern.source}[^\\n]*\\n$`)),
});
const databases = async () => {
  const { rows } = await sql<{ datname: string }>`SELECT datname FROM pg_database ORDER BY datname`.execute(
    site.db,
  );
  return rows.map(({ datname }) => datname);
};

const of = (file: string) => ({
  file,
  url: site.url,
  binDir: undefined,
  signal: new AbortController().signal,
});
const into = (name: string, file: string) => ({
  ...of(file),
  name,
  recovery: { reason: 'a test', setBy: 'tester', isNothingLost: false },
  migrate: async () => {},
});

test('a backup login of another database than the one in use is refused', async () => {
  await using other = await site.cluster.createDatabase();
  const before = site.files();
  expect(await site.router(['backup', 'dump'], { BACKUP_DATABASE_URL: other.url })).toEqual(
    oneLine(/both must name the same one/),
  );
  expect(site.files()).toEqual(before);
});

test('without a folder a dump is refused, also where cron only asks whether it is due', async () => {
  expect(await site.router(['backup', 'dump', '--if-due'], { BACKUP_DIR: '' })).toEqual(
    oneLine(/set BACKUP_DIR/),
  );
});

/** A folder with a pg_dump that says that it is of that version. */
function pretendTools(version: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'router-tools-'));
  started.defer(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'pg_dump');
  writeFileSync(program, `#!/bin/sh\necho "pg_dump (PostgreSQL) ${version}"\n`);
  chmodSync(program, 0o755);
  return folder;
}

describe('client tools', () => {
  test('that are older than the server are refused before anything starts, and it is said which to install', async () => {
    const before = site.files();
    const major = Math.floor((await versionOf(site.url)) / 10_000);
    expect(await site.router(['backup', 'dump'], { PG_BIN_DIR: pretendTools('14.2') })).toEqual(
      oneLine(
        new RegExp(
          `PostgreSQL ${major}, and pg_dump here is version 14, too old for it: install postgresql-client-${major}`,
        ),
      ),
    );
    expect(site.files()).toEqual(before);
  });

  test('that are missing are named with their package', async () => {
    expect(await site.router(['backup', 'dump'], { PG_BIN_DIR: '/nowhere' })).toEqual(
      oneLine(/PG_BIN_DIR: there is no pg_dump that runs in \/nowhere/),
    );
  });

  test("the embedded server is newer than Debian's: no dump of it without newer ones", async ({ skip }) => {
    await using database = await createDatabase();
    const version = await versionOf(database.url);
    skip(version < 180_000, "the run's server is not the embedded one");
    const before = site.files();
    const ended = await site.router(['backup', 'dump'], {
      DATABASE_URL: database.url,
      PG_BIN_DIR: binaries ?? '',
    });
    expect(ended).toEqual(
      oneLine(/the server is PostgreSQL 18, and pg_dump here is version 1[5-7], too old for it/),
    );
    expect(site.files()).toEqual(before);
  });

  test("the server's own version is taken before a later one", async () => {
    const version = await versionOf(site.url);
    expect(await findClientTools(undefined, version)).toMatchObject({ major: Math.floor(version / 10_000) });
  });
});

async function versionOf(url: string): Promise<number> {
  await using session = await openSession(url);
  const { rows } = await session.query(`SELECT current_setting('server_version_num')::int AS version`);
  return rows[0].version;
}

/** Every user of the machine can read the arguments of a process. */
function requireNoSecretInArguments(): void {
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandLineOf(Number(pid)));
  const dumping = commands.filter(
    (command) => command.includes('pg_dump') && command.includes('--snapshot='),
  );
  expect(dumping.length).toBeGreaterThan(0);
  const password = decodeURIComponent(new URL(site.url).password);
  expect(dumping.filter((command) => command.includes(password))).toEqual([]);
}

describe('a dump', () => {
  test('without a folder says what to set', async () => {
    expect(await site.router(['backup', 'dump'], { BACKUP_DIR: '' })).toEqual(oneLine(/set BACKUP_DIR/));
  });

  test('whose disk is full leaves nothing there, and the failure on record', async ({ skip }) => {
    const small = mkdtempSync(join(tmpdir(), 'router-small-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', small], { stdio: 'ignore' });
    } catch {
      rmSync(small, { recursive: true });
      console.log('not run: a full disk, for only root may mount a small one');
      skip(true, 'only root may mount a small disk');
    }
    try {
      expect(await site.router(['backup', 'dump'], { BACKUP_DIR: small })).toEqual(
        oneLine(/no space left in .*make room, or lower BACKUP_KEEP_DAYS/),
      );
      expect(execFileSync('ls', ['-A', small]).toString()).toBe('');
      expect(await lastRun()).toMatchObject({
        outcome: 'failed',
        error: expect.stringContaining('no space left'),
      });
    } finally {
      execFileSync('umount', [small]);
      rmSync(small, { recursive: true });
    }
  });

  test('is left to the one that is at it: status 75', async () => {
    await using session = await openSession(site.url);
    await session.query(`SELECT pg_advisory_lock(hashtext('maintenance backup'))`);
    expect(await site.router(['backup', 'dump'])).toEqual({
      code: 75,
      stdout: '',
      stderr: 'another process is at backup: router maintenance shows which\n',
    });
  });

  describe('that waits for a table', () => {
    /** Begun, and not able to end: somebody has a table for himself. */
    async function held(
      work: (child: ReturnType<typeof spawn>, said: () => string) => Promise<void>,
    ): Promise<number | null> {
      await using session = await openSession(site.url);
      await session.query('BEGIN');
      await session.query('LOCK TABLE order_fills IN ACCESS EXCLUSIVE MODE');
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, '../../src/cli.ts'), 'backup', 'dump'],
        {
          env: { ...bareEnvironment(), ...site.settings },
          cwd: tmpdir(),
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      );
      let said = '';
      child.stderr.on('data', (chunk) => {
        said += chunk;
      });
      const ended = once(child, 'close');
      await untilBlocked(site.db, 2);
      await work(child, () => said);
      const [code] = await ended;
      await session.query('ROLLBACK');
      expect(site.files().filter((name) => name.endsWith('.unfinished'))).toEqual([]);
      return code;
    }

    test('ends by SIGTERM: pg_dump ends with it, and its file is gone', async () => {
      const before = site.files();
      const code = await held(async (child) => {
        requireNoSecretInArguments();
        child.kill('SIGTERM');
      });
      expect(code).toBe(130);
      expect(site.files()).toEqual(before);
      expect(await lastRun()).toMatchObject({ task: 'backup', outcome: 'stopped' });
      const { rows } = await sql`SELECT FROM pg_stat_activity WHERE application_name = 'pg_dump'`.execute(
        site.db,
      );
      expect(rows).toEqual([]);
    });

    test('fails when the server ends its sessions, in one line', async () => {
      const before = site.files();
      const words: string[] = [];
      const code = await held(async (child, said) => {
        await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE wait_event_type = 'Lock' AND datname = current_database()`.execute(site.db);
        await once(child, 'close');
        words.push(said());
      });
      expect(code).toBe(1);
      expect(words[0]).toMatch(/^error: [^\n]+\n$/);
      expect(site.files()).toEqual(before);
      expect(await lastRun()).toMatchObject({ task: 'backup', outcome: 'failed' });
    });
  });
});

describe('a damaged dump', () => {
  const damage: readonly (readonly [string, (file: string) => void, RegExp])[] = [
    ['was cut', (file) => truncateSync(file, 3_000), /is damaged: it has 3000 bytes, \d+ were written/],
    [
      'has another byte',
      (file) => {
        const bytes = readFileSync(file);
        const at = bytes.length - 100;
        bytes[at] = (bytes[at] ?? 0) ^ 255;
        writeFileSync(file, bytes);
      },
      /is damaged: its sha256 is not that of what was written/,
    ],
  ];
  test.each(damage)('that %s is told by verify, drill and restore', async (_, damaging, said) => {
    const file = newestDump();
    const whole = readFileSync(file);
    const before = await databases();
    try {
      damaging(file);
      expect(await site.router(['backup', 'verify'])).toEqual(oneLine(said));
      await expect(drill(of(file))).rejects.toThrow(said);
      await expect(restore(into('never_made', file))).rejects.toThrow(said);
    } finally {
      writeFileSync(file, whole);
    }
    expect(await databases()).toEqual(before);
  });

  test('that has no sidecar to say so fails by itself, and the database is gone again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'router-damaged-'));
    started.defer(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'cut.backup');
    // The end of the data is missing, the list at its beginning is whole.
    writeFileSync(file, readFileSync(newestDump()).subarray(0, -200));
    const before = await databases();
    await expect(drill(of(file))).rejects.toThrow('cut.backup was not restored: ');
    await expect(restore(into('never_made', file))).rejects.toThrow('cut.backup was not restored: ');
    writeFileSync(file, 'no dump at all');
    expect(await site.router(['backup', 'verify', file])).toEqual(oneLine(/pg_restore failed/));
    expect(await databases()).toEqual(before);
  });
});

describe('a restore', () => {
  test('into a database that has tables is refused, and changes nothing', async () => {
    const name = new URL(site.url).pathname.slice(1);
    expect(await site.router(['restore', newestDump(), '--database', name])).toEqual(
      oneLine(/has tables: restore into a new one/),
    );
    expect(await site.router(['restore', newestDump(), '--into', site.url])).toEqual(oneLine(/has tables/));
    expect(await site.router(['restore', newestDump()])).toEqual(oneLine(/--database NAME .* or --into URL/));
  });

  test('by a login that may not make databases says what it lacks', async () => {
    const url = await makeLogin(site.url, 'visitor', '');
    expect(
      await site.router(['restore', newestDump(), '--database', 'never_made'], { DATABASE_URL: url }),
    ).toEqual(oneLine(/visitor may not create databases.*CREATEDB/));
  });

  test('is left to the one that is at it: status 75', async () => {
    const common = new URL(site.url);
    common.pathname = '/postgres';
    await using session = await openSession(common.href);
    await session.query(`SELECT pg_advisory_lock(hashtext('dydx-order-router database never_made'))`);
    expect(await site.router(['restore', newestDump(), '--database', 'never_made'])).toMatchObject({
      code: 75,
      stderr: 'error: another process is at work on database never_made\n',
    });
  });
});

describe('a base backup', () => {
  test('needs a login with REPLICATION, and says how it gets it', async () => {
    const url = await makeLogin(site.url, 'poor', '');
    expect(await site.router(['backup', 'base'], { BACKUP_DATABASE_URL: url })).toEqual(
      oneLine(/the login poor may not take base backups: as a superuser, ALTER ROLE "poor" REPLICATION/),
    );
  });

  test('without archiving is whole, and is said to recover to its own moment only', async () => {
    mkdirSync(join(site.folder, 'base', 'killed.unfinished'), { recursive: true });
    const ended = await site.router(['backup', 'base']);
    expect(ended).toMatchObject({ code: 0, stdout: '' });
    expect(ended.stderr).toMatch(/^warning: archive_mode is off[^\n]*\n$/);
    expect(await lastRun()).toMatchObject({
      task: 'base_backup',
      outcome: 'done',
      counts: { first_wal: expect.stringMatching(/^[0-9A-F]{24}$/), bytes: expect.any(Number) },
    });
    expect(execFileSync('ls', [join(site.folder, 'base')]).toString()).not.toContain('unfinished');
  });
});
