// What the tests of outages and restarts have in common: settings that leave time, and what must be true at the end.
import { expect } from 'vitest';
import type { TestRouter } from '../support/router.ts';

/** Slow enough that only the outage, and not a loaded machine, makes answers late and locks expire. */
export const UNHURRIED = {
  paper: { blockMs: 150 },
  settings: {
    VALIDATOR_TIMEOUT_MS: '3000',
    RESEND_AFTER_MS: '5000',
    IOC_GOOD_TIL_BLOCKS: '20',
    JOB_LOCK_MS: '5000',
    SHUTDOWN_TIMEOUT_MS: '20000',
  },
} as const;
export const SETTLE_MS = 120_000;
export const OUTAGE_TEST_MS = 300_000;

/** Proven, in agreement with the exchange, and really traded. */
export async function expectTruth(router: TestRouter): Promise<void> {
  expect(await router.findings()).toEqual([]);
  const { orders, fills } = router.paper.truth();
  expect(new Set(orders.map(({ id }) => id)).size).toBe(orders.length);
  expect(fills.length).toBeGreaterThan(0);
}
