// The real router on a site's database, against a paper exchange: orders that end in every way.
import type { TestDatabase } from '../support/databases.ts';
import { randomIntents, unhurried } from '../support/intents.ts';
import { startTestRouter, type TestRouter, type TestRouterOptions } from '../support/router.ts';

/** Slow enough that no order outlives its blocks on a loaded machine. */
const UNHURRIED = {
  VALIDATOR_TIMEOUT_MS: '20000',
  RESEND_AFTER_MS: '30000',
  JOB_LOCK_MS: '30000',
  IOC_GOOD_TIL_BLOCKS: '20',
} as const;

/** @param database outlives it */
export function routerOn(database: TestDatabase, options: TestRouterOptions = {}): Promise<TestRouter> {
  return startTestRouter({
    paper: { blockMs: 100, ...options.paper },
    settings: { ...UNHURRIED, ...options.settings },
    database: { ...database, [Symbol.asyncDispose]: async () => {} },
  });
}

/** Sends orders and waits until each is final. */
export async function tradeOn(
  router: TestRouter,
  count: number,
  seed: number,
  prefix: string,
): Promise<void> {
  const intents = unhurried(randomIntents(count, seed, prefix));
  await router.client.enqueue(intents);
  await router.settled(intents);
}
