// Markets that change under way: a new grid, a pause and a final settlement hold within one refresh of the table, with their
// reason; a start without an indexer goes on with the stored copy.
import { expect, test } from 'vitest';
import type { IntentInput } from '../../src/core/intent.ts';
import { loadMarkets } from '../../src/store/markets.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { latestRejections } from '../../src/store/standings.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';

const REFRESH_MS = 200;
const FAST_MARKETS = { settings: { MARKETS_POLL_MS: String(REFRESH_MS) } };

const resting = (client_id: string, changes: Partial<IntentInput> = {}) => {
  const input: IntentInput = {
    client_id,
    market: 'ETH-USD',
    side: 'BUY',
    type: 'LIMIT',
    size: '0.25',
    price: '2850',
    good_til_blocks: 5,
    ...changes,
  };
  return { ...input, tenant_id: 'default' };
};

/** What the submitter says of it: it comes straight into the queue, past the door of the SDK. */
async function refusalOf(router: TestRouter, intent: IntentInput): Promise<string> {
  const queue = router.queues.queue('orders');
  await queue.add('place', intent);
  await queue.close();
  const find = async () =>
    (await latestRejections(router.db, 'default', intent.client_id, 1))[0]?.refusals[0];
  await expect.poll(find).toBeDefined();
  const refusal = await find();
  return `${refusal?.code} ${refusal?.reason}`;
}

/** Two refreshes: one may have been under way. */
async function untilRefreshed(router: TestRouter, ticker: string, isSeen: (market: object) => boolean) {
  const find = async () => (await loadMarkets(router.db)).find((market) => market.ticker === ticker);
  await expect.poll(async () => isSeen((await find()) ?? {})).toBe(true);
}

test('a tick and a step that change are the grid from the next refresh on', async () => {
  await using router = await startTestRouter(FAST_MARKETS);
  await router.submitter();
  await router.reconciler();
  const before = resting('before', { price: '2850.1' });
  await router.client.enqueue(before);
  await router.settled([before]);
  expect((await findOrder(router.db, 'default', 'before'))?.order.status).toBe('EXPIRED');
  router.paper.setMarket({
    ticker: 'ETH-USD',
    subticks_per_tick: 1_000_000,
    step_base_quantums: 10_000_000,
  });
  await untilRefreshed(
    router,
    'ETH-USD',
    (market) => 'subticksPerTick' in market && market.subticksPerTick === 1_000_000n,
  );
  expect(await refusalOf(router, resting('off-tick', { price: '2850.1' }))).toBe(
    'clob/12 2850.1 is not a multiple of the tick 1 of ETH-USD',
  );
  expect(await refusalOf(router, resting('off-step', { size: '0.251' }))).toBe(
    'clob/12 0.251 is not a multiple of the step 0.01 of ETH-USD',
  );
  const after = resting('after');
  await router.client.enqueue(after);
  await router.settled([after]);
  expect((await findOrder(router.db, 'default', 'after'))?.order.status).toBe('EXPIRED');
  expect(await router.findings()).toEqual([]);
});

test.for([
  ['PAUSED', 'clob/34 ETH-USD is PAUSED: the venue takes no orders for it now'],
  ['FINAL_SETTLEMENT', 'clob/34 ETH-USD is being settled for good (FINAL_SETTLEMENT): it trades no more'],
] as const)(
  'a market that becomes %s is refused with that reason, what was recorded before as well',
  async ([status, reason]) => {
    await using router = await startTestRouter(FAST_MARKETS);
    const submitter = await router.submitter();
    await router.reconciler();
    await submitter.stop();
    const recorded = resting('recorded');
    await router.client.enqueue(recorded, { until: 'recorded' });
    router.paper.setMarket({ ticker: 'ETH-USD', status });
    await router.submitter();
    await router.settled([recorded]);
    const { order } = (await findOrder(router.db, 'default', 'recorded')) ?? {};
    expect(order).toMatchObject({ status: 'REJECTED', attempt_count: 0 });
    expect(order?.status_reason).toContain(reason.slice('clob/34 '.length));
    expect(await refusalOf(router, resting('refused'))).toBe(reason);
    expect(router.paper.truth().orders).toEqual([]);
  },
);

test('without an indexer a submitter starts with the stored table: LIMIT orders go out, MARKET orders wait for an oracle', async () => {
  await using router = await startTestRouter(FAST_MARKETS);
  const first = await router.submitter();
  await router.reconciler();
  await first.stop();
  router.paper.faults.add({ on: 'indexer', action: 'http_502' });
  await router.submitter();
  const limit = resting('limit', { good_til_blocks: 40 });
  const market = resting('market', { type: 'MARKET', price: undefined, good_til_blocks: undefined });
  await router.client.enqueue([limit, market]);
  const statusOf = async (name: string) => (await findOrder(router.db, 'default', name))?.order.status;
  await expect.poll(() => statusOf('limit')).toBe('OPEN');
  expect(await statusOf('market')).toBe('PENDING');
  router.paper.faults.clear();
  await router.settled([market, limit]);
  expect(await statusOf('market')).toBe('FILLED');
  expect(await router.findings()).toEqual([]);
});
