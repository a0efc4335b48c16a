// Every line of the Procfile, started as a process manager starts it: by a shell, with a PORT of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/kit/lab/free-port.ts';
import { setUpRoles } from '../../src/store/role-setup.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin, type Login } from '../support/logins.ts';
import { exitOf } from '../support/router.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const READY = { interval: 100 };

const lines = new Map(
  readFileSync(join(ROOT, 'Procfile'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [, name = '', command = ''] = /^(\w+): (.+)$/.exec(line) ?? [];
      return [name, command];
    }),
);

function start(name: string, env: Readonly<Record<string, string>>): ChildProcess {
  const child = spawn('sh', ['-c', lines.get(name) ?? 'exit 9'], {
    cwd: ROOT,
    // A group of its own: the shell may stand between us and the process.
    detached: true,
    env: { ...process.env, LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => signal(child, 'SIGKILL'));
  return child;
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  process.kill(-child.pid, name);
}

const statusOf = async (url: string): Promise<number> => {
  const answer = await fetch(url).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status ?? 0;
};

const LOGIN_OF: Readonly<Record<string, Login>> = { ops: 'app', maintenance: 'maintenance' };

test('the Procfile has a line for every kind of process', () => {
  expect([...lines.keys()]).toEqual(['release', 'submitter', 'reconciler', 'maintenance', 'ops', 'paper']);
});

test('every line of the Procfile starts, is ready under the role of its kind, and ends cleanly', async () => {
  await using database = await createDatabase('empty');
  const folder = mkdtempSync(join(tmpdir(), 'router-procfile-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const paperPort = await freePort();
  const venueUrl = `http://127.0.0.1:${paperPort}`;
  const redisUrl = inject('redisUrl');
  const env = {
    DATA_DIR: folder,
    DATABASE_URL: database.url,
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl, QUEUE_PREFIX: '{procfile}' }),
    PAPER_PORT: String(paperPort),
    DYDX_VALIDATOR_URLS: venueUrl,
    DYDX_INDEXER_URL: venueUrl,
    SWEEP_INTERVAL_MS: '200',
    SHUTDOWN_TIMEOUT_MS: '20000',
  };
  expect(await exitOf(start('release', env))).toBe(0);
  await setUpRoles(database.db);
  const paper = start('paper', env);
  await expect.poll(() => statusOf(`${venueUrl}/v4/height`), READY).toBe(200);
  const workers = await Promise.all(
    [...lines.keys()]
      .filter((name) => name !== 'release' && name !== 'paper')
      .map(async (name) => {
        const port = await freePort();
        const login = LOGIN_OF[name] ?? 'worker';
        const own = { ...env, DATABASE_URL: asLogin(database.url, login), PORT: String(port) };
        return { name, port, child: start(name, own) };
      }),
  );
  for (const { name, port } of workers) {
    await expect
      .poll(() => statusOf(`http://127.0.0.1:${port}/readyz`), { ...READY, message: `${name} is ready` })
      .toBe(200);
  }
  for (const { name, child } of [...workers, { name: 'paper', child: paper }]) {
    signal(child, 'SIGTERM');
    expect([name, await exitOf(child)]).toEqual([name, 0]);
  }
}, 300_000);
