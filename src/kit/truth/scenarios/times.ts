// Orders whose time has passed, is passing while somebody decides about them, or that belong to another database.
import type { Scenario } from '../scenario.ts';

const HOUR_MS = 3_600_000;

export const hourLate: Scenario = {
  name: 'hour_late',
  what: 'market orders are found in the queue after an outage of an hour',
  run: async ({ orders, enqueue, until, system }) => {
    const asked = orders(8, { kind: 'market', isUrgent: true, landing: 'never' });
    await enqueue(asked, { addedAt: Date.now() - HOUR_MS });
    await until(async () => (await system.beliefs()).length >= asked.length, 10_000);
  },
};

export const newDatabase: Scenario = {
  name: 'new_database',
  what: 'an empty database on a subaccount that was traded before, with the same client ids',
  run: async ({ paper, orders, enqueue, until, forget, system }) => {
    const asked = orders(6, { kind: 'cross' });
    await enqueue(asked);
    await until(() => paper.truth().fills.length >= asked.length, 10_000);
    forget();
    await system.startAnew();
    await enqueue(asked);
    await until(() => paper.truth().fills.length >= 2 * asked.length, 10_000);
  },
};

export const resignWindow: Scenario = {
  name: 'resign_window',
  what: 'filled orders whose answers were lost are refused for now (clob/5001) until the exchange has forgotten them',
  workers: 2,
  paper: { blockMs: 60, nodes: 2 },
  run: async ({ paper, orders, enqueue, until, untilHit }) => {
    // The nodes do not talk: one that has seen these bytes would say so, and refuse nothing.
    paper.setNode(0, { gossip: false });
    // Nobody is told of the fills meanwhile.
    const lag = { on: 'indexer', action: 'lag', params: { blocks: 250 } } as const;
    paper.faults.add(lag);
    const asked = orders(6, { kind: 'cross', landing: 'may' });
    const lost = paper.faults.add({ on: 'broadcast', action: 'drop_after', node: 0, count: asked.length });
    const params = { codespace: 'clob', code: 5001, log: 'rate limited' };
    paper.faults.add({ on: 'broadcast', action: 'reject', params });
    await enqueue(asked);
    await untilHit(lost, asked.length, 10_000);
    const from = paper.height();
    await until(() => paper.height() >= from + 80, 20_000);
    paper.faults.clear();
    paper.faults.add(lag);
    await until(() => paper.height() >= from + 230, 40_000);
  },
};

export const settleRace: Scenario = {
  name: 'settle_race',
  what: 'orders are signed again in the very blocks in which two reconcilers call them dead',
  workers: 2,
  reconcilers: 2,
  paper: { blockMs: 150 },
  run: async ({ paper, orders, enqueue, until }) => {
    const params = { codespace: 'clob', code: 5001, log: 'rate limited' };
    paper.faults.add({ on: 'broadcast', action: 'reject', probability: 0.6, params });
    await enqueue(
      orders(40, (index) => ({ kind: 'cross', good_til_blocks: 2 + (index % 4), landing: 'may' })),
    );
    const from = paper.height();
    await until(() => paper.height() >= from + 40, 20_000);
  },
};
