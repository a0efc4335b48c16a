// Seeded SIGKILLs of real worker processes; after each one the books must be proven and agree with the exchange.
import { expect, inject } from 'vitest';
import { randomBySeed, randomIntents, unhurried } from '../support/intents.ts';
import { exitOf, startTestRouter, type TestRouter } from '../support/router.ts';

export type KillPoint = 'before_send' | 'after_send' | 'mid_page';

const INTENTS_PER_KILL = 8;

async function killOnce(router: TestRouter, point: KillPoint, seed: number): Promise<void> {
  const random = randomBySeed(seed);
  const intents = unhurried(randomIntents(INTENTS_PER_KILL, seed, `${point}-${seed}`));
  // Half of the intents come as jobs, half as rows of a door: both ways must survive.
  const enqueue = async () => {
    await router.client.enqueue(intents.slice(0, INTENTS_PER_KILL / 2));
    await router.client.enqueue(intents.slice(INTENTS_PER_KILL / 2), { until: 'recorded' });
  };
  if (point === 'mid_page') {
    const submitter = await router.submitter();
    const delayMs = random() < 0.2 ? -1 : random() * 6;
    const victim = router.spawn('test/support/killable-reconciler.ts', {
      KILL_AT: `${1 + Math.floor(random() * 3)}:${delayMs}`,
    });
    await enqueue();
    expect(await exitOf(victim)).toBe('SIGKILL');
    const reconciler = await router.reconciler();
    await router.settled(intents);
    await Promise.all([submitter.stop(), reconciler.stop()]);
  } else {
    const nth = 1 + Math.floor(random() * INTENTS_PER_KILL);
    const victim = router.spawn('test/support/killable-submitter.ts', { KILL_AT: `${point}:${nth}` });
    const reconciler = await router.reconciler();
    await enqueue();
    expect(await exitOf(victim)).toBe('SIGKILL');
    const submitter = await router.submitter();
    await router.settled(intents);
    await Promise.all([submitter.stop(), reconciler.stop()]);
  }
  expect(await router.findings()).toEqual([]);
}

/** @param seeds one kill each */
export async function killAndCompare(point: KillPoint, seeds: readonly number[]): Promise<void> {
  await using router = await startTestRouter({
    // Orders beyond the book pile up over the kills: without the money for them they would have no fills to die in.
    paper: { blockMs: 100, startUsdc: '1000000000' },
    settings: { IOC_GOOD_TIL_BLOCKS: '15', JOB_LOCK_MS: '1000' },
  });
  for (const seed of seeds) await killOnce(router, point, seed);
  // Every order reached the exchange under one id, and none was filled beyond its size.
  const { orders } = router.paper.truth();
  expect(new Set(orders.map(({ id }) => id)).size).toBe(orders.length);
  for (const order of orders)
    expect(BigInt(order.filled_quantums)).toBeLessThanOrEqual(BigInt(order.quantums));
}

/** The share of these seeds that belongs to this leg's queue: together the legs run them all. */
export function seedsFrom(first: number, count: number): number[] {
  const queues = inject('queues');
  const mine = queues.indexOf(inject('queueKind'));
  const seeds = Array.from({ length: count }, (_, index) => first + index);
  return seeds.filter((_, index) => index % queues.length === mine);
}
