import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/databases.ts';
import { exitOf } from '../support/router.ts';

const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli.ts');

type Run = { readonly child: ChildProcess; readonly stdout: () => string; readonly stderr: () => string };

/** @param input of standard input, which then ends; null: it stays open */
function router(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input: string | null = '',
): Run {
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  // A command that ends before it has read its input closes the pipe.
  child.stdin.on('error', () => {});
  if (input !== null) child.stdin.end(input);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return { child, stdout: () => stdout, stderr: () => stderr };
}

async function finished(run: Run): Promise<Run & { readonly code: string | number | null }> {
  return { ...run, code: await exitOf(run.child) };
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'router-up-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function lastJson(run: Run): Record<string, unknown> {
  return JSON.parse(run.stdout().trim().split('\n').at(-1) ?? '');
}

const FAST = ['--block-ms', '100'];

test('one command runs the examples on an embedded database, and a second start goes on with the same data', async () => {
  const folder = temporaryFolder();
  const args = ['up', '--exit-when-settled', '--json', '--data-dir', folder, ...FAST];
  const env = { DATABASE_URL: '' };
  const first = await finished(router(args, env));
  expect(first.stderr()).toContain('Every final status is proven');
  expect(first.code).toBe(0);
  const summary = lastJson(first);
  expect(summary).toMatchObject({ intents: 51, orders: 45, refused: 6, unproven: 0, mismatched: 0 });
  expect(summary['fills']).toBeGreaterThan(0);

  // The same intents again are duplicates; the orders of the first run are all still there and true.
  const second = await finished(router(args, env));
  expect(second.code).toBe(0);
  expect(lastJson(second)).toMatchObject({ intents: 51, orders: 45, refused: 6, unproven: 0, mismatched: 0 });
});

test('it stays up until Ctrl-C, shows orders to other commands, and then ends everything soon', async () => {
  await using database = await createDatabase();
  const folder = temporaryFolder();
  const env = { DATABASE_URL: database.url };
  const run = router(
    ['up', '--intents', '-', '--data-dir', folder, ...FAST],
    env,
    [
      '{"client_id":"rests","market":"BTC-USD","side":"BUY","type":"LIMIT","size":"0.01","price":"50000","good_til_blocks":5}',
      'this is no JSON',
      '{"client_id":"rests","market":"BTC-USD","side":"BUY","type":"LIMIT","size":"0.01","price":"50000","good_til_blocks":5}',
      '{"client_id":"rests","market":"BTC-USD","side":"BUY","type":"LIMIT","size":"0.02","price":"50000","good_til_blocks":5}',
      `{"client_id":"huge","metadata":"${'x'.repeat(5_000_000)}"}`,
      '{"client_id":"nul","market":"BTC-USD","side":"BUY","type":"MARKET","size":"0.01","metadata":{"a":"\\u0000"}}',
      '[1,2,3]',
    ].join('\n'),
  );
  await expect.poll(() => run.stdout()).toContain('running; Ctrl-C ends it');
  expect(run.stdout()).toContain('refused line 2: is no JSON');
  expect(run.stdout()).toContain('refused line 4 rests: client_id: is spent for another order');
  expect(run.stdout()).toMatch(/refused line 5: the line has 50\d+ bytes; the limit is 16384 bytes/);
  expect(run.stdout()).toContain('refused line 6 nul: metadata: must not contain NUL bytes');
  expect(run.stdout()).toContain('refused line 7');

  const show = await finished(router(['show', 'rests'], env));
  expect(show.stdout()).toContain('EXPIRED (good_til_block reached), filled 0 of 0.01');
  expect(show.stdout()).toContain('proven:');
  const orders = await finished(router(['orders', '--json', '--status', 'EXPIRED'], env));
  expect(JSON.parse(orders.stdout())).toMatchObject({ client_id: 'rests', status: 'EXPIRED' });

  const stoppedMs = Date.now();
  run.child.kill('SIGINT');
  expect(await exitOf(run.child)).toBe(0);
  expect(Date.now() - stoppedMs).toBeLessThan(20_000);
});

const POSTMASTER = ['postgres', 'postmaster.pid'];

test('an interrupt in any phase ends everything soon, without an audit, and the next start goes on', {
  timeout: 300_000,
}, async () => {
  const folder = temporaryFolder();
  const env = { DATABASE_URL: '' };
  const phases: readonly [string, NodeJS.Signals][] = [
    ['starting the database', 'SIGINT'],
    ['database     embedded', 'SIGTERM'],
    ['starting paper', 'SIGHUP'],
    ['starting submitter', 'SIGINT'],
    // Standard input stays open.
    ['intents      standard input', 'SIGINT'],
  ];
  for (const [phase, signal] of phases) {
    const run = router(['up', '--intents', '-', '--data-dir', folder, ...FAST], env, null);
    await expect.poll(run.stdout, { interval: 5 }).toContain(phase);
    const atMs = Date.now();
    run.child.kill(signal);
    expect([phase, await exitOf(run.child)]).toEqual([phase, 0]);
    expect(Date.now() - atMs).toBeLessThan(20_000);
    expect(run.stdout().trim()).toMatch(/stopping; the next start goes on .*\nstopped$/s);
    expect(run.stdout()).not.toContain('unproven');
    expect(run.stderr()).toBe('');
    expect(readdirSync(folder).filter((name) => /lock$|url$/.test(name))).toEqual([]);
    expect(existsSync(join(folder, ...POSTMASTER))).toBe(false);
  }
  const after = await finished(
    router(['up', '--exit-when-settled', '--json', '--data-dir', folder, ...FAST], env),
  );
  expect([after.code, after.stderr()]).toEqual([0, expect.stringContaining('Every final status is proven')]);
});

test('a second start on the folder is refused; when the database is killed, it ends with one line and the next start goes on', async () => {
  const folder = temporaryFolder();
  const env = { DATABASE_URL: '' };
  const intents = join(folder, 'blank.jsonl');
  writeFileSync(intents, '\n  \n\r\n');
  const args = ['up', '--intents', intents, '--data-dir', folder, ...FAST];
  const run = router(args, env);
  await expect.poll(run.stdout).toContain('running; Ctrl-C ends it');
  const second = await finished(router(args, env));
  expect(second.stderr()).toBe(
    `error: process ${run.child.pid} is already using ${folder}: end it, or choose another --data-dir\n`,
  );
  expect(second.code).toBe(1);

  process.kill(Number.parseInt(readFileSync(join(folder, ...POSTMASTER), 'utf8'), 10), 'SIGKILL');
  expect(await exitOf(run.child)).toBe(1);
  expect(run.stderr()).toMatch(/^error: the database ended \(SIGKILL.*\); start again, the data is kept\n$/);
  const next = await finished(router([...args, '--exit-when-settled'], env));
  expect([next.code, next.stderr()]).toEqual([0, '']);
});

test('killed workers and a killed exchange come back, and orders go on', async () => {
  await using database = await createDatabase();
  const folder = temporaryFolder();
  const env = { DATABASE_URL: database.url };
  const run = router(['up', '--intents', '-', '--data-dir', folder, ...FAST], env, null);
  await expect.poll(run.stdout).toContain('intents      standard input');
  for (const name of ['paper', 'submitter', 'reconciler', 'maintenance']) {
    process.kill(childOf(run.child, name), 'SIGKILL');
  }
  for (const name of ['paper', 'submitter', 'reconciler', 'maintenance']) {
    await expect.poll(run.stdout).toContain(`${name} ended (SIGKILL), starting it again in 0.5 s`);
  }
  run.child.stdin?.end(
    '{"client_id":"after","market":"BTC-USD","side":"BUY","type":"LIMIT","size":"0.01","price":"50000","good_til_blocks":5}\n',
  );
  await expect.poll(run.stdout).toContain('running; Ctrl-C ends it');
  expect(run.stdout()).toContain('EXPIRED       1');
  expect(run.stdout()).toContain('every order and fill agrees with the exchange');
  run.child.kill('SIGTERM');
  expect(await exitOf(run.child)).toBe(0);
});

/** The child of `up` whose command line names it. */
function childOf(parent: ChildProcess, name: string): number {
  const rows = execFileSync('ps', ['-ww', '-A', '-o', 'pid=,ppid=,command='], { encoding: 'utf8' }).split(
    '\n',
  );
  const pattern = new RegExp(`^\\s*(\\d+)\\s+${parent.pid}\\s.*(${name}\\.ts|cli\\.ts ${name} )`);
  const pid = rows.map((row) => pattern.exec(row)?.[1]).find((found) => found !== undefined);
  if (pid === undefined) throw new Error(`no ${name} under ${parent.pid}`);
  return Number(pid);
}

test('each wrong input ends with one readable line and a non-zero status', async () => {
  await using database = await createDatabase('empty');
  const folder = temporaryFolder();
  const cases: readonly [string[], Record<string, string>, RegExp][] = [
    [
      ['up', '--intents', 'no-such-file.jsonl', '--data-dir', folder],
      { DATABASE_URL: database.url },
      /no-such-file.jsonl: no such file/,
    ],
    [['up', '--port', 'x'], {}, /must be a whole number/],
    [['show', 'a'], { DATABASE_URL: '', DATA_DIR: folder }, /no database: set DATABASE_URL/],
    [['show', 'a'], { DATABASE_URL: 'mysql://x' }, /DATABASE_URL: must be a URL that starts with postgres/],
    [['show', 'a'], { DATABASE_URL: 'postgresql://nobody:x@127.0.0.1:1/x' }, /is the database running/],
    [['up', '--data-dir', folder], { DYDX_NETWORK: 'testnet' }, /needs a key/],
    [['up', '--data-dir', folder], { DYDX_NETWORK: 'mainnet', DYDX_PRIVATE_KEY: 'abc' }, /key/],
    [['orders', '--status', 'DONE'], {}, /Allowed choices/],
  ];
  for (const [args, env, expected] of cases) {
    const run = await finished(router(args, env));
    expect([args, run.stderr()]).toEqual([args, expect.stringMatching(expected)]);
    expect(run.stderr()).not.toMatch(/\n\s+at /);
    expect(run.code).not.toBe(0);
  }
});
