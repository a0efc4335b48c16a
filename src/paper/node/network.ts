// Several nodes over one chain. What a node accepts from a client it tells the others, at once or some blocks later;
// refusals there are silent. Blocks are made of what has reached node 0; the others follow at their own lag, and no
// node's height ever goes back.
import { sha256 } from '../../chain/ecdsa.ts';
import type { Chain } from '../blocks/chain.ts';
import { isForged } from '../state/authorize.ts';
import { deliveryOf } from '../state/delivery.ts';
import type { Delivery } from '../state/facts.ts';
import { isLive } from '../state/ledger.ts';
import { isDydxAddress } from '../wire/accounts.ts';
import { decodeTransaction, type Transaction } from '../wire/decode.ts';
import { isShortTerm } from '../wire/message.ts';
import { type Refusal, refuse } from '../wire/refusal.ts';
import { commitNext, markSeen, receiveTx } from './mempool.ts';
import {
  changeSettings,
  createNode,
  type NodeChange,
  type NodeLimits,
  type PaperNode,
  type Pooled,
} from './node.ts';

export type Submission =
  | { readonly kind: 'seen' }
  | { readonly kind: 'checked'; readonly hash: string; readonly refusal: Refusal | undefined };

/** What an injected fault does to a transaction. */
export type Interference = {
  /** answered in place of CheckTx */
  readonly checkTx?: Refusal;
  /** if it is included, its result */
  readonly deliverTx?: Refusal;
  /** accepted, but never reaches the proposer */
  readonly isLost?: boolean;
};

/** Accepted by a node and due at another. */
type Rumour = {
  readonly to: PaperNode;
  readonly tx: Transaction;
  readonly interference: Interference;
  readonly dueHeight: number;
};

export type Network = {
  readonly nodes: readonly PaperNode[];
  /** A client's transaction at one node. */
  readonly submit: (node: PaperNode, bytes: Uint8Array, interference?: Interference) => Submission;
  readonly produceBlock: () => void;
  readonly setNode: (index: number, change: NodeChange) => PaperNode;
  /** Orders (uuids) that are in no block yet, but on their way to the proposer or into its next block. */
  readonly pendingOrders: () => ReadonlySet<string>;
};

export function createNetwork(
  chain: Chain,
  options: { readonly nodes: number; readonly gossipBlocks: number; readonly limits: NodeLimits },
): Network {
  const nodes = Array.from({ length: options.nodes }, (_, index) => createNode(chain, index, options.limits));
  /** Of the proposer's mempool, less what is in a block that its own node lags behind. */
  const nextTransactions = (): Pooled[] =>
    (nodes[0]?.pool ?? []).filter(({ tx, isLost }) => !isLost && !chain.ledger.transactions.has(tx.hash));
  let rumours: Rumour[] = [];

  const follow = (node: PaperNode): void => {
    const height = chain.ledger.height - node.settings.lag_blocks;
    while (node.view.height < height) {
      const dropped = commitNext(node);
      if (node.isProposer) for (const tx of dropped) noteLost(chain, tx);
    }
  };

  const deliver = ({ to, tx, interference }: Rumour): void => {
    const refusal = markSeen(to, tx.hash) ? receiveTx(to, tx, 'gossip', interference) : undefined;
    if (to.isProposer && refusal) noteLost(chain, tx);
  };

  const gossip = (from: PaperNode, tx: Transaction, interference: Interference): void => {
    for (const to of nodes) {
      if (to === from) continue;
      const rumour = { to, tx, interference, dueHeight: chain.ledger.height + options.gossipBlocks };
      if (options.gossipBlocks === 0) deliver(rumour);
      else rumours.push(rumour);
    }
  };

  const check = (node: PaperNode, tx: Transaction, interference: Interference): Refusal | undefined => {
    const isUnheard = interference.isLost === true || (!node.settings.gossip && !node.isProposer);
    const refusal = receiveTx(node, tx, 'client', { ...interference, isLost: isUnheard });
    if (refusal) {
      if (!isForged(refusal)) for (const delivery of deliveriesOf(tx, false)) chain.record(delivery);
      return refusal;
    }
    // A short-term placement has told the ledger itself, with the match that it made.
    if (!tx.messages.every(isShortTerm)) {
      for (const delivery of deliveriesOf(tx, true)) chain.record(delivery);
      if (isUnheard) noteLost(chain, tx);
    }
    if (interference.isLost !== true && node.settings.gossip) gossip(node, tx, interference);
    return undefined;
  };

  return {
    nodes,
    submit(node, bytes, interference = {}) {
      const hash = sha256(bytes).toString('hex').toUpperCase();
      if (!markSeen(node, hash)) return { kind: 'seen' };
      const tx = interference.checkTx ? undefined : decodeTransaction(bytes, hash);
      const refusal =
        interference.checkTx ?? (tx ? check(node, tx, interference) : refuse('sdk', 2, 'tx parse error'));
      if (refusal) chain.record({ t: 'refusal', codespace: refusal.codespace, code: refusal.code });
      return { kind: 'checked', hash, refusal };
    },
    produceBlock() {
      chain.produceBlock(nextTransactions());
      for (const node of nodes) follow(node);
      const due = rumours.filter(({ dueHeight }) => dueHeight <= chain.ledger.height);
      rumours = rumours.filter(({ dueHeight }) => dueHeight > chain.ledger.height);
      for (const rumour of due) deliver(rumour);
    },
    setNode(index, change) {
      const node = nodes[index];
      if (!node) throw new Error(`no node ${index}: there are ${nodes.length}`);
      node.settings = changeSettings(node.settings, change);
      follow(node);
      return node;
    },
    pendingOrders() {
      const underWay = rumours.filter(({ to }) => to.isProposer).map(({ tx }) => tx);
      const txs = [...nextTransactions().map(({ tx }) => tx), ...underWay];
      return new Set(txs.flatMap((tx) => deliveriesOf(tx, true)).map(({ order }) => order));
    },
  };
}

/** Placements of an owner that is none are nobody's deliveries. */
function deliveriesOf(tx: Transaction, accepted: boolean): Delivery[] {
  return tx.messages.flatMap((message) => {
    const delivery = message.kind === 'place' ? deliveryOf(message.order, accepted) : undefined;
    return delivery && isDydxAddress(delivery.owner) ? [delivery] : [];
  });
}

/** Accepted by a node, and the proposer does not have it. */
function noteLost(chain: Chain, tx: Transaction): void {
  for (const { order: id } of deliveriesOf(tx, true)) {
    const order = chain.ledger.orders.get(id);
    if (order && !isLive(order) && order.removal === undefined)
      chain.record({ t: 'removal', order: id, reason: 'LOST' });
  }
}
