// Starts the router's processes as children in sessions of their own, so that Ctrl-C reaches only the parent, which
// then ends them in order. A child that dies is started again; one that cannot start ends the whole.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export type ProcessSpec = {
  readonly name: string;
  /** script and its arguments */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

export type Running = {
  /** what the child sent when it was ready */
  readonly ready: unknown;
  /** Sends SIGTERM and waits; SIGKILL after the deadline. */
  readonly stop: (deadlineMs: number) => Promise<void>;
};

const READY_TIMEOUT_MS = 30_000;
const RESTART_DELAY_MS = 500;

/** @param onExit called whenever the child dies unasked; it is started again */
export async function startProcess(
  spec: ProcessSpec,
  logDir: string,
  onExit: (name: string, how: string) => void,
): Promise<Running> {
  const logFile = join(logDir, `${spec.name}.log`);
  mkdirSync(logDir, { recursive: true });
  let child: ChildProcess;
  let isStopping = false;

  const launch = (): ChildProcess => {
    const log = openSync(logFile, 'a');
    const started = spawn(process.execPath, spec.args, {
      env: { ...process.env, ...spec.env },
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
    });
    closeSync(log);
    return started;
  };
  const watch = (): void => {
    child.once('exit', (code, signal) => {
      if (isStopping) return;
      onExit(spec.name, signal ?? `exit code ${code}`);
      setTimeout(() => {
        if (isStopping) return;
        child = launch();
        watch();
      }, RESTART_DELAY_MS);
    });
  };

  child = launch();
  const ready = await untilReady(child, spec.name, logFile);
  watch();
  return {
    ready,
    stop: async (deadlineMs) => {
      isStopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = new AbortController();
      await Promise.race([exited, delay(deadlineMs, undefined, { signal: timer.signal }).catch(() => {})]);
      timer.abort();
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}

function untilReady(child: ChildProcess, name: string, logFile: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`was not ready within ${READY_TIMEOUT_MS / 1000} s`);
    }, READY_TIMEOUT_MS);
    const fail = (what: string): void => {
      clearTimeout(timer);
      reject(new Error(`${name} ${what}: ${lastLine(logFile)}`));
    };
    child.once('exit', (code, signal) => fail(`ended (${signal ?? `exit code ${code}`})`));
    child.once('error', (error) => fail(error.message));
    child.once('message', (message) => {
      clearTimeout(timer);
      child.removeAllListeners('exit');
      child.removeAllListeners('error');
      resolve(message);
    });
  });
}

/** Where a child says what went wrong. */
function lastLine(file: string): string {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.at(-1)?.replace(/^error: /, '') || '(it said nothing)';
}
