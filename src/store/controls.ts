// Halts and limits as operators set them, one row a scope. Every change is kept by a trigger in control_changes; a row is
// never deleted: what is over is RUNNING again.
import { type RawBuilder, sql } from 'kysely';
import {
  type Control,
  describeScope,
  MAX_REASON_CHARS,
  MAX_SCOPES_OF_OPERATORS,
  MAX_SCOPES_OF_TENANT,
  MAX_SET_BY_CHARS,
  type Mode,
  readControl,
  type Scope,
} from '../core/controls.ts';
import type { LimitName, Limits } from '../core/limits.ts';
import type { Database } from './database.ts';

/** Rows of one statement; what is more is read by another one, and nothing is left out. */
const PAGE_ROWS = 5_000;

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

type ModeChange = Change & { readonly mode: Mode };

/**
 * Committed when it resolves: submitters whose copy is younger obey.
 * @param change with decidedAt: of that time, however late it arrives. undefined then: stale, nothing was changed, for a
 * mode was set that was decided later. What changed limits meanwhile decided nothing about the mode. set_at is then the
 * time of the decision (never one to come), so that of two that are late the later one holds, in whichever order they
 * arrive. Without it the change is of now and is never stale.
 * @throws when another scope would be one too many, or reason or setBy are too long
 */
export function setMode(db: Database, change: ModeChange): Promise<Control>;
export function setMode(
  db: Database,
  change: ModeChange & { readonly decidedAt: Date },
): Promise<Control | undefined>;
export async function setMode(
  db: Database,
  change: ModeChange & { readonly decidedAt?: Date },
): Promise<Control | undefined> {
  const { mode, decidedAt } = change;
  const at = decidedAt && sql<Date>`${decidedAt}::timestamptz`;
  return write(db, change, {
    mode,
    limits: '{}',
    setAt: at === undefined ? NOW : sql<Date>`least(${at}, ${NOW})`,
    isEasing: mode === 'RUNNING',
    update: { mode, reason: change.reason },
    ...(at && { onlyIf: isLatestDecision(at) }),
  });
}

const NOW = sql<Date>`clock_timestamp()`;

/**
 * The row is older, or whatever changed it since then changed its limits only. Changes that this statement does not see
 * yet are newer.
 */
function isLatestDecision(at: RawBuilder<Date>): RawBuilder<boolean> {
  return sql<boolean>`controls.set_at <= ${at} OR controls.set_at IN (
    SELECT max(c.set_at) FROM control_changes c
    WHERE (c.tenant_id, c.account, c.market) = (controls.tenant_id, controls.account, controls.market)
      AND c.set_at > ${at}
    HAVING bool_and(coalesce(c.old_mode, 'RUNNING') = c.new_mode AND c.limits <> coalesce((
      SELECT p.limits FROM control_changes p
      WHERE (p.tenant_id, p.account, p.market) = (c.tenant_id, c.account, c.market) AND p.id < c.id
      ORDER BY p.id DESC LIMIT 1), '{}')))`;
}

/**
 * The other limits of the scope, and its mode, stay. @param unset names of limits that hold no longer
 * @throws when another scope would be one too many, or reason or setBy are too long
 */
export async function setLimits(
  db: Database,
  change: Change & { readonly set: Limits; readonly unset: readonly LimitName[] },
): Promise<Control> {
  const { set, unset } = change;
  const written = await write(db, change, {
    mode: 'RUNNING',
    limits: JSON.stringify(set),
    setAt: NOW,
    isEasing: Object.keys(set).length === 0,
    update: {
      limits: sql<string>`(controls.limits || excluded.limits) - ${[...unset]}::text[]`,
      // A halt that goes on keeps its words: what it refuses is told them.
      reason: sql<string>`CASE controls.mode WHEN 'RUNNING' THEN excluded.reason ELSE
        left(excluded.reason || '; ' || controls.mode || ' before by ' || controls.set_by || ': ' || controls.reason,
          ${MAX_REASON_CHARS}::int)
      END`,
    },
  });
  if (written === undefined) throw new Error('limits that nothing forbids were not written');
  return written;
}

type Write = {
  /** of a scope that has none yet */
  readonly mode: Mode;
  readonly limits: string;
  readonly setAt: RawBuilder<Date>;
  /** it holds nothing up that is not held up already: never refused for want of room */
  readonly isEasing: boolean;
  /** of one that has */
  readonly update: {
    readonly mode?: Mode;
    readonly limits?: RawBuilder<string>;
    readonly reason: string | RawBuilder<string>;
  };
  readonly onlyIf?: RawBuilder<boolean>;
};

/** One statement. undefined: there is a control, and onlyIf does not hold for it. */
async function write(db: Database, change: Change, to: Write): Promise<Control | undefined> {
  const { tenantId, account, market, reason, setBy } = change;
  requireLength('reason', reason, MAX_REASON_CHARS);
  requireLength('set_by', setBy, MAX_SET_BY_CHARS);
  const { has_room, ...row } = await db
    .with('room', (cte) => cte.selectNoFrom(hasRoom(change, to.isEasing).as('has_room')))
    .with('written', (cte) =>
      cte
        .insertInto('controls')
        .columns([...SCOPE, 'mode', 'limits', 'reason', 'set_by', 'set_at'])
        .expression(
          cte
            .selectFrom('room')
            .where('has_room', '=', true)
            .select([
              sql<string>`${tenantId}::text`.as('tenant_id'),
              sql<string>`${account}::text`.as('account'),
              sql<string>`${market}::text`.as('market'),
              sql<string>`${to.mode}::text`.as('mode'),
              sql<string>`${to.limits}::jsonb`.as('limits'),
              sql<string>`${reason}::text`.as('reason'),
              sql<string>`${setBy}::text`.as('set_by'),
              to.setAt.as('set_at'),
            ]),
        )
        .onConflict((conflict) =>
          conflict
            .columns(SCOPE)
            .doUpdateSet({ ...to.update, set_by: setBy, set_at: to.setAt })
            .where(to.onlyIf ?? sql<boolean>`TRUE`),
        )
        .returning(COLUMNS),
    )
    .selectFrom('room')
    .leftJoin('written', (join) => join.onTrue())
    .selectAll()
    .executeTakeFirstOrThrow();
  if (!has_room) throw new Error(whyNoRoom(change));
  const { mode } = row;
  return mode === null ? undefined : asRead({ ...row, mode });
}

function requireLength(name: string, text: string, maxChars: number): void {
  if (text.length <= maxChars) return;
  throw new Error(`${name} has ${text.length} characters, of a control it has at most ${maxChars}`);
}

/**
 * Whether the scope holds something already, or may as one more. The widest scope always may: it is what a halt in need
 * is set on. Those that write at the same moment do not see each other, and may be as many too many together.
 */
function hasRoom(scope: Scope, isEasing: boolean): RawBuilder<boolean> {
  const { tenantId, account, market } = scope;
  if (isEasing || (account === '' && market === '')) return sql<boolean>`TRUE`;
  const ofTenant = sql`controls WHERE tenant_id = ${tenantId} AND (mode <> 'RUNNING' OR limits <> '{}')`;
  return sql<boolean>`EXISTS (SELECT FROM ${ofTenant} AND account = ${account} AND market = ${market})
    OR (SELECT count(*) FROM ${ofTenant} AND (account <> '' OR market <> '')) < ${maxScopesOf(scope)}`;
}

function maxScopesOf({ tenantId }: Scope): number {
  return tenantId === '' ? MAX_SCOPES_OF_OPERATORS : MAX_SCOPES_OF_TENANT;
}

function whyNoRoom(scope: Scope): string {
  const { tenantId } = scope;
  const whose = tenantId === '' ? 'scopes that name no tenant' : `scopes of tenant ${tenantId}`;
  return `controls of ${describeScope(scope)} not set: at most ${maxScopesOf(scope)} ${whose} may be halted or limited at once; resume or unset others, or set a wider one`;
}

/** Those that hold anything up, the widest first; none is left out, however many there are. */
export async function listControls(db: Database): Promise<Control[]> {
  const all: Control[] = [];
  for (;;) {
    const last = all.at(-1);
    const rows = await db
      .selectFrom('controls')
      .select(COLUMNS)
      .where((is) => is.or([is('mode', '<>', 'RUNNING'), is('limits', '<>', sql<string>`'{}'`)]))
      .$if(last !== undefined, (query) =>
        query.where(({ eb, refTuple, tuple }) =>
          eb(
            refTuple('tenant_id', 'account', 'market'),
            '>',
            tuple(last?.tenantId ?? '', last?.account ?? '', last?.market ?? ''),
          ),
        ),
      )
      .orderBy('tenant_id')
      .orderBy('account')
      .orderBy('market')
      .limit(PAGE_ROWS)
      .execute();
    all.push(...rows.map(asRead));
    if (rows.length < PAGE_ROWS) return all;
  }
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
