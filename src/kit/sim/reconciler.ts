// A reconciler of the simulation: the use case over the same functions of the store as src/runtime/reconciler.ts.
import { reconcileAll } from '../../app/reconcile.ts';
import type { Incident } from '../../core/incidents.ts';
import type { ListedOrder } from '../../core/ports.ts';
import { noTelemetry } from '../../core/telemetry.ts';
import { compareOrders } from '../../store/comparing.ts';
import { type Cursor, claimCursors, releaseCursors } from '../../store/cursors.ts';
import { recordIncidents } from '../../store/incidents.ts';
import { bookReport } from '../../store/reconciling.ts';
import type { Exchange } from './exchange.ts';
import type { Mortal } from './mortal.ts';
import { openVenue, poll } from './venue.ts';
import type { World } from './world.ts';

/** Small, so that reports end in the middle of an order. */
const PAGE_SIZE = 4;
const CATCH_UP_SIZE = 6;
/** As in src/config.ts. */
const SETTLE_MARGIN_BLOCKS = 1;
const MAX_CLAIMED = 32;
const LEASE_MS = 5_000;
/** Below the time between two passes: in each, all is due: fills come late there. */
const INTERVAL_MS = 1_000;

/** @param owner whose subaccounts it reads: those of other seeds lie in the same database */
export function startReconciler(world: World, exchange: Exchange, mortal: Mortal, owner: string): void {
  const { db, call, name } = mortal;
  const venue = openVenue(world, mortal, exchange);
  const log = (message: string) => (fields: object, text: string) =>
    world.note(name, `${message}: ${text}`, fields);
  const deps = {
    indexer: venue.indexer,
    claim: call((deadAt: number) =>
      claimCursors(db, { limit: MAX_CLAIMED, deadAt, leaseMs: LEASE_MS, owner }),
    ),
    release: call((released: Parameters<typeof releaseCursors>[1][number]) => releaseCursors(db, [released])),
    mayAsk: async () => true,
    book: call((report: Parameters<typeof bookReport>[1]) => bookReport(db, report, SETTLE_MARGIN_BLOCKS)),
    compare: call((cursor: Cursor, open: readonly ListedOrder[], recent: readonly ListedOrder[]) =>
      compareOrders(db, cursor, open, recent),
    ),
    recordIncidents: call((incidents: readonly Incident[]) => recordIncidents(db, incidents)),
    chainHeight: () => venue.block()?.height,
    pageSize: PAGE_SIZE,
    catchUpSize: CATCH_UP_SIZE,
    marginBlocks: SETTLE_MARGIN_BLOCKS,
    intervalMs: INTERVAL_MS,
    maxIdleMs: INTERVAL_MS,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    telemetry: noTelemetry,
  };
  const pass = () => reconcileAll(deps);
  poll(world, mortal, world.random.pick([2_500, 6_000]), pass);
}
