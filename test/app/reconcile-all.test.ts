// One pass over what is due: which subaccounts are read, when each is due again, and what a refusing venue costs.
import { expect, test } from 'vitest';
import { type ReconcileDeps, reconcileAll } from '../../src/app/reconcile.ts';
import { noTelemetry } from '../../src/core/telemetry.ts';
import type { Claimed, Released } from '../../src/store/cursors.ts';
import { IndexerError } from '../../src/venue/indexer.ts';

const INTERVAL_MS = 1_000;
const HEIGHT = 100;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function claimed(subaccountNumber: number, changes: Partial<Claimed> = {}): Claimed {
  return {
    owner: 'dydx1a',
    subaccountNumber,
    startHeight: 1,
    height: 90,
    fillsRead: 0,
    lastFillId: null,
    hasActive: true,
    idlePasses: 0,
    isUrgent: false,
    isToCompare: false,
    ...changes,
  };
}

async function pass(due: readonly Claimed[], changes: Partial<ReconcileDeps> = {}) {
  const asked: number[] = [];
  const released: Released[] = [];
  const deps: ReconcileDeps = {
    indexer: {
      height: async () => HEIGHT,
      fills: async (_owner, subaccountNumber) => {
        asked.push(subaccountNumber);
        return { fills: [], totalResults: 0 };
      },
      orders: async () => [],
    },
    claim: async () => due,
    release: async (one) => {
      released.push(one);
    },
    mayAsk: async () => true,
    book: async ({ cursor }) => ({
      bookings: [],
      unexplained: [],
      settled: [],
      incidents: [],
      cursor,
      isShifted: false,
      hasMore: false,
    }),
    compare: async () => ({ unexplained: [], incidents: [] }),
    recordIncidents: async () => [],
    chainHeight: () => HEIGHT,
    pageSize: 200,
    catchUpSize: 1_000,
    marginBlocks: 1,
    intervalMs: INTERVAL_MS,
    maxIdleMs: 60_000,
    log: silent,
    telemetry: noTelemetry,
    ...changes,
  };
  await reconcileAll(deps);
  return { asked: asked.toSorted(), released: new Map(released.map((one) => [one.subaccountNumber, one])) };
}

test('every subaccount that is due is read once and released', async () => {
  const { asked, released } = await pass(Array.from({ length: 9 }, (_, number) => claimed(number)));
  expect(asked).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect([...released.values()].map(({ dueInMs }) => dueInMs)).toEqual(Array(9).fill(INTERVAL_MS));
});

test('an idle one is read ever more seldom, up to once a minute, until it has an order', async () => {
  const waits = async (idlePasses: number) => {
    const { released } = await pass([claimed(0, { hasActive: false, idlePasses })]);
    return released.get(0);
  };
  expect(await waits(0)).toMatchObject({ idlePasses: 1, dueInMs: 10_000 });
  expect(await waits(1)).toMatchObject({ idlePasses: 2, dueInMs: 20_000 });
  expect(await waits(2)).toMatchObject({ idlePasses: 3, dueInMs: 40_000 });
  expect(await waits(900)).toMatchObject({ idlePasses: 901, dueInMs: 60_000 });
  const { released } = await pass([claimed(0, { idlePasses: 7 })]);
  expect(released.get(0)).toMatchObject({ idlePasses: 0, dueInMs: INTERVAL_MS });
});

test('an answer that is shorter than it says is no end: also an idle subaccount is read again soon', async () => {
  const { released } = await pass([claimed(0, { hasActive: false, idlePasses: 4 })], {
    indexer: {
      height: async () => HEIGHT,
      fills: async () => ({ fills: [], totalResults: 3 }),
      orders: async () => [],
    },
  });
  expect(released.get(0)).toMatchObject({ dueInMs: INTERVAL_MS });
});

test('without requests left, what was not read is due at once', async () => {
  let left = 2;
  const { asked, released } = await pass(
    [0, 1, 2, 3].map((number) => claimed(number)),
    {
      mayAsk: async () => left-- > 0,
    },
  );
  expect(asked).toHaveLength(2);
  expect([...released.values()].filter(({ dueInMs }) => dueInMs === 0)).toHaveLength(2);
});

test('a venue that says when to ask again is not asked before, and harms no other subaccount', async () => {
  const { released } = await pass([claimed(0), claimed(1)], {
    indexer: {
      height: async () => HEIGHT,
      fills: async (_owner, subaccountNumber) => {
        if (subaccountNumber === 0) throw new IndexerError('too many', { status: 429, retryAfterMs: 7_000 });
        return { fills: [], totalResults: 0 };
      },
      orders: async () => [],
    },
  });
  expect(released.get(0)).toMatchObject({ dueInMs: 7_000 });
  expect(released.get(1)).toMatchObject({ dueInMs: INTERVAL_MS });
});

test('nothing is claimed for its dead orders by a height that no validator confirms', async () => {
  const asked: number[] = [];
  const claim = async (deadAt: number) => {
    asked.push(deadAt);
    return [];
  };
  await pass([], { claim });
  await pass([], { claim, chainHeight: () => undefined });
  expect(asked).toEqual([HEIGHT - 1, -1]);
});

test('a database that is away while a claim is released ends nothing', async () => {
  const { asked } = await pass([claimed(0), claimed(1)], {
    indexer: {
      height: async () => HEIGHT,
      fills: async () => {
        throw new IndexerError('away');
      },
      orders: async () => [],
    },
    release: async () => {
      throw new Error('away, too');
    },
  });
  expect(asked).toEqual([]);
});

test('what cannot wait asks as urgent, other fills in their turn, lists of orders by themselves', async () => {
  const asked: string[] = [];
  await pass([claimed(0, { isUrgent: true }), claimed(1, { isToCompare: true })], {
    mayAsk: async (request) => {
      asked.push(request);
      return true;
    },
  });
  expect(asked.toSorted()).toEqual(['list', 'list', 'routine', 'urgent']);
});
