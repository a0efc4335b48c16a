// What the router relies on in a queue, on each of them.
import { expect, inject, test } from 'vitest';
import { parseIntent } from '../../../src/core/intent.ts';
import {
  addHeartbeatJob,
  addPlaceJobs,
  addWakeJob,
  HEARTBEAT,
  heartbeatSentAt,
  type JobData,
  ORDERS_QUEUE,
  queueBackoff,
} from '../../../src/queue/jobs.ts';
import { randomIntents } from '../../support/intents.ts';
import { startTestRouter } from '../../support/router.ts';

const intents = randomIntents(5, 91, 'looped').flatMap((raw) => {
  const parsed = parseIntent(raw);
  return parsed.ok ? [parsed.intent] : [];
});

async function openQueue() {
  const router = await startTestRouter();
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  return { router, queue };
}

test('the queue is the one of this leg', async () => {
  await using router = await startTestRouter();
  expect(router.queues.kind).toBe(inject('queueKind'));
  await router.queues.ping();
  expect(await router.queues.hazards()).toEqual([]);
});

test('the same intent again is the same job; a heartbeat waits once; wake-ups are as many as were asked for', async () => {
  const { router, queue } = await openQueue();
  await using _ = router;
  await addPlaceJobs(queue, intents);
  await addPlaceJobs(queue, intents);
  const sentAt = new Date('2026-01-02T03:04:05.678Z');
  await addHeartbeatJob(queue, sentAt);
  await addHeartbeatJob(queue, new Date());
  await addWakeJob(queue, 0);
  await addWakeJob(queue, 0);
  const jobs = await queue.getWaiting();
  expect(jobs.map(({ name }) => name).toSorted()).toEqual(
    [...intents.map(() => 'place'), HEARTBEAT, 'wake', 'wake'].toSorted(),
  );
  const heartbeat = jobs.find(({ name }) => name === HEARTBEAT);
  expect(heartbeatSentAt(heartbeat?.data)).toEqual(sentAt);
  await queue.close();
});

test('a job that throws is tried again until it is done, and leaves nothing behind', async () => {
  const { router, queue } = await openQueue();
  await using _ = router;
  await addPlaceJobs(queue, intents);
  const tries = new Map<string, number>();
  const worker = router.queues.worker<JobData>(
    ORDERS_QUEUE,
    async (job) => {
      const tried = (tries.get(job.id ?? '') ?? 0) + 1;
      tries.set(job.id ?? '', tried);
      if (tried < 3) throw new Error('not yet');
    },
    { concurrency: 3, backoff: () => 1 },
  );
  worker.on('error', () => {});
  await worker.waitUntilReady();
  void worker.run();
  await expect
    .poll(async () => Object.values(await queue.getJobCounts()).reduce((sum, count) => sum + count, 0))
    .toBe(0);
  expect([...tries.values()]).toEqual(intents.map(() => 3));
  await worker.close();
  await queue.close();
});

test('a wake-up of later waits until then', async () => {
  const { router, queue } = await openQueue();
  await using _ = router;
  await addWakeJob(queue, 3_600_000);
  expect(await queue.getJobCounts('waiting', 'delayed')).toEqual({ waiting: 0, delayed: 1 });
  await queue.close();
});

test('data that is no heartbeat is refused', () => {
  expect(() => heartbeatSentAt({})).toThrow();
  expect(() => heartbeatSentAt({ sent_at: 'yesterday' })).toThrow();
});

test('the pause between tries grows and has an end', () => {
  const longest = Array.from({ length: 30 }, (_, made) => queueBackoff(made));
  for (const pauseMs of longest) expect(pauseMs).toBeLessThanOrEqual(15_000);
});
