// The source schema's four queries, as the router asks them: what is drawn for each call, and how long it may take.
import type { OrderCursor } from '../src/core/order-cursor.ts';
import { STATUSES } from '../src/core/status.ts';
import { SEEDED_DAYS, SEEDED_UNTIL } from '../src/kit/bench/seed-rows.ts';
import { BUSIEST_TENANT, MARKET_URN } from '../src/kit/bench/seed-shares.ts';
import type { Database } from '../src/store/database.ts';
import { countByStatus } from '../src/store/order-counts.ts';
import { listActiveOrders, listOrders } from '../src/store/order-pages.ts';
import { orderWithHistory } from '../src/store/order-story.ts';
import { pick, type Random } from './measure.ts';

const DAY_MS = 86_400_000;
/** As many as `router orders` shows. */
const PAGE = 50;
/** A reader starts anew after this many pages. */
const WALK_PAGES = 10;
const PAGE_TARGET_MS = 5;
const WHOLE_TARGET_MS = 300;

export type QueryCase = {
  readonly name: string;
  /** of the 99th percentile */
  readonly targetMs: number;
  readonly calls: number;
  /** The next call; what it draws is drawn before the clock runs. */
  readonly next: (random: Random) => (db: Database) => Promise<unknown>;
};

export type CaseCounts = {
  /** of each query but the counts of everything */
  readonly calls: number;
  readonly wholeCalls: number;
};

/** @param ids of orders of the busiest tenant */
export function queryCases({ calls, wholeCalls }: CaseCounts, ids: readonly string[]): readonly QueryCase[] {
  const tenantId = BUSIEST_TENANT;
  const since = new Date(SEEDED_UNTIL.getTime() - DAY_MS);
  const often = { calls, targetMs: PAGE_TARGET_MS };
  const whole = { calls: wholeCalls, targetMs: WHOLE_TARGET_MS };
  return [
    {
      ...often,
      name: 'active orders of a market',
      next: (random) => {
        const market = anyMarket(random);
        return (db) => listActiveOrders(db, { tenantId, market, limit: PAGE });
      },
    },
    ...FILTERS.flatMap(({ name, filter }) => [
      { ...often, name: `orders${name}, first page`, next: firstPages(tenantId, filter) },
      { ...often, name: `orders${name}, deep pages`, next: deepPages(tenantId, filter) },
    ]),
    {
      ...often,
      name: 'an order with its history',
      next: (random) => {
        const id = pick(random, ids);
        return (db) => orderWithHistory(db, id);
      },
    },
    {
      ...often,
      name: 'count by status, last day of a tenant',
      next: () => (db) => countByStatus(db, { tenantId, since }),
    },
    {
      ...whole,
      name: 'count by status, all of a tenant',
      next: () => (db) => countByStatus(db, { tenantId }),
    },
    { ...whole, name: 'count by status, everything', next: () => (db) => countByStatus(db) },
  ];
}

/** By its share of orders: who has most is asked for most. */
function anyMarket(random: Random): string {
  const draw = random();
  return MARKET_URN.find(({ upto }) => draw < upto)?.name ?? 'BTC-USD';
}

type Filter = (random: Random) => Pick<Parameters<typeof listOrders>[1], 'market' | 'status'>;

const anyStatus = (random: Random) => pick(random, STATUSES);

const FILTERS: readonly { readonly name: string; readonly filter: Filter }[] = [
  { name: '', filter: () => ({}) },
  { name: ' of a market', filter: (random) => ({ market: anyMarket(random) }) },
  { name: ' in a status', filter: (random) => ({ status: anyStatus(random) }) },
  {
    name: ' of a market in a status',
    filter: (random) => ({ market: anyMarket(random), status: anyStatus(random) }),
  },
];

function firstPages(tenantId: string, filter: Filter): QueryCase['next'] {
  return (random) => {
    const filtered = { tenantId, limit: PAGE, ...filter(random) };
    return (db) => listOrders(db, filtered);
  };
}

/** From a page somewhere in the 90 days on, by the cursor that each page ends with. */
function deepPages(tenantId: string, filter: Filter): QueryCase['next'] {
  let filtered: ReturnType<Filter> = {};
  let after: OrderCursor | undefined;
  let pages = 0;
  return (random) => {
    if (after === undefined || pages >= WALK_PAGES) {
      filtered = filter(random);
      after = anyCursor(random);
      pages = 0;
    }
    pages++;
    return async (db) => {
      ({ next: after } = await listOrders(db, { tenantId, limit: PAGE, ...filtered, after }));
    };
  };
}

function anyCursor(random: Random): OrderCursor {
  const ms = SEEDED_UNTIL.getTime() - Math.floor(random() * SEEDED_DAYS * DAY_MS);
  return { createdAtMicros: `${ms}000`, id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };
}
