// When a turn of wake-ups goes on to what is due behind its batch, and when it does not: orders that cannot see anything
// would be asked again and again.
import { expect, test, vi } from 'vitest';
import { type WakeDeps, wake } from '../../src/app/wake.ts';

const BATCH = 100;
const NOW = new Date('2026-03-04T10:30:00.100Z');

/** @param look what an order meets when its halts are asked for */
function depsOf(batches: readonly number[], look: (index: number) => object | undefined) {
  let seen = 0;
  const left = [...batches];
  const claim = vi.fn(async () => Array.from({ length: left.shift() ?? 0 }, () => ({ attemptCount: 0 })));
  const wakeLater = vi.fn(async (_: readonly { readonly wakeAt: Date }[]) => {});
  const deps = {
    claim,
    wakeLater,
    awaitProof: async () => {},
    wakeIn: vi.fn(),
    gate: { whyHeld: () => look(seen++) },
    isStopping: () => false,
    block: () => undefined,
    resendAfterMs: 6_000,
    now: () => NOW,
    log: { warn: () => {}, error: vi.fn() },
  };
  return { deps: deps as unknown as WakeDeps, claim, wakeLater, error: deps.log.error };
}

const blind = () => ({ mode: 'UNKNOWN', reason: 'nobody answers' });
const broken = (): never => {
  throw new Error('the database is away');
};

test('a batch that is all blind ends the turn, and all of it is looked at again at the same moment', async () => {
  const { deps, claim, wakeLater } = depsOf([BATCH, BATCH], blind);
  expect(await wake(deps)).toBe(BATCH);
  expect(claim).toHaveBeenCalledTimes(1);
  const [later = []] = wakeLater.mock.calls[0] ?? [];
  expect(later).toHaveLength(BATCH);
  expect(new Set(later.map(({ wakeAt }) => wakeAt.toISOString()))).toEqual(
    new Set(['2026-03-04T10:30:01.000Z']),
  );
});

test.each([
  ['failed', broken],
  ['failed or is blind', (index: number) => (index % 2 === 0 ? blind() : broken())],
])('a batch of which each %s holds up nobody behind it, and is one line', async (_, look) => {
  const { deps, claim, error } = depsOf([BATCH, 3], look);
  expect(await wake(deps)).toBe(BATCH + 3);
  expect([claim.mock.calls.length, error.mock.calls.length]).toEqual([2, 2]);
});

test('a batch that is not full is the last', async () => {
  const { deps, claim } = depsOf([BATCH - 1, 5], broken);
  expect(await wake(deps)).toBe(BATCH - 1);
  expect(claim).toHaveBeenCalledTimes(1);
});
