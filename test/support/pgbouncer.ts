// A real PgBouncer in transaction mode before the run's server: what it lends for one transaction is another connection
// in the next, and it takes no settings from the client.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/kit/lab/free-port.ts';

export type Pooler = AsyncDisposable & {
  /** The same database and login, through the pooler. */
  readonly through: (url: string) => string;
};

const START_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

/** @param urls of the server, one for each login that may come @param poolSize server connections for each login */
export async function startPgbouncer(urls: readonly string[], poolSize: number): Promise<Pooler> {
  const folder = mkdtempSync(join(tmpdir(), 'router-pgbouncer-'));
  // It refuses to run as root, and reads its files as the user that it becomes.
  chmodSync(folder, 0o755);
  const port = await freePort();
  const [server] = urls.map((url) => new URL(url));
  if (server === undefined) throw new Error('PgBouncer needs a server');
  const logins = urls.map((url) => {
    const { username, password } = new URL(url);
    return `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"`;
  });
  const users = join(folder, 'users.txt');
  const config = join(folder, 'pgbouncer.ini');
  writeFileSync(users, `${logins.join('\n')}\n`);
  writeFileSync(
    config,
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
`,
  );
  const asUser = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child = spawn('pgbouncer', [...asUser, config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4096);
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };
  if (!(await isListening(child, port))) {
    await stop();
    throw new Error(`pgbouncer did not start: ${log}`);
  }
  return {
    through: (url) => {
      const pooled = new URL(url);
      pooled.hostname = '127.0.0.1';
      pooled.port = String(port);
      return pooled.href;
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function isListening(child: ChildProcess, port: number): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (child.exitCode === null && Date.now() < deadline) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return true;
    await delay(POLL_MS);
  }
  return false;
}
