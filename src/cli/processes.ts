// The children of `router up`. They run in sessions of their own, so that Ctrl-C reaches only the parent, which then
// ends them in order. A child that dies is started again; one that cannot start at all ends the whole.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export type ProcessSpec = {
  readonly name: string;
  /** script and its arguments */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The arguments of later starts, from what the first one sent: a server comes back where its clients look for it. */
  readonly argsAgain?: (ready: unknown) => readonly string[];
};

export type Running = {
  /** What the child sent when it was ready; rejects when it ended before, or took too long. */
  readonly ready: Promise<unknown>;
  /** Sends SIGTERM and waits; SIGKILL after the deadline. At any time, also before it is ready. */
  readonly stop: (deadlineMs: number) => Promise<void>;
};

const READY_TIMEOUT_MS = 30_000;
/** Before a child that died is started again: doubles to the maximum, and begins anew after a life of STABLE_MS. */
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
const STABLE_MS = 30_000;

/** @param onExit called whenever the child dies unasked; it is started again after the pause */
export function startProcess(
  spec: ProcessSpec,
  logDir: string,
  onExit: (name: string, how: string, pauseMs: number) => void,
): Running {
  const logFile = freshLog(logDir, spec.name);
  const stopping = new AbortController();
  let child = launch(spec.args, spec.env, logFile);

  const keepAlive = async (sent: unknown): Promise<void> => {
    const args = spec.argsAgain?.(sent) ?? spec.args;
    let pauseMs: number | undefined;
    let bornMs = Date.now();
    for (;;) {
      const how = await child.ended;
      if (stopping.signal.aborted) return;
      pauseMs = nextPause(pauseMs, Date.now() - bornMs);
      onExit(spec.name, how, pauseMs);
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      child = launch(args, spec.env, logFile);
      bornMs = Date.now();
    }
  };

  const ready = untilReady(child, spec.name, logFile);
  ready.then(keepAlive, () => {});
  return {
    ready,
    stop: async (deadlineMs) => {
      stopping.abort();
      await end(child, deadlineMs);
    },
  };
}

export function nextPause(lastMs: number | undefined, livedMs: number): number {
  return lastMs === undefined || livedMs >= STABLE_MS ? FIRST_PAUSE_MS : Math.min(lastMs * 2, MAX_PAUSE_MS);
}

/** The log of the run before is kept, older ones are not. */
function freshLog(logDir: string, name: string): string {
  mkdirSync(logDir, { recursive: true });
  const file = join(logDir, `${name}.log`);
  if (existsSync(file)) renameSync(file, `${file}.1`);
  return file;
}

type Child = {
  readonly process: ChildProcess;
  /** how it ended, or why it could not be started; never rejects */
  readonly ended: Promise<string>;
};

function launch(args: readonly string[], env: ProcessSpec['env'], logFile: string): Child {
  const log = openLog(logFile);
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  });
  if (log !== 'ignore') closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    // Stays for the child's life: a signal or message that cannot be delivered is an error event, too.
    child.on('error', (error) => child.pid === undefined && resolve(error.message));
  });
  return { process: child, ended };
}

/** A child without a log is better than none: the folder may have been deleted, the disk be full. */
function openLog(file: string): number | 'ignore' {
  try {
    return openSync(file, 'a');
  } catch {
    return 'ignore';
  }
}

async function untilReady(child: Child, name: string, logFile: string): Promise<unknown> {
  const sent = new Promise<{ readonly message: unknown }>((resolve) => {
    child.process.once('message', (message) => resolve({ message }));
  });
  const first = await within(READY_TIMEOUT_MS, Promise.race([sent, child.ended]));
  if (typeof first === 'object') return first.message;
  if (first === undefined) await end(child, 0);
  const what = first === undefined ? `was not ready within ${READY_TIMEOUT_MS / 1000} s` : `ended (${first})`;
  throw new Error(`${name} ${what}: ${lastLine(logFile)}`);
}

async function end({ process: child, ended }: Child, deadlineMs: number): Promise<void> {
  child.kill('SIGTERM');
  if ((await within(deadlineMs, ended)) === undefined) child.kill('SIGKILL');
  await ended;
}

/** @returns undefined when the time is over first */
export async function within<Result>(ms: number, work: Promise<Result>): Promise<Result | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([work, delay(ms, undefined, { signal: timer.signal }).catch(() => undefined)]);
  } finally {
    timer.abort();
  }
}

/** Where a child says what went wrong. */
function lastLine(file: string): string {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  return lines.at(-1)?.replace(/^error: /, '') || '(it said nothing)';
}
