// One door for every producer: an intent with its plan, or every reason why not.
import { describe, expect, test } from 'vitest';
import { acceptIntent, type Door } from '../../src/app/accept.ts';
import { BTC_USD, type Json, parsed, restingInput } from '../core/builders.ts';

const OFFERED = new Date('2026-03-04T05:06:07Z');
const DOOR: Door = {
  findMarket: (ticker) => (ticker === BTC_USD.ticker ? BTC_USD : undefined),
  accounts: new Map([
    ['default', { tenantId: 'default' }],
    ['second', { tenantId: 'default' }],
  ]),
  planSettings: { marketSlippagePpm: 10_000, iocGoodTilBlocks: 5 },
};
const offer = (input: Json, door: Partial<Door> = {}) => acceptIntent(input, OFFERED, { ...DOOR, ...door });
const fields = (input: Json, door: Partial<Door> = {}) => {
  const accepted = offer(input, door);
  return accepted.ok ? [] : accepted.refusals.map(({ field }) => field);
};
const PAST = { submit_by: '2026-03-04T05:06:06Z' };

test('what may be recorded comes with its plan', () => {
  expect(offer(restingInput)).toMatchObject({
    ok: true,
    intent: parsed(restingInput),
    plan: { clobPairId: 0, quantums: 2_500_000_000n, goodTilBlocks: 10 },
  });
});

test('what is no intent is refused without one', () => {
  expect(offer({ ...restingInput, size: '0' })).toEqual({
    ok: false,
    refusals: [expect.objectContaining({ field: 'size' })],
    intent: undefined,
  });
});

describe('an intent that is refused here and now is told apart, for it may have been recorded before:', () => {
  const REFUSED: readonly (readonly [string, Json, readonly string[]])[] = [
    ['too late', PAST, ['submit_by']],
    ['of an account that has no key', { account: 'third' }, ['account']],
    ['of a market that the venue does not have', { market: 'NO-USD' }, ['market']],
    ['off the grid', { price: '59000.5' }, ['price']],
    ['all of it at once', { ...PAST, account: 'third', price: '59000.5' }, ['submit_by', 'account', 'price']],
  ];
  for (const [name, changes, expected] of REFUSED) {
    test(name, () => {
      const input = { ...restingInput, ...changes };
      expect(fields(input)).toEqual(expected);
      expect(offer(input)).toMatchObject({ ok: false, intent: parsed(input) });
    });
  }
});

test('the refusal of an account names those that are configured', () => {
  expect(offer({ ...restingInput, account: 'third' })).toMatchObject({
    refusals: [{ reason: 'third is not configured for tenant default; known: default, second' }],
  });
});

describe('a door that knows', () => {
  test('no keys takes every account', () => {
    expect(fields({ ...restingInput, account: 'third' }, { accounts: undefined })).toEqual([]);
  });

  test('no market table takes any market without a plan, and nothing that is late', () => {
    const anywhere = { ...restingInput, market: 'NO-USD' };
    expect(offer(anywhere, { findMarket: undefined })).toEqual({
      ok: true,
      intent: parsed(anywhere),
      plan: undefined,
    });
    expect(fields({ ...anywhere, ...PAST }, { findMarket: undefined })).toEqual(['submit_by']);
  });
});
