// How many stateful orders a subaccount may have open by its equity, as the chain counts: refused here, it is told which
// tier, which equity and how many. What cannot be read is left to the chain.
// Source: v4-chain x/clob/keeper/equity_tier_limit.go.
import { fromScaled, SCALE, toScaled } from './decimal.ts';
import type { Placement } from './gate.ts';
import type { Refusal } from './intent.ts';
import type { EquityTier } from './ports.ts';

const USDC_SCALE = 6;

/**
 * @param tiers ascending
 * @param equity decimal USDC
 * @param open stateful orders of the subaccount, without this one
 */
export function whyBeyondTier(
  { account, subaccountNumber }: Pick<Placement, 'account' | 'subaccountNumber'>,
  tiers: readonly EquityTier[],
  equity: string,
  open: number,
): Refusal | undefined {
  // The indexer multiplies sizes with prices and rounds nothing.
  const atoms = toScaled(equity.replace(/(\.\d{18})\d+$/, '$1'), SCALE);
  if (atoms === undefined || tiers.length === 0) return undefined;
  const tier = tiers.findLast(
    ({ usdcQuantums }) => usdcQuantums * 10n ** BigInt(SCALE - USDC_SCALE) <= atoms,
  );
  const limit = tier?.limit ?? 0;
  if (open < limit) return undefined;
  const from =
    tier === undefined
      ? 'below the lowest tier'
      : `tier from ${fromScaled(tier.usdcQuantums, USDC_SCALE)} USD`;
  const reason = `subaccount ${subaccountNumber} of account ${account} has ${open} open stateful orders, its equity of ${equity} USD allows ${limit} (the chain's equity tiers, ${from})`;
  return { field: 'subaccount_number', code: 'clob/10001', reason };
}
