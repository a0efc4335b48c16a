// A property of the whole exchange with several nodes: whatever is placed, cancelled, repeated, lost or told late, a
// stateful order fills no more than what was included of it, a nonce is taken once, and the state knows what lives.
import { expect, test } from 'vitest';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { midSubticks, noise } from '../../src/paper/synthetic.ts';
import { findStateful } from './ask.ts';
import {
  CONDITIONAL,
  createClock,
  createTrader,
  IOC,
  inAnHour,
  LONG_TERM,
  POST_ONLY,
  startTestPaper,
  steps,
} from './trader.ts';

const ROUNDS = 200;
const BTC = PAPER_MARKETS[0] ?? expect.fail('no market');

test.each([1, 2, 3])('seed %i: stateful orders fill what was included of them and no more', async (seed) => {
  const { now } = createClock();
  await using paper = await startTestPaper({
    seed,
    nodes: 3,
    gossipBlocks: 1,
    statefulRateLimits: [],
    now,
  });
  const traders = [await createTrader(paper, 'one'), await createTrader(paper, 'two')];
  /** transaction → quantums that it places */
  const sizes = new Map<string, bigint>();
  const goodTilBlockTime = inAnHour();
  paper.faults.add({ on: 'broadcast', action: 'lose', probability: 0.1 });
  paper.faults.add({ on: 'broadcast', action: 'fail_in_block', probability: 0.1, params: { code: 3007 } });
  paper.setNode(2, { lag_blocks: 2 });
  for (let round = 0; round < ROUNDS; round++) {
    const draw = (salt: number, below: number): number => Math.floor(noise(seed, round, salt) * below);
    const trader = traders[draw(1, 2)] ?? expect.fail('no trader');
    const clientId = draw(2, 10);
    const flags = clientId % 3 === 0 ? CONDITIONAL : LONG_TERM;
    const common = {
      clientId,
      flags,
      goodTilBlockTime,
      node: paper.nodes[draw(3, 3)] ?? paper.url,
      sequence: now() + round,
    };
    const offset = BigInt(draw(4, 41) - 20) * BTC.subticksPerTick;
    const subticks = midSubticks(seed, BTC, paper.height()) + offset;
    if (draw(5, 4) === 0) {
      await trader.cancelStateful(clientId, common, String(round)).catch(() => undefined);
    } else {
      const quantums = steps(1 + draw(6, 400));
      const condition = { conditionType: 1 + draw(7, 2), triggerSubticks: subticks };
      const answer = await trader
        .place(
          {
            ...common,
            quantums,
            subticks,
            side: draw(8, 2) === 0 ? 'BUY' : 'SELL',
            timeInForce: [0, flags === CONDITIONAL ? IOC : 0, POST_ONLY][draw(9, 3)] ?? 0,
            ...(flags === CONDITIONAL ? condition : {}),
          },
          String(round),
        )
        .catch(() => undefined);
      if (answer) sizes.set(answer.hash, quantums);
    }
    if (draw(10, 3) === 0) paper.produceBlock();
  }
  for (let block = 0; block < 3; block++) paper.produceBlock();

  const truth = paper.truth();
  const included = truth.transactions.filter(({ code, kinds }) => code === 0 && kinds.includes('place'));
  expect(truth.fills.length).toBeGreaterThan(20);
  expect(truth.transactions.some(({ code }) => code !== 0)).toBe(true);
  for (const order of truth.orders) {
    const placed = included
      .filter(({ order_ids: ids }) => ids.includes(order.id))
      .reduce((sum, { hash }) => sum + (sizes.get(hash) ?? 0n), 0n);
    expect(BigInt(order.filled_quantums) <= placed, order.id).toBe(true);
    const inState = await findStateful(paper.url, order.owner, order.client_id, order.order_flags);
    expect(inState !== undefined, order.id).toBe(order.live);
  }
  for (const { owner } of traders) {
    const nonces = paper.truth(owner).transactions.map(({ nonce }) => nonce);
    expect(new Set(nonces).size).toBe(nonces.length);
  }
  expect(new Set(truth.fills.map(({ id }) => id)).size).toBe(truth.fills.length);
});
