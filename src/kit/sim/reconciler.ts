// A reconciler of the simulation: the use case over the same functions of the store as src/runtime/reconciler.ts.
import { reconcileAll } from '../../app/reconcile.ts';
import { noTelemetry } from '../../core/telemetry.ts';
import { bookReport, listCursors } from '../../store/reconciling.ts';
import type { Exchange } from './exchange.ts';
import type { Mortal } from './mortal.ts';
import { openVenue, poll } from './venue.ts';
import type { World } from './world.ts';

/** Small, so that reports end in the middle of an order. */
const PAGE_SIZE = 4;
/** As in src/config.ts. */
const SETTLE_MARGIN_BLOCKS = 1;

/** @param owner whose cursors it reads: those of other seeds lie in the same database */
export function startReconciler(world: World, exchange: Exchange, mortal: Mortal, owner: string): void {
  const { db, call, name } = mortal;
  const venue = openVenue(world, mortal, exchange);
  const log = (message: string) => (fields: object, text: string) =>
    world.note(name, `${message}: ${text}`, fields);
  const deps = {
    indexer: venue.indexer,
    listCursors: call(async () => (await listCursors(db)).filter((cursor) => cursor.owner === owner)),
    book: call((report: Parameters<typeof bookReport>[1]) => bookReport(db, report, SETTLE_MARGIN_BLOCKS)),
    chainHeight: () => venue.block()?.height,
    pageSize: PAGE_SIZE,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    telemetry: noTelemetry,
  };
  // Idle subaccounts, too: run 0 is one that reads all.
  const pass = () => reconcileAll(deps, 0);
  poll(world, mortal, world.random.pick([2_500, 6_000]), pass);
}
