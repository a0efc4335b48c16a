// A bucket gives out what it holds once, whoever asks, on each store.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, inject, test } from 'vitest';
import { chooseBackend, type QueueBackend } from '../../../src/queue/backend.ts';
import type { RateStore } from '../../../src/queue/rate-store.ts';
import { createDatabase } from '../../support/databases.ts';
import { asLogin } from '../../support/logins.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

const database = await createDatabase();
const databaseUrl = asLogin(database.url, 'worker');
const queuePrefix = `{${randomUUID()}}`;
const redisUrl = inject('queueKind') === 'redis' ? inject('redisUrl') : undefined;
const backends: QueueBackend[] = [];
const open = (changes: Partial<Parameters<typeof chooseBackend>[0]> = {}): RateStore => {
  const backend = chooseBackend({ databaseUrl, redisUrl, queuePrefix, ...changes });
  backends.push(backend);
  return backend.rateStore();
};
const [a, b] = [open(), open()];
afterAll(async () => {
  for (const backend of backends) await backend.close();
  await database[Symbol.asyncDispose]();
});

const bucketOf = (points: number, lifeS = 60) => ({ key: randomUUID(), points, lifeS });

test('two processes take together what a bucket holds, and not a point more', async () => {
  const bucket = bucketOf(1_000);
  const takes = Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? a : b).take(bucket, 17));
  const taken = await Promise.all(takes);
  expect(taken.reduce((sum, points) => sum + points, 0)).toBe(1_000);
  expect(taken.filter((points) => points === 17)).toHaveLength(58);
  expect(taken.filter((points) => points > 0 && points < 17)).toEqual([1_000 - 58 * 17]);
  expect(await a.take(bucket, 1)).toBe(0);
});

test('who asks for more than is left gets what is left, also of a fresh bucket', async () => {
  const bucket = bucketOf(10);
  expect(await a.take(bucket, 7)).toBe(7);
  expect(await b.take(bucket, 7)).toBe(3);
  expect(await a.take(bucket, 7)).toBe(0);
  expect(await a.take(bucketOf(10), 25)).toBe(10);
});

test('buckets of another key, however long, are others', async () => {
  const names = ['x'.repeat(400), `${'x'.repeat(399)}y`, 'short', `dydx1${'é:{}'.repeat(20)}`];
  for (const name of names) {
    const bucket = { ...bucketOf(3), key: name };
    expect([await a.take(bucket, 2), await b.take(bucket, 2)]).toEqual([2, 1]);
  }
});

test('a bucket is forgotten after its life, not before', async () => {
  const bucket = bucketOf(2, 1);
  expect([await a.take(bucket, 2), await b.take(bucket, 1)]).toEqual([2, 0]);
  await delay(1_100);
  expect(await b.take(bucket, 1)).toBe(1);
});

test('a store that is away, or silent, fails within about a second, and works again when it is back', async () => {
  await using proxy = await startTcpProxy();
  const behind = new URL(redisUrl ?? databaseUrl);
  const port = Number(behind.port);
  behind.hostname = '127.0.0.1';
  behind.port = String(proxy.port);
  proxy.aim(port);
  const store = open(redisUrl === undefined ? { databaseUrl: behind.href } : { redisUrl: behind.href });
  expect(await store.take(bucketOf(5), 1)).toBe(1);
  for (const lose of [() => proxy.aim(undefined), proxy.silence]) {
    lose();
    const startedMs = performance.now();
    await expect(store.take(bucketOf(5), 1)).rejects.toThrow();
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    proxy.aim(port);
    await expect.poll(() => store.take(bucketOf(5), 1).catch(() => 'away')).toBe(1);
  }
});
