// What a node says, or does not say, when an order has been sent.
import { RESTS } from '../orders.ts';
import type { Scenario, Stage } from '../scenario.ts';
import { SLOW } from './roomy.ts';

/** Who chooses by latency asks it first. */
function preferFirstNode({ faults }: Stage['paper']): void {
  faults.add({ on: 'rpc', action: 'delay_answer', node: 1, method: 'status', params: { ms: 80 } });
}

export const answerLost: Scenario = {
  name: 'answer_lost',
  what: 'the node accepts every order and cuts the connection before it answers',
  run: async ({ paper, orders, enqueue, until, delay }) => {
    paper.faults.add({ on: 'broadcast', action: 'drop_after' });
    const kinds = ['sweep', 'market', 'cross', 'long'] as const;
    await enqueue(orders(24, (index) => ({ kind: kinds[index % kinds.length] ?? 'market' })));
    await until(() => paper.truth().orders.length >= 24, 10_000);
    await delay(500);
  },
};

export const nodeHangs: Scenario = {
  name: 'node_hangs',
  what: 'one of two nodes accepts orders and never answers, the other one cuts every second connection at first',
  paper: { nodes: 2 },
  run: async ({ paper, orders, enqueue, until }) => {
    paper.faults.add({ on: 'broadcast', action: 'hang_after', node: 0 });
    paper.faults.add({ on: 'broadcast', action: 'drop_before', node: 1, every: 2, count: 9 });
    // What rests still lives when it is sent again; the fills of the others are found before.
    const kinds = [{ kind: 'cross' }, { kind: 'market' }, { kind: 'rest', good_til_blocks: 40 }] as const;
    await enqueue(orders(18, (index) => kinds[index % kinds.length] ?? { kind: 'market' }));
    await until(() => paper.truth().orders.length >= 18, 10_000);
  },
};

export const fillBeforeAnswer: Scenario = {
  name: 'fill_before_answer',
  what: 'every answer comes a second late: the fills are there before anybody knows that the order was taken',
  paper: { blockMs: 100 },
  run: async ({ paper, orders, enqueue, until }) => {
    paper.faults.add({ on: 'broadcast', action: 'delay_answer', params: { ms: 1_000 } });
    await enqueue(orders(20, (index) => ({ kind: index % 5 === 0 ? 'sweep' : 'cross' })));
    await until(() => paper.truth().orders.length >= 20, 10_000);
  },
};

export const code32: Scenario = {
  name: 'code_32',
  what: 'the same number from two modules: clob/32 says nothing of a nonce, sdk/32 does',
  paper: { nodes: 2 },
  // The nonce that was refused is dead only when its window of 30 s has passed.
  run: async ({ paper, orders, enqueue, untilHit }) => {
    for (const codespace of ['clob', 'sdk']) {
      const params = { codespace, code: 32, log: 'code 32' };
      const refused = paper.faults.add({ on: 'broadcast', action: 'reject', count: 2, params });
      await enqueue(orders(3, { kind: 'long' }));
      await untilHit(refused, 2);
    }
  },
};

export const secondNodeLimits: Scenario = {
  name: 'second_node_limits',
  what: 'a stateful order is accepted by one node, its answer is lost, and the other node says clob/5001',
  paper: { ...SLOW, nodes: 2 },
  run: async ({ paper, system, orders, enqueue, untilHit, delay }) => {
    // The first node is the faster one, and the nodes do not talk: the second one has not seen these bytes.
    paper.setNode(0, { gossip: false });
    preferFirstNode(paper);
    await delay(1_500);
    const asked = orders(4, (index) => ({ kind: index % 2 === 0 ? 'long' : 'long_rest' }));
    paper.faults.add({ on: 'broadcast', action: 'drop_after', node: 0, count: asked.length });
    const params = { codespace: 'clob', code: 5001, log: 'rate limited' };
    const limited = paper.faults.add({ on: 'broadcast', action: 'reject', node: 1, params });
    await enqueue(asked);
    await untilHit(limited, asked.length, 8_000);
    // What rests ends by a cancel, if the system knows that it is there.
    await delay(3_000);
    paper.faults.clear();
    for (const { intent } of asked) if (intent.price === RESTS) await system.cancel(intent);
  },
};

export const reduceOnlyRepeat: Scenario = {
  name: 'reduce_only_repeat',
  what: 'a reduce-only IOC closes a position, its answer is lost, and its repeat is refused with clob/2001',
  paper: { nodes: 2 },
  settings: { IOC_GOOD_TIL_BLOCKS: '30' },
  run: async ({ paper, orders, enqueue, until, untilHit, delay }) => {
    // The first node is the faster one, and the nodes do not talk: the second one judges by what is in the blocks.
    preferFirstNode(paper);
    // The repeat is refused before anybody can know of the fill.
    paper.faults.add({ on: 'indexer', action: 'lag', params: { blocks: 20 } });
    await delay(1_500);
    for (let turn = 1; turn <= 2; turn++) {
      await enqueue(orders(1, { kind: 'market' }));
      await until(() => paper.truth().fills.length >= 2 * turn - 1, 10_000);
      await delay(600);
      paper.setNode(0, { gossip: false });
      const hung = paper.faults.add({ on: 'broadcast', action: 'hang_after', count: 1 });
      await enqueue(
        orders(1, {
          kind: 'ioc',
          side: 'SELL',
          price: '57000',
          reduce_only: true,
          // More than the position: it cannot be filled completely.
          baseSteps: 300,
        }),
      );
      await untilHit(hung, 1, 10_000);
      await delay(3_000);
      paper.setNode(0, { gossip: true });
    }
  },
};
