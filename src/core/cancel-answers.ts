// What an answer to a cancel means, by (codespace, code). No answer ends an order: that of a short-term order is a fence on
// the node that took it, and an order ends when it is proven dead.
import { isForbidden, judgeRpcError, type Outcome } from './answers.ts';
import type { BroadcastAnswer } from './ports.ts';

/**
 * accepted: CheckTx code 0. known: there was such a cancel before, or the order is gone. refused: of no use to send
 * again. deferred: again later, with other bytes.
 */
type CancelClass = Extract<Outcome, 'known' | 'refused' | 'deferred'>;

const CLOB: Readonly<Record<number, CancelClass>> = {
  5: 'refused', // InvalidOrderGoodTilBlock
  8: 'refused', // InvalidClob
  9: 'known', // MemClobCancelAlreadyExists
  10: 'refused', // HeightExceedsGoodTilBlock: the order's block has passed, too
  11: 'deferred', // GoodTilBlockExceedsShortBlockWindow: this node lags
  29: 'refused', // InvalidStatefulOrderCancellation: it ends before its order
  32: 'known', // StatefulOrderCancellationAlreadyExists
  45: 'refused', // InvalidBatchCancel
  47: 'deferred', // ClobNotInitialized
  3000: 'refused', // InvalidOrderFlag
  3001: 'refused', // InvalidStatefulOrderGoodTilBlockTime
  3003: 'refused', // TimeExceedsGoodTilBlockTime: the order's time has passed, too
  3004: 'refused', // beyond the 95 days
  3006: 'deferred', // StatefulOrderDoesNotExist: gone, or this node has not seen it yet
  3010: 'known', // CancellationFailedForAlreadyRemovedOrder
  5001: 'deferred', // BlockRateLimitExceeded
};

const SDK: Readonly<Record<number, CancelClass>> = {
  2: 'refused', // tx parse error
  4: 'refused', // unauthorized
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
  32: 'deferred', // this nonce is not taken: another one may be
};

export type CancelVerdict = {
  readonly outcome: Outcome;
  readonly codespace: string | null;
  readonly code: number | null;
  readonly log: string;
};

export function judgeCancel(answer: BroadcastAnswer): CancelVerdict {
  switch (answer.kind) {
    case 'not_sent':
    case 'no_answer':
      return { outcome: 'doubt', codespace: null, code: null, log: answer.reason };
    case 'rpc_error': {
      const { code, message: log } = answer;
      return { outcome: judgeRpcError(log), codespace: 'rpc', code, log };
    }
    case 'check_tx': {
      const { codespace, code, log } = answer;
      if (code === 0) return { outcome: 'accepted', codespace: null, code, log };
      return { outcome: classOf(codespace, code) ?? 'doubt', codespace, code, log };
    }
  }
}

function classOf(codespace: string, code: number): CancelClass | undefined {
  if (codespace === 'clob') return CLOB[code];
  if (codespace === 'sdk') return SDK[code];
  return isForbidden(codespace, code) ? 'refused' : undefined;
}
