// `router halt`, `reduce`, `resume`, `limits` and `controls`: what holds orders up, who said so and why. A change is
// committed when its command ends, and what holds then is shown.
import {
  type Control,
  describeMode,
  describeScope,
  type Mode,
  type Scope,
  whyUnfit,
} from '../core/controls.ts';
import { LIMIT_NAMES, type LimitName, type Limits, limitsSchema } from '../core/limits.ts';
import {
  type ControlChange,
  listControlChanges,
  listControls,
  setLimits,
  setMode,
} from '../store/controls.ts';
import type { Database } from '../store/database.ts';
import { requireSchema } from '../store/migrations.ts';
import { sqlstateOf } from '../store/sqlstate.ts';
import { asTenant } from '../store/tenant.ts';
import { table, time } from './output.ts';
import { whoIs } from './who.ts';
import { withDatabase } from './with-database.ts';

type ScopeOptions = { readonly tenant?: string; readonly account?: string; readonly market?: string };
type ChangeOptions = ScopeOptions & { readonly reason: string; readonly by?: string };

export async function runSetMode(mode: Mode, options: ChangeOptions): Promise<void> {
  await change(options, (db, scope) =>
    setMode(db, { ...scope, mode, reason: options.reason, setBy: whoIs(options.by) }),
  );
}

export type LimitOptions = ChangeOptions & {
  readonly set: readonly (readonly [limit: string, value: string])[];
  readonly unset: readonly string[];
};

export async function runSetLimits(options: LimitOptions): Promise<void> {
  if (options.set.length + options.unset.length === 0) {
    throw new Error('give --set LIMIT=VALUE or --unset LIMIT; router controls lists those that hold');
  }
  const { reason } = options;
  const set: Limits = Object.assign({}, ...options.set.map(([limit, value]) => readLimit(limit, value)));
  const unset = options.unset.map(knownLimit);
  const both = unset.find((limit) => set[limit] !== undefined);
  if (both !== undefined) throw new Error(`${both} is both set and unset`);
  const unfit = whyUnfit(set, scopeOf(options));
  if (unfit !== undefined) throw new Error(unfit);
  await change(options, (db, scope) =>
    setLimits(db, { ...scope, set, unset, reason, setBy: whoIs(options.by) }),
  );
}

function knownLimit(name: string): LimitName {
  const known = LIMIT_NAMES.find((limit) => limit === name);
  if (known === undefined) throw new Error(`${name} is no limit: these are ${LIMIT_NAMES.join(', ')}`);
  return known;
}

/** Decimals are texts, counts are numbers: each limit knows which it is. */
function readLimit(name: string, text: string): Limits {
  const limit = knownLimit(name);
  const asDecimal = limitsSchema.safeParse({ [limit]: text });
  const parsed =
    asDecimal.success || !/^\d{1,15}$/.test(text)
      ? asDecimal
      : limitsSchema.safeParse({ [limit]: Number(text) });
  if (!parsed.success) throw new Error(`${limit}=${text}: ${parsed.error.issues[0]?.message}`);
  return parsed.data;
}

async function change(
  options: ChangeOptions,
  work: (db: Database, scope: Scope) => Promise<Control>,
): Promise<void> {
  await withDatabase(async ({ db }) => {
    await requireSchema(db);
    const scope = scopeOf(options);
    const changed = await on(db, options.tenant, (trx) => work(trx, scope)).catch((error: unknown) => {
      throw explained(error, options);
    });
    console.log(describeMode(changed));
    console.log(`limits: ${describeLimits(changed.limits)}`);
    console.log(
      'every submitter obeys within 1 s; what has left by then may still fill (router cancel --all)',
    );
    console.log(`\nwhat holds now:\n${asTable(await on(db, options.tenant, listControls))}`);
  });
}

function explained(error: unknown, { tenant }: ScopeOptions): unknown {
  const isForbidden =
    sqlstateOf(error) === '42501' && error instanceof Error && /row-level security/.test(error.message);
  if (!isForbidden) return error;
  return new Error(
    tenant === undefined
      ? "this login may only hold up one tenant's orders: say whose (--tenant)"
      : `this login may not hold up orders of tenant ${tenant}`,
  );
}

export type ListOptions = {
  readonly tenant?: string;
  readonly history: boolean;
  readonly limit: number;
  readonly json: boolean;
};

export async function runListControls({ tenant, history, limit, json }: ListOptions): Promise<void> {
  await withDatabase(async ({ db }) => {
    if (history) {
      const changes = await on(db, tenant, (trx) => listControlChanges(trx, { tenantId: tenant, limit }));
      if (json) for (const each of changes) console.log(JSON.stringify(changeAsJson(each)));
      else console.log(changes.length === 0 ? 'nothing was ever changed' : historyAsTable(changes));
      return;
    }
    const all = await on(db, tenant, listControls);
    const over = all.filter(({ tenantId }) => tenant === undefined || ['', tenant].includes(tenantId));
    if (json) for (const each of over) console.log(JSON.stringify(asJson(each)));
    else console.log(asTable(over));
  });
}

/** A login of one tenant sees and sets its own only. */
function on<Result>(
  db: Database,
  tenant: string | undefined,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  return tenant === undefined ? work(db) : asTenant(db, tenant, work);
}

function scopeOf({ tenant = '', account = '', market = '' }: ScopeOptions): Scope {
  return { tenantId: tenant, account, market };
}

function describeLimits(limits: object): string {
  return (
    Object.entries(limits)
      .map(([limit, value]) => `${limit} ${value}`)
      .join(', ') || 'none'
  );
}

function asTable(controls: readonly Control[]): string {
  if (controls.length === 0) return 'nothing is held up, and no limits but those of the settings';
  return table([
    ['scope', 'mode', 'limits', 'set by', 'at', 'reason'],
    ...controls.map((each) => [
      describeScope(each),
      each.mode,
      describeLimits(each.limits),
      each.setBy,
      time(each.setAt),
      each.reason,
    ]),
  ]);
}

function historyAsTable(changes: readonly ControlChange[]): string {
  return table([
    ['at', 'scope', 'from', 'to', 'limits', 'by', 'reason'],
    ...changes.map((each) => [
      time(each.setAt),
      describeScope(each),
      each.oldMode ?? '-',
      each.newMode,
      describeLimits(Object(each.limits)),
      each.setBy,
      each.reason,
    ]),
  ]);
}

function asJson({ tenantId, account, market, mode, limits, reason, setBy: set_by, setAt: set_at }: Control) {
  return { tenant_id: tenantId, account, market, mode, limits, reason, set_by, set_at };
}

function changeAsJson({ id, tenantId, account, market, oldMode, newMode, ...rest }: ControlChange) {
  const { limits, reason, setBy: set_by, setAt: set_at } = rest;
  return {
    id,
    tenant_id: tenantId,
    account,
    market,
    old_mode: oldMode,
    new_mode: newMode,
    limits,
    reason,
    set_by,
    set_at,
  };
}
