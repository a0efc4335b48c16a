// The commands that talk to a database which others run: migrate, submit, show, orders.
import { createRouterClient, type RouterClientOptions } from '../client.ts';
import { ConfigError, readConfig } from '../config.ts';
import type { OrderStatus } from '../core/status.ts';
import { chooseBackend } from '../queue/backend.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { migrate, migrationStatus, requireSchema } from '../store/migrator.ts';
import { findOrder, latestRejections, listOrders } from '../store/reads.ts';
import { describeRefusals, describeRefused, takeIn } from './intake.ts';
import { short, table, time } from './output.ts';
import { storyAsJson, storyAsText } from './show.ts';

type Connected = {
  readonly db: Database;
  /** where the router's database and queue are */
  readonly router: RouterClientOptions;
};

async function withDatabase<Result>(work: (connected: Connected) => Promise<Result>): Promise<Result> {
  const { config, secrets } = readConfig(process.env);
  const { databaseUrl, redisUrl } = secrets;
  if (databaseUrl === undefined) {
    throw new ConfigError(
      'no database: set DATABASE_URL, or DATA_DIR to the folder of a running `npm start`',
    );
  }
  const db = openDatabase({ url: databaseUrl, maxConnections: 4, applicationName: 'dydx-order-router cli' });
  try {
    return await work({ db, router: { databaseUrl, redisUrl, queuePrefix: config.QUEUE_PREFIX } });
  } finally {
    await db.destroy();
  }
}

export async function runMigrate(statusOnly: boolean): Promise<void> {
  await withDatabase(async ({ db, router }) => {
    if (statusOnly) {
      const rows = (await migrationStatus(db)).map(({ name, appliedAt }) => [
        name,
        appliedAt ? time(appliedAt) : 'pending',
      ]);
      console.log(table([['migration', 'applied'], ...rows]));
      return;
    }
    const applied = await migrate(db);
    await chooseBackend(router).migrate();
    console.log(applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to do');
  });
}

/** @returns 0 when every line was taken, 2 when some were refused */
export async function runSubmit(file: string, json: boolean): Promise<number> {
  return withDatabase(async ({ db, router }) => {
    await requireSchema(db);
    await using client = createRouterClient(router);
    const counts = new Map<string, number>();
    await takeIn(client, db, file, 'recorded', (taken) => {
      counts.set(taken.outcome, (counts.get(taken.outcome) ?? 0) + 1);
      if (json) console.log(JSON.stringify(taken));
      else if ('refusals' in taken) console.error(describeRefused(taken));
      else if (taken.outcome === 'duplicate') {
        console.log(`line ${taken.line} ${taken.client_id} is a duplicate: it was recorded before`);
      }
    });
    if (!json)
      console.log([...counts].map(([outcome, count]) => `${outcome} ${count}`).join(', ') || 'no intents');
    return counts.has('invalid') || counts.has('conflict') ? 2 : 0;
  });
}

export async function runShow(tenant: string, clientId: string, json: boolean): Promise<void> {
  await withDatabase(async ({ db }) => {
    const story = await findOrder(db, tenant, clientId);
    if (story === undefined) {
      const [refused] = await latestRejections(db, tenant, clientId, 1);
      const why = refused === undefined ? '' : `; it was refused: ${describeRefusals(refused.refusals)}`;
      throw new Error(`no order with client_id ${clientId} (tenant ${tenant})${why}`);
    }
    console.log(json ? JSON.stringify(storyAsJson(story), null, 2) : storyAsText(story));
  });
}

type OrdersOptions = { market?: string; status?: OrderStatus; limit: number; after?: string; json: boolean };

export async function runOrders({ json, ...filter }: OrdersOptions): Promise<void> {
  await withDatabase(async ({ db }) => {
    const orders = await listOrders(db, filter);
    if (json) {
      for (const order of orders) console.log(JSON.stringify(order));
      return;
    }
    const rows = orders.map((order) => [
      time(order.created_at),
      order.client_id,
      order.market,
      order.side,
      order.type,
      short(order.size),
      short(order.price),
      short(order.filled_size),
      order.status,
      order.status_reason ?? '',
    ]);
    const head = [
      'created',
      'client id',
      'market',
      'side',
      'type',
      'size',
      'price',
      'filled',
      'status',
      'reason',
    ];
    console.log(orders.length === 0 ? 'no orders' : table([head, ...rows]));
    const last = orders.at(-1);
    if (last && orders.length === filter.limit) console.log(`more: --after ${last.id}`);
  });
}
