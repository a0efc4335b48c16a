import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/databases.ts';
import { exitOf } from '../support/router.ts';

const RUN_WORKER = join(import.meta.dirname, '..', '..', 'src', 'runtime', 'run-worker.ts');

/** A worker whose start is this code. @returns a process with a channel, and what it said and how it ended */
function startWorker(code: string, databaseUrl: string, settings: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'router-worker-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'worker.ts');
  writeFileSync(file, `import { runWorker } from ${JSON.stringify(RUN_WORKER)};\n${code}`);
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, DATABASE_URL: databaseUrl, ...settings },
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let stderr = '';
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  const ended = once(child, 'close').then(([exitCode, signal]) => ({ code: signal ?? exitCode, stderr }));
  return { child, ended };
}

const ALIVE = 'setInterval(() => {}, 1000); return { stop: async () => {} };';

test('an error that nobody caught ends the worker with status 1 and one line', async () => {
  await using database = await createDatabase();
  for (const way of [
    "Promise.reject(new Error('lost'))",
    "queueMicrotask(() => { throw new Error('lost') })",
  ]) {
    const code = `await runWorker('tester', async () => { setTimeout(() => { ${way} }, 20); ${ALIVE} });`;
    const { code: exitCode, stderr } = await startWorker(code, database.url).ended;
    expect([way, exitCode]).toEqual([way, 1]);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(stderr)).toMatchObject({ error: 'lost', msg: 'ended by an error that nobody caught' });
  }
});

test('a worker ends with its terminal and with its parent, also while it starts', async () => {
  await using database = await createDatabase();
  const ready = startWorker(`await runWorker('tester', async () => { ${ALIVE} });`, database.url);
  await once(ready.child, 'message');
  ready.child.kill('SIGHUP');
  expect(await exitOf(ready.child)).toBe(0);

  const starting = startWorker(
    `await runWorker('tester', () => { process.send('starting'); return new Promise(() => setInterval(() => {}, 1000)); });`,
    database.url,
  );
  await once(starting.child, 'message');
  starting.child.disconnect();
  expect(await exitOf(starting.child)).toBe(130);
});

test('a second signal ends a worker at once that does not come to its end; the echo of the first one does not', async () => {
  await using database = await createDatabase();
  const stuck = startWorker(
    `await runWorker('tester', async () => { setInterval(() => {}, 1000); return { stop: () => new Promise(() => {}) }; });`,
    database.url,
    { SHUTDOWN_TIMEOUT_MS: '60000' },
  );
  await once(stuck.child, 'message');
  stuck.child.kill('SIGTERM');
  stuck.child.kill('SIGTERM');
  let signals = 2;
  const again = setInterval(() => {
    signals += 1;
    stuck.child.kill('SIGTERM');
  }, 100);
  onTestFinished(() => clearInterval(again));
  expect((await stuck.ended).code).toBe(130);
  expect(signals).toBeGreaterThan(2);
});
