// Edges where truth or money was lost once in review, each on the real parts.
import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { reconcileSubaccount } from '../../src/app/reconcile.ts';
import type { Fill, FillsPage } from '../../src/core/ports.ts';
import { noTelemetry } from '../../src/core/telemetry.ts';
import { type JobData, ORDERS_QUEUE } from '../../src/queue/jobs.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { latestRejections } from '../../src/store/standings.ts';
import { createValidator } from '../../src/venue/validator.ts';
import { cursorOf } from '../store/builders.ts';
import { randomIntents, unhurried } from '../support/intents.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';
import { OUTAGE_TEST_MS, SETTLE_MS, UNHURRIED } from './outage.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

test('an intent that was recorded in time is told as a duplicate after its submit_by, not as refused', async () => {
  await using router = await startTestRouter();
  const submit_by = new Date(Date.now() + 3_000).toISOString();
  const [intent] = randomIntents(1, 41, 'again').map((one) => ({ ...one, submit_by }));
  if (intent === undefined) throw new Error('no intent');
  expect((await router.client.enqueue(intent, { until: 'recorded' })).outcome).toBe('recorded');
  await expect.poll(() => Date.now() > Date.parse(submit_by)).toBe(true);
  expect((await router.client.enqueue(intent)).outcome).toBe('duplicate');
  expect((await router.client.enqueue({ ...intent, client_id: 'new' })).outcome).toBe('invalid');
});

test('the same client_id in two tenants is two orders, also when several producers race', async () => {
  await using router = await startTestRouter();
  const base = { client_id: 'race', market: 'BTC-USD', side: 'BUY', type: 'MARKET', size: '0.01' } as const;
  const both = [
    { ...base, tenant_id: 'a' },
    { ...base, tenant_id: 'b' },
  ];
  const calls = await Promise.all(
    Array.from({ length: 4 }, () => router.client.enqueue(both, { until: 'recorded' })),
  );
  const outcomes = calls.flat().map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'recorded')).toHaveLength(2);
  expect(outcomes.filter((outcome) => outcome === 'duplicate')).toHaveLength(6);
});

test('a repeat right behind its original is a duplicate, another body a conflict, and a refused one is free', async () => {
  await using router = await startTestRouter();
  const [intent] = randomIntents(1, 61, 'quick');
  if (intent === undefined) throw new Error('no intent');
  // No submitter runs: nothing is recorded yet.
  expect((await router.client.enqueue(intent)).outcome).toBe('queued');
  expect((await router.client.enqueue(intent)).outcome).toBe('duplicate');
  expect((await router.client.enqueue({ ...intent, size: '7' })).outcome).toBe('conflict');
  // The queue loses everything; sending the same intent again brings it back.
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  await queue.obliterate({ force: true });
  await router.queues.migrate();
  expect((await router.client.enqueue(intent)).outcome).toBe('duplicate');
  expect(await queue.getJobCountByTypes('waiting')).toBe(1);
  await queue.close();
  // Without a market table the client cannot know the grid; the submitter does.
  const offGrid = {
    ...intent,
    client_id: 'fixed',
    type: 'MARKET',
    price: undefined,
    good_til_blocks: undefined,
  } as const;
  const bad = {
    ...offGrid,
    market: 'BTC-USD',
    size: '0.00001',
    post_only: false,
    time_in_force: 'IOC',
  } as const;
  expect((await router.client.enqueue(bad)).outcome).toBe('queued');
  await router.submitter();
  await expect.poll(async () => (await latestRejections(router.db, 'default', 'fixed', 1)).length).toBe(1);
  expect((await router.client.enqueue({ ...bad, size: '0.01' })).outcome).toBe('queued');
});

test('an intent that was refused once and is offered again is refused again, not swallowed', async () => {
  await using router = await startTestRouter();
  await router.submitter();
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  const bad = { client_id: 'off-grid', market: 'BTC-USD', side: 'BUY', type: 'MARKET', size: '0.00001' };
  const count = async () => (await latestRejections(router.db, 'default', 'off-grid', 10)).length;
  for (const expected of [1, 2]) {
    await queue.add('place', bad, { jobId: 'p-same' });
    await expect.poll(count).toBe(expected);
    // While the job is under way, the same id is the same job.
    await expect.poll(async () => queue.getJob('p-same')).toBeUndefined();
  }
  await queue.close();
});

test('a job from a clock that counts seconds, or lives in the future, is placed by our clock', async () => {
  await using router = await startTestRouter({ paper: { blockMs: 50 } });
  await router.submitter();
  await router.reconciler();
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  const intents = randomIntents(3, 43, 'clock');
  const stamps = [Math.floor(Date.now() / 1000), Date.now() + 3_600_000, Date.parse('2100-01-01')];
  for (const [index, intent] of intents.entries()) {
    await queue.add('place', intent, { timestamp: stamps[index] ?? 0 });
  }
  await router.settled(intents);
  await queue.close();
  for (const { client_id } of intents) {
    const story = await findOrder(router.db, 'default', client_id);
    const untilMs = (story?.order.submit_by?.getTime() ?? 0) - Date.now();
    expect(untilMs).toBeGreaterThan(-60_000);
    expect(untilMs).toBeLessThan(301_000);
    expect(story?.attempts.length).toBeGreaterThan(0);
  }
});

test('a recorded order for an account that is not configured is rejected with that reason', async () => {
  await using router = await startTestRouter();
  const intents = randomIntents(1, 47, 'account').map((intent) => ({ ...intent, account: 'other' }));
  await router.client.enqueue(intents, { until: 'recorded' });
  await router.submitter();
  await router.settled(intents);
  const story = await findOrder(router.db, 'default', 'account-0');
  expect(story?.order).toMatchObject({
    status: 'REJECTED',
    status_reason: 'never sent: account: other is not configured for tenant default',
  });
});

test("another tenant's account signs nothing, neither for a job nor for a row that a door has recorded", async () => {
  await using router = await startTestRouter();
  const [row, job] = randomIntents(2, 48, 'foreign').map((intent) => ({ ...intent, tenant_id: 'stranger' }));
  if (row === undefined || job === undefined) throw new Error('no intents');
  await router.client.enqueue(row, { until: 'recorded' });
  await router.submitter();
  await router.client.enqueue(job);
  await router.settled([row, job]);
  const story = await findOrder(router.db, 'stranger', row.client_id);
  expect(story?.order).toMatchObject({
    status: 'REJECTED',
    attempt_count: 0,
    status_reason: 'never sent: account: default is not configured for tenant stranger',
  });
  const [refused] = await latestRejections(router.db, 'stranger', job.client_id, 1);
  expect(refused?.refusals).toMatchObject([
    { field: 'account', reason: 'default is not configured for tenant stranger; it has none' },
  ]);
  expect(router.paper.truth().orders).toEqual([]);
});

test('a request that waits for a socket until after its deadline is dropped unsent', async () => {
  let arrived = 0;
  const release: (() => void)[] = [];
  await using stack = new AsyncDisposableStack();
  const server = createServer((_request, response) => {
    arrived += 1;
    release.push(() => response.end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const validator = createValidator({
    url: `http://127.0.0.1:${port}`,
    chainId: 'dydx-paper-1',
    timeoutMs: 5_000,
    connections: 1,
  });
  stack.defer(validator.close);
  const first = validator.broadcast(Buffer.from('first'));
  let mayLeave = true;
  const second = validator.broadcast(Buffer.from('second'), () => mayLeave);
  await expect.poll(() => arrived).toBe(1);
  mayLeave = false;
  release[0]?.();
  expect((await first).kind).toBe('no_answer');
  expect(await second).toEqual({ kind: 'not_sent', reason: 'too late to be sent' });
  expect(arrived).toBe(1);
});

/** A router with one resting order that has one partial fill, and no reconciler but the test. */
async function withOneFill(router: TestRouter) {
  await router.submitter();
  const intent = {
    client_id: 'part',
    tenant_id: 'default',
    market: 'PEPE-USD',
    side: 'BUY',
    type: 'LIMIT',
    size: '200000000000',
    price: '0.0000105',
    good_til_blocks: 20,
  } as const;
  await router.client.enqueue(intent);
  await expect.poll(() => router.paper.truth().fills.length).toBeGreaterThan(0);
  const fills = router.paper
    .truth()
    .fills.map((fill): Fill => ({ ...fill, orderUuid: fill.order_id, type: 'LIMIT', createdAt: new Date() }));
  /** @param seen what the indexer shows; @param total what it says it has */
  const run = async (height: number, seen: readonly Fill[], total = seen.length, chainHeight = height) => {
    const page: FillsPage = { fills: seen, totalResults: total };
    const { next: _, ...run } = await reconcileSubaccount(
      {
        indexer: { height: async () => height, fills: async () => page, orders: async () => [] },
        claim: async () => [],
        release: async () => {},
        mayAsk: async () => true,
        compare: async () => ({ unexplained: [], incidents: [] }),
        recordIncidents: async () => [],
        chainHeight: () => chainHeight,
        book: (report) => bookReport(router.db, report, 1),
        pageSize: 200,
        catchUpSize: 200,
        marginBlocks: 1,
        intervalMs: 1_000,
        maxIdleMs: 60_000,
        log: silent,
        telemetry: noTelemetry,
      },
      await cursorOf(router.db),
      height,
    );
    return run;
  };
  const status = async () => (await findOrder(router.db, 'default', 'part'))?.order.status;
  return { fills, run, status };
}

test('a list of fills that is shorter than it says, or lacks what was booked, settles nothing', async () => {
  await using router = await startTestRouter({ paper: { blockMs: 400 } });
  const { fills, run, status } = await withOneFill(router);
  expect(await run(100_000, [], fills.length)).toEqual({ fills: 0, settled: 0 });
  expect(await run(10, fills.slice(0, 1), 1)).toEqual({ fills: 1, settled: 0 });
  expect(await status()).toBe('PARTIALLY_FILLED');
  // A stale replica: the fill that was booked is gone. Twice, because the first time might only reset something.
  expect(await run(100_000, [])).toEqual({ fills: 0, settled: 0 });
  expect(await run(100_000, [])).toEqual({ fills: 0, settled: 0 });
  expect(await status()).toBe('PARTIALLY_FILLED');
  // The whole list again: now it is proof.
  expect(await run(100_000, fills)).toMatchObject({ settled: 1 });
  expect(await status()).toBe('EXPIRED');
});

test('an indexer height far ahead of the chain settles nothing and is not kept', async () => {
  await using router = await startTestRouter({ paper: { blockMs: 400 } });
  const { fills, run, status } = await withOneFill(router);
  expect(await run(999_999_999, fills, fills.length, 50)).toMatchObject({ settled: 0 });
  expect(await status()).toBe('PARTIALLY_FILLED');
  expect((await cursorOf(router.db)).height).toBe(0);
  expect(await run(100_000, fills)).toMatchObject({ settled: 1 });
});

test('a failed job of one attempt is put back, and one that killed its workers is refused', async () => {
  await using router = await startTestRouter({ paper: { blockMs: 50 } });
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  const [lost, poison] = randomIntents(2, 53, 'failed');
  if (lost === undefined || poison === undefined) throw new Error('no intents');
  // Failed by a worker of ours that knows neither of them.
  const failing = router.queues.worker<JobData>(
    ORDERS_QUEUE,
    async (job) => {
      throw new Error(
        job.data['client_id'] === poison.client_id ? 'job stalled more than allowable limit' : 'down',
      );
    },
    { concurrency: 1, backoff: () => 1 },
  );
  void failing.run();
  await queue.add('place', lost, { attempts: 1 });
  await queue.add('place', poison, { attempts: 1 });
  await expect.poll(() => queue.getFailedCount()).toBe(2);
  await failing.close();
  await router.submitter();
  await router.reconciler();
  await router.settled([lost]);
  // Its key is spent: a worker that was only frozen finds it and sends nothing.
  await router.settled([poison]);
  const story = await findOrder(router.db, 'default', poison.client_id);
  expect(story?.order).toMatchObject({ status: 'REJECTED', order_id: null });
  expect(story?.order.status_reason).toContain('workers died with it');
  await queue.close();
});

test('a submitter that is stopped claims nothing more', { timeout: OUTAGE_TEST_MS }, async () => {
  await using router = await startTestRouter(UNHURRIED);
  const intents = unhurried(randomIntents(400, 59, 'stop'));
  await router.client.enqueue(intents, { until: 'recorded' });
  const submitter = await router.submitter();
  await expect.poll(() => router.paper.truth().orders.length).toBeGreaterThan(0);
  await submitter.stop();
  const atStop = router.paper.truth().orders.length;
  expect(atStop).toBeLessThan(intents.length);
  // Whoever comes next goes on.
  await router.submitter();
  await router.reconciler();
  await router.settled(intents, SETTLE_MS);
  expect(await router.findings()).toEqual([]);
});
