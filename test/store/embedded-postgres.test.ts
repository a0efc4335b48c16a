// A server of its own per test: what is tested is how it begins and ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { commandLineOf } from '../../src/ops/command-line.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { exitOf } from '../support/router.ts';

const SOURCE = join(import.meta.dirname, '..', '..', 'src', 'store', 'embedded-postgres.ts');

/** With a space, as a folder of a user may have. */
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'router embedded-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function ask(url: string, statement: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return Object.values((await client.query(statement)).rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

const postmasterOf = (folder: string) =>
  Number.parseInt(readFileSync(join(folder, 'postmaster.pid'), 'utf8'), 10);
const isServer = (pid: number) => commandLineOf(pid).includes('postgres');

test('an initdb that was killed half-way leaves nothing that a later start takes for a cluster', async () => {
  const folder = join(temporaryFolder(), 'postgres');
  const left = `${folder}.unfinished`;
  mkdirSync(join(left, 'base'), { recursive: true });
  for (const name of ['PG_VERSION', 'old']) writeFileSync(join(left, name), '18\n');
  const end = new AbortController();
  const broken = startEmbeddedPostgres({ folder, signal: end.signal });
  // Its own files have replaced what was left.
  await expect
    .poll(() => !existsSync(join(left, 'old')) && existsSync(join(left, 'base')), {
      interval: 5,
    })
    .toBe(true);
  end.abort(new Error('enough'));
  await expect(broken).rejects.toThrow('enough');
  expect(existsSync(left)).toBe(false);

  const server = await startEmbeddedPostgres({ folder });
  onTestFinished(server.stop);
  expect(await ask(server.url, 'SHOW data_checksums')).toBe('on');
  expect(existsSync(left)).toBe(false);
  await server.stop();
  await server.stop();
  expect(existsSync(join(folder, 'postmaster.pid'))).toBe(false);
});

test('a folder with other content is left alone', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'mine.txt'), 'precious');
  await expect(startEmbeddedPostgres({ folder })).rejects.toThrow('is not empty and holds no database');
  expect(readFileSync(join(folder, 'mine.txt'), 'utf8')).toBe('precious');
});

test('the data outlive a killed server, whose end is told, and a lock file with a living number of another program', async () => {
  const folder = join(temporaryFolder(), 'postgres');
  let ended: ((how: string) => void) | undefined;
  const how = new Promise<string>((resolve) => {
    ended = resolve;
  });
  const first = await startEmbeddedPostgres({ folder, onEnd: (reason) => ended?.(reason) });
  onTestFinished(first.stop);
  await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  process.kill(postmasterOf(folder), 'SIGKILL');
  expect(await how).toMatch(/^SIGKILL/);

  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  onTestFinished(() => {
    other.kill('SIGKILL');
  });
  const pidFile = join(folder, 'postmaster.pid');
  writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(other.pid)));
  const ends: string[] = [];
  const second = await startEmbeddedPostgres({ folder, onEnd: (reason) => ends.push(reason) });
  onTestFinished(second.stop);
  expect(await ask(second.url, 'SELECT answer FROM kept')).toBe(42);
  expect(other.exitCode ?? other.signalCode).toBeNull();
  await second.stop();
  expect(ends).toEqual([]);

  // An empty one, of a full disk.
  writeFileSync(pidFile, '');
  const third = await startEmbeddedPostgres({ folder });
  expect(await ask(third.url, 'SELECT answer FROM kept')).toBe(42);
  await third.stop();
});

test('the server ends with the process that started it, however that ends, and the next start takes over', async () => {
  const folder = join(temporaryFolder(), 'postgres');
  const code = `import { startEmbeddedPostgres } from ${JSON.stringify(SOURCE)};
    await startEmbeddedPostgres({ folder: ${JSON.stringify(folder)} });
    process.once('message', () => process.exit(130));
    process.send('ready');`;
  for (const way of ['process.exit', 'SIGKILL']) {
    const owner = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    onTestFinished(() => {
      owner.kill('SIGKILL');
    });
    await once(owner, 'message');
    const pid = postmasterOf(folder);
    expect(isServer(pid)).toBe(true);
    if (way === 'SIGKILL') owner.kill('SIGKILL');
    else owner.send('exit');
    await exitOf(owner);
    // Only Linux tells a child of its parent's death; elsewhere the next start is the net.
    if (way === 'process.exit' || process.platform === 'linux') {
      await expect.poll(() => isServer(pid)).toBe(false);
    }
  }
  const server = await startEmbeddedPostgres({ folder });
  expect(await ask(server.url, 'SELECT 1')).toBe(1);
  await server.stop();
});
