// What was offered as an intent and is none: kept with its reasons, so that nothing offered vanishes.
import type { Refusal } from '../core/intent.ts';
import type { Database } from './database.ts';

export type Rejection = {
  readonly tenantId: string | undefined;
  readonly clientId: string | undefined;
  /** job id and position, unique: the same refusal twice is recorded once */
  readonly source: string;
  readonly refusals: readonly Refusal[];
  readonly payload: string;
};

const MAX_PAYLOAD_CHARS = 4096;

export async function recordRejections(db: Database, rejections: readonly Rejection[]): Promise<void> {
  if (rejections.length === 0) return;
  await db
    .insertInto('intent_rejections')
    .values(
      rejections.map((rejection) => ({
        tenant_id: storable(rejection.tenantId, 255),
        client_id: storable(rejection.clientId, 255),
        source: storable(rejection.source, 255) ?? '',
        // The refusals are the door's own words: bounded and well-formed.
        refusals: JSON.stringify(rejection.refusals),
        payload: storable(rejection.payload, MAX_PAYLOAD_CHARS),
      })),
    )
    .onConflict((conflict) => conflict.column('source').doNothing())
    .execute();
}

/** Text that PostgreSQL takes whatever was offered: no NUL bytes, no half characters, cut. */
function storable(value: string | undefined, maxChars: number): string | null {
  return value === undefined ? null : value.slice(0, maxChars).replaceAll('\0', '\uFFFD').toWellFormed();
}
