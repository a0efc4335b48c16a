// The indexer's websocket wakes the reconciler long before a subaccount is due; what it does not tell is found by polling.
import { expect, test } from 'vitest';
import { findOrder } from '../../src/store/order-story.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';

/** Polling alone would take half of it or longer. */
const SELDOM = { RECONCILE_INTERVAL_MS: '60000' };
const SOON_MS = 20_000;

const order = (client_id: string) =>
  ({
    client_id,
    market: 'BTC-USD',
    side: 'BUY',
    type: 'LIMIT',
    size: '0.01',
    price: '63000',
    good_til_blocks: 40,
  }) as const;

const statusOf = async (router: TestRouter, clientId: string) =>
  (await findOrder(router.db, 'default', clientId))?.order.status;

async function trade(router: TestRouter, clientId: string): Promise<void> {
  await router.client.enqueue(order(clientId));
  await expect.poll(() => statusOf(router, clientId), { timeout: SOON_MS }).toBe('FILLED');
}

test('fills are booked when the socket tells of them, also after messages were lost and the connection was cut', async () => {
  await using router = await startTestRouter({ paper: { blockMs: 250 }, settings: SELDOM });
  await router.submitter();
  await router.reconciler();
  await trade(router, 'first');
  router.paper.faults.add({ on: 'socket', action: 'drop_message', every: 2, count: 40 });
  await trade(router, 'gaps');
  router.paper.faults.clear();
  router.paper.faults.add({ on: 'socket', action: 'close', count: 2 });
  await trade(router, 'cut');
  expect(await router.findings()).toEqual([]);
});

test('without the socket the same is found by polling', async () => {
  await using router = await startTestRouter({ settings: { INDEXER_WEBSOCKET: 'false' } });
  await router.submitter();
  await router.reconciler();
  await trade(router, 'polled');
  expect(await router.findings()).toEqual([]);
});
