// Submitter replicas on one account, as real processes that come and go under load.
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { IntentInput } from '../../src/core/intent.ts';
import { randomIntents, unhurried } from '../support/intents.ts';
import { exitOf, readyOf, startTestRouter, type TestRouter } from '../support/router.ts';
import { expectTruth, SETTLE_MS, UNHURRIED } from './outage.ts';

const RATE_PER_S = 200;
const TICK_MS = 50;

/** Adds them to the queue at 200/s, as a strategy would: a few at a time. */
async function trade(router: TestRouter, intents: readonly IntentInput[]): Promise<void> {
  const perTick = (RATE_PER_S * TICK_MS) / 1000;
  const startedAt = Date.now();
  for (let sent = 0; sent < intents.length; sent += perTick) {
    await router.client.enqueue(intents.slice(sent, sent + perTick));
    const dueAt = startedAt + ((sent + perTick) / RATE_PER_S) * 1000;
    await delay(Math.max(0, dueAt - Date.now()));
  }
}

async function startReplica(router: TestRouter): Promise<ChildProcess> {
  const replica = router.spawn('workers/submitter.ts');
  await readyOf(replica);
  return replica;
}

/** As a process manager does it: the new one is ready before the old one is told to go. */
async function replace(router: TestRouter, old: ChildProcess): Promise<ChildProcess> {
  const fresh = await startReplica(router);
  old.kill('SIGTERM');
  // 0: drained within its deadline; 130 would mean that it was cut off.
  expect(await exitOf(old)).toBe(0);
  return fresh;
}

test('a rolling restart under 200 orders/s loses nothing and doubles nothing', async () => {
  // Orders live for six seconds and may wait for ten minutes, so that all of them reach the exchange from a loaded machine.
  await using router = await startTestRouter({ ...UNHURRIED, paper: { blockMs: 500 } });
  await router.reconciler();
  const first = await Promise.all([startReplica(router), startReplica(router)]);
  const submit_by = new Date(Date.now() + 600_000).toISOString();
  const intents = unhurried(randomIntents(1200, 81, 'rolling')).map((intent) => ({ ...intent, submit_by }));
  const trading = trade(router, intents);
  for (const old of first) await replace(router, old);
  // More replicas, and fewer again.
  const third = await startReplica(router);
  third.kill('SIGTERM');
  expect(await exitOf(third)).toBe(0);
  await trading;
  await router.settled(intents, 2 * SETTLE_MS);
  await expectTruth(router);
  expect(router.paper.truth().orders).toHaveLength(intents.length);
}, 240_000);
