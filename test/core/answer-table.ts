// What every answer to a placement means, typed from facts/dydx.md §3.2 and DESIGN §4 and §6, one row per row of that sheet,
// never computed from the code.
import type { Outcome } from '../../src/core/answers.ts';

/** The meaning of an answer to transmission 1 and to transmission 2. */
export type Meaning = { first: Outcome; repeat: Outcome; isRejection: boolean };

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

export const ANSWER_TABLE: readonly (readonly [
  codespace: string,
  codes: readonly number[],
  name: string,
  Meaning,
])[] = [
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
