// CheckTx: transaction bytes → (codespace, code), in the order in which the chain's ante handlers look (facts §3.1).
// Refusals before the rate limiter cost no points, later ones do. Stateful orders would branch off at checkLane.
import { verify } from '../chain/ecdsa.ts';
import { addressOfPublicKey, isDydxAddress, paperAccountNumber } from './accounts.ts';
import { batchCancel, cancelOrder } from './cancel-order.ts';
import type { Chain } from './chain.ts';
import { decodeTransaction, type Message, type Transaction } from './decode.ts';
import { marketOfPair } from './markets.ts';
import { deliveryOf, placeOrder } from './place-order.ts';
import { type Refusal, refuse, refuseClob } from './refusal.ts';
import { FLAGS, validateBasic } from './validate-basic.ts';

/** Since protocol 9.5; it was 20 before. */
const SHORT_BLOCK_WINDOW = 40;
const MAX_MEMO_CHARACTERS = 256;

type Clob = Exclude<Message, { kind: 'other' }>;
type Subject = {
  readonly owner: string;
  readonly goodTilBlock: number;
  readonly pairs: readonly number[];
  readonly points: number;
};

function subjectOf(message: Clob): Subject {
  switch (message.kind) {
    case 'place': {
      const { orderId, goodTilBlock = 0 } = message.order;
      return {
        owner: orderId?.subaccountId?.owner ?? '',
        goodTilBlock,
        pairs: [orderId?.clobPairId ?? 0],
        points: 1,
      };
    }
    case 'cancel': {
      const { orderId, goodTilBlock = 0 } = message.cancel;
      return {
        owner: orderId?.subaccountId?.owner ?? '',
        goodTilBlock,
        pairs: [orderId?.clobPairId ?? 0],
        points: 1,
      };
    }
    case 'batch_cancel': {
      const { subaccountId, goodTilBlock, shortTermCancels } = message.batch;
      return {
        owner: subaccountId?.owner ?? '',
        goodTilBlock,
        pairs: shortTermCancels.map((list) => list.clobPairId),
        points: 2,
      };
    }
  }
}

function checkLane(message: Clob): Refusal | undefined {
  if (message.kind === 'batch_cancel') return undefined;
  const id = message.kind === 'place' ? message.order.orderId : message.cancel.orderId;
  if ((id?.orderFlags ?? 0) === FLAGS.SHORT_TERM) return undefined;
  return refuse(
    'sdk',
    18,
    'this version of the paper exchange carries short-term orders only (order_flags 0)',
  );
}

function checkEnvelope(chain: Chain, tx: Transaction, subject: Subject): Refusal | undefined {
  if (tx.timeoutHeight > 0 && tx.timeoutHeight < subject.goodTilBlock) {
    return refuse(
      'sdk',
      18,
      `timeout height ${tx.timeoutHeight} is below good-til-block ${subject.goodTilBlock}`,
    );
  }
  if (tx.timeoutHeight > 0 && tx.timeoutHeight < chain.ledger.height)
    return refuse('sdk', 30, 'tx timeout height');
  if (tx.memo.length > MAX_MEMO_CHARACTERS)
    return refuse('sdk', 12, `memo is longer than ${MAX_MEMO_CHARACTERS}`);
  return undefined;
}

function checkSignature(chain: Chain, tx: Transaction, owner: string): Refusal | undefined {
  if (tx.authenticators.length > 0)
    return refuse('accountplus', 1, 'the paper exchange knows no authenticators');
  const [signature] = tx.signatures;
  if (!signature || tx.signatures.length !== 1) return refuse('sdk', 4, 'exactly one signature is needed');
  if (addressOfPublicKey(tx.publicKey) !== owner)
    return refuse('sdk', 4, `the public key is not that of ${owner}`);
  const number = paperAccountNumber(owner);
  if (verify(tx.signBytes(chain.chainId, number), signature, tx.publicKey)) return undefined;
  return refuse(
    'sdk',
    4,
    `signature verification failed; verify account number (${number}) and chain-id (${chain.chainId})`,
  );
}

function checkWindow(chain: Chain, goodTilBlock: number): Refusal | undefined {
  const next = chain.ledger.height + 1;
  if (goodTilBlock < next)
    return refuseClob(10, `good-til-block ${goodTilBlock} is below the next height ${next}`);
  if (goodTilBlock > next + SHORT_BLOCK_WINDOW) {
    return refuseClob(11, `good-til-block ${goodTilBlock} is above ${next + SHORT_BLOCK_WINDOW}`);
  }
  return undefined;
}

/** Good-til-block before the limiter, and no point for an unknown pair: as the chain does, against replayed bytes. */
function checkRate(chain: Chain, message: Clob, subject: Subject): Refusal | undefined {
  const isKnown = subject.pairs.every((pair) => marketOfPair(pair) !== undefined);
  if (!isKnown)
    return message.kind === 'batch_cancel' ? undefined : refuseClob(8, `no clob pair ${subject.pairs[0]}`);
  const window = checkWindow(chain, subject.goodTilBlock);
  if (window) return window;
  const total = chain.limiter.charge(subject.owner, subject.points);
  if (total === undefined) return undefined;
  const { limit, blocks } = chain.limit;
  return refuseClob(
    5001,
    `Rate of ${total} exceeds configured block rate limit of ${limit} per ${blocks} blocks`,
  );
}

function runClob(chain: Chain, message: Clob, isLost: boolean): Refusal | undefined {
  switch (message.kind) {
    case 'place': {
      const market = marketOfPair(message.order.orderId?.clobPairId ?? 0);
      return market ? placeOrder(chain, market, message.order, isLost) : undefined;
    }
    case 'cancel':
      return cancelOrder(chain, message.cancel);
    case 'batch_cancel':
      batchCancel(chain, message.batch);
      return undefined;
  }
}

/** Truth counts deliveries whose owner is real and whose signature was not forged. */
function countRefusedDelivery(chain: Chain, message: Message | undefined): void {
  if (message?.kind !== 'place') return;
  const delivery = deliveryOf(message.order, false);
  if (isDydxAddress(delivery.owner)) chain.record(delivery);
}

/** Undefined is code 0. */
export function checkTx(chain: Chain, bytes: Uint8Array, isLost = false): Refusal | undefined {
  const tx = decodeTransaction(bytes);
  if (!tx) return refuse('sdk', 2, 'tx parse error');
  const [message] = tx.messages;
  if (!message || tx.messages.length !== 1) {
    for (const each of tx.messages) countRefusedDelivery(chain, each);
    return refuse(
      'sdk',
      18,
      `a transaction with a short-term order carries exactly 1 message, not ${tx.messages.length}`,
    );
  }
  if (message.kind === 'other') {
    return refuse(
      'sdk',
      18,
      `this version of the paper exchange carries short-term orders only, not ${message.typeUrl}`,
    );
  }
  const subject = subjectOf(message);
  const early = validateBasic(message) ?? checkLane(message) ?? checkEnvelope(chain, tx, subject);
  if (early) {
    countRefusedDelivery(chain, message);
    return early;
  }
  const forged = checkSignature(chain, tx, subject.owner);
  if (forged) return forged;
  const late =
    checkRate(chain, message, subject) ?? (chain.isFull() ? refuse('sdk', 20, 'mempool is full') : undefined);
  if (late) {
    countRefusedDelivery(chain, message);
    return late;
  }
  return runClob(chain, message, isLost);
}
