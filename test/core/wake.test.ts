// What is done with an order whose time has come: every branch, and the invariants for any order at any time.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/answers.ts';
import type { Held } from '../../src/core/gate.ts';
import {
  type DueOrder,
  decideUnsigned,
  decideWake,
  MAX_TRANSMISSIONS,
  type Unsigned,
  type WakeContext,
} from '../../src/core/wake.ts';

const NOW = new Date('2026-03-04T05:06:07Z');
const at = (offsetMs: number) => new Date(NOW.getTime() + offsetMs);
const HALTED: Held = { mode: 'HALTED', reason: 'HALTED for all orders by alice: fat finger' };
const REDUCING: Held = { mode: 'REDUCING', reason: 'REDUCING for all orders by alice: fat finger' };
const UNKNOWN: Held = { mode: 'UNKNOWN', reason: 'the database does not answer' };

describe('an order that was never signed', () => {
  const fresh: Unsigned = {
    submitBy: at(1),
    goodTilTime: undefined,
    isCancelRequested: false,
    held: undefined,
  };
  const decide = (changes: Partial<Unsigned> = {}) => decideUnsigned({ ...fresh, ...changes }, NOW);
  const unsent = (status: string, cause: string) => ({ action: 'end_unsent', status, cause });

  test('is signed while its deadlines lie ahead, or has none', () => {
    expect(decide()).toEqual({ action: 'sign' });
    expect(decide({ submitBy: undefined })).toEqual({ action: 'sign' });
    expect(decide({ submitBy: undefined, goodTilTime: at(1) })).toEqual({ action: 'sign' });
  });

  for (const offsetMs of [0, -1]) {
    const when = offsetMs === 0 ? 'at' : 'after';
    test(`ends EXPIRED ${when} its submit_by, never sent`, () => {
      expect(decide({ submitBy: at(offsetMs) })).toEqual(unsent('EXPIRED', 'submit_by has passed'));
    });

    test(`ends EXPIRED ${when} its good_til_time, never sent`, () => {
      expect(decide({ goodTilTime: at(offsetMs) })).toEqual(unsent('EXPIRED', 'good_til_time has passed'));
    });
  }

  test('ends CANCELLED when a cancel came first', () => {
    const cancelled = unsent('CANCELLED', 'cancelled before it was sent');
    expect(decide({ isCancelRequested: true })).toEqual(cancelled);
    expect(decide({ isCancelRequested: true, submitBy: at(-1), held: HALTED })).toEqual(cancelled);
  });

  for (const held of [HALTED, REDUCING]) {
    test(`ends REJECTED when it comes under ${held.mode}, with the words of the control`, () => {
      expect(decide({ held })).toEqual(unsent('REJECTED', held.reason));
    });
  }

  test('ends EXPIRED under a halt when its deadline has passed as well', () => {
    expect(decide({ held: HALTED, submitBy: at(0) })).toEqual(unsent('EXPIRED', 'submit_by has passed'));
  });

  test('waits while nobody can say whether there is a halt, and no longer than to its deadline', () => {
    expect(decide({ held: UNKNOWN })).toEqual({ action: 'wait' });
    expect(decide({ held: UNKNOWN, submitBy: at(0) })).toMatchObject({ status: 'EXPIRED' });
    expect(decide({ held: UNKNOWN, isCancelRequested: true })).toMatchObject({ status: 'CANCELLED' });
  });
});

const context: WakeContext = { now: NOW, height: 105, resignWindowBlocks: 20 };
const answered = (outcome: Outcome | undefined, goodTilBlock = 110, transmissions = 1): DueOrder => ({
  submitBy: at(1),
  isCancelRequested: false,
  held: undefined,
  firstGoodTilBlock: 110,
  goodTilBlocks: 5,
  latestAttempt: { goodTilBlock, transmissions, outcome },
});
const decide = (order: DueOrder, changes: Partial<WakeContext> = {}) =>
  decideWake(order, { ...context, ...changes });

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

    for (const held of [HALTED, REDUCING, UNKNOWN]) {
      test(`${name}: not under ${held.mode}, which may be lifted while it lives`, () => {
        expect(decide({ ...answered(outcome), held })).toEqual({ action: 'wait' });
        expect(decide({ ...answered(outcome), held }, { height: 110 })).toEqual({ action: 'await_proof' });
      });
    }
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

  test('which waits while the venue would not take so late a block yet', () => {
    const late = { ...answered('deferred'), goodTilBlocks: 40 };
    expect(decide(late, { height: 69 })).toEqual({ action: 'wait' });
    expect(decide(late, { height: 71 })).toEqual({ action: 'resign', goodTilBlock: 111 });
  });

  test('not under a halt, and then again', () => {
    for (const held of [HALTED, REDUCING, UNKNOWN]) {
      expect(decide({ ...answered('deferred'), held })).toEqual({ action: 'wait' });
      expect(decide({ ...answered('deferred', 130), held })).toEqual({ action: 'await_proof' });
    }
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

describe('a cancel is answered with a fence', () => {
  const cancelled = (outcome: Outcome | undefined) => ({ ...answered(outcome), isCancelRequested: true });
  const OUTCOMES = [undefined, 'accepted', 'known', 'refused', 'deferred', 'doubt'] as const;
  for (const outcome of OUTCOMES) {
    test(`of an order that was answered ${outcome ?? 'by nobody'}, until its good-til-block`, () => {
      expect(decide(cancelled(outcome))).toEqual({ action: 'fence' });
      expect(decide(cancelled(outcome), { height: 109 })).toEqual({ action: 'fence' });
      expect(decide(cancelled(outcome), { height: 110 })).toEqual({ action: 'await_proof' });
    });
  }

  test('also under a halt and after submit_by', () => {
    expect(decide({ ...cancelled('doubt'), held: HALTED, submitBy: at(-1) })).toEqual({ action: 'fence' });
  });
});

describe('for any order at any time', () => {
  const outcomes = fc.constantFrom<(Outcome | undefined)[]>(
    undefined,
    'accepted',
    'known',
    'refused',
    'deferred',
    'doubt',
  );
  const deadlines = fc.option(fc.integer({ min: -5, max: 5 }).map(at), { nil: undefined });
  const holds = fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(HALTED, REDUCING, UNKNOWN) },
  );
  const orders = fc
    .record({
      submitBy: deadlines,
      isCancelRequested: fc.constantFrom(false, false, true),
      held: holds,
      firstGoodTilBlock: fc.integer({ min: 100, max: 120 }),
      goodTilBlocks: fc.integer({ min: 1, max: 40 }),
      above: fc.nat(40),
      transmissions: fc.integer({ min: 1, max: 25 }),
      outcome: outcomes,
    })
    .map(({ above, transmissions, outcome, ...order }): DueOrder => {
      const goodTilBlock = order.firstGoodTilBlock + above;
      return { ...order, latestAttempt: { goodTilBlock, transmissions, outcome } };
    });
  const contexts = fc.record({
    now: fc.constant(NOW),
    height: fc.integer({ min: 60, max: 150 }),
    resignWindowBlocks: fc.nat(40),
  });
  const check = (property: (order: DueOrder, context: WakeContext) => void) =>
    fc.assert(fc.property(orders, contexts, property), { numRuns: 3000 });

  test('no placement leaves at or after submit_by, under a halt or after a cancel', () => {
    check((order, when) => {
      const isLate = order.submitBy !== undefined && order.submitBy <= when.now;
      if (!isLate && !order.isCancelRequested && order.held === undefined) return;
      expect(['await_proof', 'wait', 'fence']).toContain(decideWake(order, when).action);
    });
  });

  test('a fence follows a cancel, and nothing but a cancel', () => {
    check((order, when) => {
      const isFenced = decideWake(order, when).action === 'fence';
      expect(isFenced).toBe(order.isCancelRequested && when.height < order.latestAttempt.goodTilBlock);
    });
  });

  test('what was never signed is signed exactly when nothing forbids it', () => {
    const unsigned = fc.record({
      submitBy: deadlines,
      goodTilTime: deadlines,
      isCancelRequested: fc.boolean(),
      held: holds,
    });
    fc.assert(
      fc.property(unsigned, (order) => {
        const hasPassed = [order.submitBy, order.goodTilTime].some(
          (time) => time !== undefined && time <= NOW,
        );
        const isFree = !hasPassed && !order.isCancelRequested && order.held === undefined;
        expect(decideUnsigned(order, NOW).action === 'sign').toBe(isFree);
      }),
      { numRuns: 1000 },
    );
  });

  test('a new signature is above the last one and the height, within the window of the first and of the venue', () => {
    let resigns = 0;
    check((order, when) => {
      const decision = decideWake(order, when);
      if (decision.action !== 'resign') return;
      resigns += 1;
      expect(decision.goodTilBlock).toBeGreaterThan(order.latestAttempt.goodTilBlock);
      expect(decision.goodTilBlock).toBeGreaterThan(when.height);
      expect(decision.goodTilBlock).toBeLessThanOrEqual(order.firstGoodTilBlock + when.resignWindowBlocks);
      expect(decision.goodTilBlock).toBeLessThanOrEqual(when.height + 40);
    });
    expect(resigns).toBeGreaterThan(5);
  });

  test('the same bytes are repeated only in doubt, below their good-til-block and not without end', () => {
    let resends = 0;
    check((order, when) => {
      if (decideWake(order, when).action !== 'resend') return;
      resends += 1;
      expect(['doubt', undefined]).toContain(order.latestAttempt.outcome);
      expect(order.latestAttempt.goodTilBlock).toBeGreaterThan(when.height);
      expect(order.latestAttempt.transmissions).toBeLessThan(20);
    });
    expect(resends).toBeGreaterThan(5);
  });

  test('an answer that is no doubt and no "not now" is never followed by another placement', () => {
    check((order, when) => {
      const { outcome } = order.latestAttempt;
      if (outcome !== 'accepted' && outcome !== 'known' && outcome !== 'refused') return;
      expect(decideWake(order, when).action).toMatch(/^(await_proof|fence)$/);
    });
  });
});
