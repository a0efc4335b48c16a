// What became of what was offered, by key: standings of orders, and refusals.
import { sql } from 'kysely';
import type { Refusal } from '../core/intent.ts';
import type { OrderStatus } from '../core/status.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';

export type OrderKey = { readonly tenant_id: string; readonly client_id: string };
const KEY_COLUMNS = { tenant_id: 'text', client_id: 'text' } as const;

/** Where the orders of these keys stand; keys without a row are left out. */
export async function standings(db: Database, keys: readonly OrderKey[]) {
  const { rows } = await sql<OrderKey & { status: OrderStatus }>`
    SELECT o.tenant_id, o.client_id, o.status FROM ${rowsAs('d', KEY_COLUMNS, keys)}
    JOIN order_keys k ON k.tenant_id = d.tenant_id AND k.client_id = d.client_id
    JOIN orders o ON o.id = k.order_id`.execute(db);
  return rows;
}

/** Those of the keys whose `place` job was refused by a submitter since then, with the reasons. */
export async function rejectedSince(db: Database, keys: readonly OrderKey[], since: Date) {
  const { rows } = await sql<OrderKey & { refusals: Refusal[] }>`
    SELECT DISTINCT ON (r.tenant_id, r.client_id) r.client_id, d.tenant_id, r.refusals
    FROM ${rowsAs('d', KEY_COLUMNS, keys)}
    JOIN intent_rejections r ON coalesce(r.tenant_id, 'default') = d.tenant_id AND r.client_id = d.client_id
    WHERE r.created_at >= ${since} AND r.source LIKE 'p-%'`.execute(db);
  return rows;
}

/** Newest first. */
export async function latestRejections(db: Database, tenantId: string, clientId: string, limit: number) {
  const { rows } = await sql<{ refusals: Refusal[]; created_at: Date }>`
    SELECT refusals, created_at FROM intent_rejections
    WHERE coalesce(tenant_id, 'default') = ${tenantId} AND client_id = ${clientId}
    ORDER BY id DESC LIMIT ${limit}`.execute(db);
  return rows;
}
