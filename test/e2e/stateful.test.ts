// Stateful and conditional orders through every way they end, and through doubt.
import { type RawBuilder, sql } from 'kysely';
import { expect, test } from 'vitest';
import type { IntentInput } from '../../src/core/intent.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';

const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const base = {
  tenant_id: 'default',
  market: 'BTC-USD',
  side: 'BUY',
  type: 'LIMIT',
  size: '0.01',
} as const satisfies Partial<IntentInput>;
type Named = IntentInput & { readonly tenant_id: string };

async function storyOf(router: TestRouter, clientId: string) {
  const story = await findOrder(router.db, 'default', clientId);
  if (story === undefined) throw new Error(`no order ${clientId}`);
  return story;
}

async function trade(router: TestRouter, intents: readonly Named[]): Promise<void> {
  await router.submitter();
  await router.reconciler();
  await router.client.enqueue(intents);
  await router.settled(intents);
  expect(await router.findings()).toEqual([]);
}

test('long-term orders end as filled, or expired at their time', async () => {
  await using router = await startTestRouter();
  const crosses: Named = { ...base, client_id: 'crosses', price: '63000', good_til_time: inMs(60_000) };
  const rests: Named = { ...base, client_id: 'rests', price: '57000', good_til_time: inMs(15_000) };
  const post: Named = {
    ...base,
    client_id: 'post',
    price: '57000',
    post_only: true,
    good_til_time: inMs(15_000),
  };
  await trade(router, [crosses, rests, post]);
  expect((await storyOf(router, 'crosses')).order).toMatchObject({ status: 'FILLED', order_flags: 64 });
  for (const name of ['rests', 'post']) {
    expect((await storyOf(router, name)).order).toMatchObject({
      status: 'EXPIRED',
      status_reason: 'good_til_time reached',
      death: { cause: 'expired' },
    });
  }
});

test('an order whose nonce was dead, as far as a recovered database knows, is cancelled and not given up while the chain has it', async () => {
  await using router = await startTestRouter();
  const intent: Named = { ...base, client_id: 'forgotten', price: '57000', good_til_time: inMs(600_000) };
  const submitter = await router.submitter();
  await router.client.enqueue([intent]);
  const isLive = () => router.paper.truth().orders.filter(({ live }) => live).length;
  await expect.poll(isLive).toBe(1);
  await submitter.stop();
  // What was known before the attempt that rests was signed.
  await asIfOnlyBefore(router, sql`UPDATE order_attempts SET included_height = NULL, included_code = NULL`);
  await asIfOnlyBefore(
    router,
    sql`UPDATE orders SET included_height = NULL, dead_nonce = nonce, status = 'OPEN',
      cancel_requested_at = clock_timestamp(), next_wake_at = clock_timestamp()`,
  );
  await router.submitter();
  await router.reconciler();
  await expect.poll(isLive).toBe(0);
  // By what transaction it came onto the chain nobody knows any more: it stays in doubt, for a person to see.
  expect((await storyOf(router, 'forgotten')).order).toMatchObject({ status: 'OPEN', resolution: null });
});

/** Past the triggers, which let nothing be forgotten. */
async function asIfOnlyBefore(router: TestRouter, change: RawBuilder<unknown>): Promise<void> {
  await router.db.connection().execute(async (session) => {
    await sql`SET session_replication_role = replica`.execute(session);
    await change.execute(session);
    await sql`SET session_replication_role = origin`.execute(session);
  });
}

test('a post-only long-term order that would cross is removed by the venue', async () => {
  await using router = await startTestRouter({ settings: { STATEFUL_WATCH_MS: '200' } });
  const intent: Named = {
    ...base,
    client_id: 'post-crosses',
    price: '63000',
    post_only: true,
    good_til_time: inMs(600_000),
  };
  await trade(router, [intent]);
  expect((await storyOf(router, 'post-crosses')).order).toMatchObject({
    status: 'CANCELLED',
    status_reason: 'removed_by_venue',
  });
});

test('conditional orders trigger and fill, or expire untriggered', async () => {
  await using router = await startTestRouter({ settings: { STATEFUL_WATCH_MS: '200' } });
  const triggered = { trigger_price: '50000', good_til_time: inMs(60_000) };
  const intents: Named[] = [
    // The price of the paper exchange stays within 3 % of 60000: a buy stop at 50000 is past it at once.
    { ...base, client_id: 'stop-market', type: 'STOP_MARKET', ...triggered, trigger_price: '59000' },
    { ...base, client_id: 'stop-limit', type: 'STOP_LIMIT', price: '66000', ...triggered },
    {
      ...base,
      client_id: 'take-profit',
      type: 'TAKE_PROFIT_LIMIT',
      price: '66000',
      ...triggered,
      trigger_price: '65000',
    },
    {
      ...base,
      client_id: 'waits',
      type: 'TAKE_PROFIT_MARKET',
      trigger_price: '40000',
      good_til_time: inMs(15_000),
    },
  ];
  await trade(router, intents);
  for (const name of ['stop-limit', 'take-profit']) {
    expect((await storyOf(router, name)).order).toMatchObject({ status: 'FILLED', order_flags: 32 });
  }
  expect((await storyOf(router, 'stop-market')).order.order_flags).toBe(32);
  expect((await storyOf(router, 'waits')).order).toMatchObject({
    status: 'EXPIRED',
    status_reason: 'good_til_time reached',
  });
});

const LOST: readonly Parameters<TestRouter['paper']['faults']['add']>[0][] = [
  { on: 'broadcast', action: 'drop_before', count: 2 },
  { on: 'broadcast', action: 'drop_after', count: 2 },
  { on: 'broadcast', action: 'hang_after', count: 1 },
  { on: 'broadcast', action: 'http_502', count: 2 },
  { on: 'broadcast', action: 'html', count: 2 },
  { on: 'broadcast', action: 'truncate', count: 2 },
  { on: 'broadcast', action: 'empty', count: 2 },
  { on: 'broadcast', action: 'unknown_outcome', count: 2 },
  { on: 'broadcast', action: 'reject', params: { codespace: 'clob', code: 5001, log: 'limited' }, count: 2 },
];

test.for(LOST.map((fault) => [JSON.stringify(fault), fault] as const))(
  'a stateful order lands once when the validator does %s',
  async ([, fault]) => {
    await using router = await startTestRouter();
    router.paper.faults.add(fault);
    const intent: Named = { ...base, client_id: 'once', price: '63000', good_til_time: inMs(120_000) };
    await trade(router, [intent]);
    const { order, attempts } = await storyOf(router, 'once');
    expect(order.status).toBe('FILLED');
    expect(new Set(attempts.map(({ nonce }) => nonce)).size).toBe(1);
    const { transactions } = router.paper.truth();
    expect(transactions.filter(({ code }) => code === 0)).toHaveLength(1);
  },
);

test('a code that nobody has seen is doubt: the same bytes, and then the proof that nothing came of them', async () => {
  await using router = await startTestRouter();
  const params = { codespace: 'new', code: 77, log: 'never seen' };
  router.paper.faults.add({ on: 'broadcast', action: 'reject', params, count: 1 });
  const intent: Named = { ...base, client_id: 'unheard-of', price: '63000', good_til_time: inMs(120_000) };
  await router.submitter();
  await router.reconciler();
  await router.client.enqueue(intent);
  await router.settled([intent], 90_000);
  const { order, attempts } = await storyOf(router, 'unheard-of');
  expect(order.status).toBe('FILLED');
  expect(attempts.map(({ transmissions }) => transmissions)).toEqual([2, 1]);
  expect(await router.findings()).toEqual([]);
}, 300_000);

test('an accepted transaction that nobody else heard of is shown dead, and the order lands with another nonce', async () => {
  await using router = await startTestRouter();
  router.paper.faults.add({ on: 'broadcast', action: 'lose', count: 1 });
  const intent: Named = { ...base, client_id: 'lost', price: '63000', good_til_time: inMs(120_000) };
  await router.submitter();
  await router.reconciler();
  await router.client.enqueue(intent);
  await router.settled([intent], 90_000);
  const { order, attempts } = await storyOf(router, 'lost');
  expect(order.status).toBe('FILLED');
  expect(attempts).toHaveLength(2);
  expect(attempts[0]?.absent_height).not.toBeNull();
  expect(new Set(attempts.map(({ nonce }) => nonce)).size).toBe(2);
  expect(await router.findings()).toEqual([]);
}, 300_000);
