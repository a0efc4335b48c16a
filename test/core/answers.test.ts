// What every answer of the venue means. The expected classes are typed from facts/dydx.md §3.2 and DESIGN §4 and §6,
// one row per row of that sheet, never computed from the code.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, type Outcome } from '../../src/core/answers.ts';
import type { BroadcastAnswer } from '../../src/core/ports.ts';

const codeAnswer = (codespace: string, code: number, log = 'log'): BroadcastAnswer => ({
  kind: 'check_tx',
  codespace,
  code,
  log,
});
const rpcError = (message: string): BroadcastAnswer => ({ kind: 'rpc_error', code: -32603, message });

/** The meaning of an answer to transmission 1 and to transmission 2. */
type Meaning = { first: Outcome; repeat: Outcome; isRejection: boolean };

/** P of the sheet: no order can come of it, and nothing of ours can be the cause. */
const permanent: Meaning = { first: 'refused', repeat: 'refused', isRejection: true };
/** Ours may be the cause: refused, but REJECTED only when dead. */
const ownDoing: Meaning = { first: 'refused', repeat: 'refused', isRejection: false };
/** D of the sheet: on a repeat it says that the order was there. */
const done: Meaning = { first: 'refused', repeat: 'known', isRejection: false };
/** R and RF of the sheet. */
const later: Meaning = { first: 'deferred', repeat: 'deferred', isRejection: false };
const known: Meaning = { first: 'known', repeat: 'known', isRejection: false };
/** Internal, unused, or never an answer to a placement: nothing is known. */
const unheardOf: Meaning = { first: 'doubt', repeat: 'doubt', isRejection: false };

const TABLE: readonly (readonly [codespace: string, codes: readonly number[], name: string, Meaning])[] = [
  ['clob', [2], 'MemClobOrderDoesNotExist, internal', unheardOf],
  ['clob', [3], 'InvalidOrderSide', permanent],
  ['clob', [4], 'InvalidOrderQuantums', permanent],
  ['clob', [5], 'InvalidOrderGoodTilBlock', permanent],
  ['clob', [6], 'InvalidOrderSubticks', permanent],
  ['clob', [7], 'OrderIsCanceled', ownDoing],
  ['clob', [8], 'InvalidClob', permanent],
  ['clob', [9], 'MemClobCancelAlreadyExists, an answer to cancels only', unheardOf],
  ['clob', [10], 'HeightExceedsGoodTilBlock', later],
  ['clob', [11], 'GoodTilBlockExceedsShortBlockWindow', later],
  ['clob', [12], 'InvalidPlaceOrder', permanent],
  ['clob', [17], 'MaxOpenOrdersPerClobAndSide, never returned', unheardOf],
  ['clob', [20], 'InvalidReplacement', done],
  ['clob', [24], 'OrderFullyFilled', done],
  ['clob', [27], 'InvalidClobPairParameter, swallowed', unheardOf],
  ['clob', [29], 'InvalidStatefulOrderCancellation', later],
  ['clob', [30], 'OrderReprocessed, never returned', unheardOf],
  ['clob', [32], 'StatefulOrderCancellationAlreadyExists, an answer to cancels only', unheardOf],
  ['clob', [34], 'OrderConflictsWithClobPairStatus', permanent],
  ['clob', [39, 40], 'ClobPairUpdate and Authority, not for us', unheardOf],
  ['clob', [42, 43], 'UnexpectedTimeInForce, OrderHasRemainingSize, internal to proposals', unheardOf],
  ['clob', [44], 'InvalidTimeInForce', permanent],
  ['clob', [45], 'InvalidBatchCancel', permanent],
  ['clob', [46], 'BatchCancelFailed, never reaches the client', unheardOf],
  ['clob', [47], 'ClobNotInitialized', later],
  ['clob', [48], 'DeprecatedField', permanent],
  ['clob', [49], 'InvalidTwapOrderPlacement', permanent],
  ['clob', [50], 'InvalidBuilderCode', permanent],
  ['clob', [1000, 1001, 1010, 1022], 'liquidations, not for us', unheardOf],
  ['clob', [2000], 'FokOrderCouldNotBeFullyFilled, unused', unheardOf],
  ['clob', [2001], 'ReduceOnlyWouldIncreasePositionSize', ownDoing],
  ['clob', [2002], 'ReduceOnlyWouldChangePositionSide, unused', unheardOf],
  ['clob', [2003], 'PostOnlyWouldCrossMakerOrder', permanent],
  ['clob', [2004], 'ImmediateExecutionOrderAlreadyFilled', done],
  ['clob', [2005], 'WouldViolateIsolatedSubaccountConstraints', permanent],
  ['clob', [3000], 'InvalidOrderFlag', permanent],
  ['clob', [3001], 'InvalidStatefulOrderGoodTilBlockTime', permanent],
  ['clob', [3002], 'LongTermOrdersCannotRequireImmediateExecution', permanent],
  ['clob', [3003], 'TimeExceedsGoodTilBlockTime', later],
  ['clob', [3004], 'GoodTilBlockTime exceeds StatefulOrderTimeWindow', permanent],
  ['clob', [3005], 'StatefulOrderAlreadyExists', done],
  ['clob', [3006], 'StatefulOrderDoesNotExist', ownDoing],
  ['clob', [3007], 'StatefulOrderCollateralizationCheckFailed', permanent],
  ['clob', [3008], 'StatefulOrderPreviouslyCancelled', ownDoing],
  ['clob', [3009], 'StatefulOrderPreviouslyRemoved', ownDoing],
  ['clob', [3010], 'CancellationFailedForAlreadyRemovedOrder, an answer to cancels only', unheardOf],
  ['clob', [4000, 4004, 4008], 'proposed operations, not for us', unheardOf],
  ['clob', [5000], 'InvalidBlockRateLimitConfig, not for us', unheardOf],
  ['clob', [5001], 'BlockRateLimitExceeded', later],
  ['clob', [6000, 6001], 'condition type and trigger', permanent],
  ['clob', [6002], 'ConditionalOrderUntriggered, internal', unheardOf],
  ['clob', [9000, 9001, 9002], 'not implemented', permanent],
  ['clob', [9003], 'ReduceOnlyDisabled', permanent],
  ['clob', [10001], 'EquityTierLimit', permanent],
  ['clob', [11000], 'InvalidOrderRouterAddress', permanent],
  ['clob', [11001, 11002, 11003, 11004], 'address and leverage', permanent],
  ['sdk', [2], 'tx parse error', permanent],
  ['sdk', [4], 'unauthorized', permanent],
  ['sdk', [5, 13], 'insufficient funds, insufficient fee', permanent],
  ['sdk', [9], 'unknown address', permanent],
  ['sdk', [11], 'out of gas, not for clob transactions', unheardOf],
  ['sdk', [12], 'memo too large', permanent],
  ['sdk', [18], 'invalid request', permanent],
  ['sdk', [19], 'tx already in mempool cache', known],
  ['sdk', [20], 'mempool is full', later],
  ['sdk', [21], 'tx too large', permanent],
  ['sdk', [30], 'tx timeout height', permanent],
  ['sdk', [31], 'unknown extension options', permanent],
  ['sdk', [32], 'wrong sequence, or timestamp nonce rejected', ownDoing],
  ['sdk', [111222], 'panic in CheckTx', unheardOf],
  ['accountplus', [1, 2, 3, 4, 5, 6, 100, 101, 102, 103, 104, 105], 'authenticators', permanent],
  ['subaccounts', [200, 201], 'bad subaccount id', permanent],
  ['subaccounts', [500, 501], 'isolated and transfer constraints', permanent],
  ['undefined', [1], 'an unregistered error', unheardOf],
];

describe('the table of codes', () => {
  for (const [codespace, codes, name, { first, repeat, isRejection }] of TABLE) {
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
