// Halts and limits that operators set, by scope: a tenant, an account, a market, or all of them. Over an order hold all
// controls whose scope covers it, the strictest mode first; a wider control that runs lifts no narrower halt.
import type { Held, Placement } from './gate.ts';
import { type LimitSource, type Limits, limitsSchema } from './limits.ts';

/** From the most lenient to the strictest. */
export const MODES = ['RUNNING', 'REDUCING', 'HALTED'] as const;
export type Mode = (typeof MODES)[number];

/** An empty name is every one. */
export type Scope = { readonly tenantId: string; readonly account: string; readonly market: string };

/** Every submitter reads all of them several times a second. */
export const MAX_REASON_CHARS = 500;
export const MAX_SET_BY_CHARS = 255;
/** In force at once, beside the widest: of a tenant, and of the operators, whose scopes name no tenant. */
export const MAX_SCOPES_OF_TENANT = 100;
export const MAX_SCOPES_OF_OPERATORS = 1_000;

export type Control = Scope & {
  readonly mode: Mode;
  readonly limits: Limits;
  /** of the latest change */
  readonly reason: string;
  readonly setBy: string;
  readonly setAt: Date;
};

/**
 * A control as it is stored. Limits that cannot be read hold their whole scope: who wrote them meant to forbid
 * something, and nobody else is held up by it.
 */
export function readControl(stored: Omit<Control, 'limits'> & { readonly limits: unknown }): Control {
  const { success, data } = limitsSchema.safeParse(stored.limits);
  if (success) return { ...stored, limits: data };
  const reason = `its limits cannot be read, set them again with router limits: ${JSON.stringify(stored.limits)}`;
  return { ...stored, mode: 'HALTED', limits: {}, reason: reason.slice(0, 300) };
}

/** By scope: whatever the number of controls, an order is covered by eight scopes. */
export type ControlIndex = ReadonlyMap<string, Control>;

export function indexControls(controls: readonly Control[]): ControlIndex {
  return new Map(controls.map((control) => [keyOf(control), control]));
}

function keyOf({ tenantId, account, market }: Scope): string {
  return `${tenantId}\0${account}\0${market}`;
}

/** The widest first. @param subject an empty name in it is covered by controls of all only */
export function controlsOver(index: ControlIndex, subject: Scope): readonly Control[] {
  if (index.size === 0) return [];
  const found = new Set<Control>();
  for (const tenantId of ['', subject.tenantId]) {
    for (const account of ['', subject.account]) {
      for (const market of ['', subject.market]) {
        const control = index.get(keyOf({ tenantId, account, market }));
        if (control !== undefined) found.add(control);
      }
    }
  }
  return [...found];
}

type Subject = Pick<Placement, 'tenantId' | 'account' | 'market' | 'reduceOnly'>;

/** @param controls those over the placement */
export function whyHeld(controls: readonly Control[], { reduceOnly }: Subject): Held | undefined {
  const halt = controls.find(({ mode }) => mode === 'HALTED');
  if (halt !== undefined) return { mode: 'HALTED', reason: describeMode(halt) };
  const reduce = reduceOnly ? undefined : controls.find(({ mode }) => mode === 'REDUCING');
  if (reduce === undefined) return undefined;
  return { mode: 'REDUCING', reason: `${describeMode(reduce)}; only reduce-only orders pass` };
}

/** `HALTED for market BTC-USD by alice: fat finger` */
export function describeMode(control: Omit<Control, 'limits' | 'setAt'>): string {
  return `${control.mode} for ${describeScope(control)} by ${control.setBy}: ${control.reason}`;
}

export function describeScope({ tenantId, account, market }: Scope): string {
  const parts = [
    ...(tenantId === '' ? [] : [`tenant ${tenantId}`]),
    ...(account === '' ? [] : [`account ${account}`]),
    ...(market === '' ? [] : [`market ${market}`]),
  ];
  return parts.length === 0 ? 'all orders' : parts.join(', ');
}

/** Who set a limit is not said: the row knows only who changed it last, and that may have been its mode. */
export function limitSources(controls: readonly Control[]): readonly LimitSource[] {
  return controls.map((control) => ({
    limits: control.limits,
    nameOf: (limit) => `${limit} of ${describeScope(control)}`,
  }));
}

/** Why a limit would not mean what it says in that scope. */
export function whyUnfit(limits: Limits, scope: Scope): string | undefined {
  if (limits.max_order_size !== undefined && scope.market === '') {
    return 'max_order_size is in base units, which differ by market: give a market, or set max_order_notional';
  }
  if (limits.intents_per_second !== undefined && (scope.account !== '' || scope.market !== '')) {
    return 'intents_per_second is of a tenant: give a tenant or nothing, and neither account nor market';
  }
  return undefined;
}
