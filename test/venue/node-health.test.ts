// Which nodes are asked, in which order: examples of every reason, and what must hold for any of them.
import { expect, test } from 'vitest';
import { newestBlock, rankNodes, type SeenNode, whyUnhealthy } from '../../src/venue/node-health.ts';

const CHAIN = 'dydx-paper-1';
const T0 = Date.UTC(2026, 2, 4);
/** A clock by which the blocks of these tests are new. */
const EXPECTED = { chainId: CHAIN, nowMs: T0 + 1_000_000 };

type Facts = {
  readonly host?: string;
  readonly height?: number;
  /** seconds after T0; default: its height */
  readonly time?: number;
  readonly chainId?: string;
  readonly isCatchingUp?: boolean;
  readonly failure?: string;
  readonly latencyMs?: number;
  readonly newestWhenAsked?: number;
};

function seen(facts: Facts = {}): SeenNode {
  const { host = 'a', height = 100, time = height, chainId = CHAIN, isCatchingUp = false } = facts;
  const at = (seconds: number) => new Date(T0 + seconds * 1_000);
  const { failure, latencyMs, newestWhenAsked } = facts;
  return {
    host,
    status: { chainId, block: { height, time: at(time) }, isCatchingUp, earliestHeight: 1, isIndexing: true },
    failure,
    newestWhenAsked:
      newestWhenAsked === undefined ? undefined : { height: newestWhenAsked, time: at(newestWhenAsked) },
    latencyMs,
  };
}

const unasked = (host: string): SeenNode => ({
  host,
  status: undefined,
  failure: undefined,
  newestWhenAsked: undefined,
  latencyMs: undefined,
});

test.each([
  ['a node that answers and follows', seen({ newestWhenAsked: 100 }), undefined],
  ['a node that nobody has asked yet', unasked('a'), undefined],
  ['a node two blocks behind', seen({ newestWhenAsked: 102 }), undefined],
  ['a node three blocks behind', seen({ newestWhenAsked: 103 }), 'a is 3 blocks behind'],
  ['a node ahead of all', seen({ newestWhenAsked: 10 }), undefined],
  [
    'a node that catches up',
    seen({ isCatchingUp: true }),
    'a is catching up: it does not know the newest blocks',
  ],
  ['a node on another chain', seen({ chainId: 'other-1' }), 'a is on chain other-1, not dydx-paper-1'],
  [
    'a node that has failed',
    seen({ failure: 'status failed at a: HTTP 502' }),
    'status failed at a: HTTP 502',
  ],
])('%s', (_name, node, why) => {
  expect(whyUnhealthy(node, EXPECTED)).toBe(why);
});

test('a node whose newest block has yet to come is not healthy, up to what a slow clock of ours explains', () => {
  const ahead = (seconds: number) => whyUnhealthy(seen({ time: 1_000 + seconds }), EXPECTED);
  expect(ahead(5)).toBeUndefined();
  expect(ahead(6)).toMatch(/^the newest block of a is 6\.0 s in the future: this clock is behind/);
});

test('a block from the future is not the newest, and its node not the first when none is fine', () => {
  const liar = seen({ host: 'liar', height: 1_000_000, time: 1_000_000 });
  expect(newestBlock([seen(), liar], EXPECTED)?.height).toBe(100);
  expect(newestBlock([liar], EXPECTED)).toBeUndefined();
  expect(hosts([liar, seen({ host: 'old', isCatchingUp: true })])).toEqual(['old', 'liar']);
});

test('a node seen on another chain is not asked even when none is fine', () => {
  const other = seen({ host: 'other', chainId: 'other-1' });
  expect(hosts([other, seen({ host: 'silent', failure: 'silent' })])).toEqual(['silent']);
  expect(hosts([{ ...other, failure: 'silent' }])).toEqual([]);
});

test('the newest block is the highest of the nodes that answer and follow', () => {
  const nodes = [
    seen({ height: 100 }),
    seen({ height: 103 }),
    seen({ height: 200, failure: 'silent' }),
    seen({ height: 300, isCatchingUp: true }),
    seen({ height: 400, chainId: 'other-1' }),
    unasked('b'),
  ];
  expect(newestBlock(nodes, EXPECTED)?.height).toBe(103);
  expect(newestBlock([unasked('a')], EXPECTED)).toBeUndefined();
});

test('a height that is ahead of the others while its time is behind theirs is not believed', () => {
  const nodes = [seen({ height: 100 }), seen({ height: 1_000_000, time: 99 })];
  expect(newestBlock(nodes, EXPECTED)?.height).toBe(100);
});

test('of blocks with the same time the higher one is newer', () => {
  expect(newestBlock([seen({ height: 7, time: 1 }), seen({ height: 8, time: 1 })], EXPECTED)?.height).toBe(8);
});

const hosts = (nodes: readonly SeenNode[]) => rankNodes(nodes, EXPECTED).map(({ host }) => host);

test('the fastest is first, and who is not fine is left out', () => {
  const nodes = [
    seen({ host: 'far', latencyMs: 200 }),
    seen({ host: 'dead', failure: 'x' }),
    seen({ host: 'near', latencyMs: 5 }),
    seen({ host: 'late', latencyMs: 1, newestWhenAsked: 200 }),
  ];
  expect(hosts(nodes)).toEqual(['near', 'far']);
});

test('about equally fast nodes stay in the order in which they are configured', () => {
  const nodes = (one: number, other: number) => [
    seen({ host: 'first', latencyMs: one }),
    seen({ host: 'second', latencyMs: other }),
  ];
  expect(hosts(nodes(6, 1))).toEqual(['first', 'second']);
  expect(hosts(nodes(70, 40))).toEqual(['first', 'second']);
  expect(hosts(nodes(100, 40))).toEqual(['second', 'first']);
});

test('when none is fine all are there, the one with the newest block first', () => {
  const nodes = [
    unasked('never'),
    seen({ host: 'old', height: 90, failure: 'x' }),
    seen({ host: 'newer', height: 95, isCatchingUp: true }),
  ].map((node) => ({ ...node, failure: 'silent' }));
  expect(hosts(nodes)).toEqual(['newer', 'old', 'never']);
});
