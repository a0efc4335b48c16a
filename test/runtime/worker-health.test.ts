// Health over the life of a worker process: before it has started, while it drains, and when its port is taken.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/databases.ts';
import { exitOf } from '../support/router.ts';

const ROOT = join(import.meta.dirname, '..', '..');

type Worker = {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  /** Resolves with the port that the log names. */
  readonly port: Promise<number>;
};

function startWorker(file: string, env: Readonly<Record<string, string>>): Worker {
  const folder = mkdtempSync(join(tmpdir(), 'router-health-'));
  const child = spawn(process.execPath, [file], {
    // No .env of the developer's.
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  let stderr = '';
  const { promise: port, resolve } = Promise.withResolvers<number>();
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
    const named = /"port":(\d+)/.exec(stderr)?.[1];
    if (named !== undefined) resolve(Number(named));
  });
  return { child, stderr: () => stderr, port };
}

async function readyz(port: number) {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`);
  return { code: response.status, ...((await response.json()) as { status: string; checks: Checks }) };
}

type Checks = Readonly<Record<string, { readonly why?: string }>>;

/** Starts and stops when it is told to. */
const OBEDIENT = `
import { runWorker } from ${JSON.stringify(join(ROOT, 'src', 'runtime', 'run-worker.ts'))};
const told = (word) => new Promise((resolve) => process.on('message', (message) => message === word && resolve()));
const [start, stop] = [told('start'), told('stop')];
await runWorker('tester', async () => {
  process.send('starting');
  await start;
  return { stop: () => { process.send('stopping'); return stop; } };
});`;

test('is alive and not ready while it starts, ready, and alive and not ready from the first signal to the end', async () => {
  await using database = await createDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'router-worker-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'worker.ts');
  writeFileSync(file, OBEDIENT);
  const { child, port: named } = startWorker(file, {
    DATABASE_URL: database.url,
    PORT: '0',
    SHUTDOWN_TIMEOUT_MS: '30000',
  });
  await once(child, 'message');
  const port = await named;
  const livez = async () => (await fetch(`http://127.0.0.1:${port}/livez`)).status;
  expect([await readyz(port), await livez()]).toMatchObject([{ code: 503, status: 'starting' }, 200]);
  child.send('start');
  await once(child, 'message');
  expect([await readyz(port), await livez()]).toMatchObject([{ code: 200, status: 'ready' }, 200]);
  child.kill('SIGTERM');
  await once(child, 'message');
  expect([await readyz(port), await livez()]).toMatchObject([{ code: 503, status: 'stopping' }, 200]);
  child.send('stop');
  expect(await exitOf(child)).toBe(0);
  await expect(readyz(port)).rejects.toThrow();
});

test('the ops process starts without a venue and says so; a second one on its port ends with one line', async () => {
  await using database = await createDatabase();
  const file = join(ROOT, 'workers', 'ops.ts');
  const env = {
    DATABASE_URL: database.url,
    DYDX_VALIDATOR_URLS: 'http://127.0.0.1:1',
    DYDX_INDEXER_URL: 'http://127.0.0.1:1',
  };
  const ops = startWorker(file, { ...env, PORT: '0' });
  await once(ops.child, 'message');
  const port = await ops.port;
  // Asked again until it is so: a slow machine may miss the deadline of another check.
  await expect
    .poll(async () => {
      const { code, status, checks } = await readyz(port);
      const failing = Object.entries(checks).flatMap(([name, { why }]) => (why === undefined ? [] : [name]));
      return [code, status, failing];
    })
    .toEqual([503, 'not_ready', ['chain', 'height', 'chain_clock', 'indexer']]);

  const second = startWorker(file, { ...env, PORT: String(port) });
  expect(await exitOf(second.child)).toBe(1);
  expect(second.stderr()).toBe(
    `PORT=${port} is in use on 127.0.0.1: end what listens there, or set another PORT (0 takes any free one)\n`,
  );

  ops.child.kill('SIGTERM');
  expect(await exitOf(ops.child)).toBe(0);
});
