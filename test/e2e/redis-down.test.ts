import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { randomIntents } from '../support/intents.ts';
import { startRedisServer } from '../support/redis-server.ts';
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
    await expect.poll(() => router.paper.truth().orders.length, { timeout: 20_000 }).toBeGreaterThan(20);
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
