// The chain's equity tiers and the equity of subaccounts, remembered for a while. What cannot be had is undefined: the
// chain decides then, as it does in any case.
import type { Placement } from '../core/gate.ts';
import type { EquityTier, Indexer, Validator } from '../core/ports.ts';
import { errorFields, type Logger } from '../ops/logger.ts';

type Equity = { readonly tiers: readonly EquityTier[]; readonly equity: string };

export type EquityTiers = {
  readonly of: (placement: Pick<Placement, 'owner' | 'subaccountNumber'>) => Promise<Equity | undefined>;
};

/** Governance changes them. */
const TIERS_MS = 600_000;
/** Too high: a deposit counts late; too low: the indexer's request budget. */
const EQUITY_MS = 10_000;
/** A question that failed is not repeated for so long: every order would wait for its deadline. */
const AFTER_FAILURE_MS = 5_000;
const MAX_SUBACCOUNTS = 10_000;

type Venue = {
  readonly validator: Pick<Validator, 'equityTiers'>;
  readonly indexer: Pick<Indexer, 'equity'>;
};

/** @param now ms on a clock that is never set */
export function createEquityTiers(
  { validator, indexer }: Venue,
  log: Logger,
  now = () => performance.now(),
): EquityTiers {
  const remembered = <Value>(ask: () => Promise<Value>, maxAgeMs: number) =>
    remember(ask, maxAgeMs, now, (error) => {
      log.warn(errorFields(error), 'equity tier not known, stateful orders go without that check');
    });
  const tiers = remembered(() => validator.equityTiers(), TIERS_MS);
  const equities = new Map<string, () => Promise<string | undefined>>();
  const equityOf = (owner: string, subaccountNumber: number) => {
    const key = `${owner}/${subaccountNumber}`;
    const known = equities.get(key) ?? remembered(() => indexer.equity(owner, subaccountNumber), EQUITY_MS);
    // Whoever writes intents chooses the subaccounts.
    if (equities.size >= MAX_SUBACCOUNTS) equities.clear();
    equities.set(key, known);
    return known();
  };
  return {
    of: async ({ owner, subaccountNumber }) => {
      const [known, equity] = await Promise.all([tiers(), equityOf(owner, subaccountNumber)]);
      return known === undefined || equity === undefined ? undefined : { tiers: known, equity };
    },
  };
}

/** One question at a time; its answer, or undefined for its failure, is given until it is too old. */
function remember<Value>(
  ask: () => Promise<Value>,
  maxAgeMs: number,
  now: () => number,
  onError: (error: unknown) => void,
): () => Promise<Value | undefined> {
  let latest: Promise<Value | undefined> | undefined;
  let untilMs = Number.POSITIVE_INFINITY;
  return () => {
    if (latest !== undefined && now() < untilMs) return latest;
    untilMs = Number.POSITIVE_INFINITY;
    latest = ask().then(
      (value) => {
        untilMs = now() + maxAgeMs;
        return value;
      },
      (error: unknown) => {
        untilMs = now() + AFTER_FAILURE_MS;
        onError(error);
        return undefined;
      },
    );
    return latest;
  };
}
