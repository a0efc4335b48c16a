// The transactions of a block into the ledger: each is kept with its result, takes its nonce, and, when it succeeded,
// does what its messages say. The bytes are the fact; what they mean is read from them again.
import { orderUuid } from '../../core/order-uuid.ts';
import { decodeTransaction, type Transaction } from '../wire/decode.ts';
import { type Message, orderIdOf, ownerOf } from '../wire/message.ts';
import { addAuthenticator, removeAuthenticator } from './authenticators.ts';
import { deliveryOf } from './delivery.ts';
import type { BlockTransaction } from './facts.ts';
import { type IncludedTransaction, type Ledger, placementOf, replayAt } from './ledger.ts';
import { takeNonce } from './replay.ts';
import { beginPlacement, endPlacement } from './stateful-state.ts';

/** How far back a node may lag (network.ts). */
const KEPT_REPLAYS = 1_000;
/** The proposer's operations are the first transaction of a block. */
const FIRST_INDEX = 1;

/** Undefined when it is about no order. */
function orderOf(message: Message): string | undefined {
  if (message.kind === 'place') return orderUuid(orderIdOf(message.order.orderId));
  if (message.kind === 'cancel') return orderUuid(orderIdOf(message.cancel.orderId));
  return undefined;
}

function kindOf(message: Message): IncludedTransaction['kinds'][number] {
  return message.kind === 'place' || message.kind === 'cancel' ? message.kind : 'other';
}

function noteNonce(ledger: Ledger, owner: string, nonce: number): void {
  const { replay, reason } = takeNonce(replayAt(ledger, owner, ledger.height), nonce, ledger.timeMs);
  if (!replay) throw new Error(`a block takes a nonce that cannot be taken: ${reason}`);
  const older = ledger.replays.get(owner) ?? [];
  const kept = older.filter((each) => each.height < ledger.height).slice(-KEPT_REPLAYS);
  ledger.replays.set(owner, [...kept, { height: ledger.height, replay }]);
}

function applyMessage(ledger: Ledger, message: Message, nextPlacement: () => number): undefined {
  switch (message.kind) {
    case 'place': {
      const { order: id } = deliveryOf(message.order, true);
      const order = ledger.orders.get(id);
      if (!order) throw new Error(`a block places an order that was never delivered: ${id}`);
      beginPlacement(ledger, order, message.order, nextPlacement());
      return;
    }
    case 'cancel': {
      const order = ledger.orders.get(orderUuid(orderIdOf(message.cancel.orderId)));
      if (order) endPlacement(ledger, order, 'USER_CANCELED');
      return;
    }
    case 'add_authenticator':
      ledger.authenticators = addAuthenticator(
        ledger.authenticators,
        message.owner,
        message.type,
        message.config,
      );
      return;
    case 'remove_authenticator':
      ledger.authenticators = removeAuthenticator(ledger.authenticators, message.owner, message.id);
      return;
    case 'batch_cancel':
    case 'other':
      throw new Error(`a block carries a message of the kind ${message.kind}`);
  }
}

/** An order that a failed transaction would have placed, unless an earlier one has. */
function noteFailure(ledger: Ledger, messages: readonly Message[]): void {
  for (const message of messages) {
    const order = message.kind === 'place' ? ledger.orders.get(orderOf(message) ?? '') : undefined;
    if (order && !placementOf(order)) order.removal ??= 'DELIVER_TX_FAILED';
  }
}

function readTransaction({ hash, bytes }: BlockTransaction): Transaction {
  const tx = decodeTransaction(Buffer.from(bytes, 'base64'), hash);
  if (!tx) throw new Error(`a block carries bytes that are no transaction: ${hash}`);
  return tx;
}

export function applyTransactions(ledger: Ledger, facts: readonly BlockTransaction[]): void {
  let placements = 0;
  const included = facts.map((fact, position): IncludedTransaction => {
    const { messages, sequence } = readTransaction(fact);
    const [first] = messages;
    const owner = first ? ownerOf(first) : '';
    if (fact.tookNonce) noteNonce(ledger, owner, sequence);
    if (fact.code !== 0) noteFailure(ledger, messages);
    else for (const message of messages) applyMessage(ledger, message, () => placements++);
    const { hash, bytes, code, codespace, log } = fact;
    return {
      hash,
      bytes,
      height: ledger.height,
      index: FIRST_INDEX + position,
      code,
      codespace,
      log,
      nonce: sequence,
      owner,
      kinds: messages.map(kindOf),
      orderIds: messages.flatMap((message) => orderOf(message) ?? []),
    };
  });
  for (const tx of included) ledger.transactions.set(tx.hash, tx);
  ledger.transactionsAt.set(ledger.height, included);
}
