// What is open and held, as limits count it: a statement's answer of lately, and what this process has let through and the
// answer did not count yet. What other processes have let through since is not seen: .env.example says how far
// they may overshoot together.
import type { Placement } from '../core/gate.ts';
import { NO_STANDING, type Standing, withOrder } from '../core/limits.ts';
import type { Exposures } from '../store/exposures.ts';
import type { OrderKey } from '../store/standings.ts';

export type OpenBook = {
  /**
   * Resolves when the answer is of a statement that began at most so long ago; throws when there is none to be had. It
   * costs a statement only when the one before is older.
   */
  readonly refresh: (maxAgeMs: number) => Promise<void>;
  /** Of its owner in its market. */
  readonly standing: (placement: Placement) => Standing;
  /** Stateful orders of its subaccount. */
  readonly openStateful: (placement: Placement) => number;
  /** It is asked about again: it counts no longer. */
  readonly forget: (placement: Placement) => void;
  /** It counts from now on. */
  readonly letThrough: (placement: Placement) => void;
};

export type OpenBookOptions = {
  /** @param pending of what was let through, the keys that no answer has counted yet */
  readonly read: (pending: readonly OrderKey[]) => Promise<Exposures>;
  /** ms on a clock that is never set */
  readonly now?: () => number;
};

/** What was let through and is not signed by then waits for something, and asks again, or was a duplicate. */
const PENDING_MS = 10_000;

type Pending = OrderKey & {
  readonly placement: Placement;
  readonly atMs: number;
};

export function createOpenBook({ read, now = () => performance.now() }: OpenBookOptions): OpenBook {
  const pending = new Map<string, Pending>();
  let markets = new Map<string, Standing>();
  let subaccounts = new Map<string, number>();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  const readAgain = async (): Promise<void> => {
    const startedMs = now();
    for (const [key, { atMs }] of pending) if (atMs < startedMs - PENDING_MS) pending.delete(key);
    const answer = await read([...pending.values()]);
    for (const key of answer.counted) pending.delete(keyOf(key.tenant_id, key.client_id));
    markets = new Map(answer.markets.map((each) => [marketOf(each), each]));
    subaccounts = new Map(answer.subaccounts.map((each) => [subaccountOf(each), each.openStateful]));
    for (const { placement } of pending.values()) count(placement, 1);
    readAtMs = startedMs;
  };

  const count = (placement: Placement, times: 1 | -1): void => {
    const market = marketOf(placement);
    markets.set(market, withOrder(markets.get(market) ?? NO_STANDING, placement, times));
    if (!placement.isStateful) return;
    const subaccount = subaccountOf(placement);
    subaccounts.set(subaccount, (subaccounts.get(subaccount) ?? 0) + times);
  };

  const forget = (placement: Placement): void => {
    const key = keyOf(placement.tenantId, placement.clientId);
    const before = pending.get(key);
    if (before === undefined) return;
    pending.delete(key);
    count(before.placement, -1);
  };

  return {
    refresh: async (maxAgeMs) => {
      const notBeforeMs = now() - maxAgeMs;
      while (readAtMs < notBeforeMs) {
        reading ??= readAgain().finally(() => {
          reading = undefined;
        });
        await reading;
      }
    },
    standing: (placement) => markets.get(marketOf(placement)) ?? NO_STANDING,
    openStateful: (placement) => subaccounts.get(subaccountOf(placement)) ?? 0,
    forget,
    letThrough: (placement) => {
      forget(placement);
      const { tenantId: tenant_id, clientId: client_id } = placement;
      pending.set(keyOf(tenant_id, client_id), { tenant_id, client_id, placement, atMs: now() });
      count(placement, 1);
    },
  };
}

function keyOf(tenantId: string, clientId: string): string {
  return `${tenantId}\0${clientId}`;
}

function marketOf({ owner, market }: { readonly owner: string; readonly market: string }): string {
  return `${owner}\0${market}`;
}

function subaccountOf(of: { readonly owner: string; readonly subaccountNumber: number }): string {
  return `${of.owner}/${of.subaccountNumber}`;
}
