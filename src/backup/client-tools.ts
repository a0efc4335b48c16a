// PostgreSQL's client tools: which of those that are installed fits a server, and running one. A password is handed over
// in the tool's environment, never among its arguments, which every user of the machine can read.
import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';

export type ClientTools = {
  /** of each tool, by its name */
  readonly pathOf: (tool: Tool) => string;
  readonly major: number;
};
type Tool = 'pg_dump' | 'pg_restore' | 'pg_basebackup' | 'pg_verifybackup';

const DEBIAN = '/usr/lib/postgresql';
const PACKAGE = 'install postgresql-client (Debian: apt-get install postgresql-client), or set PG_BIN_DIR';

/**
 * Those of the server's own major version, or else the lowest later ones: what a later pg_restore says to an earlier server
 * that may not understand. Earlier ones refuse the server.
 * @param folder PG_BIN_DIR: no others @param serverVersion e.g. 150018; undefined: no server is asked, the newest will do
 */
export async function findClientTools(
  folder: string | undefined,
  serverVersion: number | undefined,
): Promise<ClientTools> {
  const found = await installed(folder);
  if (found.length === 0) {
    throw new Error(
      folder === undefined
        ? `pg_dump is neither on the path nor in ${DEBIAN}: ${PACKAGE}`
        : `PG_BIN_DIR: there is no pg_dump that runs in ${folder}`,
    );
  }
  const ascending = found.toSorted((left, right) => left.major - right.major);
  const newest = ascending.at(-1);
  if (serverVersion === undefined && newest !== undefined) return newest;
  const server = Math.floor((serverVersion ?? 0) / 10_000);
  const fit = ascending.find(({ major }) => major >= server);
  if (fit === undefined) {
    throw new Error(
      `the server is PostgreSQL ${server}, and pg_dump here is version ${newest?.major}, too old for it: install postgresql-client-${server}, or set PG_BIN_DIR`,
    );
  }
  return fit;
}

async function installed(folder: string | undefined): Promise<ClientTools[]> {
  const versions = existsSync(DEBIAN)
    ? readdirSync(DEBIAN).map((version) => join(DEBIAN, version, 'bin'))
    : [];
  // Debian's own pg_dump on the path is a wrapper that chooses one by itself.
  const folders =
    folder === undefined ? [...versions, ...(process.env['PATH'] ?? '').split(delimiter)] : [folder];
  const tools: ClientTools[] = [];
  for (const each of folders) {
    const major = await majorOf(join(each, 'pg_dump'));
    if (major !== undefined) tools.push({ major, pathOf: (tool) => join(each, tool) });
  }
  return tools;
}

async function majorOf(program: string): Promise<number | undefined> {
  if (!existsSync(program)) return undefined;
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: 10_000 });
    const [, major] = /\(PostgreSQL\) (\d+)/.exec(stdout) ?? [];
    return major === undefined ? undefined : Number(major);
  } catch {
    return undefined;
  }
}

export type ToolRun = {
  readonly program: string;
  readonly args: readonly string[];
  /** of the database; absent: none is asked */
  readonly url?: string;
  readonly signal: AbortSignal;
  /** Reads what it writes to its standard output; when that fails, the tool ends. */
  readonly read?: (stdout: Readable) => Promise<void>;
};

const STDERR_CHARS = 16_384;

/** Resolves when it has ended well. @throws its first complaint, or what reading it failed with */
export async function runTool({ program, args, url, signal, read }: ToolRun): Promise<void> {
  signal.throwIfAborted();
  const name = program.split('/').at(-1);
  const target = url === undefined ? undefined : libpqOf(url);
  const child = spawn(program, [...(target === undefined ? [] : [`--dbname=${target.uri}`]), ...args], {
    env: { ...process.env, LC_ALL: 'C', PGAPPNAME: 'dydx-order-router', ...target?.environment },
    stdio: ['ignore', read === undefined ? 'ignore' : 'pipe', 'pipe'],
    signal,
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(0, STDERR_CHARS);
  });
  const ended = new Promise<string | undefined>((resolve, reject) => {
    child.once('error', (error) => (signal.aborted ? undefined : reject(error)));
    child.once('close', (code, killedBy) => {
      if (signal.aborted) reject(signal.reason);
      else
        resolve(
          code === 0
            ? undefined
            : `${name} failed: ${complaint(said) || `${killedBy ?? `exit code ${code}`}`}`,
        );
    });
  });
  // It may end while what it wrote is still read.
  ended.catch(() => {});
  const reading = child.stdout === null ? undefined : read?.(child.stdout);
  // Whoever cannot go on reading ends it; what it says then is not the cause.
  const failed = await reading?.then(
    () => undefined,
    (error: unknown) => {
      child.kill();
      return { error };
    },
  );
  const failure = await ended;
  if (failed !== undefined) throw failed.error;
  if (failure !== undefined) throw new Error(failure);
}

function complaint(said: string): string {
  const lines = said.trim().split('\n');
  const first = lines.find((line) => /error:|FATAL:/.test(line)) ?? lines.at(-1) ?? '';
  return first.replace(/^\w+: (error: )?/, '');
}

/** Of a URL's parameters only those that libpq knows: what is the driver's own it refuses. */
const PARAMETERS = [
  'host',
  'port',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'connect_timeout',
  'options',
];

function libpqOf(url: string): { readonly uri: string; readonly environment: Record<string, string> } {
  const uri = new URL(url);
  const password = decodeURIComponent(uri.password);
  uri.password = '';
  for (const name of [...uri.searchParams.keys()])
    if (!PARAMETERS.includes(name)) uri.searchParams.delete(name);
  // The driver's word for encrypted and not verified.
  if (uri.searchParams.get('sslmode') === 'no-verify') uri.searchParams.set('sslmode', 'require');
  if (!uri.searchParams.has('connect_timeout')) uri.searchParams.set('connect_timeout', '10');
  return { uri: uri.href, environment: password === '' ? {} : { PGPASSWORD: password } };
}
