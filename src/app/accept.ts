// The door: from what a producer offered to an intent that may be recorded, or the reasons why not. The same for
// the queue, the SDK and the command line. What is refused here leaves the client_id free.
import { type Intent, parseIntent, type Refusal, refuseByTime } from '../core/intent.ts';
import type { Market } from '../core/market.ts';
import { type Plan, type PlanSettings, planOrder } from '../core/plan.ts';

export type Door = {
  /** undefined while no market table is known: grid and market are then checked at signing */
  readonly findMarket: ((ticker: string) => Market | undefined) | undefined;
  /** whose the configured accounts are, by name; undefined where keys are unknown */
  readonly accounts: ReadonlyMap<string, { readonly tenantId: string }> | undefined;
  readonly planSettings: PlanSettings;
};

export type Accepted =
  | { readonly ok: true; readonly intent: Intent; readonly plan: Plan | undefined }
  /** intent: it is one, but not now or not here; it may have been recorded before */
  | { readonly ok: false; readonly refusals: readonly Refusal[]; readonly intent: Intent | undefined };

/** @param offeredAt when it was offered: a submit_by that had passed by then is refused, a later one may expire */
export function acceptIntent(raw: unknown, offeredAt: Date, door: Door): Accepted {
  const parsed = parseIntent(raw);
  if (!parsed.ok) return { ...parsed, intent: undefined };
  const { intent } = parsed;
  const refusals = refuseByTime(intent, offeredAt);
  const reason = door.accounts === undefined ? undefined : whyNotTheirs(intent, door.accounts);
  if (reason !== undefined) refusals.push({ field: 'account', code: 'schema', reason });
  if (door.findMarket === undefined) {
    return refusals.length > 0 ? { ok: false, refusals, intent } : { ok: true, intent, plan: undefined };
  }
  const planned = planOrder(intent, door.findMarket(intent.market), door.planSettings);
  if (!planned.ok) refusals.push(planned.refusal);
  if (refusals.length > 0 || !planned.ok) return { ok: false, refusals, intent };
  return { ok: true, intent, plan: planned.plan };
}

/** Names of accounts are told to the tenant whose they are only. */
function whyNotTheirs(
  { account, tenant_id }: Intent,
  accounts: NonNullable<Door['accounts']>,
): string | undefined {
  if (accounts.get(account)?.tenantId === tenant_id) return undefined;
  const own = [...accounts].flatMap(([name, { tenantId }]) => (tenantId === tenant_id ? [name] : []));
  const known = own.length === 0 ? 'it has none' : `known: ${own.join(', ')}`;
  return `${account} is not configured for tenant ${tenant_id}; ${known}`;
}
