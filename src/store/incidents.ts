// Incidents: kept with their evidence until somebody closes them.
import { sql, type Transaction } from 'kysely';
import type { Incident } from '../core/incidents.ts';
import type { Database } from './database.ts';
import { rowsAs } from './rows.ts';
import type { DB } from './schema.ts';

/** @returns those that are new: what is open already is not told again */
export async function recordIncidents(
  db: Database | Transaction<DB>,
  incidents: readonly Incident[],
): Promise<Incident[]> {
  if (incidents.length === 0) return [];
  const columns = { kind: 'text', subject: 'text', order_id: 'uuid', details: 'jsonb' } as const;
  const rows = incidents.map(({ kind, subject, orderId, details }) => ({
    kind,
    subject,
    order_id: orderId,
    details,
  }));
  const { rows: made } = await sql<{ kind: string; subject: string }>`
    INSERT INTO incidents (kind, subject, order_id, details)
    SELECT DISTINCT ON (kind, subject) kind, subject, order_id, details FROM ${rowsAs('d', columns, rows)}
    ORDER BY kind, subject
    ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING
    RETURNING kind, subject`.execute(db);
  return made.flatMap(
    ({ kind, subject }) => incidents.find((one) => one.kind === kind && one.subject === subject) ?? [],
  );
}

/** Newest first. @param isAll closed ones, too */
export function listIncidents(db: Database, { isAll, limit }: { isAll: boolean; limit: number }) {
  return db
    .selectFrom('incidents as i')
    .leftJoin('orders as o', 'o.id', 'i.order_id')
    .select(['i.id', 'i.kind', 'i.subject', 'i.details', 'i.created_at', 'i.closed_at', 'i.closed_by'])
    .select(['o.tenant_id', 'o.client_id'])
    .$if(!isAll, (query) => query.where('i.closed_at', 'is', null))
    .orderBy('i.id', 'desc')
    .limit(limit)
    .execute();
}

/** @returns false: there is no open incident of that number */
export async function closeIncident(db: Database, id: string, by: string): Promise<boolean> {
  const result = await db
    .updateTable('incidents')
    .set({ closed_at: sql`clock_timestamp()`, closed_by: by })
    .where('id', '=', id)
    .where('closed_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
