// Watches a set of intents until every one is final or refused.
import { setTimeout as delay } from 'node:timers/promises';
import { isFinal, type OrderStatus } from '../core/status.ts';
import type { Database } from '../store/database.ts';
import { countByStatus } from '../store/order-counts.ts';
import { type ListedOrder, listOrders } from '../store/order-pages.ts';
import { keyOf } from '../store/recording.ts';
import { type OrderKey, rejectedSince, standings } from '../store/standings.ts';
import { describeRefusals } from './intake.ts';
import { short, table } from './output.ts';
import type { Screen } from './screen.ts';

const POLL_MS = 250;
/** Asked about at a time. */
const WINDOW = 2_000;
const SHOWN_ORDERS = 15;
const SHOWN_REFUSALS = 100;

/** @returns how many the submitter refused; throws the signal's reason when that comes first */
export async function watchUntilSettled(
  db: Database,
  keys: readonly OrderKey[],
  since: Date,
  screen: Screen,
  signal: AbortSignal,
): Promise<number> {
  const open = new Map(keys.map((key) => [keyOf(key), key]));
  const tenants = [...new Set(keys.map(({ tenant_id }) => tenant_id))];
  let refused = 0;
  for (;;) {
    const asked = [...open.values()].slice(0, WINDOW);
    const statuses = new Map<string, OrderStatus>();
    if (asked.length > 0) {
      for (const row of await standings(db, asked)) {
        statuses.set(keyOf(row), row.status);
        if (isFinal(row.status)) open.delete(keyOf(row));
      }
      const unknown = asked.filter((key) => !statuses.has(keyOf(key)));
      for (const row of unknown.length > 0 ? await rejectedSince(db, unknown, since) : []) {
        refused += 1;
        open.delete(keyOf(row));
        if (refused <= SHOWN_REFUSALS)
          screen.line(`  refused ${row.client_id}: ${describeRefusals(row.refusals)}`);
      }
    }
    // Those that rest go to the back, or they would keep a whole window from being asked about.
    for (const key of asked) if (open.delete(keyOf(key))) open.set(keyOf(key), key);
    const lines = await frame(db, tenants, since, keys.length - open.size, keys.length);
    signal.throwIfAborted();
    screen.draw(lines);
    if (open.size === 0) {
      screen.finish();
      return refused;
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** @param tenants of the run @param since when it began */
async function frame(
  db: Database,
  tenants: readonly string[],
  since: Date,
  settled: number,
  total: number,
): Promise<string[]> {
  const counts = new Map<string, number>();
  const orders: ListedOrder[] = [];
  for (const tenantId of tenants) {
    for (const [status, count] of Object.entries(await countByStatus(db, { tenantId, since }))) {
      if (count > 0) counts.set(status, (counts.get(status) ?? 0) + count);
    }
    orders.push(...(await listOrders(db, { tenantId, limit: SHOWN_ORDERS })).orders);
  }
  orders.sort((a, b) => b.created_at.getTime() - a.created_at.getTime());
  const rows = orders
    .slice(0, SHOWN_ORDERS)
    .map((order) => [
      order.client_id.slice(0, 28),
      order.market,
      order.side,
      order.type,
      order.price === null ? 'market' : short(order.price),
      `${short(order.filled_size)}/${short(order.size)}`,
      order.status,
      order.status_reason ?? '',
    ]);
  return [
    `settled ${settled}/${total}  ${[...counts].map(([status, count]) => `${status} ${count}`).join('  ')}`.trimEnd(),
    '',
    ...table([['client id', 'market', 'side', 'type', 'price', 'filled', 'status', 'reason'], ...rows]).split(
      '\n',
    ),
  ];
}
