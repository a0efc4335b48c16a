// What is open as one process knows it: by a statement of lately and by what it let through since, each order once.
import { beforeEach, expect, test } from 'vitest';
import { toAtoms } from '../../src/core/decimal.ts';
import type { Placement } from '../../src/core/gate.ts';
import { createOpenBook, type OpenBook } from '../../src/runtime/open-book.ts';
import type { Exposures } from '../../src/store/exposures.ts';

const NOTHING: Exposures = { markets: [], subaccounts: [], counted: [] };
const placement = (clientId: string, changes: Partial<Placement> = {}): Placement => ({
  tenantId: 't',
  clientId,
  account: 'default',
  subaccountNumber: 0,
  owner: 'dydx1a',
  market: 'BTC-USD',
  side: 'BUY',
  type: 'LIMIT',
  size: '2',
  price: '60000',
  triggerPrice: undefined,
  reduceOnly: false,
  isStateful: false,
  ...changes,
});
const any = placement('any');

let nowMs: number;
let asked: string[][];
let answer: Exposures;
let until: Promise<void> | undefined;
let failure: Error | undefined;
let book: OpenBook;

beforeEach(() => {
  [nowMs, asked, answer, until, failure] = [0, [], NOTHING, undefined, undefined];
  book = createOpenBook({
    read: async (pending) => {
      asked.push(pending.map(({ client_id }) => client_id));
      const given = answer;
      await until;
      if (failure !== undefined) throw failure;
      return given;
    },
    now: () => nowMs,
  });
});

const keysOf = (...ids: string[]) => ids.map((client_id) => ({ tenant_id: 't', client_id }));
const open = () => {
  const { openOrders, openBuys, openSells } = book.standing(any);
  return { openOrders, openBuys: openBuys / toAtoms('1'), openSells: openSells / toAtoms('1') };
};

test('a statement is asked for when the answer is older than may be, once for all who wait', async () => {
  await Promise.all([book.refresh(1_000), book.refresh(1_000), book.refresh(0)]);
  expect(asked).toHaveLength(1);
  nowMs = 1_000;
  await book.refresh(1_000);
  expect(asked).toHaveLength(1);
  nowMs = 1_001;
  await book.refresh(1_000);
  expect(asked).toHaveLength(2);
});

test('who may not believe a statement that began before waits for the next one', async () => {
  const first = Promise.withResolvers<void>();
  until = first.promise;
  const early = book.refresh(1_000);
  nowMs = 500;
  const late = book.refresh(100);
  until = undefined;
  first.resolve();
  await early;
  await late;
  expect(asked).toHaveLength(2);
});

test('a statement that fails is told to all who wait, and leaves what was known', async () => {
  book.letThrough(placement('a'));
  failure = new Error('the database is away');
  await expect(Promise.all([book.refresh(0), book.refresh(0)])).rejects.toThrow('the database is away');
  failure = undefined;
  await book.refresh(0);
  expect(open().openOrders).toBe(1);
});

test('what was let through counts until a statement counts it, by side and in its market', async () => {
  await book.refresh(0);
  for (const each of [
    placement('a'),
    placement('b', { side: 'SELL', size: '3' }),
    placement('c', { market: 'ETH-USD' }),
  ]) {
    book.letThrough(each);
  }
  expect(open()).toEqual({ openOrders: 2, openBuys: 2n, openSells: 3n });
  answer = {
    ...NOTHING,
    markets: [
      {
        owner: 'dydx1a',
        market: 'BTC-USD',
        openOrders: 1,
        position: 5n,
        openBuys: toAtoms('2'),
        openSells: 0n,
      },
    ],
    counted: keysOf('a'),
  };
  nowMs = 10;
  await book.refresh(0);
  expect(asked).toEqual([[], ['a', 'b', 'c']]);
  expect([open(), book.standing(any).position]).toEqual([{ openOrders: 2, openBuys: 2n, openSells: 3n }, 5n]);
  nowMs = 20;
  await book.refresh(0);
  expect(asked[2]).toEqual(['b', 'c']);
});

test('what was let through while the statement ran counts, too', async () => {
  const gate = Promise.withResolvers<void>();
  until = gate.promise;
  const reading = book.refresh(0);
  book.letThrough(placement('a'));
  gate.resolve();
  await reading;
  expect(open().openOrders).toBe(1);
});

test('the same order asked about again counts once, and not for itself', async () => {
  await book.refresh(0);
  book.letThrough(placement('a', { isStateful: true }));
  book.letThrough(placement('a', { isStateful: true, size: '1' }));
  expect([open(), book.openStateful(any)]).toEqual([{ openOrders: 1, openBuys: 1n, openSells: 0n }, 1]);
  book.forget(placement('a'));
  book.forget(placement('a'));
  expect([open(), book.openStateful(any)]).toEqual([{ openOrders: 0, openBuys: 0n, openSells: 0n }, 0]);
});

test('what was let through and is not signed after ten seconds counts no longer', async () => {
  await book.refresh(0);
  book.letThrough(placement('a'));
  nowMs = 10_001;
  await book.refresh(0);
  expect([asked.at(-1), open().openOrders]).toEqual([[], 0]);
});

test('stateful orders count by subaccount, beside those of the statement', async () => {
  answer = { ...NOTHING, subaccounts: [{ owner: 'dydx1a', subaccountNumber: 0, openStateful: 4 }] };
  await book.refresh(0);
  book.letThrough(placement('a', { isStateful: true }));
  book.letThrough(placement('b', { isStateful: true, subaccountNumber: 1 }));
  book.letThrough(placement('c'));
  expect([book.openStateful(any), book.openStateful(placement('x', { subaccountNumber: 1 }))]).toEqual([
    5, 1,
  ]);
});
