// Orders that the chain keeps: each needs a nonce that no other has.
import type { Scenario } from '../scenario.ts';
import { ROOMY, SLOW } from './roomy.ts';

const BURST = 200;

export const sequenceStorm: Scenario = {
  name: 'sequence_storm',
  what: 'four workers sign stateful orders for one account at once, and half of the answers are lost',
  workers: 4,
  paper: SLOW,
  run: async ({ paper, orders, enqueue, until }) => {
    paper.faults.add({ on: 'broadcast', action: 'drop_after', probability: 0.5 });
    // As many as nonces may be in doubt, then fewer: who would take another one for an order in doubt could have it.
    for (const count of [8, 8, 5, 5]) {
      const before = paper.truth().orders.length;
      await enqueue(orders(count, { kind: 'long' }));
      await until(() => paper.truth().orders.length >= before + count, 8_000);
      const from = paper.height();
      await until(() => paper.height() > from, 5_000);
    }
  },
};

export const sameMillisecond: Scenario = {
  name: 'same_millisecond',
  what: '200 stateful orders are asked for in one millisecond',
  paper: { ...ROOMY, blockMs: 100 },
  run: async ({ paper, orders, enqueue, until }) => {
    await enqueue(orders(BURST, { kind: 'long' }));
    await until(() => paper.truth().orders.length >= BURST, 20_000);
  },
};
