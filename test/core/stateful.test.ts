// What is done with a signed stateful order: every decision by example, and the invariants of the nonce rule (DESIGN §6)
// for any order, whatever the chain says or cannot be asked.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/answers.ts';
import type { Held } from '../../src/core/gate.ts';
import type { Block, StatefulLookup, TxLookup } from '../../src/core/ports.ts';
import {
  type ChainFinding,
  decideStateful,
  questionsOf,
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
const AT_END = blockAt(3_600_000, 900);

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
  latestAttempt: {
    attempt: 1,
    transmissions: 1,
    outcome: 'doubt',
    isNonceRefused: false,
    isFailed: false,
    ...attempt,
  },
});
const UNKNOWN: ChainFinding = { transactions: undefined, order: undefined };
const found = (transactions: TxLookup): ChainFinding => ({ transactions, order: undefined });
const absentAt = (block: Block): ChainFinding => found({ kind: 'absent', block });
const included = (code = 0, codespace = ''): ChainFinding =>
  found({ kind: 'included', hash: 'AB', height: 150, code, codespace, log: 'why' });
const lookupOf = (kind: 'present' | 'absent', height: number): StatefulLookup => ({ kind, height });
const state = (kind: 'present' | 'absent', height = 200): ChainFinding => ({
  transactions: undefined,
  order: lookupOf(kind, height),
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
  const NOTHING = { transactions: false, order: false };
  const BEFORE_END = blockAt(3_599_999);

  test('for the transactions of an order of which nothing is known', () => {
    for (const block of [ALIVE, SURELY_OVER, BEFORE_END]) {
      for (const signed of [order(), order({ deadNonce: NONCE - 60_000 })]) {
        expect(questionsOf(signed, block)).toEqual({ transactions: true, order: false });
      }
    }
  });

  test('for the order alone once one of its transactions was carried out, also past its time', () => {
    for (const block of [ALIVE, BEFORE_END, AT_END]) {
      const questions = questionsOf(order({ includedHeight: 150 }), block);
      expect(questions).toEqual({ transactions: false, order: true });
    }
  });

  test('for both past its time, even of an order whose nonce is dead', () => {
    for (const deadNonce of [undefined, NONCE - 60_000, NONCE]) {
      expect(questionsOf(order({ deadNonce }), AT_END)).toEqual({ transactions: true, order: true });
    }
  });

  test('nothing while its nonce is dead, and nothing ever when it is dead itself', () => {
    expect(questionsOf(order({ deadNonce: NONCE }), BEFORE_END)).toEqual(NOTHING);
    for (const block of [ALIVE, AT_END]) {
      expect(questionsOf(order({ isDead: true }), block)).toEqual(NOTHING);
      expect(questionsOf(order({ isDead: true, includedHeight: 150 }), block)).toEqual(NOTHING);
    }
  });
});

describe('what is found on chain is noted', () => {
  test('a transaction that was carried out, whatever was answered to it and whatever is forbidden', () => {
    const noted = { action: 'note_included', height: 150, hash: 'AB' };
    for (const outcome of [undefined, 'accepted', 'known', 'refused', 'deferred', 'doubt'] as const) {
      expect(decide(order({}, { outcome }), included())).toEqual(noted);
    }
    for (const changes of Object.values(FORBIDDEN)) expect(decide(order(changes), included())).toEqual(noted);
    expect(decide(order(), included(), AT_END)).toEqual(noted);
    expect(decide(order(), { ...included(), order: lookupOf('absent', 900) }, AT_END)).toEqual(noted);
  });

  for (const codespace of ['clob', 'subaccounts']) {
    test(`one that ${codespace} refused in its block is the end of the order, with its code`, () => {
      const death = { cause: 'failed', height: 150, tx_hash: 'AB', codespace, code: 3007, log: 'why' };
      for (const block of [ALIVE, AT_END]) {
        expect(decide(order(), included(3007, codespace), block)).toEqual({ action: 'note_dead', death });
      }
    });
  }

  test('one that was refused before its messages is noted, and ends nothing: a sibling can have its nonce', () => {
    for (const [codespace, code] of [
      ['sdk', 5],
      ['sdk', 32],
      ['accountplus', 3007],
      ['undefined', 1],
      ['', 1],
      ['Clob', 3007],
    ] as const) {
      const noted = { action: 'note_failed', height: 150, hash: 'AB', code };
      for (const changes of [{}, ...Object.values(FORBIDDEN)]) {
        expect(decide(order(changes), included(code, codespace))).toEqual(noted);
      }
      expect(decide(order({}, { outcome: 'refused' }), included(code, codespace), SURELY_OVER)).toEqual(
        noted,
      );
      const gone = { ...included(code, codespace), order: lookupOf('absent', 900) };
      expect(decide(order(), gone, AT_END)).toEqual(noted);
    }
  });

  test('an order that was in the state and is there no more was removed', () => {
    expect(decide(order({ includedHeight: 150 }), state('absent', 201))).toEqual({
      action: 'note_dead',
      death: { cause: 'removed', height: 201 },
    });
  });

  test('one that is gone within 20 s of its time is looked at again: the node may be past it already', () => {
    const gone = (sinceNonceMs: number) =>
      decide(order({ includedHeight: 150 }), state('absent', 201), blockAt(sinceNonceMs)).action;
    expect([gone(3_580_000), gone(3_580_001), gone(3_599_999)]).toEqual([
      'note_dead',
      'look_again',
      'look_again',
    ]);
  });

  test('an order of which the state cannot be asked is looked at again', () => {
    for (const changes of [{}, ...Object.values(FORBIDDEN)]) {
      expect(decide(order({ includedHeight: 150, ...changes }), UNKNOWN)).toEqual({ action: 'look_again' });
    }
  });

  test('an order in the state is looked at again, whatever its cancel', () => {
    for (const changes of [{}, ...Object.values(FORBIDDEN)]) {
      expect(decide(order({ includedHeight: 150, ...changes }), state('present'))).toEqual({
        action: 'look_again',
      });
    }
  });
});

describe('a block whose time is its good_til_time, and a state without it from there, end any order', () => {
  const AGAIN = { action: 'look_again' };
  const CASES: Readonly<Record<string, readonly [SignedStateful, ChainFinding]>> = {
    'of which no transaction can be asked': [order(), UNKNOWN],
    'that was in the state': [order({ includedHeight: 150 }), UNKNOWN],
    'whose transactions are not on chain': [order(), absentAt(SURELY_OVER)],
    'whose nonce is dead': [order({ deadNonce: NONCE }), absentAt(AT_END)],
    'that was cancelled': [order({ isCancelRequested: true }), UNKNOWN],
    'that is under a halt': [order({ held: HALTED }), UNKNOWN],
    'that was refused': [order({ deadNonce: NONCE }, { outcome: 'refused' }), UNKNOWN],
  };
  for (const [name, [signed, { transactions }]] of Object.entries(CASES)) {
    test(name, () => {
      for (const height of [900, 905]) {
        const gone = { transactions, order: lookupOf('absent', height) };
        expect(decide(signed, gone, AT_END)).toEqual({
          action: 'note_dead',
          death: { cause: 'expired', height, block_time_ms: NONCE + 3_600_000 },
        });
        expect(decide(signed, gone, blockAt(3_599_999, 900))).not.toMatchObject({
          death: { cause: 'expired' },
        });
      }
    });

    test(`${name}: not one clock alone, a state that has it, or one that is older than the block`, () => {
      for (const state of [
        undefined,
        lookupOf('present', 900),
        lookupOf('present', 905),
        lookupOf('absent', 899),
      ]) {
        expect(decide(signed, { transactions, order: state }, AT_END)).toEqual(AGAIN);
      }
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
  for (const finding of [
    UNKNOWN,
    included(),
    included(5, 'sdk'),
    included(3007, 'clob'),
    absentAt(SURELY_OVER),
    state('absent', 900),
  ]) {
    for (const block of [SURELY_OVER, AT_END]) {
      expect(decide(order({ isDead: true }), finding, block)).toEqual({ action: 'await_proof' });
    }
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
  const results = fc.constantFrom<readonly [code: number, codespace: string]>(
    [0, ''],
    [0, ''],
    [5, 'sdk'],
    [32, 'sdk'],
    [3007, 'clob'],
    [1, 'subaccounts'],
  );
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
      isFailed: fc.boolean(),
    })
    // A transaction with a nonce that was shown dead is not on chain: the two never meet in a row.
    .filter(({ deadNonce, includedHeight }) => deadNonce !== NONCE || includedHeight === undefined)
    .map(({ attempt, transmissions, outcome, isNonceRefused, isFailed, ...rest }) =>
      order(rest, {
        attempt,
        transmissions,
        outcome,
        isNonceRefused: isNonceRefused && outcome === 'refused',
        isFailed,
      }),
    );
  const blocks = fc
    .tuple(times, fc.integer({ min: 198, max: 202 }))
    .map(([sinceNonceMs, height]) => blockAt(sinceNonceMs, height));
  const txLookups = fc.oneof(
    fc.tuple(results, fc.integer({ min: 150, max: 200 })).map(
      ([[code, codespace], height]): TxLookup => ({
        kind: 'included',
        hash: 'AB',
        height,
        code,
        codespace,
        log: '',
      }),
    ),
    { weight: 2, arbitrary: blocks.map((block): TxLookup => ({ kind: 'absent', block })) },
  );
  const states = fc
    .tuple(fc.constantFrom('present', 'absent', 'absent'), fc.constantFrom(150, 199, 200, 201, 202))
    .map(([kind, height]) => lookupOf(kind, height));

  /** What can be found is what is asked for, or that nobody can say. */
  const cases = fc.tuple(orders, blocks).chain(([signed, block]) => {
    const { transactions, order } = questionsOf(signed, block);
    const answer = <Lookup>(isAsked: boolean, lookups: fc.Arbitrary<Lookup>) =>
      isAsked ? fc.option(lookups, { nil: undefined, freq: 3 }) : fc.constant(undefined);
    const finding: fc.Arbitrary<ChainFinding> = fc.record({
      transactions: answer(transactions, txLookups),
      order: answer(order, states),
    });
    return fc.record({ signed: fc.constant(signed), finding, block: fc.constant(block) });
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
      const isOnChain = finding.transactions?.kind === 'included';
      if (signed.includedHeight === undefined && !signed.isDead && !isOnChain) return false;
      expect(isPlacement(decision)).toBe(false);
      return true;
    });
    expect(known).toBeGreaterThan(500);
  });

  test('a nonce is noted dead only by a block more than 30 s past it, up to which nothing was found', () => {
    const noted = check((decision, { finding }) => {
      if (decision.action !== 'note_absent') return false;
      expect(finding.transactions).toEqual({ kind: 'absent', block: decision.block });
      expect(decision.block.time.getTime()).toBeGreaterThan(NONCE + 30_000);
      return true;
    });
    expect(noted).toBeGreaterThan(20);
  });

  test('what is noted of a transaction is what was found of it', () => {
    const actions = new Set<string>();
    check((decision, { finding }) => {
      if (decision.action !== 'note_included' && decision.action !== 'note_failed') return false;
      const { action, height, hash } = decision;
      actions.add(action);
      const code = action === 'note_failed' ? decision.code : 0;
      expect(finding.transactions).toMatchObject({ kind: 'included', height, hash, code });
      expect(code === 0).toBe(action === 'note_included');
      return true;
    });
    expect([...actions].sort()).toEqual(['note_failed', 'note_included']);
  });

  test('nothing leaves past its good_til_time', () => {
    const over = check((decision, { signed, block }) => {
      if (block.time < signed.goodTilTime) return false;
      expect(isPlacement(decision)).toBe(false);
      return true;
    });
    expect(over).toBeGreaterThan(500);
  });

  test('a death is noted only with its evidence', () => {
    const causes = new Set<string>();
    check((decision, { signed, finding, block }) => {
      if (decision.action !== 'note_dead') return false;
      const { death } = decision;
      causes.add(death.cause);
      switch (death.cause) {
        case 'expired':
          expect(death.block_time_ms).toBe(block.time.getTime());
          expect(block.time.getTime()).toBeGreaterThanOrEqual(signed.goodTilTime.getTime());
          expect(finding.order).toEqual({ kind: 'absent', height: death.height });
          expect(death.height).toBeGreaterThanOrEqual(block.height);
          break;
        case 'removed':
          expect(finding.order).toEqual({ kind: 'absent', height: death.height });
          expect(death.height).toBeGreaterThanOrEqual(signed.includedHeight ?? Number.POSITIVE_INFINITY);
          expect(signed.goodTilTime.getTime() - block.time.getTime()).toBeGreaterThanOrEqual(20_000);
          break;
        case 'failed': {
          const { height, tx_hash: hash, codespace, code } = death;
          expect(finding.transactions).toMatchObject({ kind: 'included', height, hash, codespace, code });
          expect(code).not.toBe(0);
          expect(['clob', 'subaccounts']).toContain(codespace);
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

  test('nothing ends an order of which anything may be on chain but what the chain says of it', () => {
    const unsaid = check((decision, { signed, finding, block }) => {
      if (signed.deadNonce === NONCE && block.time < signed.goodTilTime) return false;
      const { transactions, order } = finding;
      if (transactions?.kind === 'included' || order?.kind === 'absent') return false;
      expect(decision.action).not.toBe('note_dead');
      return true;
    });
    expect(unsaid).toBeGreaterThan(500);
  });

  test('a chain that cannot be asked shows nothing', () => {
    const unasked = check((decision, { finding }) => {
      if (finding.transactions !== undefined || finding.order !== undefined) return false;
      expect(['note_included', 'note_failed', 'note_absent']).not.toContain(decision.action);
      return true;
    });
    expect(unasked).toBeGreaterThan(500);
  });

  test('what is wanted, alive and in doubt never waits for proof alone: it is asked for or sent again', () => {
    check((decision, { signed }) => {
      expect(decision.action === 'await_proof').toBe(signed.isDead);
      return true;
    });
  });
});
