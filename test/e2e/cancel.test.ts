// Cancels on the real parts: never sent, fenced, stateful, too late, before the order, and all of a book.
import { expect, test } from 'vitest';
import type { IntentInput } from '../../src/core/intent.ts';
import { CONTROL_QUEUE, type JobData } from '../../src/queue/jobs.ts';
import { countActive, requestCancels } from '../../src/store/cancels.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';
import { UNHURRIED } from './outage.ts';

/** Blocks that a loaded machine cannot let pass before an order is cancelled. */
const SLOW = { ...UNHURRIED, paper: { blockMs: 300 } };

const resting = {
  tenant_id: 'default',
  market: 'BTC-USD',
  side: 'BUY',
  type: 'LIMIT',
  size: '0.01',
  price: '57000',
} as const satisfies Partial<IntentInput>;
const shortTerm = (client_id: string) => ({ ...resting, client_id, good_til_blocks: 30 });
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const longTerm = (client_id: string) => ({ ...resting, client_id, good_til_time: inMs(600_000) });

async function storyOf(router: TestRouter, clientId: string) {
  const story = await findOrder(router.db, 'default', clientId);
  if (story === undefined) throw new Error(`no order ${clientId}`);
  return story;
}

async function untilStatus(router: TestRouter, clientId: string, status: string): Promise<void> {
  await expect.poll(async () => (await findOrder(router.db, 'default', clientId))?.order.status).toBe(status);
}

async function untilIncluded(router: TestRouter, clientId: string): Promise<void> {
  await expect
    .poll(async () => (await findOrder(router.db, 'default', clientId))?.order.included_height ?? null)
    .not.toBeNull();
}

test('an order that was never sent ends as CANCELLED at once, and is never sent', async () => {
  await using router = await startTestRouter(SLOW);
  const intent = shortTerm('unsent');
  await router.client.enqueue(intent, { until: 'recorded' });
  expect(await router.client.cancel('unsent')).toMatchObject({ outcome: 'requested', status: 'PENDING' });
  await router.submitter();
  await router.settled([intent]);
  const { order, attempts } = await storyOf(router, 'unsent');
  expect(order).toMatchObject({
    status: 'CANCELLED',
    status_reason: 'never sent: cancelled before it was sent',
  });
  expect(attempts).toEqual([]);
  expect(router.paper.truth().orders).toEqual([]);
});

test('a cancel that comes before its order wins when the order comes, from the queue and through a door', async () => {
  await using router = await startTestRouter(SLOW);
  expect(await router.client.cancel('early-job')).toMatchObject({ outcome: 'spent' });
  expect(await router.client.cancel('early-row')).toMatchObject({ outcome: 'spent' });
  await router.submitter();
  const [job, row] = [shortTerm('early-job'), shortTerm('early-row')];
  await router.client.enqueue(job);
  expect((await router.client.enqueue(row, { until: 'recorded' })).outcome).toBe('cancelled');
  await router.settled([job, row]);
  for (const { client_id } of [job, row]) {
    expect((await storyOf(router, client_id)).order).toMatchObject({ status: 'CANCELLED', attempt_count: 0 });
  }
  expect(router.paper.truth().orders).toEqual([]);
});

test('a resting short-term order is fenced, and CANCELLED when its last block has passed', async () => {
  await using router = await startTestRouter(SLOW);
  await router.submitter();
  await router.reconciler();
  const intent = shortTerm('fenced');
  await router.client.enqueue(intent);
  await untilStatus(router, 'fenced', 'OPEN');
  await router.client.cancel('fenced');
  await router.settled([intent]);
  const { order, cancels } = await storyOf(router, 'fenced');
  expect(order).toMatchObject({ status: 'CANCELLED', status_reason: 'cancelled' });
  expect(cancels).toMatchObject([{ outcome: 'accepted', good_til_block: order.good_til_block, orders: 1 }]);
  expect(router.paper.truth().orders).toMatchObject([{ removal: 'USER_CANCELED', live: false }]);
  expect(await router.findings()).toEqual([]);
});

test('a resting stateful order is cancelled on chain, long before its time', async () => {
  await using router = await startTestRouter(SLOW);
  await router.submitter();
  await router.reconciler();
  const intent = longTerm('on-chain');
  await router.client.enqueue(intent);
  await untilIncluded(router, 'on-chain');
  await router.client.cancel('on-chain');
  await router.settled([intent]);
  const { order, attempts, cancels } = await storyOf(router, 'on-chain');
  expect(order).toMatchObject({
    status: 'CANCELLED',
    status_reason: 'cancelled',
    death: { cause: 'removed' },
  });
  expect(attempts).toHaveLength(1);
  expect(cancels.map(({ outcome }) => outcome)).toContain('accepted');
  expect(await router.findings()).toEqual([]);
});

test('a cancel of an order that is filled says so and changes nothing', async () => {
  await using router = await startTestRouter(SLOW);
  await router.submitter();
  await router.reconciler();
  const intent = { ...resting, client_id: 'filled', type: 'MARKET', price: undefined } as const;
  await router.client.enqueue(intent);
  await router.settled([intent]);
  expect(await router.client.cancel('filled')).toMatchObject({ outcome: 'final', status: 'FILLED' });
  expect((await storyOf(router, 'filled')).order.status).toBe('FILLED');
});

test('the answer to a cancel is lost, refused for now or in doubt, and the order still ends as CANCELLED, proven', async () => {
  await using router = await startTestRouter(SLOW);
  await router.submitter();
  await router.reconciler();
  const intents = [shortTerm('lost-answer'), longTerm('lost-answer-on-chain')];
  await router.client.enqueue(intents);
  await untilStatus(router, 'lost-answer', 'OPEN');
  await untilIncluded(router, 'lost-answer-on-chain');
  router.paper.faults.add({ on: 'broadcast', action: 'drop_before', every: 2 });
  const params = { codespace: 'clob', code: 5001, log: 'rate limited' };
  router.paper.faults.add({ on: 'broadcast', action: 'reject', every: 3, params });
  for (const { client_id } of intents) await router.client.cancel(client_id);
  await router.settled(intents);
  for (const { client_id } of intents)
    expect((await storyOf(router, client_id)).order.status).toBe('CANCELLED');
  expect(await router.findings()).toEqual([]);
});

test('cancelling all empties a book of short-term and stateful orders by batches, and proves it', async () => {
  await using router = await startTestRouter(SLOW);
  await router.submitter();
  await router.reconciler();
  const blocks = { ...resting, good_til_blocks: 40 };
  const intents = [
    ...Array.from({ length: 60 }, (_, index) => ({ ...blocks, client_id: `btc-${index}` })),
    ...Array.from({ length: 10 }, (_, index) => ({
      ...blocks,
      client_id: `eth-${index}`,
      market: 'ETH-USD',
      price: '2850',
    })),
    longTerm('long'),
  ];
  await router.client.enqueue(intents);
  await expect.poll(async () => (await countActive(router.db, {})).others).toBe(intents.length);
  await untilIncluded(router, 'long');
  expect(await requestCancels(router.db, { market: 'ETH-USD' })).toBe(10);
  expect(await requestCancels(router.db, {})).toBe(intents.length - 10);
  await router.settled(intents);
  expect(await countActive(router.db, {})).toEqual({ cancelling: 0, others: 0 });
  const batches = await router.db.selectFrom('cancel_transactions').select('order_ids').execute();
  // Rows are due by hundreds: far fewer transactions than orders.
  expect(batches.length).toBeLessThan(intents.length / 3);
  expect(router.paper.truth().orders.filter(({ live }) => live)).toEqual([]);
  expect(await router.findings()).toEqual([]);
});

test('thirty resting stateful orders are cancelled while a new one goes out: neither waits for the nonces of the other', async () => {
  await using router = await startTestRouter({
    paper: { statefulRateLimits: [{ limit: 1000, blocks: 10 }], equityTiers: [{ usd: '0', limit: 1_000 }] },
  });
  await router.submitter();
  await router.reconciler();
  const intents = Array.from({ length: 30 }, (_, index) => longTerm(`many-${index}`));
  await router.client.enqueue(intents);
  for (const { client_id } of intents) await untilIncluded(router, client_id);
  await requestCancels(router.db, {});
  const next = { ...longTerm('next'), price: '63000' };
  await router.client.enqueue(next);
  // A nonce in doubt is given up after 30 s: both are over before that only if they are given back.
  await router.settled([...intents, next], 25_000);
  expect((await storyOf(router, 'next')).order.status).toBe('FILLED');
  for (const { client_id } of intents)
    expect((await storyOf(router, client_id)).order.status).toBe('CANCELLED');
  expect(await router.findings()).toEqual([]);
});

test('the queue takes halts and lifts none', async () => {
  await using router = await startTestRouter(SLOW);
  await router.submitter();
  const control = router.queues.queue<JobData>(CONTROL_QUEUE);
  await control.add('halt', { reason: 'a test', by: 'operator' });
  const modes = () => router.db.selectFrom('controls').select(['mode', 'set_by']).execute();
  await expect.poll(modes).toEqual([{ mode: 'HALTED', set_by: 'operator' }]);
  await control.add('resume', { reason: 'forged', by: 'operator' });
  await expect.poll(async () => (await control.getFailed()).map(({ name }) => name)).toEqual(['resume']);
  expect(await modes()).toEqual([{ mode: 'HALTED', set_by: 'operator' }]);
  await control.close();
});
