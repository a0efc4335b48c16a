// A real worker process with exactly these settings: what it says, when it is ready, how it ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { bareEnvironment } from '../support/child-environment.ts';
import { exitOf } from '../support/router.ts';

const WORKERS = join(import.meta.dirname, '..', '..', 'workers');

export type WorkerProcess = {
  /** Rejects when it ends before. */
  readonly ready: Promise<void>;
  /** exit status or signal, when all that it said is here */
  readonly ended: Promise<string | number | null>;
  /** of its standard error */
  readonly lines: () => string[];
  /** SIGTERM, and how it ended */
  readonly stop: () => Promise<string | number | null>;
};

/** Killed at the end of the test if it still runs. */
export function startWorkerProcess(name: string, settings: Readonly<Record<string, string>>): WorkerProcess {
  const folder = mkdtempSync(join(tmpdir(), 'router-start-'));
  const child = spawn(process.execPath, [join(WORKERS, `${name}.ts`)], {
    // Not ours: a setting of whoever runs the tests must not help.
    env: { ...bareEnvironment(), DATA_DIR: folder, ...settings },
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exitOf(child);
    rmSync(folder, { recursive: true, force: true });
  });
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const lines = () => stderr.split('\n').filter((line) => line !== '');
  const ended = once(child, 'close').then(([code, signal]) => signal ?? code);
  const ready = Promise.race([
    once(child, 'message').then(() => {}),
    ended.then((how) => Promise.reject(new Error(`${name} ended (${how}): ${lines().join('\n')}`))),
  ]);
  // Whoever waits for the end does not wait for this.
  ready.catch(() => {});
  return {
    ready,
    ended,
    lines,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}
