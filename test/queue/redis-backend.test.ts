// The queue on one Redis: fails fast where somebody waits for an answer, comes back by itself, leaves nothing behind.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/kit/lab/free-port.ts';
import { startRedisServer } from '../../src/kit/lab/redis-server.ts';
import { exitOf } from '../support/router.ts';
import { persist, useQueue } from './redis-use.ts';

test('a queue that was opened while Redis was away works when it is there', async () => {
  const port = await freePort();
  await using queue = useQueue(`redis://127.0.0.1:${port}`);
  const startedMs = Date.now();
  await expect(queue.add(1)).rejects.toThrow();
  expect(Date.now() - startedMs).toBeLessThan(20_000);
  await using _server = await startRedisServer({ port });
  await persist(() => queue.add(2));
  await queue.startWorker();
  await queue.worked([2]);
  await queue.stopWorker();
});

test('a Redis that is gone and comes back: the jobs that it took are worked off', async () => {
  await using server = await startRedisServer();
  await using queue = useQueue(server.url);
  await queue.add(1);
  await server.kill();
  await expect(queue.add(2)).rejects.toThrow();
  await server.restart();
  await queue.startWorker();
  await queue.worked([1]);
  await server.kill();
  await server.restart();
  await persist(() => queue.add(3));
  await queue.worked([3]);
});

test('a worker whose Redis is away can be closed all the same', async () => {
  await using server = await startRedisServer();
  await using queue = useQueue(server.url);
  await queue.startWorker();
  await queue.add(1);
  await queue.worked([1]);
  await server.kill();
  // Between two tries to connect, where most of such a time is spent.
  await expect(queue.add(2)).rejects.toThrow();
  const startedMs = Date.now();
  await queue.stopWorker();
  expect(Date.now() - startedMs).toBeLessThan(15_000);
});

test('a frozen Redis holds up a producer for seconds, not for ever', async () => {
  await using server = await startRedisServer();
  await using queue = useQueue(server.url);
  await queue.add(1);
  process.kill(server.pid, 'SIGSTOP');
  const startedMs = Date.now();
  await expect(queue.backend.ping()).rejects.toThrow(/^REDIS_URL: Command timed out: nothing answers there/);
  expect(Date.now() - startedMs).toBeLessThan(20_000);
  process.kill(server.pid, 'SIGCONT');
  await persist(() => queue.add(2));
});

test.each([
  ['no password', '', /^REDIS_URL: .*NOAUTH.*: it lacks the password/],
  ['a wrong password', ':hunter2@', /^REDIS_URL: .*WRONGPASS.*: check user and password/],
  ['a wrong user', 'mallory:right@', /^REDIS_URL: .*WRONGPASS.*: check user and password/],
])('%s is told in one line that names the variable', async (_name, login, line) => {
  await using server = await startRedisServer({ args: ['--requirepass', 'right'] });
  await using queue = useQueue(server.url.replace('//', `//${login}`));
  const error = await queue.backend.ping().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  const message = error instanceof Error ? error.message : '';
  expect(message).toMatch(line);
  expect(message).not.toContain('hunter2');
});

test('what talks to another kind of Redis than REDIS_URL says is told which one to write', async () => {
  await using server = await startRedisServer();
  await using asCluster = useQueue(server.url.replace('redis:', 'redis-cluster:'));
  await expect(asCluster.backend.ping()).rejects.toThrow(/this is no cluster, write redis:/);
  await using asSentinel = useQueue(`${server.url.replace('redis:', 'redis-sentinel:')}/main`);
  await expect(asSentinel.backend.ping()).rejects.toThrow(/this is no sentinel/);
  await using withTls = useQueue(server.url.replace('redis:', 'rediss:'));
  await expect(withTls.backend.ping()).rejects.toThrow(/^REDIS_URL: /);
});

test('a process that closes its queues and workers ends by itself', async () => {
  await using server = await startRedisServer();
  const folder = mkdtempSync(join(tmpdir(), 'router-queue-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const use = join(import.meta.dirname, 'redis-use.ts');
  const file = join(folder, 'use.ts');
  writeFileSync(
    file,
    `import { useQueue } from ${JSON.stringify(use)};
    await using queue = useQueue(${JSON.stringify(server.url)});
    await queue.startWorker(); await queue.add(1); await queue.worked([1]);`,
  );
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'inherit', 'inherit'] });
  const deadline = setTimeout(() => child.kill('SIGKILL'), 10_000);
  expect(await exitOf(child)).toBe(0);
  clearTimeout(deadline);
});
