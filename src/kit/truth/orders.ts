// The orders of a scenario. Each has a size of its own, so that the exchange's orders of that size are this intent's,
// whatever ids a system has given them.
import type { IntentInput } from '../../client.ts';
import { fromScaled } from '../../core/decimal.ts';

export type Intent = IntentInput & { readonly client_id: string };

/** must: it has to reach the exchange. never: it must not, its time is over. */
type Landing = 'must' | 'may' | 'never';

export type AskedOrder = {
  readonly intent: Intent;
  readonly landing: Landing;
};

export type OrderTerms = Omit<Partial<IntentInput>, 'client_id' | 'size'> & {
  readonly kind: OrderKind;
  readonly landing?: Landing;
  /** without a submit_by of its own: the router's default holds */
  readonly isUrgent?: boolean;
  /** in steps of 0.0001 BTC, the order's own number added; default 100 */
  readonly baseSteps?: number;
};

type OrderKind = keyof typeof KINDS;

const MARKET = 'BTC-USD';
const STEP_DECIMALS = 4;
/** The paper price stays between 58,200 and 61,800. */
const CROSSES = '63000';
export const RESTS = '57000';
const LIVES_BLOCKS = 18;
/** 40 BTC; a side of the book has at most 12 levels of 50,000 USD */
const SWEEP_STEPS = 400_000;
const HOUR_MS = 3_600_000;

const KINDS = {
  market: () => ({ type: 'MARKET' }),
  ioc: () => ({ type: 'LIMIT', time_in_force: 'IOC', price: CROSSES }),
  /** more than the book has: many fills, and a rest that is cancelled */
  sweep: () => ({ type: 'LIMIT', time_in_force: 'IOC', price: CROSSES }),
  /** fills at once */
  cross: () => ({ type: 'LIMIT', price: CROSSES, good_til_blocks: LIVES_BLOCKS }),
  /** ends without a fill */
  rest: () => ({ type: 'LIMIT', price: RESTS, good_til_blocks: LIVES_BLOCKS }),
  /** stateful, fills in the block after its own */
  long: () => ({ type: 'LIMIT', price: CROSSES, good_til_time: inMs(HOUR_MS) }),
  /** stateful and resting, until somebody cancels it */
  long_rest: () => ({ type: 'LIMIT', price: RESTS, good_til_time: inMs(HOUR_MS) }),
} as const satisfies Record<string, () => Partial<IntentInput>>;

function inMs(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}

/** @returns a maker whose orders are numbered from 0, whatever their terms */
export function createOrderMaker(scenario: string): (terms: OrderTerms) => AskedOrder {
  let made = 0;
  return ({ kind, landing = 'must', baseSteps = 100, isUrgent = false, ...rest }) => {
    const number = made++;
    const intent = {
      client_id: `${scenario}-${number}`,
      market: MARKET,
      side: 'BUY',
      size: fromScaled(BigInt(baseSteps + number + (kind === 'sweep' ? SWEEP_STEPS : 0)), STEP_DECIMALS),
      // What waits for a fault to end is still wanted.
      ...(isUrgent ? {} : { submit_by: inMs(HOUR_MS) }),
      ...KINDS[kind](),
      ...rest,
    } satisfies Intent;
    return { intent, landing };
  };
}
