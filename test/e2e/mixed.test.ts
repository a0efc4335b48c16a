// The whole of submission under steady faults: every type and lane, two submitters on one account, every tenth
// connection cut after the exchange has accepted.
import { expect, test } from 'vitest';
import type { IntentInput } from '../../src/core/intent.ts';
import { randomBySeed, randomIntents, unhurried } from '../support/intents.ts';
import { startTestRouter } from '../support/router.ts';
import { UNHURRIED } from './outage.ts';

const ORDERS = 2_000;
const STATEFUL = 200;

/** Long-term and conditional orders that fill, rest until their time, or wait for a trigger that never comes. */
function statefulIntents(count: number, seed: number): (IntentInput & { tenant_id: string })[] {
  const random = randomBySeed(seed);
  return Array.from({ length: count }, (_, index) => {
    const good_til_time = new Date(Date.now() + 20_000 + random() * 15_000).toISOString();
    const base = {
      client_id: `stateful-${index}`,
      tenant_id: 'default',
      market: 'ETH-USD',
      side: 'BUY',
      size: '0.25',
      good_til_time,
    } as const;
    const kinds = [
      { ...base, type: 'LIMIT', price: '3150' },
      { ...base, type: 'LIMIT', price: '2850' },
      { ...base, type: 'LIMIT', price: '2850', post_only: true },
      { ...base, type: 'STOP_LIMIT', price: '3150', trigger_price: '2850' },
      { ...base, type: 'STOP_MARKET', trigger_price: '2950' },
      { ...base, type: 'TAKE_PROFIT_LIMIT', price: '3150', trigger_price: '2000' },
      { ...base, type: 'TAKE_PROFIT_MARKET', trigger_price: '3200' },
    ] as const;
    return kinds[Math.floor(random() * kinds.length)] ?? kinds[0];
  });
}

test('2,000 mixed orders of two submitters end final, once, with exact fills, though every tenth connection is cut after acceptance', async () => {
  await using router = await startTestRouter({
    paper: {
      blockMs: 100,
      statefulRateLimits: [{ limit: 100, blocks: 10 }],
      equityTiers: [{ usd: '0', limit: 10_000 }],
    },
    // Two submitters, the exchange and the reconciler share one event loop: locks and timeouts that a loaded machine
    // cannot keep would each make more work.
    settings: { ...UNHURRIED.settings, JOB_LOCK_MS: '30000' },
  });
  await router.submitter();
  await router.submitter();
  await router.reconciler();
  router.paper.faults.add({ on: 'broadcast', action: 'drop_after', every: 10 });
  const enqueue = async (intents: readonly IntentInput[]) => {
    for (let start = 0; start < intents.length; start += 50) {
      const results = await router.client.enqueue(intents.slice(start, start + 50));
      expect(results.filter(({ outcome }) => outcome !== 'queued')).toEqual([]);
    }
  };
  const shortTerm = unhurried(randomIntents(ORDERS - STATEFUL, 55, 'mixed'));
  await enqueue(shortTerm);
  // Their time runs from here on: a loaded machine is slow to enqueue so many before them.
  const stateful = statefulIntents(STATEFUL, 56);
  await enqueue(stateful);
  await router.settled([...shortTerm, ...stateful], 360_000);
  expect(await router.findings()).toEqual([]);
  const { orders, transactions } = router.paper.truth();
  expect(new Set(orders.map(({ id }) => id)).size).toBe(orders.length);
  for (const order of orders) {
    expect(BigInt(order.filled_quantums)).toBeLessThanOrEqual(BigInt(order.quantums));
  }
  // A stateful order is carried out by one transaction, whatever was sent.
  const placed = transactions.flatMap(({ code, kinds, order_ids }) =>
    code === 0 && kinds.includes('place') ? order_ids : [],
  );
  expect(new Set(placed).size).toBe(placed.length);
}, 480_000);
