import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { startRedisServer } from '../../src/kit/lab/redis-server.ts';
import { randomIntents } from '../support/intents.ts';
import { startTestRouter } from '../support/router.ts';
import { expectTruth, OUTAGE_TEST_MS, SETTLE_MS, UNHURRIED } from './outage.ts';

test(
  'a Redis that is away for 30 s loses no intent and holds up no recorded one',
  async () => {
    await using redis = await startRedisServer();
    await using router = await startTestRouter({ ...UNHURRIED, redisUrl: redis.url });
    await router.submitter();
    await router.submitter();
    await router.reconciler();
    const queued = randomIntents(300, 73, 'queued');
    await router.client.enqueue(queued);
    await expect.poll(() => router.paper.truth().orders.length).toBeGreaterThan(20);
    await redis.kill();
    const isBack = delay(30_000).then(() => redis.restart());
    // A producer is told at once; what it records without the queue is carried out without the queue.
    await expect(router.client.enqueue(randomIntents(3, 74, 'told'))).rejects.toThrow();
    const recorded = randomIntents(50, 75, 'recorded');
    const outcomes = await router.client.enqueue(recorded, { until: 'recorded' });
    expect(outcomes.filter(({ outcome }) => outcome === 'recorded')).toHaveLength(50);
    await router.settled(recorded);
    await isBack;
    await router.settled(queued, SETTLE_MS);
    await expectTruth(router);
  },
  OUTAGE_TEST_MS,
);

test(
  'a Redis that answers but takes no jobs holds up no recorded intent',
  async () => {
    await using redis = await startRedisServer();
    await using router = await startTestRouter({ ...UNHURRIED, redisUrl: redis.url });
    await router.submitter();
    await router.reconciler();
    const client = new Redis(redis.url);
    // Full: noeviction, which the router requires, refuses every write.
    await client.config('SET', 'maxmemory', '1');
    const intents = randomIntents(20, 77, 'full');
    await expect(router.client.enqueue(intents)).rejects.toThrow(/OOM/);
    await router.client.enqueue(intents, { until: 'recorded' });
    await router.settled(intents, SETTLE_MS);
    await client.config('SET', 'maxmemory', '0');
    client.disconnect();
    await expectTruth(router);
  },
  OUTAGE_TEST_MS,
);
