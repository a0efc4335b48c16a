// What every answer to a cancel means. The expected classes are typed from facts/dydx.md §3.2 as it applies to cancels
// (§1.3 short-term, §1.5 stateful, §3.3 batches), one row per row of that sheet, never computed from the code.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/answers.ts';
import { judgeCancel } from '../../src/core/cancel-answers.ts';
import type { BroadcastAnswer } from '../../src/core/ports.ts';

const codeAnswer = (codespace: string, code: number, log = 'why'): BroadcastAnswer => ({
  kind: 'check_tx',
  codespace,
  code,
  log,
});

// known: done before, or the order is gone (D of the sheet). refused: the same again would be refused again (P).
// deferred: later, with other bytes (R and RF). doubt: never an answer to a cancel, so nothing is known.
const TABLE: readonly (readonly [codespace: string, codes: readonly number[], name: string, Outcome])[] = [
  ['clob', [2], 'MemClobOrderDoesNotExist, internal', 'doubt'],
  ['clob', [3, 4, 6], 'side, quantums and subticks, of placements only', 'doubt'],
  ['clob', [5], 'InvalidOrderGoodTilBlock, a bug of ours', 'refused'],
  ['clob', [7], 'OrderIsCanceled, of placements only', 'doubt'],
  ['clob', [8], 'InvalidClob', 'refused'],
  ['clob', [9], 'MemClobCancelAlreadyExists: one that lives as long is there', 'known'],
  ['clob', [10], 'HeightExceedsGoodTilBlock: of the order, too, since the cancel lives as long', 'refused'],
  ['clob', [11], 'GoodTilBlockExceedsShortBlockWindow: this node lags', 'deferred'],
  ['clob', [12], 'InvalidPlaceOrder, of placements only', 'doubt'],
  ['clob', [17], 'MaxOpenOrdersPerClobAndSide, never returned', 'doubt'],
  ['clob', [20, 24], 'InvalidReplacement, OrderFullyFilled, of placements only', 'doubt'],
  ['clob', [27], 'InvalidClobPairParameter, swallowed', 'doubt'],
  [
    'clob',
    [29],
    'InvalidStatefulOrderCancellation: ours ends with its order, whoever signs it again',
    'refused',
  ],
  ['clob', [30], 'OrderReprocessed, never returned', 'doubt'],
  ['clob', [32], 'StatefulOrderCancellationAlreadyExists', 'known'],
  ['clob', [34], 'OrderConflictsWithClobPairStatus, of placements only', 'doubt'],
  ['clob', [39, 40, 42, 43], 'of governance and proposals', 'doubt'],
  ['clob', [44], 'InvalidTimeInForce, of placements only', 'doubt'],
  ['clob', [45], 'InvalidBatchCancel', 'refused'],
  ['clob', [46], 'BatchCancelFailed, never reaches the client', 'doubt'],
  ['clob', [47], 'ClobNotInitialized', 'deferred'],
  ['clob', [48, 49, 50], 'FOK, TWAP and builder codes, of placements only', 'doubt'],
  ['clob', [1000, 1022], 'liquidations', 'doubt'],
  ['clob', [2000, 2001, 2002, 2003, 2004, 2005], 'matching, of placements only', 'doubt'],
  ['clob', [3000], 'InvalidOrderFlag', 'refused'],
  ['clob', [3001], 'InvalidStatefulOrderGoodTilBlockTime', 'refused'],
  ['clob', [3002], 'LongTermOrdersCannotRequireImmediateExecution, of placements only', 'doubt'],
  ['clob', [3003], 'TimeExceedsGoodTilBlockTime: of the order, too', 'refused'],
  ['clob', [3004], 'beyond the 95 days', 'refused'],
  ['clob', [3005], 'StatefulOrderAlreadyExists, of placements only', 'doubt'],
  ['clob', [3006], 'StatefulOrderDoesNotExist: gone, or this node has not seen it yet', 'deferred'],
  ['clob', [3007, 3008, 3009], 'of placements only', 'doubt'],
  ['clob', [3010], 'CancellationFailedForAlreadyRemovedOrder', 'known'],
  ['clob', [4000, 4008], 'proposed operations', 'doubt'],
  ['clob', [5000], 'InvalidBlockRateLimitConfig', 'doubt'],
  ['clob', [5001], 'BlockRateLimitExceeded', 'deferred'],
  ['clob', [6000, 6001, 6002], 'conditions, of placements only', 'doubt'],
  ['clob', [9000, 9001, 9002, 9003], 'not implemented, reduce-only, of placements only', 'doubt'],
  ['clob', [10001], 'EquityTierLimit, of placements only', 'doubt'],
  ['clob', [11000, 11001, 11004], 'order router and leverage', 'doubt'],
  ['sdk', [2], 'tx parse error', 'refused'],
  ['sdk', [4], 'unauthorized', 'refused'],
  ['sdk', [5, 13], 'insufficient funds, insufficient fee', 'refused'],
  ['sdk', [9], 'unknown address', 'refused'],
  ['sdk', [11], 'out of gas, not for clob transactions', 'doubt'],
  ['sdk', [12], 'memo too large', 'refused'],
  ['sdk', [18], 'invalid request', 'refused'],
  ['sdk', [19], 'tx already in mempool cache', 'known'],
  ['sdk', [20], 'mempool is full', 'deferred'],
  ['sdk', [21], 'tx too large', 'refused'],
  ['sdk', [30], 'tx timeout height', 'refused'],
  ['sdk', [31], 'unknown extension options', 'refused'],
  ['sdk', [32], 'nonce rejected: another one may be taken', 'deferred'],
  ['sdk', [111222], 'panic in CheckTx', 'doubt'],
  ['accountplus', [1, 2, 3, 4, 5, 6, 100, 101, 102, 103, 104, 105], 'authenticators', 'refused'],
  ['subaccounts', [200, 201], 'bad subaccount id', 'refused'],
  ['subaccounts', [500, 501], 'isolated and transfer constraints', 'refused'],
  ['undefined', [1], 'an unregistered error', 'doubt'],
];

describe('the table of codes', () => {
  for (const [codespace, codes, name, outcome] of TABLE) {
    test(`${codespace}/${codes.join(', ')}: ${name}: is ${outcome}`, () => {
      for (const code of codes) {
        expect(judgeCancel(codeAnswer(codespace, code))).toEqual({ outcome, codespace, code, log: 'why' });
      }
    });
  }

  test('code 0 is accepted, whatever the codespace', () => {
    for (const codespace of ['', 'clob', 'sdk']) {
      const verdict = { outcome: 'accepted', codespace: null, code: 0, log: '' };
      expect(judgeCancel(codeAnswer(codespace, 0, ''))).toEqual(verdict);
    }
  });

  test('clob/32 is not sdk/32, and clob/9 is not sdk/9', () => {
    const outcomes = [32, 9].map((code) =>
      ['clob', 'sdk'].map((codespace) => judgeCancel(codeAnswer(codespace, code)).outcome),
    );
    expect(outcomes).toEqual([
      ['known', 'deferred'],
      ['known', 'refused'],
    ]);
  });
});

describe('what nobody has seen is doubt', () => {
  for (const [codespace, codes] of [
    ['clob', [-1, 1, 1.5, 21, 2006, 3011, 7_777]],
    ['sdk', [-1, 1, 3, 33, 7_777]],
    ['accountplus', [-1, 7, 99, 106, 7_777]],
    ['subaccounts', [-1, 1, 199, 202, 7_777]],
  ] as const) {
    test(`a code of ${codespace} that is in no row`, () => {
      for (const code of codes) {
        expect(judgeCancel(codeAnswer(codespace, code)).outcome, `${codespace}/${code}`).toBe('doubt');
      }
    });
  }

  test('a code of another codespace, though clob or sdk know the number', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('', 'CLOB', 'undefined', 'bank', '__proto__', 'constructor')),
        fc.constantFrom(2, 4, 8, 9, 10, 11, 18, 32, 200, 3006, 5001),
        (codespace, code) => {
          fc.pre(!['clob', 'sdk', 'accountplus', 'subaccounts'].includes(codespace));
          const verdict = { outcome: 'doubt', codespace, code, log: 'why' };
          expect(judgeCancel(codeAnswer(codespace, code))).toEqual(verdict);
        },
      ),
    );
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
      expect(judgeCancel({ kind: 'rpc_error', code: -32603, message })).toEqual({
        outcome,
        codespace: 'rpc',
        code: -32603,
        log: message,
      });
    });
  }

  for (const kind of ['not_sent', 'no_answer'] as const) {
    test(`${kind} is doubt, without a code`, () => {
      const verdict = { outcome: 'doubt', codespace: null, code: null, log: 'timeout' };
      expect(judgeCancel({ kind, reason: 'timeout' })).toEqual(verdict);
    });
  }
});
