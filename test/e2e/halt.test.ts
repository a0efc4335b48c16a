// Halts on the real parts: by scope, over restarts, and how soon nothing leaves any more.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Mode } from '../../src/core/controls.ts';
import type { IntentInput } from '../../src/core/intent.ts';
import type { Validator } from '../../src/core/ports.ts';
import { countActive, requestCancels } from '../../src/store/cancels.ts';
import { setMode } from '../../src/store/controls.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { randomIntents } from '../support/intents.ts';
import { startTestRouter, type TestRouter } from '../support/router.ts';
import { OUTAGE_TEST_MS, SETTLE_MS, UNHURRIED } from './outage.ts';

type Scope = { readonly tenantId: string; readonly account: string; readonly market: string };
const EVERYTHING: Scope = { tenantId: '', account: '', market: '' };
const set = (router: TestRouter, mode: Mode, scope: Partial<Scope> = {}) =>
  setMode(router.db, { ...EVERYTHING, ...scope, mode, reason: 'a test', setBy: 'tester' });

const market = (client_id: string, changes: Partial<IntentInput> = {}) => {
  const input: IntentInput = {
    client_id,
    market: 'BTC-USD',
    side: 'BUY',
    type: 'MARKET',
    size: '0.01',
    ...changes,
  };
  return { ...input, tenant_id: 'default' };
};

async function endOf(router: TestRouter, clientId: string) {
  const story = await findOrder(router.db, 'default', clientId);
  return { status: story?.order.status, reason: story?.order.status_reason };
}

const SCOPES: readonly (readonly [name: string, scope: Partial<Scope>, isOther: boolean])[] = [
  ['everything', {}, true],
  ['the tenant', { tenantId: 'default' }, true],
  ['the account', { account: 'default' }, true],
  ['the market', { market: 'BTC-USD' }, true],
  ['the market of the tenant', { tenantId: 'default', market: 'BTC-USD' }, true],
  ['another tenant', { tenantId: 'other' }, false],
  ['another account', { account: 'other' }, false],
  ['another market', { market: 'ETH-USD' }, false],
];

test.for(SCOPES)('a halt of %s decides over an order that arrives', async ([, scope, isHalted]) => {
  await using router = await startTestRouter(UNHURRIED);
  await set(router, 'HALTED', scope);
  await router.submitter();
  await router.reconciler();
  const intent = market('arrives');
  await router.client.enqueue(intent);
  await router.settled([intent]);
  const { status, reason } = await endOf(router, 'arrives');
  if (isHalted) {
    expect(status).toBe('REJECTED');
    expect(reason).toMatch(/never sent: HALTED.*tester.*a test/);
    expect(router.paper.truth().orders).toEqual([]);
  } else expect(status).toBe('FILLED');
  expect(await router.findings()).toEqual([]);
});

test('a halt holds over a restart of the submitter, and resume lifts it', async () => {
  await using router = await startTestRouter(UNHURRIED);
  const first = await router.submitter();
  await router.reconciler();
  await set(router, 'HALTED');
  await first.stop();
  await router.submitter();
  const [before, after] = [market('before'), market('after')];
  await router.client.enqueue(before);
  await router.settled([before]);
  expect((await endOf(router, 'before')).status).toBe('REJECTED');
  await set(router, 'RUNNING');
  await delay(1_000);
  await router.client.enqueue(after);
  await router.settled([after]);
  expect((await endOf(router, 'after')).status).toBe('FILLED');
  const changes = await router.db.selectFrom('control_changes').selectAll().orderBy('id').execute();
  expect(changes).toMatchObject([
    { old_mode: null, new_mode: 'HALTED', set_by: 'tester', reason: 'a test' },
    { old_mode: 'HALTED', new_mode: 'RUNNING', set_by: 'tester' },
  ]);
});

test('reducing lets reduce-only orders and cancels pass, and nothing else', async () => {
  await using router = await startTestRouter({ ...UNHURRIED, paper: { blockMs: 400 } });
  await router.submitter();
  await router.reconciler();
  const opening = market('opening');
  const resting = market('resting', { type: 'LIMIT', price: '57000', good_til_blocks: 40 });
  await router.client.enqueue([opening, resting]);
  await router.settled([opening]);
  await set(router, 'REDUCING');
  await delay(1_000);
  const more = market('more');
  const less = market('less', { side: 'SELL', reduce_only: true });
  await router.client.enqueue([more, less]);
  await router.client.cancel('resting');
  await router.settled([more, less, resting]);
  expect((await endOf(router, 'more')).status).toBe('REJECTED');
  expect((await endOf(router, 'more')).reason).toMatch(/REDUCING/);
  expect((await endOf(router, 'less')).status).toBe('FILLED');
  expect((await endOf(router, 'resting')).status).toBe('CANCELLED');
  expect(await router.findings()).toEqual([]);
});

const FLOW_PER_S = 300;
const TICK_MS = 50;
/** Of placements that have left before the halt. */
const BEFORE_HALT = 100;
const FLOW_AFTER_HALT_MS = 3_000;
/** On a loaded machine the first ones may take long; so many are enough for 20 s. */
const MAX_FLOW = FLOW_PER_S * 20;
/** What the promise allows between the halt and the last placement that leaves. */
const HALT_MS = 1_000;

test(
  'while 300 orders/s flow, no placement leaves later than 1 s after a halt; then cancelling all proves the book empty',
  async () => {
    const departures: number[] = [];
    const watched = (validator: Validator): Validator => ({
      ...validator,
      broadcast: (bytes, mayLeave, turn) => {
        // Cancels may always leave.
        if (mayLeave === undefined) return validator.broadcast(bytes, undefined, turn);
        const mayLeaveNow = () => {
          const may = mayLeave();
          if (may) departures.push(Date.now());
          return may;
        };
        return validator.broadcast(bytes, mayLeaveNow, turn);
      },
    });
    await using router = await startTestRouter(UNHURRIED);
    await router.submitter({ wrapValidator: watched });
    await router.submitter({ wrapValidator: watched });
    await router.reconciler();
    const planned = randomIntents(MAX_FLOW, 91, 'flow');
    const perTick = (FLOW_PER_S * TICK_MS) / 1000;
    const startedAt = Date.now();
    let haltedAt: number | undefined;
    let sent = 0;
    while (sent < MAX_FLOW && (haltedAt === undefined || Date.now() < haltedAt + FLOW_AFTER_HALT_MS)) {
      await router.client.enqueue(planned.slice(sent, sent + perTick));
      sent += perTick;
      if (haltedAt === undefined && departures.length > BEFORE_HALT) {
        await set(router, 'HALTED');
        haltedAt = Date.now();
      }
      await delay(Math.max(0, startedAt + (sent / FLOW_PER_S) * 1000 - Date.now()));
    }
    if (haltedAt === undefined) throw new Error('the flow ended before the halt');
    const intents = planned.slice(0, sent);
    const last = Math.max(...departures);
    expect(last - haltedAt).toBeLessThanOrEqual(HALT_MS);
    await requestCancels(router.db, {});
    await router.settled(intents, SETTLE_MS);
    expect(await countActive(router.db, {})).toEqual({ cancelling: 0, others: 0 });
    expect(router.paper.truth().orders.filter(({ live }) => live)).toEqual([]);
    expect(await router.findings()).toEqual([]);
  },
  OUTAGE_TEST_MS,
);
