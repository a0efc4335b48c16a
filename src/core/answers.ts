// The one table that says what an answer to broadcast_tx_sync means. Keys are (codespace, code): clob/20 is not
// sdk/20. A code that nobody has seen is doubt, never a refusal.
// Source: v4-chain protocol/x/clob/types/errors.go, cosmos-sdk types/errors, cometbft mempool.
import type { BroadcastAnswer } from './ports.ts';

/**
 * accepted: CheckTx code 0. known: the network had these bytes or this order before. refused: no order can come
 * of this transmission. deferred: not now; the same bytes are useless at that node. doubt: nothing is known.
 */
export type Outcome = 'accepted' | 'known' | 'refused' | 'deferred' | 'doubt';

export type Verdict = {
  readonly outcome: Outcome;
  /**
   * True when the order may be REJECTED at once: the refusal answered the first and only transmission and is of
   * a kind that no earlier delivery of our own can have caused.
   */
  readonly isRejection: boolean;
  readonly codespace: string | null;
  readonly code: number | null;
  readonly log: string;
};

type CodeClass =
  | 'refused'
  /** refused, but an earlier delivery of our own bytes may be the cause: final only when the order is dead */
  | 'refused_by_self'
  /** on a repeat it says that the order was there; on a first transmission it is refused_by_self */
  | 'known_on_repeat'
  | 'deferred'
  | 'known';

const CLOB: Readonly<Record<number, CodeClass>> = {
  3: 'refused', // InvalidOrderSide
  4: 'refused', // InvalidOrderQuantums
  5: 'refused', // InvalidOrderGoodTilBlock
  6: 'refused', // InvalidOrderSubticks
  7: 'refused_by_self', // OrderIsCanceled: our own fence
  8: 'refused', // InvalidClob
  10: 'deferred', // HeightExceedsGoodTilBlock
  11: 'deferred', // GoodTilBlockExceedsShortBlockWindow: this node lags
  12: 'refused', // InvalidPlaceOrder: tick, step
  20: 'known_on_repeat', // InvalidReplacement: identical content rests already
  24: 'known_on_repeat', // OrderFullyFilled
  29: 'deferred', // InvalidStatefulOrderCancellation
  34: 'refused', // OrderConflictsWithClobPairStatus
  44: 'refused', // InvalidTimeInForce
  45: 'refused', // InvalidBatchCancel
  47: 'deferred', // ClobNotInitialized: the node has just restarted
  48: 'refused', // DeprecatedField: FOK
  49: 'refused', // InvalidTwapOrderPlacement
  50: 'refused', // InvalidBuilderCode
  2001: 'refused_by_self', // ReduceOnlyWouldIncreasePositionSize: our own fill may have closed the position
  2003: 'refused', // PostOnlyWouldCrossMakerOrder
  2004: 'known_on_repeat', // ImmediateExecutionOrderAlreadyFilled
  2005: 'refused', // WouldViolateIsolatedSubaccountConstraints
  3000: 'refused', // InvalidOrderFlag
  3001: 'refused', // InvalidStatefulOrderGoodTilBlockTime
  3002: 'refused', // LongTermOrdersCannotRequireImmediateExecution
  3003: 'deferred', // TimeExceedsGoodTilBlockTime
  3004: 'refused', // GoodTilBlockTime exceeds the 95 days
  3005: 'known_on_repeat', // StatefulOrderAlreadyExists
  3006: 'refused_by_self', // StatefulOrderDoesNotExist
  3007: 'refused', // StatefulOrderCollateralizationCheckFailed
  3008: 'refused_by_self', // StatefulOrderPreviouslyCancelled
  3009: 'refused_by_self', // StatefulOrderPreviouslyRemoved
  5001: 'deferred', // BlockRateLimitExceeded
  6000: 'refused', // condition type
  6001: 'refused', // condition trigger
  9000: 'refused', // not implemented
  9001: 'refused',
  9002: 'refused',
  9003: 'refused', // ReduceOnlyDisabled: needs IOC
  10001: 'refused', // EquityTierLimit
  11000: 'refused', // InvalidOrderRouterAddress
  11001: 'refused',
  11002: 'refused',
  11003: 'refused',
  11004: 'refused',
};

const SDK: Readonly<Record<number, CodeClass>> = {
  2: 'refused', // tx parse error
  4: 'refused', // unauthorized: chain id, account number or key
  5: 'refused', // insufficient funds
  9: 'refused', // unknown address
  12: 'refused', // memo too large
  13: 'refused', // insufficient fee
  18: 'refused', // invalid request
  19: 'known', // tx already in mempool
  20: 'deferred', // mempool is full
  21: 'refused', // tx too large
  30: 'refused', // tx timeout height
  31: 'refused', // unknown extension options
  32: 'refused_by_self', // wrong sequence, or a nonce that is used or outside its window
};

function classOf(codespace: string, code: number): CodeClass | undefined {
  if (codespace === 'clob') return CLOB[code];
  if (codespace === 'sdk') return SDK[code];
  return isForbidden(codespace, code) ? 'refused' : undefined;
}

/** Keys, permissions and subaccounts: to whatever transaction, the same answer again. */
export function isForbidden(codespace: string, code: number): boolean {
  if (codespace === 'accountplus') return isWithin(code, 1, 6, 100, 105);
  return codespace === 'subaccounts' && isWithin(code, 200, 201, 500, 599);
}

function isWithin(code: number, from: number, to: number, orFrom: number, orTo: number): boolean {
  return (code >= from && code <= to) || (code >= orFrom && code <= orTo);
}

/**
 * Whether a dead order without a fill may end as REJECTED with this code, although it was not the answer to the first
 * and only transmission: the codes that an earlier delivery of our own can cause. Any other code on a repeat says
 * nothing of the delivery before.
 */
export function canEndAsRejected(codespace: string, code: number): boolean {
  const known = classOf(codespace, code);
  return known === 'refused_by_self' || known === 'known_on_repeat';
}

/** @param transmissions how often these bytes and their siblings have been sent, this time included (≥ 1) */
export function judge(answer: BroadcastAnswer, transmissions: number): Verdict {
  switch (answer.kind) {
    case 'not_sent':
    case 'no_answer':
      return { outcome: 'doubt', isRejection: false, codespace: null, code: null, log: answer.reason };
    case 'rpc_error':
      return {
        outcome: judgeRpcError(answer.message),
        isRejection: false,
        codespace: 'rpc',
        code: answer.code,
        log: answer.message,
      };
    case 'check_tx':
      return { ...judgeCode(answer.codespace, answer.code, transmissions), ...pick(answer) };
  }
}

function pick(answer: { codespace: string; code: number; log: string }) {
  const { codespace, code, log } = answer;
  return { codespace: code === 0 ? null : codespace, code, log };
}

function judgeCode(
  codespace: string,
  code: number,
  transmissions: number,
): Pick<Verdict, 'outcome' | 'isRejection'> {
  if (code === 0) return { outcome: 'accepted', isRejection: false };
  const isFirst = transmissions <= 1;
  switch (classOf(codespace, code)) {
    case 'refused':
      return { outcome: 'refused', isRejection: isFirst };
    case 'refused_by_self':
      return { outcome: 'refused', isRejection: false };
    case 'known_on_repeat':
      return { outcome: isFirst ? 'refused' : 'known', isRejection: false };
    case 'known':
      return { outcome: 'known', isRejection: false };
    case 'deferred':
      return { outcome: 'deferred', isRejection: false };
    case undefined:
      return { outcome: 'doubt', isRejection: false };
  }
}

/** Of a JSON-RPC error to any transaction. */
export function judgeRpcError(message: string): Outcome {
  if (message.includes('tx already exists in cache')) return 'known';
  if (message.includes('mempool is full')) return 'deferred';
  return 'doubt';
}
