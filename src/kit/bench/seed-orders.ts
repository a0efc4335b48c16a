// Fills a migrated database with orders: 90 days of them, of several tenants and markets, nearly all final, the active
// ones among the newest. Reproducible: one seed, one set of rows (seed-rows.ts).
import { sql } from 'kysely';
import { openDatabase } from '../../store/database.ts';
import { MAINTAINED } from '../../store/roles.ts';
import { insertSeeded, type SeedPlan } from './seed-rows.ts';

const CHUNK_ORDERS = 20_000;
const PROGRESS_EVERY = 200_000;
/** Of the newest orders, how many may still be active: about four hours of them at 2 million in 90 days. */
const RECENT_SHARE = 0.02;
const MAX_RECENT = 4_000;

export type SeedOptions = {
  readonly orders: number;
  readonly seed: number;
  /** false: all are final; default true */
  readonly hasActive?: boolean;
};

/** @param url a superuser's: triggers are switched off, for the history comes ready-made */
export async function seedOrders(
  url: string,
  options: SeedOptions,
  onProgress: (orders: number) => void = () => {},
): Promise<void> {
  const plan = planOf(options);
  const db = openDatabase({ url, maxConnections: 1, isUnhurried: true });
  try {
    await db.connection().execute(async (session) => {
      await sql`SET session_replication_role = replica`.execute(session);
      for (let from = 1; from <= plan.orders; from += CHUNK_ORDERS) {
        const to = Math.min(from + CHUNK_ORDERS - 1, plan.orders);
        await insertSeeded(plan, from, to).execute(session);
        if (to % PROGRESS_EVERY === 0) onProgress(to);
      }
      await sql.raw(`VACUUM (ANALYZE) ${MAINTAINED.join(', ')}`).execute(session);
    });
  } finally {
    await db.destroy();
  }
}

export function planOf({ orders, seed, hasActive = true }: SeedOptions): SeedPlan {
  const recent = hasActive ? Math.min(Math.ceil(orders * RECENT_SHARE), MAX_RECENT) : 0;
  return { orders, seed, recent };
}
