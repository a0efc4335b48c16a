// Fills that come early, late, twice, after a cancel, or more of them than a page holds.
import { openCounterparty } from '../counterparty.ts';
import type { AskedOrder } from '../orders.ts';
import type { Scenario, Stage } from '../scenario.ts';

export const fillTwice: Scenario = {
  name: 'fill_twice',
  what: 'the indexer lists fills and orders twice, and in another order',
  run: async ({ paper, orders, enqueue, until, delay }) => {
    paper.faults.add({ on: 'indexer', action: 'duplicate', every: 2 });
    paper.faults.add({ on: 'indexer', action: 'shuffle' });
    await enqueue(orders(20, (index) => ({ kind: index % 7 === 0 ? 'sweep' : 'cross' })));
    await until(() => paper.truth().orders.length >= 20, 10_000);
    await delay(2_000);
  },
};

export const fillLate: Scenario = {
  name: 'fill_late',
  what: 'half of the fills are listed 60 blocks after the height that they belong to',
  paper: { blockMs: 100 },
  run: async ({ paper, orders, enqueue, until }) => {
    paper.faults.add({ on: 'indexer', action: 'withhold_fills', params: { blocks: 60, share: 0.5 } });
    const kinds = ['cross', 'ioc', 'rest'] as const;
    await enqueue(orders(24, (index) => ({ kind: kinds[index % kinds.length] ?? 'rest' })));
    await until(() => paper.truth().orders.length >= 24, 10_000);
    const from = paper.height();
    await until(() => paper.height() >= from + 65, 20_000);
  },
};

export const heightAhead: Scenario = {
  name: 'height_ahead',
  what: 'the indexer shows a height one block before the fills of it',
  paper: { blockMs: 300 },
  run: async ({ paper, orders, enqueue, until }) => {
    paper.faults.add({ on: 'indexer', action: 'withhold_fills', params: { blocks: 1 } });
    // Filled in their last blocks.
    await enqueue(
      orders(40, (index) => ({
        kind: index % 4 === 0 ? 'rest' : 'cross',
        good_til_blocks: 2 + (index % 3),
        landing: 'may',
      })),
    );
    const from = paper.height();
    await until(() => paper.height() >= from + 25, 20_000);
  },
};

export const indexerLag: Scenario = {
  name: 'indexer_lag',
  what: 'the indexer is 50 blocks behind',
  paper: { blockMs: 100 },
  settings: { IOC_GOOD_TIL_BLOCKS: '35' },
  run: async ({ paper, orders, enqueue, until, delay, judgeFinals }) => {
    paper.faults.add({ on: 'indexer', action: 'lag', params: { blocks: 50 } });
    // They live long enough for a loaded machine, and end long before the indexer shows it.
    const kinds = [
      { kind: 'cross', good_til_blocks: 35 },
      { kind: 'market' },
      { kind: 'rest', good_til_blocks: 35 },
    ] as const;
    await enqueue(orders(18, (index) => kinds[index % kinds.length] ?? { kind: 'market' }));
    await until(() => paper.truth().orders.length >= 18, 10_000);
    const from = paper.height();
    // Its fills mend a status that came too early: it is caught while it is wrong.
    while (paper.height() < from + 55) {
      await judgeFinals();
      await delay(250);
    }
  },
};

export const websocketGap: Scenario = {
  name: 'websocket_gap',
  what: "most messages of the indexer's websocket are lost, and its connections break",
  settings: { RECONCILE_INTERVAL_MS: '2000' },
  run: async ({ paper, orders, enqueue, until, delay }) => {
    // What is trusted blindly is told everything at first.
    await enqueue(orders(2, { kind: 'cross' }));
    await until(() => paper.truth().fills.length >= 2, 10_000);
    await delay(1_000);
    paper.faults.add({ on: 'socket', action: 'close', every: 25 });
    paper.faults.add({ on: 'socket', action: 'drop_message', probability: 0.8 });
    await enqueue(orders(24, (index) => ({ kind: index % 4 === 0 ? 'rest' : 'cross' })));
    await until(() => paper.truth().orders.length >= 26, 10_000);
    await delay(3_000);
  },
};

export const fillAfterCancel: Scenario = {
  name: 'fill_after_cancel',
  what: 'a node takes the cancel of a short-term order, the proposer never hears of it, and the order is filled',
  run: (stage) => fillDespiteCancel(stage, stage.orders(6, { kind: 'rest', good_til_blocks: 20 })),
};

export const bestEffortCanceled: Scenario = {
  name: 'best_effort_canceled',
  what: 'a stateful order is shown as BEST_EFFORT_CANCELED, and is filled',
  run: (stage) => fillDespiteCancel(stage, stage.orders(4, { kind: 'long_rest' })),
};

async function fillDespiteCancel(stage: Stage, asked: readonly AskedOrder[]): Promise<void> {
  const { paper, system, enqueue, until, delay } = stage;
  await using counterparty = await openCounterparty(paper);
  await enqueue(asked);
  await until(() => paper.truth().orders.filter(({ live }) => live).length >= asked.length, 10_000);
  await until(async () => {
    const beliefs = await system.beliefs();
    return beliefs.filter(({ status }) => status === 'OPEN').length >= asked.length;
  }, 3_000);
  const lost = paper.faults.add({ on: 'broadcast', action: 'lose' });
  for (const { intent } of asked) await system.cancel(intent);
  await stage.untilHit(lost, 1, 5_000);
  await delay(1_200);
  paper.faults.clear();
  // Its fill mends a status that came too early: it is caught while it is wrong.
  await stage.judgeFinals();
  // What is resting at 57,000 is reached after all that is offered above it.
  await counterparty.sell({ size: '60', price: '57000', isResting: false });
}

const MAKERS = 1_050;

export const longPage: Scenario = {
  name: 'long_page',
  what: 'one order has more than 1,000 fills, all in one block',
  run: async ({ paper, orders, enqueue, until }) => {
    await using counterparty = await openCounterparty(paper);
    await counterparty.restMany(MAKERS);
    await enqueue(orders(1, { kind: 'sweep' }));
    await until(() => paper.truth().fills.length >= MAKERS, 10_000);
  },
};
