// What a door asks of the database and writes there. How much it may depends on its role: a producer's knows the queue
// only, an app's acts for one tenant, and the others see all.
import { sql } from 'kysely';
import type { Market } from '../core/market.ts';
import { repeatTransient } from './batcher.ts';
import { type CancelRequested, requestCancel } from './cancels.ts';
import type { Database } from './database.ts';
import { loadMarkets } from './markets.ts';
import { type NewOrder, type Recorded, recordOrders, spentKeys } from './recording.ts';
import { type Rejection, recordRejections } from './rejections.ts';
import { SEE_ALL } from './roles.ts';
import { type OrderKey, rejectedSince } from './standings.ts';
import { asTenant } from './tenant.ts';

export type DoorStore = {
  /** empty while no submitter has seen any, and for a role that may not know */
  readonly markets: () => Promise<readonly Market[]>;
  /** intent_hash by keyOf, of the keys that are spent */
  readonly spent: (keys: readonly OrderKey[]) => Promise<Map<string, string | null>>;
  /** those of the keys whose job was refused by a submitter */
  readonly refused: (keys: readonly OrderKey[]) => Promise<readonly OrderKey[]>;
  readonly keepRejections: (rejections: readonly Rejection[]) => Promise<void>;
  /** undefined: this role may only queue */
  readonly requestCancel: (key: OrderKey) => Promise<CancelRequested | undefined>;
  /** Throws for a role that may only queue. */
  readonly record: (orders: readonly NewOrder[]) => Promise<readonly Recorded[]>;
};

/** @param tenantId all that is asked and written is this tenant's; required of a role under row-level security */
export function openDoorStore(db: Database, tenantId: string | undefined): DoorStore {
  const on = <Result>(work: (db: Database) => Promise<Result>): Promise<Result> =>
    tenantId === undefined ? work(db) : asTenant(db, tenantId, work);
  let rights: Promise<boolean> | undefined;
  const mayKnow = async (): Promise<boolean> => {
    rights ??= mayReadKeys(db, tenantId).catch((error: unknown) => {
      rights = undefined;
      throw error;
    });
    return rights;
  };
  return {
    markets: async () => ((await mayKnow()) ? on(loadMarkets) : []),
    spent: async (keys) => ((await mayKnow()) ? on((trx) => spentKeys(trx, keys)) : new Map()),
    refused: async (keys) => ((await mayKnow()) ? on((trx) => rejectedSince(trx, keys, new Date(0))) : []),
    keepRejections: async (rejections) => {
      if (!(await mayKnow())) return;
      // Whatever tenant it named: it was offered by this one.
      const own = tenantId === undefined ? rejections : rejections.map((each) => ({ ...each, tenantId }));
      await on((trx) => recordRejections(trx, own));
    },
    requestCancel: async ({ tenant_id, client_id }) => {
      if (!(await mayKnow())) return undefined;
      return repeatTransient(() => on((trx) => requestCancel(trx, tenant_id, client_id)));
    },
    record: async (orders) => {
      if (!(await mayKnow())) {
        throw new Error(
          "this login may only queue: enqueue without until: 'recorded', or use one of cryptopulse_app",
        );
      }
      return repeatTransient(() => on((trx) => recordOrders(trx, orders)));
    },
  };
}

async function mayReadKeys(db: Database, tenantId: string | undefined): Promise<boolean> {
  const { rows } = await sql<{ may: boolean; is_one_tenants: boolean }>`
    SELECT has_table_privilege('order_keys', 'SELECT') AS may,
      row_security_active('order_keys') AND NOT EXISTS (SELECT FROM pg_roles r
        WHERE r.rolname = ANY(${[...SEE_ALL]}) AND pg_has_role(r.oid, 'USAGE')) AS is_one_tenants`.execute(
    db,
  );
  const [right] = rows;
  if (right?.may && right.is_one_tenants && tenantId === undefined) {
    throw new Error("this login sees one tenant's orders only: say whose (tenantId, or --tenant)");
  }
  return right?.may === true;
}
