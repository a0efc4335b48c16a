// A gate on a real database and a real queue, with a venue that says what a test wants it to say.
import { readConfig } from '../../src/config.ts';
import type { Placement } from '../../src/core/gate.ts';
import type { BlockRateLimits, EquityTier } from '../../src/core/ports.ts';
import { type Context, openContext } from '../../src/runtime/context.ts';
import { type GateVenue, type RunningGate, startGate } from '../../src/runtime/gate.ts';

export type TestVenue = {
  height: number | undefined;
  /** markets whose oracle price is too old */
  staleOracles: readonly string[];
  /** chain's time of the height */
  timeMs: number;
  limits: BlockRateLimits | Error;
  tiers: readonly EquityTier[];
  equity: string | undefined | Error;
};

export type TestGate = AsyncDisposable & {
  readonly gate: RunningGate;
  readonly context: Context;
  /** Change it and the gate sees it. */
  readonly venue: TestVenue;
};

/** Copies of controls every 50 ms. @param settings e.g. DATABASE_URL, MAX_EXPOSURE */
export async function openGate(
  settings: Readonly<Record<string, string>>,
  said: Partial<TestVenue> = {},
): Promise<TestGate> {
  const venue: TestVenue = {
    height: 1_000,
    staleOracles: [],
    timeMs: 1_700_000_000_000,
    limits: { shortTerm: [{ limit: 4_000, blocks: 5 }], stateful: [{ limit: 20, blocks: 100 }] },
    tiers: [{ usdcQuantums: 0n, limit: 1_000 }],
    equity: '1000',
    ...said,
  };
  const given: GateVenue = {
    validator: {
      blockRateLimits: async () => orThrow(venue.limits),
      equityTiers: async () => venue.tiers,
    },
    indexer: { equity: async () => orThrow(venue.equity) },
    heights: {
      current: () =>
        venue.height === undefined
          ? undefined
          : { height: venue.height, time: new Date(venue.timeMs), observedAtMs: Date.now() },
    },
    isOracleFresh: (ticker) => !venue.staleOracles.includes(ticker),
  };
  const { config, secrets } = readConfig({
    LOG_LEVEL: 'silent',
    DATABASE_MAX_CONNECTIONS: '2',
    CONTROLS_POLL_MS: '50',
    ...settings,
  });
  const context = await openContext('gate', config, secrets);
  const gate = await startGate(context, given);
  return {
    gate,
    context,
    venue,
    [Symbol.asyncDispose]: async () => {
      await gate.stop();
      await context.close();
    },
  };
}

function orThrow<Value>(value: Value | Error): Value {
  if (value instanceof Error) throw value;
  return value;
}

let orders = 0;

/** A BUY of 1 BTC at 60000, the oracle's price of test/core/builders.ts; another order each time. */
export function placementOf(changes: Partial<Placement> = {}): Placement {
  orders += 1;
  return {
    tenantId: 'default',
    clientId: `gated-${orders}`,
    account: 'default',
    subaccountNumber: 0,
    owner: 'dydx1gate',
    market: 'BTC-USD',
    side: 'BUY',
    type: 'LIMIT',
    size: '1',
    price: '60000',
    triggerPrice: undefined,
    reduceOnly: false,
    isStateful: false,
    ...changes,
  };
}
