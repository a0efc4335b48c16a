// The commands that talk to a database which others run: migrate, roles, submit, show, orders, count, monitor.
import { createRouterClient } from '../client.ts';
import { formatCursor, type OrderCursor } from '../core/order-cursor.ts';
import type { OrderStatus } from '../core/status.ts';
import { chooseBackend } from '../queue/backend.ts';
import { migrationStatus, requireSchema } from '../store/migrations.ts';
import { countByStatus } from '../store/order-counts.ts';
import { listActiveOrders, listOrders } from '../store/order-pages.ts';
import { findOrder } from '../store/order-story.ts';
import { type RoleGrant, setUpRoles } from '../store/role-setup.ts';
import { latestRejections } from '../store/standings.ts';
import { asTenant } from '../store/tenant.ts';
import { bringUpToDate } from './bring-up-to-date.ts';
import { describeRefusals, describeRefused, takeIn } from './intake.ts';
import { type Monitored, monitor } from './monitor.ts';
import { short, table, time } from './output.ts';
import { type RoleLogin, readLogin } from './role-logins.ts';
import { storyAsJson, storyAsText } from './show.ts';
import { withDatabase } from './with-database.ts';

export async function runMigrate(statusOnly: boolean): Promise<void> {
  await withDatabase(
    async ({ db, router }) => {
      if (statusOnly) {
        const rows = (await migrationStatus(db)).map(({ name, appliedAt }) => [
          name,
          appliedAt ? time(appliedAt) : 'pending',
        ]);
        console.log(table([['migration', 'applied'], ...rows]));
        return;
      }
      const { applied, notes } = await bringUpToDate(
        router.databaseDirectUrl,
        chooseBackend({ ...router, databaseUrl: router.databaseDirectUrl }),
        () => console.error('another process migrates, waiting for it'),
      );
      for (const note of notes) console.error(note);
      console.log(applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to do');
    },
    { isDirect: true },
  );
}

/** @param given logins that are there @param logins those that are made of URLs in files */
export async function runRoles(given: readonly RoleGrant[], logins: readonly RoleLogin[]): Promise<void> {
  const grants = [...given, ...logins.map(readLogin)];
  await withDatabase(
    async ({ db }) => {
      const { created, lacking, hasTables } = await setUpRoles(db, grants);
      for (const line of lacking) console.error(line);
      if (!hasTables) console.error('no tables yet, so no rights on them: run `router migrate`');
      console.log(created.length > 0 ? `created ${created.join(', ')}` : 'every role was there');
      if (hasTables) console.log('rights and policies are as they should be');
      for (const { user, role } of grants) console.log(`${user} is a member of ${role}`);
    },
    { isDirect: true },
  );
}

/** @returns 0 when every line was taken, 2 when some were refused */
export async function runSubmit(file: string, tenantId: string | undefined, json: boolean): Promise<number> {
  return withDatabase(async ({ db, router }) => {
    await requireSchema(db);
    await using client = createRouterClient({ ...router, tenantId });
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
    const story = await asTenant(db, tenant, (trx) => findOrder(trx, tenant, clientId), 'repeatable read');
    if (story === undefined) {
      const [refused] = await asTenant(db, tenant, (trx) => latestRejections(trx, tenant, clientId, 1));
      const why = refused === undefined ? '' : `; it was refused: ${describeRefusals(refused.refusals)}`;
      throw new Error(`no order with client_id ${clientId} (tenant ${tenant})${why}`);
    }
    console.log(json ? JSON.stringify(storyAsJson(story), null, 2) : storyAsText(story));
  });
}

type OrdersOptions = {
  tenant: string;
  market?: string;
  status?: OrderStatus;
  active: boolean;
  limit: number;
  after?: OrderCursor;
  json: boolean;
};

export async function runOrders({ tenant, active, json, ...filter }: OrdersOptions): Promise<void> {
  await withDatabase(async ({ db }) => {
    const { market } = filter;
    if (active && (market === undefined || filter.status !== undefined)) {
      throw new Error('--active lists the active orders of one market: give --market, and no --status');
    }
    const { orders, next } = await asTenant(db, tenant, (trx) =>
      active && market !== undefined
        ? listActiveOrders(trx, { tenantId: tenant, ...filter, market })
        : listOrders(trx, { tenantId: tenant, ...filter }),
    );
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
      `${order.status_reason ?? ''}${order.archived_at === null ? '' : ' (archived)'}`.trim(),
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
    if (next !== undefined) console.log(`more: --after ${formatCursor(next)}`);
  });
}

export async function runCount(tenant: string, since: Date | undefined, json: boolean): Promise<void> {
  await withDatabase(async ({ db }) => {
    const counts = await asTenant(db, tenant, (trx) => countByStatus(trx, { tenantId: tenant, since }));
    if (json) console.log(JSON.stringify(counts));
    else console.log(table(Object.entries(counts).map(([status, count]) => [status, String(count)])));
  });
}

export async function runMonitor(what: Monitored, json: boolean): Promise<void> {
  await withDatabase(async ({ db }) => console.log(await monitor(db, what, json)));
}
