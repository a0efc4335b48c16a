// What is done with a signed stateful order: every decision by example, and the invariants of the nonce rule (DESIGN §6)
// for any order, whatever the chain says or cannot be asked.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/answers.ts';
import type { Held } from '../../src/core/gate.ts';
import type { Block, TxLookup } from '../../src/core/ports.ts';
import {
  type ChainFinding,
  decideStateful,
  questionOf,
  type SignedStateful,
  type StatefulDecision,
} from '../../src/core/stateful.ts';

const NONCE = 1_772_600_000_000;
const NOW = new Date(NONCE + 1_000);
const GOOD_TIL = new Date(NONCE + 3_600_000);
const at = (offsetMs: number) => new Date(NOW.getTime() + offsetMs);
/** A block whose time is so long after the nonce. */
const blockAt = (sinceNonceMs: number, height = 200): Block => ({
  height,
  time: new Date(NONCE + sinceNonceMs),
});

/** The nonce's window is 30 s (facts §4.3); a node's index is believed of what is 5 s older. */
const ALIVE = blockAt(1_000);
const OVER = blockAt(30_001);
const SURELY_OVER = blockAt(35_001, 300);

type Attempt = SignedStateful['latestAttempt'];
const order = (changes: Partial<SignedStateful> = {}, attempt: Partial<Attempt> = {}): SignedStateful => ({
  submitBy: undefined,
  goodTilTime: GOOD_TIL,
  isCancelRequested: false,
  held: undefined,
  nonce: NONCE,
  deadNonce: undefined,
  includedHeight: undefined,
  isDead: false,
  ...changes,
  latestAttempt: { attempt: 1, transmissions: 1, outcome: 'doubt', isNonceRefused: false, ...attempt },
});
const UNKNOWN: ChainFinding = { kind: 'unknown' };
const absentAt = (block: Block): ChainFinding => ({
  kind: 'transactions',
  lookup: { kind: 'absent', block },
});
const included = (code = 0, codespace = ''): ChainFinding => {
  const lookup: TxLookup = { kind: 'included', hash: 'AB', height: 150, code, codespace, log: 'why' };
  return { kind: 'transactions', lookup };
};
const state = (kind: 'present' | 'absent', height = 200): ChainFinding => ({
  kind: 'order',
  lookup: kind === 'present' ? { kind, height, isTriggered: false } : { kind, height },
});
const decide = (signed: SignedStateful, finding: ChainFinding, block = ALIVE) =>
  decideStateful(signed, finding, { now: NOW, block });

const HALTED: Held = { mode: 'HALTED', reason: 'HALTED for all orders by alice: fat finger' };
const REDUCING: Held = { mode: 'REDUCING', reason: 'REDUCING for all orders by alice: fat finger' };
const UNSURE: Held = { mode: 'UNKNOWN', reason: 'the database does not answer' };
const FORBIDDEN: Readonly<Record<string, Partial<SignedStateful>>> = {
  'after a cancel': { isCancelRequested: true },
  'under HALTED': { held: HALTED },
  'under REDUCING': { held: REDUCING },
  'while nobody can say whether there is a halt': { held: UNSURE },
  'at its submit_by': { submitBy: at(0) },
  'after its submit_by': { submitBy: at(-1) },
};

describe('the chain is asked', () => {
  test('for the transactions of an order of which nothing is known', () => {
    expect(questionOf(order())).toBe('transactions');
    expect(questionOf(order({ deadNonce: NONCE - 60_000 }))).toBe('transactions');
  });

  test('for the order once one of its transactions was carried out', () => {
    expect(questionOf(order({ includedHeight: 150 }))).toBe('order');
  });

  test('nothing while its nonce is dead, and nothing when it is dead itself', () => {
    expect(questionOf(order({ deadNonce: NONCE }))).toBe('nothing');
    expect(questionOf(order({ isDead: true }))).toBe('nothing');
    expect(questionOf(order({ isDead: true, includedHeight: 150 }))).toBe('nothing');
  });
});

describe('what is found on chain is noted', () => {
  test('a transaction that was carried out, whatever was answered to it and whatever is forbidden', () => {
    const noted = { action: 'note_included', height: 150, hash: 'AB' };
    for (const outcome of [undefined, 'accepted', 'known', 'refused', 'deferred', 'doubt'] as const) {
      expect(decide(order({}, { outcome }), included())).toEqual(noted);
    }
    for (const changes of Object.values(FORBIDDEN)) expect(decide(order(changes), included())).toEqual(noted);
    expect(decide(order(), included(), blockAt(3_600_000))).toEqual(noted);
  });

  test('one that failed in its block is the end of the order, with its code', () => {
    const death = { cause: 'failed', height: 150, tx_hash: 'AB', codespace: 'clob', code: 3007, log: 'why' };
    expect(decide(order(), included(3007, 'clob'))).toEqual({ action: 'note_dead', death });
    expect(decide(order(), included(3007, 'clob'), blockAt(3_600_000))).toEqual({
      action: 'note_dead',
      death,
    });
  });

  test('an order that was in the state and is there no more was removed', () => {
    expect(decide(order({ includedHeight: 150 }), state('absent', 201))).toEqual({
      action: 'note_dead',
      death: { cause: 'removed', height: 201 },
    });
  });

  test('an order that is gone past its time has expired: nobody can tell that something else was faster', () => {
    const block = blockAt(3_600_000, 900);
    expect(decide(order({ includedHeight: 150 }), state('absent', 201), block)).toEqual({
      action: 'note_dead',
      death: { cause: 'expired', height: 900, block_time_ms: NONCE + 3_600_000 },
    });
  });

  test('one that is gone within 10 s of its time is looked at again: the node may be past it already', () => {
    const gone = (sinceNonceMs: number) =>
      decide(order({ includedHeight: 150 }), state('absent', 201), blockAt(sinceNonceMs)).action;
    expect([gone(3_590_000), gone(3_590_001), gone(3_599_999)]).toEqual([
      'note_dead',
      'look_again',
      'look_again',
    ]);
  });

  test('an order in the state is looked at again, whatever its cancel', () => {
    for (const changes of [{}, ...Object.values(FORBIDDEN)]) {
      expect(decide(order({ includedHeight: 150, ...changes }), state('present'))).toEqual({
        action: 'look_again',
      });
    }
  });
});

describe('a block whose time is its good_til_time ends any order', () => {
  const EXPIRED = {
    action: 'note_dead',
    death: { cause: 'expired', height: 900, block_time_ms: NONCE + 3_600_000 },
  };
  const CASES: Readonly<Record<string, readonly [SignedStateful, ChainFinding]>> = {
    'of which nothing is known': [order(), UNKNOWN],
    'that is in the state': [order({ includedHeight: 150 }), state('present')],
    'whose transactions are not on chain': [order(), absentAt(SURELY_OVER)],
    'whose nonce is dead': [order({ deadNonce: NONCE }), UNKNOWN],
    'that was cancelled': [order({ isCancelRequested: true }), UNKNOWN],
  };
  for (const [name, [signed, finding]] of Object.entries(CASES)) {
    test(name, () => {
      expect(decide(signed, finding, blockAt(3_600_000, 900))).toEqual(EXPIRED);
      expect(decide(signed, finding, blockAt(3_599_999, 899))).not.toMatchObject({
        death: { cause: 'expired' },
      });
    });
  }
});

describe('while its nonce lives', () => {
  for (const outcome of [undefined, 'doubt'] as const) {
    const name = outcome ?? 'no answer';
    test(`${name} is answered with the same bytes, to the last block of the window`, () => {
      for (const finding of [UNKNOWN, absentAt(ALIVE)]) {
        expect(decide(order({}, { outcome }), finding)).toEqual({ action: 'resend' });
        expect(decide(order({}, { outcome }), finding, blockAt(29_999))).toEqual({ action: 'resend' });
        expect(decide(order({}, { outcome }), finding, blockAt(30_000))).toEqual({ action: 'look_again' });
      }
    });
  }

  test('"not now" is answered with another memo, while there is time to be taken', () => {
    expect(decide(order({}, { outcome: 'deferred' }), UNKNOWN)).toEqual({ action: 'resign' });
    expect(decide(order({}, { outcome: 'deferred' }), UNKNOWN, blockAt(24_999))).toEqual({
      action: 'resign',
    });
    expect(decide(order({}, { outcome: 'deferred' }), UNKNOWN, blockAt(25_000))).toEqual({
      action: 'look_again',
    });
  });

  for (const outcome of ['accepted', 'known', 'refused'] as const) {
    test(`an order that was answered ${outcome} is looked for, and not sent`, () => {
      expect(decide(order({}, { outcome }), UNKNOWN)).toEqual({ action: 'look_again' });
      expect(decide(order({}, { outcome }), absentAt(ALIVE))).toEqual({ action: 'look_again' });
    });
  }

  test('a refused nonce is no reason to send either', () => {
    const refused = order({}, { outcome: 'refused', isNonceRefused: true });
    expect(decide(refused, UNKNOWN)).toEqual({ action: 'look_again' });
  });

  test('no bytes are sent more than 20 times', () => {
    for (const outcome of [undefined, 'doubt', 'deferred'] as const) {
      const { action } = decide(order({}, { outcome, transmissions: 19 }), UNKNOWN);
      expect(action).toBe(outcome === 'deferred' ? 'resign' : 'resend');
      expect(decide(order({}, { outcome, transmissions: 20 }), UNKNOWN)).toEqual({ action: 'look_again' });
    }
  });

  for (const [name, changes] of Object.entries(FORBIDDEN)) {
    test(`nothing leaves ${name}`, () => {
      for (const outcome of [undefined, 'doubt', 'deferred'] as const) {
        expect(decide(order(changes, { outcome }), UNKNOWN)).toEqual({ action: 'look_again' });
      }
    });
  }
});

describe('a nonce is shown dead', () => {
  test('by a block past its window, and by nothing on chain up to it', () => {
    expect(decide(order(), absentAt(SURELY_OVER), SURELY_OVER)).toEqual({
      action: 'note_absent',
      block: SURELY_OVER,
    });
  });

  test('not by a block within the window, nor by one that the index of a node may not have reached', () => {
    for (const sinceNonceMs of [0, 30_000, 30_001, 35_000]) {
      expect(decide(order(), absentAt(blockAt(sinceNonceMs)), SURELY_OVER).action).toBe('look_again');
    }
  });

  test('not by time alone, when the chain cannot be asked', () => {
    expect(decide(order(), UNKNOWN, SURELY_OVER)).toEqual({ action: 'look_again' });
    expect(decide(order({}, { outcome: 'refused', isNonceRefused: true }), UNKNOWN, SURELY_OVER)).toEqual({
      action: 'look_again',
    });
  });

  test('also of an order that may not be sent again', () => {
    for (const changes of Object.values(FORBIDDEN)) {
      expect(decide(order(changes), absentAt(SURELY_OVER), OVER).action).toBe('note_absent');
    }
  });
});

describe('after its nonce was shown dead', () => {
  const dead = (changes: Partial<SignedStateful> = {}, attempt: Partial<Attempt> = {}) =>
    order({ deadNonce: NONCE, ...changes }, attempt);
  const never = {
    action: 'note_dead',
    death: { cause: 'never_included', height: 300, block_time_ms: NONCE + 35_001 },
  };

  for (const outcome of [undefined, 'accepted', 'known', 'deferred', 'doubt'] as const) {
    test(`an order that was answered ${outcome ?? 'by nobody'} is signed with a nonce of its own`, () => {
      expect(decide(dead({}, { outcome }), UNKNOWN, SURELY_OVER)).toEqual({ action: 'sign' });
    });
  }

  test('so is one whose nonce the chain would not take', () => {
    const refused = dead({}, { outcome: 'refused', isNonceRefused: true });
    expect(decide(refused, UNKNOWN, SURELY_OVER)).toEqual({ action: 'sign' });
  });

  test('one that was refused was never on chain: it ends', () => {
    expect(decide(dead({}, { outcome: 'refused' }), UNKNOWN, SURELY_OVER)).toEqual(never);
  });

  test('one that nobody took a thousand times ends', () => {
    expect(decide(dead({}, { attempt: 999 }), UNKNOWN, SURELY_OVER)).toEqual({ action: 'sign' });
    expect(decide(dead({}, { attempt: 1000 }), UNKNOWN, SURELY_OVER)).toEqual(never);
  });

  test('one that is cancelled, or whose submit_by has passed, ends', () => {
    for (const changes of [{ isCancelRequested: true }, { submitBy: at(0) }, { submitBy: at(-1) }]) {
      expect(decide(dead(changes), UNKNOWN, SURELY_OVER)).toEqual(never);
      expect(decide(dead({ ...changes, held: HALTED }), UNKNOWN, SURELY_OVER)).toEqual(never);
    }
  });

  test('one under a halt waits, for it is still wanted when the halt is lifted', () => {
    for (const held of [HALTED, REDUCING, UNSURE]) {
      expect(decide(dead({ held }), UNKNOWN, SURELY_OVER)).toEqual({ action: 'look_again' });
    }
  });

  test('the death of an earlier nonce says nothing of this one', () => {
    const second = order({ deadNonce: NONCE - 60_000 });
    expect(decide(second, UNKNOWN, SURELY_OVER)).toEqual({ action: 'look_again' });
    expect(decide(second, UNKNOWN)).toEqual({ action: 'resend' });
  });
});

test('of an order that was shown dead nothing is asked and nothing is sent, whatever comes in', () => {
  for (const finding of [UNKNOWN, included(), included(5, 'sdk'), absentAt(SURELY_OVER), state('absent')]) {
    expect(decide(order({ isDead: true }), finding, SURELY_OVER)).toEqual({ action: 'await_proof' });
  }
});

describe('for any order, whatever the chain says', () => {
  const times = fc.integer({ min: -40_000, max: 80_000 });
  const outcomes = fc.constantFrom<(Outcome | undefined)[]>(
    undefined,
    'accepted',
    'known',
    'refused',
    'deferred',
    'doubt',
  );
  const codes = fc.constantFrom(0, 0, 5, 3007);
  const orders = fc
    .record({
      submitBy: fc.option(fc.integer({ min: -5, max: 5 }).map(at), { nil: undefined, freq: 1 }),
      goodTilTime: fc.oneof(
        fc.constant(GOOD_TIL),
        times.map((sinceNonceMs) => blockAt(sinceNonceMs).time),
      ),
      isCancelRequested: fc.constantFrom(false, false, true),
      held: fc.constantFrom(undefined, undefined, undefined, HALTED, REDUCING, UNSURE),
      deadNonce: fc.constantFrom(undefined, NONCE, NONCE - 60_000),
      includedHeight: fc.constantFrom(undefined, undefined, 150),
      isDead: fc.constantFrom(false, false, false, true),
      attempt: fc.constantFrom(1, 2, 999, 1000),
      transmissions: fc.integer({ min: 1, max: 21 }),
      outcome: outcomes,
      isNonceRefused: fc.boolean(),
    })
    // A transaction with a nonce that was shown dead is not on chain: the two never meet in a row.
    .filter(({ deadNonce, includedHeight }) => deadNonce !== NONCE || includedHeight === undefined)
    .map(({ attempt, transmissions, outcome, isNonceRefused, ...rest }) =>
      order(rest, {
        attempt,
        transmissions,
        outcome,
        isNonceRefused: isNonceRefused && outcome === 'refused',
      }),
    );
  const blocks = times.map((sinceNonceMs) => blockAt(sinceNonceMs));
  const txLookups = fc.oneof(
    fc.tuple(codes, fc.integer({ min: 150, max: 200 })).map(
      ([code, height]): TxLookup => ({
        kind: 'included',
        hash: 'AB',
        height,
        code,
        codespace: code === 0 ? '' : 'clob',
        log: '',
      }),
    ),
    blocks.map((block): TxLookup => ({ kind: 'absent', block })),
  );
  const states = fc.constantFrom(state('present'), state('absent', 150), state('absent', 201));

  /** What can be found is what is asked for, or that nobody can say. */
  const cases = orders.chain((signed) => {
    const asked = {
      nothing: fc.constant(UNKNOWN),
      transactions: txLookups.map((lookup): ChainFinding => ({ kind: 'transactions', lookup })),
      order: states,
    }[questionOf(signed)];
    const finding = fc.oneof({ weight: 3, arbitrary: asked }, { weight: 1, arbitrary: fc.constant(UNKNOWN) });
    return fc.record({ signed: fc.constant(signed), finding, block: blocks });
  });
  type Case = { readonly signed: SignedStateful; readonly finding: ChainFinding; readonly block: Block };

  /** @returns how many decisions the property spoke of */
  function check(property: (decision: StatefulDecision, given: Case) => boolean): number {
    let seen = 0;
    fc.assert(
      fc.property(cases, (given) => {
        const decision = decideStateful(given.signed, given.finding, { now: NOW, block: given.block });
        if (property(decision, given)) seen += 1;
      }),
      { numRuns: 4000 },
    );
    return seen;
  }
  const isPlacement = ({ action }: StatefulDecision) => ['sign', 'resign', 'resend'].includes(action);

  test('no placement leaves after a cancel, under a halt, or at submit_by and later', () => {
    const forbidden = check((decision, { signed }) => {
      const isLate = signed.submitBy !== undefined && signed.submitBy <= NOW;
      if (!signed.isCancelRequested && signed.held === undefined && !isLate) return false;
      expect(isPlacement(decision)).toBe(false);
      return true;
    });
    expect(forbidden).toBeGreaterThan(500);
  });

  test('another nonce is taken only after the one before was shown dead', () => {
    const signed = check((decision, given) => {
      if (decision.action !== 'sign') return false;
      expect(given.signed.deadNonce).toBe(NONCE);
      expect(given.signed.includedHeight).toBeUndefined();
      return true;
    });
    expect(signed).toBeGreaterThan(20);
  });

  test('the same nonce is used again only within its window', () => {
    const sent = check((decision, { block }) => {
      if (decision.action !== 'resend' && decision.action !== 'resign') return false;
      expect(block.time.getTime()).toBeLessThan(NONCE + 30_000);
      return true;
    });
    expect(sent).toBeGreaterThan(20);
  });

  test('an order that the chain has, or that is dead, is never sent again', () => {
    const known = check((decision, { signed, finding }) => {
      const isOnChain = finding.kind === 'transactions' && finding.lookup.kind === 'included';
      if (signed.includedHeight === undefined && !signed.isDead && !isOnChain) return false;
      expect(isPlacement(decision)).toBe(false);
      return true;
    });
    expect(known).toBeGreaterThan(500);
  });

  test('a nonce is noted dead only by a block more than 30 s past it, up to which nothing was found', () => {
    const noted = check((decision, { finding }) => {
      if (decision.action !== 'note_absent') return false;
      expect(finding).toMatchObject({
        kind: 'transactions',
        lookup: { kind: 'absent', block: decision.block },
      });
      expect(decision.block.time.getTime()).toBeGreaterThan(NONCE + 30_000);
      return true;
    });
    expect(noted).toBeGreaterThan(20);
  });

  test('a death is noted only with its evidence', () => {
    const causes = new Set<string>();
    check((decision, { signed, finding, block }) => {
      if (decision.action !== 'note_dead') return false;
      const { death } = decision;
      causes.add(death.cause);
      switch (death.cause) {
        case 'expired':
          expect(death).toMatchObject({ height: block.height, block_time_ms: block.time.getTime() });
          expect(block.time.getTime()).toBeGreaterThanOrEqual(signed.goodTilTime.getTime());
          break;
        case 'removed':
          expect(finding).toEqual({ kind: 'order', lookup: { kind: 'absent', height: death.height } });
          expect(death.height).toBeGreaterThanOrEqual(signed.includedHeight ?? Number.POSITIVE_INFINITY);
          break;
        case 'failed': {
          const { height, tx_hash: hash, code } = death;
          expect(finding).toMatchObject({ lookup: { kind: 'included', height, hash, code } });
          expect(code).not.toBe(0);
          break;
        }
        case 'never_included':
          expect(signed.deadNonce).toBe(NONCE);
          expect(signed.includedHeight).toBeUndefined();
          expect(death).toMatchObject({ height: block.height, block_time_ms: block.time.getTime() });
      }
      return true;
    });
    expect([...causes].sort()).toEqual(['expired', 'failed', 'never_included', 'removed']);
  });

  test('when the chain cannot be asked, nothing but its time ends an order of which anything may be on chain', () => {
    const ended = check((decision, { signed, finding }) => {
      if (finding.kind !== 'unknown' || signed.deadNonce === NONCE) return false;
      expect(['note_included', 'note_absent']).not.toContain(decision.action);
      if (decision.action !== 'note_dead') return false;
      expect(decision.death.cause).toBe('expired');
      return true;
    });
    expect(ended).toBeGreaterThan(20);
  });

  test('what is wanted, alive and in doubt never waits for proof alone: it is asked for or sent again', () => {
    check((decision, { signed }) => {
      expect(decision.action === 'await_proof').toBe(signed.isDead);
      return true;
    });
  });
});
