import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findOrder } from '../../src/store/order-story.ts';
import { randomIntents, unhurried } from '../support/intents.ts';
import { startTestRouter } from '../support/router.ts';
import { OUTAGE_TEST_MS, SETTLE_MS } from './outage.ts';

const EXAMPLES = readFileSync(join(import.meta.dirname, '..', '..', 'examples', 'intents.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

/** What each kind of example ends as, by the end of its client_id. */
const ENDS: readonly [RegExp, string, string][] = [
  [/market-(buy|sell)$/, 'FILLED', 'completely filled'],
  [/ioc-crosses$/, 'FILLED', 'completely filled'],
  [/ioc-no-match$/, 'CANCELLED', 'ioc_no_match'],
  [/ioc-remainder$/, 'CANCELLED', 'ioc_remainder'],
  [/gtt-fills$/, 'FILLED', 'completely filled'],
  [/gtt-(rests|part)$/, 'EXPIRED', 'good_til_block reached'],
  [/post-only-rests$/, 'EXPIRED', 'good_til_block reached'],
  [/post-only-crosses$/, 'REJECTED', 'clob/2003'],
  [/reduce-only-flat$/, 'REJECTED', 'clob/2001'],
];

/** Slow enough that no answer comes too late and no order outlives its blocks before it is sent. */
const UNHURRIED = {
  paper: { blockMs: 400 },
  settings: {
    VALIDATOR_TIMEOUT_MS: '20000',
    RESEND_AFTER_MS: '30000',
    JOB_LOCK_MS: '30000',
    IOC_GOOD_TIL_BLOCKS: '20',
  },
};

test('every kind of example order ends as it must, proven, and in agreement with the exchange', async () => {
  await using router = await startTestRouter(UNHURRIED);
  await router.submitter();
  await router.reconciler();
  const results = await router.client.enqueue(EXAMPLES);
  const refused = results.filter(({ outcome }) => outcome === 'invalid');
  expect(refused).toHaveLength(6);
  const keys = results.flatMap((result) => ('tenant_id' in result ? [result] : []));
  await router.settled(keys);
  for (const { tenant_id, client_id } of keys) {
    const story = await findOrder(router.db, tenant_id, client_id);
    const end = ENDS.find(([pattern]) => pattern.test(client_id));
    expect(end).toBeDefined();
    if (end)
      expect([client_id, story?.order.status, story?.order.status_reason]).toEqual([
        client_id,
        end[1],
        end[2],
      ]);
    expect(story?.history[0]?.new_status).toBe('PENDING');
    expect(story?.history.at(-1)?.new_status).toBe(story?.order.status);
  }
  expect(await router.findings()).toEqual([]);
});

test('the same intents again are told as duplicates and sent no second time', async () => {
  await using router = await startTestRouter(UNHURRIED);
  await router.submitter();
  await router.reconciler();
  const intents = unhurried(randomIntents(20, 7, 'again'));
  await router.client.enqueue(intents);
  await router.settled(intents);
  const before = router.paper.truth().orders;
  const again = await router.client.enqueue(intents);
  expect(again.map(({ outcome }) => outcome)).toEqual(intents.map(() => 'duplicate'));
  const [changed] = await router.client.enqueue([{ ...intents[0], size: '123' }]);
  expect(changed?.outcome).toBe('conflict');
  // A later order has gone through the same queue: whatever the repeats had caused would be there by now.
  const later = unhurried(randomIntents(1, 8, 'later'));
  await router.client.enqueue(later);
  await router.settled(later);
  expect(before).toHaveLength(20);
  expect(router.paper.truth().orders).toHaveLength(21);
  expect(
    router.paper
      .truth()
      .orders.slice(0, 20)
      .map(({ deliveries }) => deliveries),
  ).toEqual(before.map(({ deliveries }) => deliveries));
});

test('orders that were only recorded are signed and sent when a submitter comes', async () => {
  await using router = await startTestRouter(UNHURRIED);
  const intents = unhurried(randomIntents(250, 11, 'recorded'));
  const results = await router.client.enqueue(intents, { until: 'recorded' });
  expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['recorded']));
  await router.submitter();
  await router.reconciler();
  await router.settled(intents);
  expect(await router.findings()).toEqual([]);
  expect(router.paper.truth().orders).toHaveLength(250);
});

test('two submitters on one account send every order once', { timeout: OUTAGE_TEST_MS }, async () => {
  await using router = await startTestRouter(UNHURRIED);
  await router.submitter();
  await router.submitter();
  await router.reconciler();
  await router.reconciler();
  const intents = unhurried(randomIntents(300, 13, 'two'));
  await router.client.enqueue(intents.slice(0, 150));
  await router.client.enqueue(intents.slice(150), { until: 'recorded' });
  await router.settled(intents, SETTLE_MS);
  expect(await router.findings()).toEqual([]);
  expect(router.paper.truth().orders).toHaveLength(300);
});

test('an order whose submit_by passes before a submitter comes expires as never sent', async () => {
  await using router = await startTestRouter();
  const submit_by = new Date(Date.now() + 3_000).toISOString();
  const intents = randomIntents(3, 17, 'late').map((intent) => ({ ...intent, submit_by }));
  await router.client.enqueue(intents.slice(0, 2));
  await router.client.enqueue(intents.slice(2), { until: 'recorded' });
  await expect.poll(() => Date.now() > Date.parse(submit_by)).toBe(true);
  await router.submitter();
  await router.reconciler();
  await router.settled(intents);
  for (const { tenant_id, client_id } of intents) {
    const story = await findOrder(router.db, tenant_id, client_id);
    expect(story?.order.status).toBe('EXPIRED');
    expect(story?.order.status_reason).toContain('never sent');
    expect(story?.attempts).toEqual([]);
  }
  expect(router.paper.truth().orders).toEqual([]);
  expect(await router.findings()).toEqual([]);
});
