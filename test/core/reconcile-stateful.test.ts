// How stateful orders end: by a death that was shown in a block, never by silence; each line of the table of DESIGN §4.
import { describe, expect, test } from 'vitest';
import type { Fill } from '../../src/core/ports.ts';
import { type OrderFacts, reconcile, settleDead } from '../../src/core/reconcile.ts';
import type { OrderStatus } from '../../src/core/status.ts';
import { deathOf, fillOf, statefulFacts } from './builders.ts';

const report = (orders: readonly OrderFacts[], fills: readonly Fill[], height?: number) =>
  reconcile({ orders, fills, startHeight: 90, height, marginBlocks: 2 });

test('a stateful order is settled at the block that shows its death and the margin, and never without one', () => {
  const alive = statefulFacts();
  expect(report([alive], [], 1_000_000).settled).toEqual([]);
  const dead = statefulFacts({ death: deathOf('removed', 108) });
  expect(report([dead], [], 109).settled).toEqual([]);
  expect(report([dead], [], 110).settled).toMatchObject([
    {
      status: 'CANCELLED',
      height: 110,
      resolution: { rule: 'dead', height: 110, death: { cause: 'removed', height: 108 }, fills: 0 },
    },
  ]);
});

test('a fill is not of a stateful order only when it is older than the first signature: its life has no last block', () => {
  const stateful = statefulFacts();
  const early = fillOf(stateful, { height: 99 });
  const late = fillOf(stateful, { height: 1_000_000 });
  const { bookings, unexplained } = report([stateful], [early, late]);
  expect(unexplained).toEqual([
    { fill: early, reason: 'block 99, the order can only fill from block 100 on' },
  ]);
  expect(bookings.map(({ fill }) => fill)).toEqual([late]);
});

describe('the table of final statuses for stateful orders', () => {
  const partial = { status: 'PARTIALLY_FILLED', filledSize: '3', fillCount: 1 } as const;
  const STOP = { timeInForce: 'IOC', type: 'STOP_MARKET' } as const;
  const cancelled = { isCancelRequested: true };
  const nonce = { refusal: { codespace: 'sdk', code: 32, log: 'nonce' } };
  const exists = { refusal: { codespace: 'clob', code: 3005, log: 'exists' } };
  const tick = { refusal: { codespace: 'clob', code: 12, log: 'tick' } };
  const removed = { death: deathOf('removed', 108) };
  const expired = { death: deathOf('expired', 108) };
  const failed = { death: deathOf('failed', 108) };
  const never = { death: deathOf('never_included', 108) };
  const TIME = 'good_til_time reached';
  const NEVER = 'never on chain';
  const LINES: readonly (readonly [string, Partial<OrderFacts>, OrderStatus, string])[] = [
    ['removed, a cancel was requested', { ...removed, ...cancelled }, 'CANCELLED', 'cancelled'],
    [
      'removed, a cancel was requested, with a fill',
      { ...removed, ...cancelled, ...partial },
      'CANCELLED',
      'cancelled',
    ],
    ['past its time, a cancel was requested', { ...expired, ...cancelled }, 'CANCELLED', 'cancelled'],
    ['failed on chain, a cancel was requested', { ...failed, ...cancelled }, 'CANCELLED', 'cancelled'],
    [
      'never on chain, a cancel was requested',
      { ...never, ...cancelled, ...nonce },
      'CANCELLED',
      'cancelled',
    ],
    ['failed on chain', failed, 'REJECTED', 'clob/3007'],
    ['failed on chain, an IOC', { ...failed, ...STOP }, 'REJECTED', 'clob/3007'],
    [
      'failed on chain after its nonce was refused elsewhere',
      { ...failed, ...nonce },
      'REJECTED',
      'clob/3007',
    ],
    ['removed, an IOC with a fill', { ...removed, ...STOP, ...partial }, 'CANCELLED', 'ioc_remainder'],
    ['removed, an IOC without a fill', { ...removed, ...STOP }, 'CANCELLED', 'ioc_no_match'],
    ['removed before its time', removed, 'CANCELLED', 'removed_by_venue'],
    ['removed before its time, with a fill', { ...removed, ...partial }, 'CANCELLED', 'removed_by_venue'],
    [
      'removed, though a repeat of it was refused: it had been there',
      { ...removed, ...nonce },
      'CANCELLED',
      'removed_by_venue',
    ],
    ['past its time', expired, 'EXPIRED', TIME],
    ['past its time, with a fill', { ...expired, ...partial }, 'EXPIRED', TIME],
    ['past its time, a stop that was never triggered', { ...expired, ...STOP }, 'EXPIRED', TIME],
    ['past its time, refused and without a fill', { ...expired, ...exists }, 'REJECTED', 'clob/3005'],
    ['past its time, refused but with a fill', { ...expired, ...exists, ...partial }, 'EXPIRED', TIME],
    ['never on chain', never, 'EXPIRED', NEVER],
    ['never on chain, an IOC', { ...never, ...STOP }, 'EXPIRED', NEVER],
    ['never on chain, its nonce refused', { ...never, ...nonce }, 'REJECTED', 'sdk/32'],
    ['never on chain, refused as if it were there', { ...never, ...exists }, 'REJECTED', 'clob/3005'],
    [
      'never on chain, a repeat refused for what is no doing of ours',
      { ...never, ...tick },
      'EXPIRED',
      NEVER,
    ],
    ['never on chain, and nobody had answered', { ...never, status: 'PENDING' }, 'EXPIRED', NEVER],
  ];
  for (const [name, changes, status, reason] of LINES) {
    test(`dead, ${name}: ${status}, ${reason}`, () => {
      const order = statefulFacts(changes);
      expect(report([order], [], 110).settled).toMatchObject([
        { order, status, reason, filledSize: order.filledSize, height: 110 },
      ]);
    });
  }

  test('the evidence holds the death, no good-til-block, and the code that ended it', () => {
    const end = { rule: 'dead', height: 110, fills: 0 };
    expect(settleDead(statefulFacts(removed), 110).resolution).toEqual({ ...end, ...removed });
    expect(settleDead(statefulFacts({ ...never, ...nonce }), 110).resolution).toEqual({
      ...end,
      ...never,
      ...nonce.refusal,
    });
    expect(settleDead(statefulFacts({ ...removed, ...nonce }), 110).resolution).toEqual({
      ...end,
      ...removed,
    });
  });

  test('Σ fills = size is FILLED, whatever the death says', () => {
    for (const death of [removed, expired, failed, never]) {
      const order = statefulFacts({ ...death, ...cancelled });
      const { bookings, settled } = report([order], [fillOf(order, { size: '10' })], 200);
      expect(bookings).toMatchObject([{ status: 'FILLED', isLate: false, resolution: { rule: 'filled' } }]);
      expect(settled).toEqual([]);
    }
  });
});
