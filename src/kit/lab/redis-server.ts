// A real redis-server for one test: on a free loopback port, its data in a folder of its own, gone with the test.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.ts';

export type RedisServerOptions = {
  /** default: a free one */
  readonly port?: number;
  /** as on redis-server's command line; they come after the defaults and override them */
  readonly args?: readonly string[];
  /** lines of a sentinel's configuration; given, the server is a sentinel */
  readonly sentinel?: readonly string[];
};

export type RedisServer = AsyncDisposable & {
  /** without user and password */
  readonly url: string;
  readonly port: number;
  /** of the newest process, also after its end */
  readonly pid: number;
  /** One command without an answer that matters, such as FLUSHALL; throws when the server refuses it. */
  readonly command: (...words: readonly string[]) => Promise<void>;
  /** SIGKILL; the folder stays, restart() goes on with it. */
  readonly kill: () => Promise<void>;
  /** Ends the process if it still runs (SIGTERM) and starts another one on the same port and folder. */
  readonly restart: () => Promise<void>;
  /** Ends the process and removes the folder; idempotent. */
  readonly stop: () => Promise<void>;
};

const DEFAULTS = [
  ['--appendonly', 'yes'],
  ['--appendfsync', 'always'],
  ['--maxmemory-policy', 'noeviction'],
  ['--save', ''],
].flat();
const START_TIMEOUT_MS = 15_000;
const POLL_MS = 10;
/** Somebody else may take a port that was free a moment ago. */
const PORT_TRIES = 5;

const running = new Set<ChildProcess>();
/** Node runs this also after process.exit and an uncaught error. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Resolves when it answers PING with its data loaded. */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'router-redis-'));
  try {
    let [child, port] = await startOnSomePort(folder, options);
    let isStopped = false;
    const stop = async () => {
      isStopped = true;
      await end(child, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    };
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      get pid() {
        return child.pid ?? 0;
      },
      command: (...words) => tell(port, words.join(' ')),
      kill: () => end(child, 'SIGKILL'),
      restart: async () => {
        if (isStopped) throw new Error('this redis-server was stopped, its folder is gone');
        await end(child, 'SIGTERM');
        child = await start(folder, port, options);
      },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function startOnSomePort(
  folder: string,
  options: RedisServerOptions,
): Promise<[child: ChildProcess, port: number]> {
  for (let tries = 1; ; tries++) {
    const port = options.port ?? (await freePort());
    try {
      return [await start(folder, port, options), port];
    } catch (error) {
      const isTaken = /Address already in use/.test(String(error));
      if (!isTaken || options.port !== undefined || tries === PORT_TRIES) throw error;
    }
  }
}

async function start(folder: string, port: number, options: RedisServerOptions): Promise<ChildProcess> {
  const child = spawn('redis-server', argumentsOf(folder, port, options), {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said = `${said}${chunk}`.slice(-2_000);
    });
  }
  let failure: Error | undefined;
  child.on('error', (error) => {
    const isMissing = 'code' in error && error.code === 'ENOENT';
    failure = isMissing
      ? new Error('redis-server is not on the path: apt-get install redis-server')
      : new Error(`redis-server did not start: ${error.message}`);
  });
  running.add(child);
  child.on('close', () => {
    running.delete(child);
    failure ??= new Error(`redis-server ended while it started: ${said}`);
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await answersPing(port))) {
    if (failure !== undefined) throw failure;
    if (Date.now() > deadline) {
      await end(child, 'SIGKILL');
      throw new Error(`redis-server did not answer on port ${port} within ${START_TIMEOUT_MS} ms: ${said}`);
    }
    await delay(POLL_MS);
  }
  // What answers may be another server that holds the port: then ours ends.
  await delay(POLL_MS);
  if (failure !== undefined) throw failure;
  return child;
}

function argumentsOf(folder: string, port: number, { args = [], sentinel }: RedisServerOptions): string[] {
  const common = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--daemonize', 'no'];
  if (sentinel === undefined) return [...common, ...DEFAULTS, ...args];
  // A sentinel keeps what it learns in its file, so a restart finds it there.
  const file = join(folder, 'sentinel.conf');
  try {
    writeFileSync(file, `${sentinel.join('\n')}\n`, { flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return [file, '--sentinel', ...common, ...args];
}

/** A server that is still loading its data says so and is not ready; one that wants a password is. */
function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (isUp: boolean) => {
      socket.destroy();
      resolve(isUp);
    };
    socket.setTimeout(1_000, () => settle(false));
    socket.on('error', () => settle(false));
    socket.on('close', () => settle(false));
    socket.on('connect', () => socket.write('PING\r\n'));
    socket.on('data', (data) => settle(/^(\+PONG|-NOAUTH)/.test(data.toString())));
  });
}

/** An inline command of the protocol. */
function tell(port: number, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.on('connect', () => socket.write(`${line}\r\n`));
    socket.on('data', (data) => {
      const answer = data.toString();
      socket.destroy();
      if (answer.startsWith('-')) reject(new Error(`redis-server: ${answer.trim()}`));
      else resolve();
    });
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (!running.has(child)) return;
  const closed = once(child, 'close');
  child.kill(signal);
  await closed;
}
