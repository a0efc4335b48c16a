// Nonces under contention: many stateful orders at once, several worker processes, blocks of 20 ms.
import { expect, test } from 'vitest';
import { findOrder } from '../../src/store/order-story.ts';
import { readyOf, startTestRouter } from '../support/router.ts';

const ORDERS = 200;
const WORKERS = 4;
/** The venue's: at most so many placements in any so many blocks. */
const LIMITS = [
  { limit: 2, blocks: 1 },
  { limit: 20, blocks: 100 },
];

test('200 stateful orders offered in one millisecond to four workers all land, each with a nonce of its own, within the limits of the chain', async () => {
  await using router = await startTestRouter({
    paper: { blockMs: 20, statefulRateLimits: LIMITS, equityTiers: [{ usd: '0', limit: 10_000 }] },
    settings: { VALIDATOR_TIMEOUT_MS: '3000', RESEND_AFTER_MS: '5000' },
  });
  await router.reconciler();
  const workers = Array.from({ length: WORKERS }, () => router.spawn('workers/submitter.ts'));
  await Promise.all(workers.map(readyOf));
  const good_til_time = new Date(Date.now() + 600_000).toISOString();
  const intents = Array.from({ length: ORDERS }, (_, index) => ({
    client_id: `burst-${index}`,
    tenant_id: 'default',
    market: 'BTC-USD',
    side: 'BUY' as const,
    type: 'LIMIT' as const,
    size: '0.01',
    price: '57000',
    good_til_time,
  }));
  await router.client.enqueue(intents, { until: 'recorded' });
  const landed = async () => {
    const { count } = await router.db
      .selectFrom('orders')
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .where('included_height', 'is not', null)
      .executeTakeFirstOrThrow();
    return Number(count);
  };
  await expect.poll(landed, { timeout: 400_000, interval: 500 }).toBe(ORDERS);
  const { transactions, refusals } = router.paper.truth();
  expect(transactions.filter(({ code }) => code !== 0)).toEqual([]);
  const nonces = transactions.map(({ nonce }) => nonce);
  expect(nonces).toHaveLength(ORDERS);
  expect(new Set(nonces).size).toBe(ORDERS);
  // No nonce was ever refused; the rate hardly ever, when a height that is known late counts into another block.
  const refused = (name: string) =>
    refusals.find(({ codespace, code }) => `${codespace}/${code}` === name)?.count ?? 0;
  expect(refused('sdk/32')).toBe(0);
  expect(refused('clob/5001')).toBeLessThanOrEqual(ORDERS / 20);
  for (const { limit, blocks } of LIMITS) {
    for (const { height } of transactions) {
      const inWindow = transactions.filter((tx) => tx.height <= height && tx.height > height - blocks);
      expect(inWindow.length).toBeLessThanOrEqual(limit);
    }
  }
  const story = await findOrder(router.db, 'default', 'burst-0');
  expect(story?.order.status).toBe('OPEN');
}, 480_000);
