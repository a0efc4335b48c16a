// What a person must look at: incidents, what no intent explains, and orders that stand still.

import { listUnexplained } from '../store/comparing.ts';
import { closeIncident, listIncidents } from '../store/incidents.ts';
import { requireSchema } from '../store/migrations.ts';
import { listStuck } from '../store/stuck.ts';
import { table, time } from './output.ts';
import { whoIs } from './who.ts';
import { withDatabase } from './with-database.ts';

type ListOptions = { readonly limit: number; readonly json: boolean };

/** @returns 1 while there are some that nobody has closed */
export async function runIncidents(options: ListOptions & { readonly all: boolean }): Promise<number> {
  return withDatabase(async ({ db }) => {
    await requireSchema(db);
    const incidents = await listIncidents(db, { isAll: options.all, limit: options.limit });
    const isOpen = incidents.some(({ closed_at }) => closed_at === null);
    if (options.json) for (const each of incidents) console.log(JSON.stringify(each));
    else if (incidents.length === 0) console.log('no incidents');
    else {
      console.log(
        table([
          ['id', 'at', 'kind', 'about', 'order', 'closed by', 'evidence'],
          ...incidents.map((each) => [
            each.id,
            time(each.created_at),
            each.kind,
            each.subject,
            each.client_id ?? '-',
            each.closed_by ?? '-',
            JSON.stringify(each.details),
          ]),
        ]),
      );
      if (isOpen) console.log('\nWhen one is understood: router incidents close <id>');
    }
    return isOpen ? 1 : 0;
  });
}

export async function runCloseIncident(id: string, by: string | undefined): Promise<void> {
  await withDatabase(async ({ db }) => {
    await requireSchema(db);
    if (!(await closeIncident(db, id, whoIs(by)))) throw new Error(`there is no open incident ${id}`);
    console.log(`incident ${id} is closed`);
  });
}

/** @returns 1 when there is something */
export async function runUnexplained({ limit, json }: ListOptions): Promise<number> {
  return withDatabase(async ({ db }) => {
    await requireSchema(db);
    const { fills, orders } = await listUnexplained(db, limit);
    if (json) {
      for (const order of orders) console.log(JSON.stringify({ what: 'order', ...order }));
      for (const fill of fills) console.log(JSON.stringify({ what: 'fill', ...fill }));
    } else if (fills.length + orders.length === 0) {
      console.log('every fill and every order on our subaccounts is one of ours');
    } else {
      console.log(
        table([
          ['found', 'what', 'subaccount', 'order UUID', 'why, or as listed'],
          ...orders.map((row) => [
            time(row.created_at),
            'order',
            `${row.owner}/${row.subaccount_number}`,
            row.order_uuid,
            JSON.stringify(row.listed),
          ]),
          ...fills.map((row) => [
            time(row.created_at),
            'fill',
            `${row.owner}/${row.subaccount_number}`,
            row.order_uuid ?? '-',
            row.reason,
          ]),
        ]),
      );
    }
    return fills.length + orders.length === 0 ? 0 : 1;
  });
}

const WHY = {
  doubt: 'sent, and neither an answer nor proof came',
  due: 'its next step is due, and nobody took it: does a submitter run?',
  dead: 'its last block is over, and it was not settled: does the reconciler run?',
  set_aside: 'set aside by a recovery: compare it with router unexplained, then router cancel',
} as const;

/** @returns 1 when there is one */
export async function runStuck({
  olderThan,
  limit,
  json,
}: ListOptions & { readonly olderThan: number }): Promise<number> {
  return withDatabase(async ({ db }) => {
    await requireSchema(db);
    const stuck = await listStuck(db, olderThan, limit);
    if (json) for (const order of stuck) console.log(JSON.stringify(order));
    else if (stuck.length === 0) console.log(`no order stands still for more than ${olderThan} s`);
    else {
      console.log(
        table([
          ['since', 'tenant', 'client id', 'market', 'status', 'retries', 'why', 'last error'],
          ...stuck.map((order) => [
            time(order.since),
            order.tenant_id,
            order.client_id,
            order.market,
            order.status,
            String(order.retry_count),
            WHY[order.why],
            (order.error_message ?? '-').slice(0, 80),
          ]),
        ]),
      );
    }
    return stuck.length === 0 ? 0 : 1;
  });
}
