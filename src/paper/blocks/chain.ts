// The paper chain: state and blocks. Invariants: a match becomes a fill only in the next block; a block is in the
// journal before it is visible; an order is in no block above its good-til-block; what is only in memory (books,
// queue, mempools) dies with the process.
import { applyFact } from '../state/apply-fact.ts';
import type { Signing } from '../state/authorize.ts';
import type { Block, Fact } from '../state/facts.ts';
import type { Journal } from '../state/journal.ts';
import { createLedger, type Ledger, type PaperOrder, placementOf } from '../state/ledger.ts';
import type { StatefulLimits } from '../state/stateful-rules.ts';
import { FLAGS } from '../wire/message.ts';
import { TIF } from '../wire/validate-basic.ts';
import { buildBlock } from './build-block.ts';
import type { Candidate } from './deliver-tx.ts';
import { createMemclob, type Memclob } from './memclob.ts';

export type Chain = {
  readonly chainId: string;
  readonly signing: Signing;
  readonly seed: number;
  readonly limits: StatefulLimits;
  readonly ledger: Ledger;
  readonly memclob: Memclob;
  /** Journals, then applies. */
  readonly record: (fact: Fact) => void;
  /** A block with these transactions of the proposer's mempool, in their order. */
  readonly produceBlock: (txs: readonly Candidate[]) => void;
  readonly changeMarket: (fact: Extract<Fact, { t: 'market' }>) => void;
};

export function createChain(options: {
  readonly chainId: string;
  /** every signature counts as right; default false */
  readonly trustsSignatures?: boolean;
  readonly seed: number;
  readonly limits: StatefulLimits;
  readonly startQuoteQuantums: bigint;
  readonly journal: Journal;
  readonly now: () => number;
}): Chain {
  const { chainId, seed, limits, journal, now } = options;
  const signing = { chainId, isBelieved: options.trustsSignatures ?? false };
  const ledger = createLedger(1, now(), options.startQuoteQuantums);
  for (const fact of journal.recover()) applyFact(ledger, fact);
  markForgotten(ledger);

  const record = (fact: Fact): void => {
    journal.append(fact);
    applyFact(ledger, fact);
  };
  const memclob = createMemclob(ledger, seed, record);

  const produceBlock = (txs: readonly Candidate[]): void => {
    const operations = memclob.takeOperations(ledger.height + 1);
    const timeMs = Math.max(now(), ledger.timeMs + 1);
    const block = buildBlock({ signing, seed, limits, ledger, operations, txs, timeMs });
    const aliveBefore = [...ledger.alive.values()];
    record(block);
    memclob.settle(operations);
    for (const order of aliveBefore) if (!placementOf(order)) memclob.unrest(order);
    memclob.sweep();
    placeOnBook(memclob, newlyMatchable(ledger, block));
  };

  // What was matched or was to be removed when the process died is tried again, as by a node that restarts.
  placeOnBook(memclob, [...ledger.alive.values()]);

  return {
    chainId,
    signing,
    seed,
    limits,
    ledger,
    memclob,
    record,
    produceBlock,
    changeMarket(fact) {
      record(fact);
      const market = ledger.markets.ofTicker(fact.ticker);
      if (market) memclob.changeMarket(market);
    },
  };
}

/** What lives in a node's memory alone: after a restart orders that were neither filled nor removed are gone. */
function markForgotten(ledger: Ledger): void {
  for (const order of ledger.orders.values()) {
    if (order.accepted > 0 && order.removal === undefined && !placementOf(order)) {
      order.removal = 'NODE_RESTARTED';
    }
  }
}

/** Stateful orders that came into state with this block, or were triggered by it. */
function newlyMatchable(ledger: Ledger, block: Block): PaperOrder[] {
  const placed = (ledger.transactionsAt.get(block.height) ?? [])
    .filter(({ code }) => code === 0)
    .flatMap(({ orderIds }) => orderIds);
  return [...new Set([...placed, ...(block.triggered ?? [])])].flatMap((id) => ledger.alive.get(id) ?? []);
}

/** Post-only orders first, as in PrepareCheckState; a conditional order waits for its trigger. */
function placeOnBook(memclob: Memclob, orders: readonly PaperOrder[]): void {
  const place = (order: PaperOrder): void => {
    const placement = placementOf(order);
    if (!placement) return;
    if (order.orderFlags === FLAGS.CONDITIONAL && placement.triggeredAtHeight === undefined) return;
    const { side, timeInForce, reduceOnly } = order;
    memclob.place(order, { side, timeInForce, reduceOnly, goodTilBlock: 0, content: placement.content });
  };
  for (const order of orders) if (order.timeInForce === TIF.POST_ONLY) place(order);
  for (const order of orders) if (order.timeInForce !== TIF.POST_ONLY) place(order);
}
