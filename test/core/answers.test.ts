// What every answer of the venue means, row by row of test/core/answer-table.ts, and what nobody has seen.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, type Outcome } from '../../src/core/answers.ts';
import type { BroadcastAnswer } from '../../src/core/ports.ts';
import { ANSWER_TABLE } from './answer-table.ts';

const codeAnswer = (codespace: string, code: number, log = 'log'): BroadcastAnswer => ({
  kind: 'check_tx',
  codespace,
  code,
  log,
});
const rpcError = (message: string): BroadcastAnswer => ({ kind: 'rpc_error', code: -32603, message });

describe('the table of codes', () => {
  for (const [codespace, codes, name, { first, repeat, isRejection }] of ANSWER_TABLE) {
    test(`${codespace}/${codes.join(', ')}: ${name} is ${first}, on a repeat ${repeat}`, () => {
      for (const code of codes) {
        const answer = codeAnswer(codespace, code, 'why');
        const context = { codespace, code, log: 'why' };
        expect(judge(answer, 1)).toEqual({ outcome: first, isRejection, ...context });
        expect(judge(answer, 2)).toEqual({ outcome: repeat, isRejection: false, ...context });
      }
    });
  }

  test('code 0 is accepted, whatever the codespace and however often it was sent', () => {
    const verdict = { outcome: 'accepted', isRejection: false, codespace: null, code: 0, log: '' };
    for (const codespace of ['', 'clob', 'sdk']) {
      for (const transmissions of [1, 2, 20]) {
        expect(judge(codeAnswer(codespace, 0, ''), transmissions)).toEqual(verdict);
      }
    }
  });
});

describe('codes that an earlier delivery of our own can cause', () => {
  const clob = [7, 20, 24, 2001, 2004, 3005, 3006, 3008, 3009].map((code) => codeAnswer('clob', code));
  const causes = [
    ...clob,
    codeAnswer('sdk', 32),
    codeAnswer('sdk', 19),
    rpcError('tx already exists in cache'),
  ];
  for (const answer of causes) {
    const name = answer.kind === 'check_tx' ? `${answer.codespace}/${answer.code}` : 'already exists';
    test(`${name} is never REJECTED at once`, () => {
      for (const transmissions of [1, 2, 3, 20]) {
        expect(judge(answer, transmissions)).toMatchObject({ isRejection: false });
      }
    });
  }
});

describe('what nobody has seen', () => {
  for (const [codespace, codes] of [
    ['clob', [-1, 1, 1.5, 21, 2006, 7_777]],
    ['sdk', [-1, 1, 3, 33, 7_777]],
    ['accountplus', [-1, 7, 99, 106]],
    ['subaccounts', [-1, 1, 199, 202, 7_777]],
  ] as const) {
    test(`a code of ${codespace} that is in no row is doubt`, () => {
      for (const code of codes) {
        const verdict = judge(codeAnswer(codespace, code), 1);
        expect(verdict, `${codespace}/${code}`).toMatchObject({ outcome: 'doubt', isRejection: false });
      }
    });
  }

  test('a code of another codespace is doubt, though clob or sdk know the number', () => {
    const knownSpaces = ['clob', 'sdk', 'accountplus', 'subaccounts'];
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('', 'CLOB', 'undefined', 'bank', '__proto__', 'constructor')),
        fc.constantFrom(1, 2, 3, 4, 5, 12, 18, 32, 200, 2003, 5001),
        fc.integer({ min: 1, max: 20 }),
        (codespace, code, transmissions) => {
          fc.pre(!knownSpaces.includes(codespace));
          expect(judge(codeAnswer(codespace, code), transmissions)).toEqual({
            outcome: 'doubt',
            isRejection: false,
            codespace,
            code,
            log: 'log',
          });
        },
      ),
    );
  });

  test('clob/20 is not sdk/20, and clob/32 is not sdk/32', () => {
    expect(judge(codeAnswer('clob', 20), 2).outcome).toBe('known');
    expect(judge(codeAnswer('sdk', 20), 2).outcome).toBe('deferred');
    expect(judge(codeAnswer('clob', 32), 1).outcome).toBe('doubt');
    expect(judge(codeAnswer('sdk', 32), 1).outcome).toBe('refused');
  });
});

describe('answers that are no CheckTx result', () => {
  const RPC_ERRORS: readonly (readonly [message: string, Outcome])[] = [
    ['tx already exists in cache', 'known'],
    ['mempool is full: number of txs 100000 (max: 100000), total txs bytes 1 (max: 1)', 'deferred'],
    ['broadcast confirmation not received: context deadline exceeded', 'doubt'],
    ['Tx too large. Max size is 1048576, but got 2000000', 'doubt'],
    ['Internal error', 'doubt'],
    ['', 'doubt'],
  ];
  for (const [message, outcome] of RPC_ERRORS) {
    test(`the JSON-RPC error "${message}" is ${outcome}`, () => {
      const verdict = { outcome, isRejection: false, codespace: 'rpc', code: -32603, log: message };
      expect(judge(rpcError(message), 1)).toEqual(verdict);
      expect(judge(rpcError(message), 2)).toEqual(verdict);
    });
  }

  for (const kind of ['not_sent', 'no_answer'] as const) {
    test(`${kind} is doubt, without a code`, () => {
      const verdict = { outcome: 'doubt', isRejection: false, codespace: null, code: null, log: 'why' };
      expect(judge({ kind, reason: 'why' }, 1)).toEqual(verdict);
      expect(judge({ kind, reason: 'why' }, 2)).toEqual(verdict);
    });
  }
});

test('only a refusal of the first transmission ends an order at once', () => {
  const answers = fc.oneof(
    fc.record({
      kind: fc.constant('check_tx' as const),
      codespace: fc.constantFrom('clob', 'sdk', 'accountplus', 'subaccounts', 'undefined'),
      code: fc.oneof(fc.nat(60), fc.integer({ min: 2000, max: 3010 }), fc.nat(12_000)),
      log: fc.string(),
    }),
    fc.record({ kind: fc.constant('rpc_error' as const), code: fc.integer(), message: fc.string() }),
  );
  fc.assert(
    fc.property(answers, fc.integer({ min: 1, max: 5 }), (answer, transmissions) => {
      const verdict = judge(answer, transmissions);
      if (verdict.isRejection) expect([verdict.outcome, transmissions]).toEqual(['refused', 1]);
    }),
    { numRuns: 1000 },
  );
});
