// The commands that ask a database, as they are typed: what they print, and how they refuse what cannot be meant.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { insertRow } from '../store/builders.ts';
import { administer, createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { runRouter } from '../support/run-router.ts';

const database = await createDatabase();
afterAll(() => database[Symbol.asyncDispose]());
const url = asLogin(database.url, 'readonly');
const router = (...args: readonly [string, ...string[]]) => runRouter(url, ...args);
const lines = (text: string) => text.trim().split('\n');

for (const [n, status] of (['OPEN', 'FILLED', 'OPEN'] as const).entries()) {
  const created_at = new Date(Date.UTC(2026, 2, 4, 5, n));
  await insertRow(database.db, { client_id: `cli-${n}`, status, created_at });
}

test('orders come in pages, each telling how to get the next', async () => {
  const first = await router('orders', '--limit', '2');
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(lines(first.stdout).slice(1, 3).join()).toMatch(/cli-2.*cli-1/);
  const after = /more: --after (\S+)/.exec(first.stdout)?.[1] ?? '';
  const second = await router('orders', '--limit', '2', '--after', after, '--json');
  expect(lines(second.stdout).map((line) => JSON.parse(line).client_id)).toEqual(['cli-0']);
});

test('active orders are those of one market', async () => {
  const { stdout } = await router('orders', '--active', '--market', 'BTC-USD', '--json');
  expect(lines(stdout).map((line) => JSON.parse(line).client_id)).toEqual(['cli-2', 'cli-0']);
  expect((await router('orders', '--active')).stderr).toMatch(/give --market/);
});

test('orders are counted since a time, of a tenant', async () => {
  const count = async (...args: string[]) => JSON.parse((await router('count', '--json', ...args)).stdout);
  expect(await count()).toMatchObject({ OPEN: 2, FILLED: 1, PENDING: 0 });
  expect(await count('--since', '2026-03-04T05:01:30Z')).toMatchObject({ OPEN: 1, FILLED: 0 });
  expect(await count('--tenant', 'nobody')).toMatchObject({ OPEN: 0, FILLED: 0 });
});

test('the database says how large its tables are', async () => {
  const { code, stdout } = await router('monitor', 'tables', '--json');
  expect(code).toBe(0);
  expect(lines(stdout).map((line) => JSON.parse(line).table)).toContain('orders');
});

test('a tenant’s login is told of its own orders, and records its own', async () => {
  const app = asLogin(database.url, 'app');
  await insertRow(database.db, { client_id: 'theirs', tenant_id: 'b' });
  const ids = async (tenant: string) =>
    (await runRouter(app, 'orders', '--tenant', tenant, '--json')).stdout.match(/"client_id":"[^"]+"/g) ?? [];
  expect(await ids('b')).toEqual(['"client_id":"theirs"']);
  expect(await ids('nobody')).toEqual([]);
  expect(JSON.parse((await runRouter(app, 'count', '--tenant', 'b', '--json')).stdout)).toMatchObject({
    PENDING: 1,
  });
  const folder = mkdtempSync(join(tmpdir(), 'router-submit-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'intents.jsonl');
  writeFileSync(file, '{"client_id":"mine","market":"BTC-USD","side":"BUY","type":"MARKET","size":"1"}\n');
  expect(await runRouter(app, 'submit', file, '--tenant', 'b')).toMatchObject({
    code: 0,
    stdout: 'recorded 1\n',
  });
  expect((await runRouter(app, 'submit', file)).stderr).toContain("one tenant's orders only");
  expect(await ids('b')).toHaveLength(2);
});

test('a login is made of the URL that its process has, again with another password', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'router-logins-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'worker_url');
  const name = `router_login_${process.pid}`;
  onTestFinished(async () => {
    await administer(inject('serverUrl'), `DROP ROLE IF EXISTS "${name}"`);
  });
  for (const password of ['first', 'it is a second: one']) {
    const login = new URL(database.url);
    login.username = name;
    login.password = encodeURIComponent(password);
    writeFileSync(file, `${login.href}\n`);
    const { code, stdout, stderr } = await runRouter(database.url, 'roles', '--login', `worker=${file}`);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`${name} is a member of cryptopulse_worker`);
    expect(stdout).not.toContain(password);
    expect((await runRouter(login.href, 'count')).code).toBe(0);
  }
  writeFileSync(file, 'postgresql://hunter2@db/router');
  const refused = await runRouter(database.url, 'roles', '--login', `worker=${file}`);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/worker_url: must hold a URL/)]);
  expect(refused.stderr).not.toContain('hunter2');
});

describe('what cannot be meant is refused with what can', () => {
  test.each([
    [['orders', '--after', '42'], /--after .*more: --after/],
    [['orders', '--market', 'x'.repeat(51)], /--market .*1 to 50 characters/],
    [['count', '--since', 'yesterday'], /--since .*2026-11-22/],
    [['show', 'x'.repeat(300)], /client-id.*1 to 255 characters/],
    [['show', 'nothing'], /no order with client_id nothing \(tenant default\)/],
    [['monitor', 'everything'], /tables, indexes, slow-queries/],
    [['roles', '--grant', 'me=king'], /USER=ROLE/],
    [['roles', '--login', 'king=file'], /ROLE=FILE/],
    [['roles', '--login', 'worker=/nowhere'], /ENOENT/],
    [
      ['roles', '--login', 'worker=postgresql://me:pass@db/x'],
      /^error: --login takes ROLE=FILE: a URL is a secret/,
    ],
    [['roles'], /permission denied.*: grant it|must be|permission denied/],
    [['migrate', '--status', 'now'], /too many arguments/],
  ] as const)('%j', async (args, why) => {
    const [command, ...rest] = args;
    const { code, stderr } = await router(command, ...rest);
    expect(code).toBe(1);
    expect(stderr).toMatch(why);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});
