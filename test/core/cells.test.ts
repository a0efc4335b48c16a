// Each cell of type × time_in_force × good_til × post_only × reduce_only by name: it becomes the order that the table says,
// or is refused at the door with the venue's own code.
import { describe, expect, test } from 'vitest';
import { parseIntent } from '../../src/core/intent.ts';
import { planOrder } from '../../src/core/plan.ts';
import { BTC_USD, type Json, parsed } from './builders.ts';
import { CELLS, type Cell, KINDS, type Venue } from './cells.ts';

const SETTINGS = { marketSlippagePpm: 10_000, iocGoodTilBlocks: 5 };

/** Field and code of the refusals, each once. */
function refusalsOf(input: Json): string[] {
  const result = parseIntent(input);
  return result.ok ? [] : [...new Set(result.refusals.map(({ field, code }) => `${field} ${code}`))];
}

/** How the venue's classes end. 2026-03-05T00:00:00Z are 1772668800 s. */
function endOf({ class: name, timeInForce }: Venue) {
  if (name === 'short-term') return { orderFlags: 0, goodTilBlocks: timeInForce === 'IOC' ? 5 : 10 };
  return { orderFlags: name === 'long-term' ? 64 : 32, goodTilBlockTime: 1_772_668_800 };
}

function becomes({ input, kind }: Cell, venue: Venue): void {
  expect(planOrder(parsed(input), BTC_USD, SETTINGS)).toEqual({
    ok: true,
    plan: {
      clobPairId: 0,
      side: 'SELL',
      quantums: 10_000_000_000n,
      timeInForce: venue.timeInForce,
      reduceOnly: 'reduce_only' in input,
      ...kind.venue,
      ...endOf(venue),
    },
  });
}

function isRefused({ input, timeInForce }: Cell, refusals: readonly string[]): void {
  const found = refusalsOf(input);
  if (timeInForce === 'FOK') expect(found.slice(0, 1)).toEqual(refusals);
  else expect(found.toSorted()).toEqual(refusals.toSorted());
}

for (const { type } of KINDS) {
  describe(type, () => {
    for (const cell of CELLS.filter(({ kind }) => kind.type === type)) {
      const { expected } = cell;
      if ('venue' in expected) {
        const { class: name, timeInForce } = expected.venue;
        test(`${cell.name} becomes a ${name} ${timeInForce} order`, () => becomes(cell, expected.venue));
      } else {
        const { refusals } = expected;
        test(`${cell.name} is refused: ${refusals.join(', ')}`, () => isRefused(cell, refusals));
      }
    }
  });
}

test('there is a cell for every combination', () => {
  expect(new Set(CELLS.map(({ name }) => name)).size).toBe(6 * 3 * 4 * 4);
});

describe('price and trigger_price', () => {
  /** DESIGN §4: price for *LIMIT types only, trigger for STOP_* and TAKE_PROFIT_* only. */
  const TAKES: readonly (readonly [type: string, price: boolean, trigger: boolean])[] = [
    ['MARKET', false, false],
    ['LIMIT', true, false],
    ['STOP_MARKET', false, true],
    ['STOP_LIMIT', true, true],
    ['TAKE_PROFIT_MARKET', false, true],
    ['TAKE_PROFIT_LIMIT', true, true],
  ];
  const PRESENCE = [
    ['neither', {}],
    ['a price alone', { price: '59000' }],
    ['a trigger_price alone', { trigger_price: '58000' }],
    ['both', { price: '59000', trigger_price: '58000' }],
  ] as const;

  for (const [type, takesPrice, takesTrigger] of TAKES) {
    for (const [name, prices] of PRESENCE) {
      const wrong = [
        ...('price' in prices === takesPrice ? [] : ['price schema']),
        ...('trigger_price' in prices === takesTrigger ? [] : ['trigger_price schema']),
      ];
      test(`${type} with ${name} is ${wrong.length === 0 ? 'taken' : `refused: ${wrong.join(', ')}`}`, () => {
        const goodTil = type === 'LIMIT' ? { good_til_blocks: 1 } : {};
        const time = takesTrigger ? { good_til_time: '2026-03-05T00:00:00Z' } : {};
        const base = { client_id: 'c', market: 'BTC-USD', side: 'BUY', size: '1', type };
        const found = refusalsOf({ ...base, ...goodTil, ...time, ...prices });
        expect(found).toEqual(wrong);
      });
    }
  }
});
