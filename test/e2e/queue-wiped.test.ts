import { Redis } from 'ioredis';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { type RedisServer, startRedisServer } from '../../src/kit/lab/redis-server.ts';
import { repeatTransient } from '../../src/store/batcher.ts';
import { randomIntents } from '../support/intents.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';
import { expectTruth, OUTAGE_TEST_MS, SETTLE_MS, UNHURRIED } from './outage.ts';

const isRedis = inject('queueKind') === 'redis';

test(
  'a queue that is wiped in the middle of 500 recorded intents loses none of them',
  async () => {
    await using redis = isRedis ? await startRedisServer() : undefined;
    await using router = await startTestRouter({ ...UNHURRIED, redisUrl: redis?.url });
    await router.submitter({}, { SUBMIT_CONCURRENCY: '4' });
    await router.reconciler();
    const intents = randomIntents(500, 71, 'wiped');
    await router.client.enqueue(intents, { until: 'recorded' });
    await expect.poll(() => router.paper.truth().orders.length).toBeGreaterThan(50);
    await wipeQueue(router, redis);
    await router.settled(intents, SETTLE_MS);
    await expectTruth(router);
    // And the queue is whole again: what comes through it is carried out.
    const later = randomIntents(10, 72, 'later');
    await router.client.enqueue(later);
    await router.settled(later, SETTLE_MS);
    await expectTruth(router);
  },
  OUTAGE_TEST_MS,
);

/** FLUSHALL, or what it is in the other queue's tables. */
async function wipeQueue(router: TestRouter, redis: RedisServer | undefined): Promise<void> {
  if (redis !== undefined) {
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    return;
  }
  const client = new pg.Client({ connectionString: router.database.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT format('bullmq.%I', tablename) AS name FROM pg_tables
       WHERE schemaname = 'bullmq' AND tablename NOT LIKE '%migration%'`,
    );
    // Its workers hold row locks in these tables: one of the two has to give way.
    await repeatTransient(() => client.query(`TRUNCATE ${rows.map(({ name }) => name).join(', ')}`));
  } finally {
    await client.end();
  }
}
