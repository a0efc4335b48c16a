// What subaccounts cost on which nothing happens: late fills could come there, so they are read as long as they are
// known. Measured twice with the same processes, before there are any and with them, in the middle of their turn.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { ensureCursor } from '../../store/cursors.ts';
import type { Database } from '../../store/database.ts';
import type { Servers } from '../lab/servers.ts';
import { openSite } from '../lab/site.ts';
import { startExchange } from './exchange.ts';
import { openOwner } from './open-orders.ts';
import { round, startUsage, type Usage } from './reconciler-usage.ts';

export type IdleOptions = {
  readonly subaccounts: number;
  readonly warmUpS: number;
  /** of each of the two windows */
  readonly seconds: number;
  readonly blockMs: number;
  readonly seed: number;
  /** of the router's processes, over what they have by themselves */
  readonly settings: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly onStage: (stage: string) => void;
};

export type IdleFigures = {
  readonly subaccounts: number;
  readonly cpu_ms_per_idle_subaccount_minute: Readonly<Record<'reconciler' | 'postgres', number>>;
  readonly requests_per_idle_subaccount_minute: number;
  /** the two windows that they are the difference of */
  readonly without: Usage;
  readonly with: Usage;
};

/** Long enough to be as seldom read as any. */
const IDLE_PASSES = 20;
/** MAX_WAIT_MS of app/reconcile.ts: within it each has its turn. */
const TURN_S = 60;

export async function runIdle(servers: Servers, options: IdleOptions): Promise<IdleFigures> {
  const { subaccounts, signal, onStage } = options;
  await using opened = new AsyncDisposableStack();
  const exchange = await startExchange(servers, options);
  opened.defer(() => exchange.process.stop());
  const site = opened.use(await openSite(servers, { exchange, settings: options.settings }));
  const reconciler = site.start('reconciler');
  await reconciler.ready;
  const measure = async (what: string): Promise<Usage> => {
    onStage(`${what}: warming up`);
    await delay(options.warmUpS * 1_000, undefined, { signal });
    onStage(`${what}: measuring`);
    const usedSince = await startUsage({ servers, exchange, reconcilers: [reconciler] });
    await delay(options.seconds * 1_000, undefined, { signal });
    return usedSince();
  };
  const without = await measure('no subaccount');
  await addIdle(site.db, subaccounts);
  const together = await measure(`${subaccounts} subaccounts`);
  const perMinute = (before: number, after: number) =>
    round((after / together.seconds - before / without.seconds) * (60 / subaccounts), 3);
  return {
    subaccounts,
    cpu_ms_per_idle_subaccount_minute: {
      reconciler: perMinute(without.cpu_ms.reconciler, together.cpu_ms.reconciler),
      postgres: perMinute(without.cpu_ms.postgres, together.cpu_ms.postgres),
    },
    requests_per_idle_subaccount_minute: perMinute(requestsOf(without), requestsOf(together)),
    without,
    with: together,
  };
}

function requestsOf({ requests }: Usage): number {
  return Object.values(requests).reduce((sum, count) => sum + count, 0);
}

/** Due one after another, as they are once they have been there for long. */
async function addIdle(db: Database, subaccounts: number): Promise<void> {
  const { owner } = await openOwner();
  for (let number = 0; number < subaccounts; number++) {
    await ensureCursor(db, { owner, subaccountNumber: number }, 0);
  }
  await sql`UPDATE reconcile_cursors SET idle_passes = ${IDLE_PASSES},
    due_at = clock_timestamp() + interval '1 second' * ${TURN_S} * subaccount_number / ${subaccounts}`.execute(
    db,
  );
}
