// A property of the whole exchange: whatever is placed, replaced, cancelled, repeated or lost, no order fills more
// than its largest accepted size, none fills above its good-til-block, and no fill id occurs twice.
import { expect, test } from 'vitest';
import { PAPER_MARKETS } from '../../src/paper/markets.ts';
import { midSubticks, noise } from '../../src/paper/synthetic.ts';
import { createTrader, IOC, POST_ONLY, startTestPaper, steps } from './trader.ts';

test.each([1, 2, 3])('seed %i: no order fills beyond its size or its good-til-block', async (seed) => {
  await using paper = await startTestPaper({ seed });
  const traders = [await createTrader(paper, 'one'), await createTrader(paper, 'two')];
  const market = PAPER_MARKETS[0] ?? expect.fail('no market');
  const largest = new Map<string, bigint>();
  paper.faults.add({ on: 'broadcast', action: 'lose', probability: 0.1 });
  for (let round = 0; round < 250; round++) {
    const draw = (salt: number, below: number): number => Math.floor(noise(seed, round, salt) * below);
    const trader = traders[draw(1, 2)] ?? expect.fail('no trader');
    const clientId = draw(2, 12);
    if (draw(3, 8) === 0) {
      await trader.cancel(clientId, paper.height() + 1 + draw(4, 10)).catch(() => undefined);
    } else {
      const quantums = steps(1 + draw(5, 400));
      const offset = BigInt(draw(6, 41) - 20) * market.subticksPerTick;
      const answer = await trader
        .place(
          {
            clientId,
            side: clientId % 2 === 0 ? 'BUY' : 'SELL',
            quantums,
            subticks: midSubticks(seed, market, paper.height()) + offset,
            timeInForce: [0, IOC, POST_ONLY][clientId % 3] ?? 0,
            goodTilBlock: paper.height() + 1 + draw(7, 12),
          },
          String(round),
        )
        .catch(() => undefined);
      const before = largest.get(trader.uuid(clientId)) ?? 0n;
      if (answer?.code === 0 && quantums > before) largest.set(answer.id, quantums);
    }
    // Fewer than 40 blocks in all: fill memory of no order ends, so totals are bounded by the largest size.
    if (draw(8, 7) === 0 && paper.height() < 39) paper.produceBlock();
  }
  paper.produceBlock();
  const truth = paper.truth();
  expect(truth.fills.length).toBeGreaterThan(20);
  expect(truth.fills.some((fill) => fill.liquidity === 'MAKER')).toBe(true);
  const orders = new Map(truth.orders.map((order) => [order.id, order]));
  for (const order of truth.orders) {
    expect(BigInt(order.filled_quantums) <= (largest.get(order.id) ?? 0n), order.id).toBe(true);
  }
  for (const fill of truth.fills) {
    expect(fill.height).toBeLessThanOrEqual(orders.get(fill.order_id)?.good_til_block ?? 0);
  }
  expect(new Set(truth.fills.map((fill) => fill.id)).size).toBe(truth.fills.length);
});
