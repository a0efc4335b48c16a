// Orders that the chain keeps: each needs a nonce that no other has.
import type { Scenario } from '../scenario.ts';
import { ROOMY } from './roomy.ts';

const BURST = 200;

export const sequenceStorm: Scenario = {
  name: 'sequence_storm',
  what: 'four workers sign stateful orders for one account at once, and half of the answers are lost',
  workers: 4,
  paper: ROOMY,
  run: async ({ paper, orders, enqueue, until }) => {
    paper.faults.add({ on: 'broadcast', action: 'drop_after', probability: 0.5 });
    await enqueue(orders(32, { kind: 'long' }));
    await until(() => paper.truth().orders.length >= 32, 20_000);
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
