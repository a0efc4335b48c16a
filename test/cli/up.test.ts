import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/databases.ts';
import { exitOf } from '../support/router.ts';

const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli.ts');

type Run = { readonly child: ChildProcess; readonly stdout: () => string; readonly stderr: () => string };

function router(args: readonly string[], env: Readonly<Record<string, string>> = {}, input?: string): Run {
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  // A command that ends before it has read its input closes the pipe.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
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

test('it stays up until Ctrl-C, shows orders to other commands, and then ends everything within 5 s', async () => {
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
  await expect.poll(() => run.stdout(), { timeout: 30_000 }).toContain('running; Ctrl-C ends it');
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
  expect(Date.now() - stoppedMs).toBeLessThan(5_000);
});

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
    [['show', 'a'], { DATABASE_URL: 'postgresql://nobody:x@127.0.0.1:1/x' }, /is the server running/],
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
