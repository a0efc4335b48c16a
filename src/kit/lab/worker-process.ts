// A process that a kit started: a worker of the router, or a program of a baseline. It says by its channel that it is
// ready, its words go to a file, and it never outlives the process that started it.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

export type WorkerProcess = {
  readonly name: string;
  readonly pid: number;
  /** What it sent when it was ready; rejects with its last line when it ended before. */
  readonly ready: Promise<unknown>;
  /** its signal or exit code; never rejects */
  readonly ended: Promise<string | number>;
  readonly hasEnded: () => boolean;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** SIGTERM, and SIGKILL after the deadline; resolves when it is gone. */
  readonly stop: (deadlineMs?: number) => Promise<void>;
};

export type WorkerSpec = {
  /** the script and its arguments */
  readonly args: readonly string[];
  /** its environment, beside what Node itself needs: settings of whoever runs the kit stay out */
  readonly env: Readonly<Record<string, string>>;
  /** to which its output is appended */
  readonly logFile: string;
  readonly cwd?: string;
};

const STOP_MS = 10_000;

const running = new Set<ChildProcess>();
/** Node runs this also after process.exit and an uncaught error. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function startWorkerProcess({ args, env, logFile, cwd }: WorkerSpec): WorkerProcess {
  const name = basename(args[0] ?? 'worker').replace(/\.m?[jt]s$/, '');
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, args, {
    env: { ...bareEnvironment(), ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', log, log, 'ipc'],
    // Ctrl-C reaches the kit alone, which then ends them in order.
    detached: true,
  });
  closeSync(log);
  running.add(child);
  const ended = new Promise<string | number>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 'gone'));
    // Stays: a signal or a message that cannot be delivered is an error event, too.
    child.on('error', (error) => child.pid === undefined && resolve(error.message));
  });
  void ended.then(() => running.delete(child));
  const ready = new Promise<unknown>((resolve, reject) => {
    child.once('message', resolve);
    void ended.then((how) =>
      reject(new Error(`${name} ended before it was ready (${how}): ${lastLine(logFile)}`)),
    );
  });
  // Who does not wait for it must not be ended by it.
  ready.catch(() => {});
  const hasEnded = () => !running.has(child);
  return {
    name,
    pid: child.pid ?? 0,
    ready,
    ended,
    hasEnded,
    signal: (signal) => void child.kill(signal),
    stop: async (deadlineMs = STOP_MS) => {
      if (hasEnded()) return;
      // One that was stopped hears nothing else.
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

function bareEnvironment(): Readonly<Record<string, string>> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'NODE_COMPILE_CACHE'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function lastLine(file: string): string {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  return lines.at(-1) || '(it said nothing)';
}
