// Sequences that lose money elsewhere: each is one that a router can meet, made to happen on the real parts.
import { expect, test } from 'vitest';
import { unsignedOrder } from '../../src/app/submit.ts';
import { bringUpToDate } from '../../src/cli/bring-up-to-date.ts';
import { createRouterClient } from '../../src/client.ts';
import { type IntentInput, parseIntent } from '../../src/core/intent.ts';
import type { Validator } from '../../src/core/ports.ts';
import { chooseBackend } from '../../src/queue/backend.ts';
import { type JobData, ORDERS_QUEUE } from '../../src/queue/jobs.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { recordOrders } from '../../src/store/recording.ts';
import { standings } from '../../src/store/standings.ts';
import { createValidator } from '../../src/venue/validator.ts';
import { createDatabase } from '../support/databases.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';

const HOUR_MS = 3_600_000;
const base = { tenant_id: 'default', market: 'BTC-USD', side: 'BUY', size: '0.01' } as const;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

async function storyOf(router: TestRouter, clientId: string) {
  const story = await findOrder(router.db, 'default', clientId);
  if (story === undefined) throw new Error(`no order ${clientId}`);
  return story;
}

test.for([
  ['crosses', '63000', 'FILLED', 'completely filled'],
  ['rests', '57000', 'EXPIRED', 'good_til_time reached'],
] as const)(
  '5001 from the second node after the first has accepted a stateful order that %s: it is placed once and ends as what it is',
  async ([, price, status, reason]) => {
    await using router = await startTestRouter({ paper: { nodes: 2 } });
    await router.submitter();
    await router.reconciler();
    // The first transmission is accepted and its answer lost; the second one goes to the other node.
    router.paper.faults.add({ on: 'broadcast', action: 'drop_after', count: 1 });
    const params = { codespace: 'clob', code: 5001, log: 'rate limited' };
    router.paper.faults.add({ on: 'broadcast', action: 'reject', count: 1, params });
    const intent = {
      ...base,
      client_id: 'limited',
      type: 'LIMIT',
      price,
      good_til_time: inMs(15_000),
    } as const;
    await router.client.enqueue(intent);
    await router.settled([intent]);
    const { order, attempts } = await storyOf(router, 'limited');
    expect(order).toMatchObject({ status, status_reason: reason });
    expect(new Set(attempts.map(({ nonce }) => nonce)).size).toBe(1);
    expect(router.paper.truth().transactions.map(({ code }) => code)).toEqual([0]);
    expect(await router.findings()).toEqual([]);
  },
);

test('a transaction that the chain refuses in its block before its message leaves the order to go on', async () => {
  await using router = await startTestRouter();
  await router.submitter();
  await router.reconciler();
  const params = { codespace: 'sdk', code: 32, log: 'timestamp nonce is outside its window' };
  router.paper.faults.add({ on: 'broadcast', action: 'fail_in_block', count: 1, params });
  const intent = {
    ...base,
    client_id: 'failed',
    type: 'LIMIT',
    price: '63000',
    good_til_time: inMs(120_000),
  } as const;
  await router.client.enqueue(intent);
  await router.settled([intent], 90_000);
  const { order, attempts } = await storyOf(router, 'failed');
  expect(order.status).toBe('FILLED');
  expect(attempts).toHaveLength(2);
  expect(attempts[0]).toMatchObject({ included_code: '32', absent_height: null });
  expect(await router.findings()).toEqual([]);
}, 300_000);

test('a stateful order that fails in its block is REJECTED with that code', async () => {
  await using router = await startTestRouter();
  await router.submitter();
  await router.reconciler();
  const params = { codespace: 'clob', code: 3007, log: 'collateral' };
  router.paper.faults.add({ on: 'broadcast', action: 'fail_in_block', count: 1, params });
  const intent = {
    ...base,
    client_id: 'poor',
    type: 'LIMIT',
    price: '57000',
    good_til_time: inMs(600_000),
  } as const;
  await router.client.enqueue(intent);
  await router.settled([intent]);
  expect((await storyOf(router, 'poor')).order).toMatchObject({
    status: 'REJECTED',
    status_reason: 'clob/3007',
    death: { cause: 'failed' },
  });
  expect(await router.findings()).toEqual([]);
});

test('stateful orders that are sent to the queue again and again take no nonce of the others', async () => {
  await using router = await startTestRouter();
  await router.submitter();
  await router.reconciler();
  const intent = {
    ...base,
    client_id: 'again',
    type: 'LIMIT',
    price: '57000',
    good_til_time: inMs(600_000),
  } as const;
  await router.client.enqueue(intent);
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  for (let repeat = 0; repeat < 15; repeat++) await queue.add('place', { ...intent });
  await expect.poll(() => queue.getJobCountByTypes('waiting', 'active')).toBe(0);
  await queue.close();
  const inDoubt = () => router.db.selectFrom('nonces_in_doubt').selectAll().execute();
  await expect.poll(async () => (await inDoubt()).length).toBe(0);
  const next = { ...intent, client_id: 'next', price: '63000' };
  await router.client.enqueue(next);
  await router.settled([next]);
  expect((await storyOf(router, 'next')).order.status).toBe('FILLED');
});

test('a reduce-only IOC is partly filled, its answer is lost, and the re-send says 2001: it ends by its fills', async () => {
  await using router = await startTestRouter({
    paper: { nodes: 2 },
    settings: { IOC_GOOD_TIL_BLOCKS: '30' },
  });
  await using second = closing(
    createValidator({
      url: router.paper.nodes[1] ?? '',
      chainId: router.paper.chainId,
      timeoutMs: 2_000,
      connections: 4,
    }),
  );
  const answers: unknown[] = [];
  const firstThenSecond = (validator: Validator): Validator => ({
    ...validator,
    broadcast: async (bytes, mayLeave, turn) => {
      if (turn === 0) {
        const first = createValidator({
          url: router.paper.nodes[0] ?? '',
          chainId: router.paper.chainId,
          timeoutMs: 2_000,
          connections: 4,
        });
        const answer = await first.broadcast(bytes, mayLeave);
        await first.close();
        return answer;
      }
      // Only when the fill has closed the position does the other node say 2001.
      await expect.poll(() => router.paper.truth().fills.length).toBeGreaterThan(1);
      const answer = await second.validator.broadcast(bytes, mayLeave);
      answers.push(answer);
      return answer;
    },
  });
  await router.submitter({ wrapValidator: firstThenSecond });
  await router.reconciler();
  const opening = { ...base, client_id: 'opening', type: 'MARKET' } as const;
  await router.client.enqueue(opening);
  await router.settled([opening]);
  // From now on the nodes do not tell each other: the second one judges the re-send by its state.
  router.paper.setNode(0, { gossip: false });
  router.paper.faults.add({ on: 'broadcast', action: 'drop_after', count: 1 });
  const closingOrder = {
    ...base,
    client_id: 'closing',
    side: 'SELL',
    type: 'LIMIT',
    time_in_force: 'IOC',
    size: '0.03',
    price: '57000',
    reduce_only: true,
  } as const;
  await router.client.enqueue(closingOrder);
  await router.settled([closingOrder]);
  expect(answers).toMatchObject([{ kind: 'check_tx', codespace: 'clob', code: 2001 }]);
  const { order, attempts } = await storyOf(router, 'closing');
  expect(order).toMatchObject({ status: 'CANCELLED', status_reason: 'ioc_remainder' });
  expect(Number(order.filled_size)).toBe(0.01);
  expect(attempts).toMatchObject([{ transmissions: 2, outcome: 'refused', code: '2001' }]);
  expect(await router.findings()).toEqual([]);
});

function closing(validator: ReturnType<typeof createValidator>) {
  return { validator, [Symbol.asyncDispose]: () => validator.close() };
}

test('a new database on a subaccount that was used before takes no fill and no id of the old orders', async () => {
  await using router = await startTestRouter();
  const submitter = await router.submitter();
  const reconciler = await router.reconciler();
  const before = [0, 1, 2].map((index) => ({ ...base, client_id: `same-${index}`, type: 'MARKET' as const }));
  await router.client.enqueue(before);
  await router.settled(before);
  await submitter.stop();
  await reconciler.stop();
  const old = new Set(router.paper.truth().orders.map(({ client_id }) => client_id));

  // Migrated by itself, not cloned from the template of the run: its ids begin where chance says.
  await using fresh = await createDatabase('empty');
  const DATABASE_URL = fresh.url;
  await bringUpToDate(DATABASE_URL, chooseBackend({ databaseUrl: DATABASE_URL }));
  const { REDIS_URL: redisUrl } = router.settings;
  const queuePrefix = '{fresh}';
  await using client = createRouterClient({ databaseUrl: DATABASE_URL, redisUrl, queuePrefix });
  const settings = { DATABASE_URL, QUEUE_PREFIX: queuePrefix };
  const [again, booking] = await Promise.all([
    router.submitter({}, settings),
    router.reconciler({}, settings),
  ]);
  // The same client ids mean other orders there.
  await client.enqueue(before);
  await expect
    .poll(async () => (await standings(fresh.db, before)).map(({ status }) => status))
    .toEqual(['FILLED', 'FILLED', 'FILLED']);
  const { orders, fills } = router.paper.truth();
  expect(orders).toHaveLength(6);
  const booked = await fresh.db.selectFrom('order_fills').select('id').execute();
  const theirs = fills.filter((fill) => {
    const order = orders.find(({ id }) => id === fill.order_id);
    return order !== undefined && !old.has(order.client_id);
  });
  expect(booked.map(({ id }) => id).sort()).toEqual(theirs.map(({ id }) => id).sort());
  expect(await fresh.db.selectFrom('unexplained_fills').selectAll().execute()).toEqual([]);
  await Promise.all([again.stop(), booking.stop()]);
});

test('a market order that is found after an hour of outage is not sent, in the queue, as a row, and in doubt', async () => {
  await using router = await startTestRouter();
  const market = (client_id: string) => ({ ...base, client_id, type: 'MARKET' }) as const;
  const [job, row, doubt] = [market('job'), market('row'), market('doubt')] as const;

  // In doubt: signed and stored, the bytes lost on their way, then nobody there for longer than it lives.
  router.paper.faults.add({ on: 'broadcast', action: 'drop_before', count: 1 });
  const submitter = await router.submitter();
  await router.client.enqueue(doubt);
  await expect
    .poll(async () => (await findOrder(router.db, 'default', 'doubt'))?.attempts[0]?.outcome)
    .toBe('doubt');
  await submitter.stop();
  const { order: left } = await storyOf(router, 'doubt');
  await expect.poll(() => router.paper.height()).toBeGreaterThan(left.good_til_block ?? 0);

  const hourAgo = Date.now() - HOUR_MS;
  const queue = router.queues.queue<JobData>(ORDERS_QUEUE);
  await queue.add('place', job, { timestamp: hourAgo });
  await queue.close();
  await recordOrders(router.db, [unsignedOrder(intentOf(row), new Date(hourAgo), hourAgo)]);
  await router.submitter();
  await router.reconciler();
  const late = [job, row, doubt];
  await router.settled(late);
  for (const { client_id } of [job, row]) {
    const { order, attempts } = await storyOf(router, client_id);
    expect(order).toMatchObject({ status: 'EXPIRED', status_reason: 'never sent: submit_by has passed' });
    expect(attempts).toEqual([]);
  }
  const { order, attempts } = await storyOf(router, 'doubt');
  expect(order).toMatchObject({ status: 'CANCELLED', status_reason: 'ioc_no_match' });
  expect(attempts).toHaveLength(1);
  expect(router.paper.truth().orders).toEqual([]);
  expect(await router.findings()).toEqual([]);
});

function intentOf(input: IntentInput) {
  const parsed = parseIntent(input);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusals));
  return parsed.intent;
}
