// Connections that fall silent, as behind a firewall that forgot them or a server that vanished: nothing is refused,
// nothing is closed, and new connections work.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { startRedisServer } from '../../src/kit/lab/redis-server.ts';
import { chooseBackend } from '../../src/queue/backend.ts';
import { createDatabase } from '../support/databases.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { persist, useBackend, useQueue } from './redis-use.ts';

const MAX_SILENCE_MS = 1_500;

async function redisBehindProxy() {
  await using opening = new AsyncDisposableStack();
  const server = opening.use(await startRedisServer());
  const proxy = opening.use(await startTcpProxy());
  proxy.aim(server.port);
  const stack = opening.move();
  return {
    proxy,
    direct: server.url,
    url: `redis://127.0.0.1:${proxy.port}`,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function postgresBehindProxy() {
  await using opening = new AsyncDisposableStack();
  const database = opening.use(await createDatabase());
  const proxy = opening.use(await startTcpProxy());
  const through = new URL(database.url);
  const port = Number(through.port);
  proxy.aim(port);
  through.hostname = '127.0.0.1';
  through.port = String(proxy.port);
  const stack = opening.move();
  return {
    proxy,
    port,
    direct: database.url,
    url: through.href,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** It accepts and never says a word, as a server that hangs. */
async function startMuteServer() {
  const reached = Promise.withResolvers<void>();
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    // One that asks and two of the worker.
    if (sockets.length === 3) reached.resolve();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    isReached: reached.promise,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const usePostgres = (databaseUrl: string) =>
  useBackend(chooseBackend({ databaseUrl, maxSilenceMs: MAX_SILENCE_MS }));

test('Redis: who asks is answered by a new connection, within the time that he is given', async () => {
  await using redis = await redisBehindProxy();
  await using queue = useQueue(redis.url);
  await queue.add(1);
  redis.proxy.silence();
  // The first one finds out, and is asked again.
  await queue.add(2);
  await queue.backend.ping();
});

test('Redis: a connection that owes nothing may be silent', async () => {
  await using redis = await redisBehindProxy();
  await using queue = useQueue({ redisUrl: redis.url, maxSilenceMs: 200 });
  await queue.add(1);
  const before = redis.proxy.opened();
  await setTimeout(1_000);
  await queue.add(2);
  expect(redis.proxy.opened()).toBe(before);
});

test('Redis: a worker goes on by new connections', async () => {
  await using redis = await redisBehindProxy();
  await using queue = useQueue({ redisUrl: redis.url, maxSilenceMs: MAX_SILENCE_MS });
  await queue.startWorker();
  await queue.add(1);
  await queue.worked([1]);
  redis.proxy.silence();
  await using producer = useQueue(redis.direct);
  await producer.add(2);
  await queue.worked([2]);
});

test('Redis: a worker whose answer was lost can be closed while what is at the address now says nothing', async () => {
  await using redis = await redisBehindProxy();
  await using mute = await startMuteServer();
  await using queue = useQueue(redis.url);
  const answer = redis.proxy.swallow('lost answer');
  const worker = queue.backend.worker('orders', async () => 'lost answer', {
    concurrency: 1,
    backoff: () => 50,
  });
  worker.on('error', () => {});
  void worker.run();
  await queue.add(1);
  await answer;
  redis.proxy.aim(mute.port);
  await mute.isReached;
  await worker.close();
});

test('Redis: one that has become a replica is left for what the name points to now', async () => {
  await using old = await startRedisServer();
  await using redis = await redisBehindProxy();
  const now = Number(new URL(redis.direct).port);
  redis.proxy.aim(old.port);
  await using queue = useQueue(redis.url);
  await queue.add(1);
  const admin = new Redis(old.port);
  await admin.replicaof('127.0.0.1', 1);
  admin.disconnect();
  redis.proxy.aimNew(now);
  await persist(() => queue.add(2), 5_000);
});

test('PostgreSQL: a queue whose first contact failed works when the server is there', async () => {
  await using postgres = await postgresBehindProxy();
  postgres.proxy.aim(undefined);
  await using queue = usePostgres(postgres.url);
  await expect(queue.add(1)).rejects.toThrow();
  await expect(queue.backend.ping()).rejects.toThrow();
  postgres.proxy.aim(postgres.port);
  await queue.add(2);
  await queue.backend.ping();
  await queue.startWorker();
  await queue.worked([2]);
  expect(queue.done).not.toContain(1);
});

test('PostgreSQL: what is added or asked fails in time, and the next one works', async () => {
  await using postgres = await postgresBehindProxy();
  await using queue = usePostgres(postgres.url);
  await queue.add(1);
  postgres.proxy.silence();
  await expect(queue.add(2)).rejects.toThrow('Query read timeout');
  // Another idle connection may have been silenced as well.
  await persist(() => queue.add(3));
  postgres.proxy.silence();
  await expect(queue.backend.ping()).rejects.toThrow('Query read timeout');
  await queue.backend.ping();
});

test.each([
  ['in the middle of its work', async () => {}],
  ['while it waits', () => setTimeout(300)],
])('PostgreSQL: a worker whose connections fall silent %s goes on by new ones', async (_name, wait) => {
  await using postgres = await postgresBehindProxy();
  await using queue = usePostgres(postgres.url);
  await queue.startWorker();
  await queue.add(1);
  await queue.worked([1]);
  await wait();
  postgres.proxy.silence();
  await using producer = usePostgres(postgres.direct);
  await producer.add(2);
  await queue.worked([2]);
  // To close the connection that listens BullMQ waits for the server, without a deadline; src/runtime has one.
  postgres.proxy.aim(undefined);
});

test('PostgreSQL: a worker whose LISTEN is not answered listens by another connection', async () => {
  await using postgres = await postgresBehindProxy();
  const swallowed = postgres.proxy.swallow('LISTEN');
  await using queue = usePostgres(postgres.url);
  await queue.startWorker();
  await swallowed;
  await queue.add(1);
  await queue.worked([1]);
});

test('PostgreSQL: a ping asks for the tables of the queue', async () => {
  await using empty = await createDatabase('empty');
  await using queue = usePostgres(empty.url);
  await expect(queue.backend.ping()).rejects.toThrow(/bullmq/);
  await queue.backend.migrate();
  await queue.backend.ping();
});
