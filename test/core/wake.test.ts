// What is done with an order whose time has come: every branch, and the invariants for any order at any time.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/answers.ts';
import { type DueOrder, decideWake, MAX_TRANSMISSIONS, type WakeContext } from '../../src/core/wake.ts';

const NOW = new Date('2026-03-04T05:06:07Z');
const at = (offsetMs: number) => new Date(NOW.getTime() + offsetMs);
const context: WakeContext = { now: NOW, height: 105, resignWindowBlocks: 20 };
const unsigned: DueOrder = {
  submitBy: at(1),
  firstGoodTilBlock: undefined,
  goodTilBlocks: 5,
  latestAttempt: undefined,
};
const answered = (outcome: Outcome | undefined, goodTilBlock = 110, transmissions = 1): DueOrder => ({
  ...unsigned,
  firstGoodTilBlock: 110,
  latestAttempt: { goodTilBlock, transmissions, outcome },
});
const decide = (order: DueOrder, changes: Partial<WakeContext> = {}) =>
  decideWake(order, { ...context, ...changes });

describe('an order that was never signed', () => {
  test('is signed while its deadline lies ahead, or has none', () => {
    expect(decide(unsigned)).toEqual({ action: 'sign' });
    expect(decide({ ...unsigned, submitBy: undefined })).toEqual({ action: 'sign' });
  });

  test('ends unsent at its deadline and after it', () => {
    expect(decide({ ...unsigned, submitBy: at(0) })).toEqual({ action: 'expire_unsent' });
    expect(decide({ ...unsigned, submitBy: at(-1) })).toEqual({ action: 'expire_unsent' });
  });
});

describe('doubt is answered with the same bytes', () => {
  for (const outcome of ['doubt', undefined] as const) {
    const name = outcome ?? 'no answer';
    test(`${name}: while a later block could still take them`, () => {
      expect(decide(answered(outcome))).toEqual({ action: 'resend' });
      expect(decide(answered(outcome), { height: 109 })).toEqual({ action: 'resend' });
    });

    test(`${name}: not from the good-til-block on`, () => {
      expect(decide(answered(outcome), { height: 110 })).toEqual({ action: 'await_proof' });
      expect(decide(answered(outcome), { height: 111 })).toEqual({ action: 'await_proof' });
    });

    test(`${name}: not more than ${MAX_TRANSMISSIONS} times`, () => {
      expect(decide(answered(outcome, 110, MAX_TRANSMISSIONS - 1))).toEqual({ action: 'resend' });
      expect(decide(answered(outcome, 110, MAX_TRANSMISSIONS))).toEqual({ action: 'await_proof' });
    });

    test(`${name}: not after the deadline`, () => {
      expect(decide({ ...answered(outcome), submitBy: at(0) })).toEqual({ action: 'await_proof' });
    });
  }
});

describe('"not now" is answered with another good-til-block', () => {
  test('that of a fresh signature', () => {
    expect(decide(answered('deferred'), { height: 108 })).toEqual({ action: 'resign', goodTilBlock: 113 });
  });

  test('at least one above the last, because the node has seen those bytes', () => {
    expect(decide(answered('deferred'), { height: 100 })).toEqual({ action: 'resign', goodTilBlock: 111 });
    expect(decide(answered('deferred', 117), { height: 108 })).toEqual({
      action: 'resign',
      goodTilBlock: 118,
    });
  });

  test('no higher than the first one and the window', () => {
    expect(decide(answered('deferred'), { height: 128 })).toEqual({ action: 'resign', goodTilBlock: 130 });
    expect(decide(answered('deferred', 129), { height: 128 })).toEqual({
      action: 'resign',
      goodTilBlock: 130,
    });
  });

  test('and when the window is used up, with patience', () => {
    expect(decide(answered('deferred', 130), { height: 120 })).toEqual({ action: 'await_proof' });
    expect(decide(answered('deferred'), { height: 130 })).toEqual({ action: 'await_proof' });
    expect(decide(answered('deferred'), { resignWindowBlocks: 0 })).toEqual({ action: 'await_proof' });
  });

  test('never after the deadline', () => {
    expect(decide({ ...answered('deferred'), submitBy: at(0) })).toEqual({ action: 'await_proof' });
    expect(decide({ ...answered('deferred'), submitBy: undefined })).toEqual({
      action: 'resign',
      goodTilBlock: 111,
    });
  });
});

for (const outcome of ['accepted', 'known', 'refused'] as const) {
  test(`an order that was answered "${outcome}" waits for proof, whatever the time`, () => {
    expect(decide(answered(outcome))).toEqual({ action: 'await_proof' });
    expect(decide(answered(outcome), { height: 500 })).toEqual({ action: 'await_proof' });
    expect(decide({ ...answered(outcome), submitBy: undefined })).toEqual({ action: 'await_proof' });
  });
}

describe('for any order at any time', () => {
  const outcomes = fc.constantFrom<(Outcome | undefined)[]>(
    undefined,
    'accepted',
    'known',
    'refused',
    'deferred',
    'doubt',
  );
  const attempts = fc.record({
    above: fc.nat(40),
    transmissions: fc.integer({ min: 1, max: 25 }),
    outcome: outcomes,
  });
  const orders = fc
    .record({
      submitBy: fc.option(fc.integer({ min: -5, max: 5 }).map(at), { nil: undefined }),
      first: fc.integer({ min: 100, max: 120 }),
      goodTilBlocks: fc.integer({ min: 1, max: 40 }),
      attempt: fc.option(attempts, { nil: undefined, freq: 5 }),
    })
    .map(
      ({ submitBy, first, goodTilBlocks, attempt }): DueOrder => ({
        submitBy,
        goodTilBlocks,
        firstGoodTilBlock: attempt === undefined ? undefined : first,
        latestAttempt: attempt && {
          goodTilBlock: first + attempt.above,
          transmissions: attempt.transmissions,
          outcome: attempt.outcome,
        },
      }),
    );
  const contexts = fc.record({
    now: fc.constant(NOW),
    height: fc.integer({ min: 90, max: 150 }),
    resignWindowBlocks: fc.nat(40),
  });
  const check = (property: (order: DueOrder, context: WakeContext) => void) =>
    fc.assert(fc.property(orders, contexts, property), { numRuns: 3000 });

  test('nothing leaves at or after submit_by', () => {
    check((order, when) => {
      if (order.submitBy === undefined || order.submitBy > when.now) return;
      expect(['expire_unsent', 'await_proof']).toContain(decideWake(order, when).action);
    });
  });

  test('a new signature is above the last one and the height, and within the window of the first', () => {
    let resigns = 0;
    check((order, when) => {
      const decision = decideWake(order, when);
      if (decision.action !== 'resign') return;
      resigns += 1;
      expect(decision.goodTilBlock).toBeGreaterThan(
        order.latestAttempt?.goodTilBlock ?? Number.POSITIVE_INFINITY,
      );
      expect(decision.goodTilBlock).toBeGreaterThan(when.height);
      expect(decision.goodTilBlock).toBeLessThanOrEqual(
        (order.firstGoodTilBlock ?? 0) + when.resignWindowBlocks,
      );
    });
    expect(resigns).toBeGreaterThan(50);
  });

  test('only an order without an attempt is signed anew or called unsent', () => {
    check((order, when) => {
      const isFresh = ['sign', 'expire_unsent'].includes(decideWake(order, when).action);
      expect(isFresh).toBe(order.latestAttempt === undefined);
    });
  });

  test('the same bytes are repeated only in doubt, below their good-til-block and not without end', () => {
    check((order, when) => {
      if (decideWake(order, when).action !== 'resend') return;
      expect(['doubt', undefined]).toContain(order.latestAttempt?.outcome);
      expect(order.latestAttempt?.goodTilBlock).toBeGreaterThan(when.height);
      expect(order.latestAttempt?.transmissions).toBeLessThan(20);
    });
  });

  test('an answer that is no doubt and no "not now" is never followed by another transmission', () => {
    check((order, when) => {
      const { outcome } = order.latestAttempt ?? {};
      if (outcome !== 'accepted' && outcome !== 'known' && outcome !== 'refused') return;
      expect(decideWake(order, when)).toEqual({ action: 'await_proof' });
    });
  });
});
