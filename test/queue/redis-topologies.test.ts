// The queue on Redis as it is run in production: a cluster, and a master with a replica under sentinels.
//
// What a failover guarantees: Redis replicates asynchronously, so the promoted replica has what had reached it. A job
// that was acknowledged in the moments before may be lost; its row is not (the sweep finds it), and what was only
// queued may be sent again. These tests wait for the replica (WAIT) before the master dies.
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import type { QueueBackend } from '../../src/queue/backend.ts';
import { range } from '../support/range.ts';
import { startRedisCluster, startRedisSentinels } from '../support/redis-topologies.ts';
import { persist, useQueue } from './redis-use.ts';

/** A password that must be encoded in a URL. */
const PASSWORD = 'p@ss/w:rd%';
const FIRST = range(0, 20);
const SECOND = range(20, 40);

async function takenOfTen(backend: QueueBackend): Promise<number[]> {
  const store = backend.rateStore();
  const bucket = { key: 'dydx1owner:7', points: 10, lifeS: 60 };
  return [await store.take(bucket, 7), await store.take(bucket, 7)];
}

test('a cluster with a password takes jobs, works them off, and counts what processes share', async () => {
  await using cluster = await startRedisCluster(3, PASSWORD);
  await using queue = useQueue(cluster.url);
  expect(await queue.backend.hazards()).toEqual([]);
  await Promise.all(FIRST.map(queue.add));
  await queue.startWorker();
  await queue.worked(FIRST);
  await Promise.all(SECOND.map(queue.add));
  await queue.worked(SECOND);
  expect(await takenOfTen(queue.backend)).toEqual([7, 3]);
});

test('one node of a cluster that evicts is found by the first question', async () => {
  await using cluster = await startRedisCluster(3);
  const direct = new Redis({ port: cluster.nodes[1]?.port ?? 0 });
  await direct.config('SET', 'maxmemory-policy', 'allkeys-lru');
  direct.disconnect();
  await using queue = useQueue(cluster.url);
  expect(await queue.backend.hazards()).toEqual([expect.stringContaining('maxmemory-policy allkeys-lru')]);
});

test('a cluster that goes away: a producer is told at once, and all goes on when it is back', async () => {
  await using cluster = await startRedisCluster(3);
  await using queue = useQueue(cluster.url);
  await queue.startWorker();
  await queue.add(0);
  await queue.worked([0]);
  await Promise.all(cluster.nodes.map((node) => node.kill()));

  const startedMs = Date.now();
  await expect(queue.add(1)).rejects.toThrow();
  await expect(queue.backend.ping()).rejects.toThrow(/^REDIS_URL: /);
  expect(Date.now() - startedMs).toBeLessThan(20_000);

  await Promise.all(cluster.nodes.map((node) => node.restart()));
  await persist(() => queue.add(2));
  await queue.worked([2]);
});

test('sentinels: when the master dies its replica is used, with the jobs that had reached it', async () => {
  await using sentinels = await startRedisSentinels(PASSWORD);
  const [master] = sentinels.servers;
  if (master === undefined) throw new Error('no master');
  await using queue = useQueue(sentinels.url);
  await queue.startWorker();
  await queue.add(0);
  await queue.worked([0]);
  await queue.stopWorker();

  await Promise.all(FIRST.map(queue.add));
  const direct = new Redis({ port: master.port, password: PASSWORD });
  expect(await direct.wait(1, 5_000)).toBe(1);
  direct.disconnect();
  await queue.startWorker();
  await master.kill();
  await sentinels.promoted(master);

  await persist(() => queue.add(100));
  await queue.worked([...FIRST, 100]);
  expect(await queue.backend.hazards()).toEqual([]);
  expect(await takenOfTen(queue.backend)).toEqual([7, 3]);
});

test('sentinels that know no such master are told from ones that do not answer', async () => {
  await using sentinels = await startRedisSentinels();
  await using wrong = useQueue(sentinels.url.replace(/main$/, 'other'));
  await expect(wrong.backend.ping()).rejects.toThrow('the sentinels know no master of the name');
  await using away = useQueue('redis-sentinel://127.0.0.1:1,127.0.0.1:2/main');
  await expect(away.backend.ping()).rejects.toThrow(/^REDIS_URL: .*: does one of the sentinels run/);
});
