import { expect, test } from 'vitest';
import { whyBeyondTier } from '../../src/core/equity-tier.ts';

const subaccount = { account: 'maker', subaccountNumber: 3 };
/** From 20 USD on 10, from 100 on 20. */
const TIERS = [
  { usdcQuantums: 0n, limit: 0 },
  { usdcQuantums: 20_000_000n, limit: 10 },
  { usdcQuantums: 100_000_000n, limit: 20 },
];
const why = (equity: string, open: number, tiers = TIERS) => whyBeyondTier(subaccount, tiers, equity, open);

test.each([
  ['20', 9],
  ['99.999999', 9],
  ['100', 19],
  ['1000000', 19],
  ['100.00000000000000000001', 19],
])('%s USD allow one more beside %i', (equity, open) => {
  expect(why(equity, open)).toBeUndefined();
});

test.each([
  ['19.999999', 0, "allows 0 (the chain's equity tiers, tier from 0 USD)"],
  ['20', 10, "allows 10 (the chain's equity tiers, tier from 20 USD)"],
  ['99.9999995', 10, "allows 10 (the chain's equity tiers, tier from 20 USD)"],
  ['512.3', 20, "allows 20 (the chain's equity tiers, tier from 100 USD)"],
  ['-5', 0, "allows 0 (the chain's equity tiers, below the lowest tier)"],
])('%s USD allow none beside %i, with the code of the venue', (equity, open, allows) => {
  expect(why(equity, open)).toEqual({
    field: 'subaccount_number',
    code: 'clob/10001',
    reason: `subaccount 3 of account maker has ${open} open stateful orders, its equity of ${equity} USD ${allows}`,
  });
});

test('what says nothing is left to the chain', () => {
  expect(why('lots', 1_000)).toBeUndefined();
  expect(why('20', 1_000, [])).toBeUndefined();
});
