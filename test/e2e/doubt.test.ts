import { expect, test } from 'vitest';
import { type JobData, ORDERS_QUEUE } from '../../src/queue/jobs.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { randomIntents } from '../support/intents.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';

type Fault = Parameters<TestRouter['paper']['faults']['add']>[0];

const BROADCAST_FAULTS: readonly Fault[] = [
  { on: 'broadcast', action: 'drop_before', every: 3 },
  { on: 'broadcast', action: 'drop_after', every: 3 },
  { on: 'broadcast', action: 'hang_before', every: 5 },
  { on: 'broadcast', action: 'hang_after', every: 5 },
  { on: 'broadcast', action: 'http_502', every: 3 },
  { on: 'broadcast', action: 'http_429', every: 3 },
  { on: 'broadcast', action: 'html', every: 3 },
  { on: 'broadcast', action: 'truncate', every: 3 },
  { on: 'broadcast', action: 'empty', every: 3 },
  { on: 'broadcast', action: 'unknown_outcome', every: 3 },
  { on: 'broadcast', action: 'lose', every: 3 },
  {
    on: 'broadcast',
    action: 'reject',
    params: { codespace: 'clob', code: 5001, log: 'rate limited' },
    every: 3,
  },
  { on: 'broadcast', action: 'reject', params: { codespace: 'clob', code: 11, log: 'node lags' }, every: 3 },
  { on: 'broadcast', action: 'reject', params: { codespace: 'new', code: 77, log: 'never seen' }, every: 3 },
];

const INDEXER_FAULTS: readonly Fault[] = [
  { on: 'indexer', action: 'http_429', every: 3 },
  { on: 'indexer', action: 'http_502', probability: 0.5 },
  { on: 'indexer', action: 'html', every: 3 },
  { on: 'indexer', action: 'truncate', every: 3 },
  { on: 'indexer', action: 'hang', every: 7, count: 5 },
  { on: 'indexer', action: 'lag', params: { blocks: 10 } },
  { on: 'indexer', action: 'lag', params: { blocks: 10 }, every: 3 },
];

async function tradeUnder(fault: Fault, seed: number): Promise<void> {
  await using router = await startTestRouter({ paper: { blockMs: 50 } });
  await router.submitter();
  await router.reconciler();
  router.paper.faults.add(fault);
  const intents = randomIntents(24, seed, 'doubt');
  await router.client.enqueue(intents);
  await router.settled(intents);
  expect(await router.findings()).toEqual([]);
  const { orders } = router.paper.truth();
  for (const order of orders)
    expect(BigInt(order.filled_quantums)).toBeLessThanOrEqual(BigInt(order.quantums));
}

test.for(BROADCAST_FAULTS.map((fault, index) => [JSON.stringify(fault), fault, index] as const))(
  'orders end true and proven when the validator does %s',
  async ([, fault, index]) => tradeUnder(fault, 1000 + index),
);

test.for(INDEXER_FAULTS.map((fault, index) => [JSON.stringify(fault), fault, index] as const))(
  'orders end true and proven when the indexer does %s',
  async ([, fault, index]) => tradeUnder(fault, 2000 + index),
);

test('an answer that was lost after acceptance is found by the same bytes, once', async () => {
  await using router = await startTestRouter({
    paper: { blockMs: 400 },
    settings: { IOC_GOOD_TIL_BLOCKS: '20' },
  });
  await router.submitter();
  await router.reconciler();
  router.paper.faults.add({ on: 'broadcast', action: 'drop_after', count: 1 });
  const intent = {
    client_id: 'lost',
    tenant_id: 'default',
    market: 'BTC-USD',
    side: 'BUY',
    type: 'MARKET',
    size: '0.01',
  } as const;
  await router.client.enqueue(intent);
  await router.settled([intent]);
  const story = await findOrder(router.db, 'default', 'lost');
  expect(story?.order.status).toBe('FILLED');
  expect(story?.attempts).toHaveLength(1);
  expect(router.paper.truth().orders).toMatchObject([{ accepted: 1, filled_size: '0.01' }]);
});

test('a refusal for now is answered with a later good-til-block and the same order id', async () => {
  await using router = await startTestRouter({
    paper: { blockMs: 400 },
    settings: { VALIDATOR_TIMEOUT_MS: '20000', RESEND_AFTER_MS: '30000' },
  });
  await router.submitter();
  await router.reconciler();
  const params = { codespace: 'clob', code: 5001, log: 'rate limited' };
  router.paper.faults.add({ on: 'broadcast', action: 'reject', count: 1, params });
  const intent = {
    client_id: 'limited',
    tenant_id: 'default',
    market: 'ETH-USD',
    side: 'BUY',
    type: 'LIMIT',
    size: '0.25',
    price: '3150',
    good_til_blocks: 15,
  } as const;
  await router.client.enqueue(intent);
  await router.settled([intent]);
  const story = await findOrder(router.db, 'default', 'limited');
  expect(story?.attempts.map(({ outcome }) => outcome)).toEqual(['deferred', 'accepted']);
  expect(story?.order).toMatchObject({ status: 'FILLED', retry_count: 1 });
  expect(router.paper.truth().orders).toHaveLength(1);
});

test('no payload ends the submitter or harms another job', async () => {
  await using router = await startTestRouter({ paper: { blockMs: 50 } });
  await router.submitter();
  await router.reconciler();
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  const bodies: unknown[] = [
    null,
    7,
    'text',
    [],
    {},
    { intents: null },
    { intents: [] },
    { intents: [null, 1, 'x', [], {}] },
    { intents: Array.from({ length: 101 }, (_, index) => ({ client_id: `many-${index}` })) },
    { client_id: 'x'.repeat(10_000) },
    { client_id: 'deep', metadata: JSON.parse(`${'['.repeat(3000)}${']'.repeat(3000)}`) },
    { client_id: 'fat', metadata: 'x'.repeat(1_000_000) },
    JSON.parse('{"__proto__":{"a":1},"client_id":"proto"}'),
    {
      client_id: 'year',
      market: 'BTC-USD',
      side: 'BUY',
      type: 'MARKET',
      size: '0.01',
      submit_by: '275760-01-01T00:00:00Z',
    },
    { client_id: 'big', market: 'BTC-USD', side: 'BUY', type: 'MARKET', size: '99999999999999999999' },
  ];
  for (const body of bodies) await queue.add('place', body as JobData);
  await queue.add('unknown', {});
  const intents = randomIntents(5, 31, 'good');
  await router.client.enqueue(intents);
  await router.settled(intents);
  await queue.close();
  const { count } = await router.db
    .selectFrom('intent_rejections')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow();
  expect(Number(count)).toBeGreaterThanOrEqual(bodies.length);
  expect(await router.findings()).toEqual([]);
});
