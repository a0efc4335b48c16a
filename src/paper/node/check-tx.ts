// CheckTx of one node: transaction → (codespace, code), in the order in which the chain's ante handlers look (facts
// §3.1, app/ante.go). What is refused before the rate limiters costs no points; a refusal anywhere takes no nonce.
import { authorize } from '../state/authorize.ts';
import { replayAt } from '../state/ledger.ts';
import { type Taken, takeNonce } from '../state/replay.ts';
import { runMessages } from '../state/run-messages.ts';
import type { Transaction } from '../wire/decode.ts';
import { type ClobMessage, FLAGS, isClob, isShortTerm, type Message, ownerOf } from '../wire/message.ts';
import { type Refusal, refuse } from '../wire/refusal.ts';
import { validateBasic } from '../wire/validate-basic.ts';
import { checkRate } from './check-rate.ts';
import type { PaperNode } from './node.ts';
import { batchCancelShortTerm, cancelShortTerm } from './short-term-cancel.ts';
import { placeShortTerm } from './short-term-place.ts';

const MAX_MEMO_CHARACTERS = 256;

/** client: the answer is somebody's; gossip: another node has looked at the signature; recheck: after a block. */
export type Origin = 'client' | 'gossip' | 'recheck';

function checkEnvelope(node: PaperNode, { timeoutHeight, memo, messages }: Transaction): Refusal | undefined {
  const [first] = messages;
  if (!first) return refuse('sdk', 18, 'must contain at least one message');
  const goodTilBlock = first.kind === 'place' ? (first.order.goodTilBlock ?? 0) : 0;
  if (timeoutHeight > 0 && timeoutHeight < goodTilBlock)
    return refuse('sdk', 18, `timeout height ${timeoutHeight} is below good-til-block ${goodTilBlock}`);
  if (timeoutHeight > 0 && timeoutHeight < node.view.height) return refuse('sdk', 30, 'tx timeout height');
  if (memo.length > MAX_MEMO_CHARACTERS)
    return refuse('sdk', 12, `memo is longer than ${MAX_MEMO_CHARACTERS}`);
  return undefined;
}

/** One signature stands for all messages. */
function checkSigners(messages: readonly Message[]): Refusal | undefined {
  return messages.length > 1 && new Set(messages.map(ownerOf)).size > 1
    ? refuse('sdk', 4, 'all messages of a transaction need the same signer')
    : undefined;
}

function isCarried(message: Message): boolean {
  if (message.kind === 'other') return false;
  if (message.kind !== 'place' && message.kind !== 'cancel') return true;
  const id = message.kind === 'place' ? message.order.orderId : message.cancel.orderId;
  const flags = id?.orderFlags ?? 0;
  return flags === FLAGS.SHORT_TERM || flags === FLAGS.CONDITIONAL || flags === FLAGS.LONG_TERM;
}

/** Short-term messages alone, stateful ones together, nothing else beside them. */
function checkComposition({ messages }: Transaction): Refusal | undefined {
  const foreign = messages.find((message) => !isCarried(message));
  if (foreign) return refuse('sdk', 18, `the paper exchange carries no such message: ${foreign.kind}`);
  if (messages.length > 1 && messages.some(isShortTerm)) {
    return refuse(
      'sdk',
      18,
      'a transaction containing short term order may not contain more than one message',
    );
  }
  if (messages.some(isClob) && !messages.every(isClob)) {
    return refuse('sdk', 18, 'a transaction containing stateful orders cannot be accompanied by other msgs');
  }
  return undefined;
}

function runShortTerm(
  node: PaperNode,
  message: ClobMessage,
  origin: Origin,
  isLost: boolean,
): Refusal | undefined {
  switch (message.kind) {
    case 'place':
      return placeShortTerm(node, message.order, origin === 'gossip', isLost);
    case 'cancel':
      return cancelShortTerm(node, message.cancel);
    case 'batch_cancel':
      batchCancelShortTerm(node, message.batch);
      return undefined;
  }
}

function checkBasics(messages: readonly Message[]): Refusal | undefined {
  for (const message of messages) {
    const refusal = validateBasic(message);
    if (refusal) return refusal;
  }
  return undefined;
}

function checkRates(node: PaperNode, messages: readonly Message[]): Refusal | undefined {
  for (const message of messages) {
    const refusal = isClob(message) ? checkRate(node, message) : undefined;
    if (refusal) return refusal;
  }
  return node.chain.memclob.isFull() ? refuse('sdk', 20, 'mempool is full') : undefined;
}

/** The owner's replay protection after this transaction. */
function takeOwnersNonce({ view, chain }: PaperNode, owner: string, { sequence }: Transaction): Taken {
  const account = view.uncommitted.accounts.get(owner) ?? replayAt(chain.ledger, owner, view.height);
  return takeNonce(account, sequence, view.timeMs);
}

/** Undefined is code 0; then everything that the transaction does to this node's memory has been done. */
export function checkTx(
  node: PaperNode,
  tx: Transaction,
  origin: Origin,
  isLost: boolean,
): Refusal | undefined {
  const { messages } = tx;
  const { view, chain } = node;
  const early = checkBasics(messages) ?? checkEnvelope(node, tx) ?? checkSigners(messages);
  const [first] = messages;
  if (early || !first) return early;

  const owner = ownerOf(first);
  const isShort = messages.every(isShortTerm);
  const taken = isShort ? undefined : takeOwnersNonce(node, owner, tx);
  if (taken?.reason !== undefined) return refuse('sdk', 32, taken.reason);
  const refusal =
    (origin === 'client' ? authorize(chain.ledger.authenticators, chain.signing, tx, owner) : undefined) ??
    checkComposition(tx) ??
    (origin === 'recheck' ? undefined : checkRates(node, messages));
  if (refusal) return refusal;
  if (isShort && isClob(first)) return runShortTerm(node, first, origin, isLost);

  const late = runMessages(view, messages);
  if (!late && taken?.replay) view.uncommitted.accounts.set(owner, taken.replay);
  return late;
}
