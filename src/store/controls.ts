// Halts and limits as operators set them, one row a scope. Every change is kept by a trigger in control_changes; a row is
// never deleted: what is over is RUNNING again.
import { sql } from 'kysely';
import { type Control, type Mode, readControl, type Scope } from '../core/controls.ts';
import type { LimitName, Limits } from '../core/limits.ts';
import type { Database } from './database.ts';

/** Far more than scopes that anybody sets; past it the list would be cut, and a halt with it. */
const MAX_CONTROLS = 10_000;

export type Change = Scope & {
  readonly reason: string;
  readonly setBy: string;
};

const SCOPE = ['tenant_id', 'account', 'market'] as const;
const COLUMNS = [
  'tenant_id as tenantId',
  'account',
  'market',
  'mode',
  'limits',
  'reason',
  'set_by as setBy',
  'set_at as setAt',
] as const;
/** mode is checked to be one of these */
const asRead = (row: { readonly mode: string }) => readControl(row as Parameters<typeof readControl>[0]);

/** Committed when it resolves: submitters whose copy is younger obey. */
export async function setMode(db: Database, change: Change & { readonly mode: Mode }): Promise<Control> {
  const { mode, reason, setBy } = change;
  const row = await db
    .insertInto('controls')
    .values({ ...scopeColumns(change), mode, reason, set_by: setBy })
    .onConflict((conflict) =>
      conflict.columns(SCOPE).doUpdateSet({ mode, reason, set_by: setBy, set_at: sql`clock_timestamp()` }),
    )
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return asRead(row);
}

/** The other limits of the scope, and its mode, stay. @param unset names of limits that hold no longer */
export async function setLimits(
  db: Database,
  change: Change & { readonly set: Limits; readonly unset: readonly LimitName[] },
): Promise<Control> {
  const { reason, setBy, unset } = change;
  const set = sql<string>`${JSON.stringify(change.set)}::jsonb`;
  const row = await db
    .insertInto('controls')
    .values({ ...scopeColumns(change), limits: set, reason, set_by: setBy })
    .onConflict((conflict) =>
      conflict.columns(SCOPE).doUpdateSet({
        limits: sql`(controls.limits || excluded.limits) - ${[...unset]}::text[]`,
        // A halt that goes on keeps its words: what it refuses is told them.
        reason: sql`CASE controls.mode WHEN 'RUNNING' THEN excluded.reason ELSE
          left(excluded.reason || '; ' || controls.mode || ' before by ' || controls.set_by || ': ' || controls.reason, 1000)
        END`,
        set_by: setBy,
        set_at: sql`clock_timestamp()`,
      }),
    )
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return asRead(row);
}

function scopeColumns({ tenantId, account, market }: Scope) {
  return { tenant_id: tenantId, account, market };
}

/** Those that hold anything up, the widest first. Throws rather than leave one out. */
export async function listControls(db: Database): Promise<Control[]> {
  const rows = await db
    .selectFrom('controls')
    .select(COLUMNS)
    .where((is) => is.or([is('mode', '<>', 'RUNNING'), is('limits', '<>', sql<string>`'{}'`)]))
    .orderBy('tenant_id')
    .orderBy('account')
    .orderBy('market')
    .limit(MAX_CONTROLS + 1)
    .execute();
  if (rows.length > MAX_CONTROLS) {
    throw new Error(`more than ${MAX_CONTROLS} controls: resume scopes that are not used, or set wider ones`);
  }
  return rows.map(asRead);
}

export type ControlChange = Change & {
  readonly id: string;
  /** null: the scope's first control */
  readonly oldMode: string | null;
  readonly newMode: string;
  /** all that held after it */
  readonly limits: unknown;
  readonly setAt: Date;
};

/** The newest first. @param tenantId only those that hold over it */
export async function listControlChanges(
  db: Database,
  { tenantId, limit }: { readonly tenantId?: string | undefined; readonly limit: number },
): Promise<ControlChange[]> {
  let query = db.selectFrom('control_changes');
  if (tenantId !== undefined) query = query.where('tenant_id', 'in', ['', tenantId]);
  return query
    .select([
      'id',
      'tenant_id as tenantId',
      'account',
      'market',
      'old_mode as oldMode',
      'new_mode as newMode',
      'limits',
      'reason',
      'set_by as setBy',
      'set_at as setAt',
    ])
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}
