// What was offered as an intent and is none: kept with its reasons, so that nothing offered vanishes.
import type { Refusal } from '../core/intent.ts';
import type { Database } from './database.ts';
import { storableText } from './text.ts';

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
        // An empty name is none: it is what an unset tenant looks like to row-level security.
        tenant_id: storable(rejection.tenantId || undefined, 255),
        client_id: storable(rejection.clientId, 255),
        source: storableText(rejection.source, 1000),
        // A reason may quote what was offered.
        refusals: JSON.stringify(
          rejection.refusals.map(({ field, code, reason }) => ({
            field: storableText(field, 200),
            code,
            reason: storableText(reason, 1000),
          })),
        ),
        payload: storable(rejection.payload, MAX_PAYLOAD_CHARS),
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function storable(value: string | undefined, maxChars: number): string | null {
  return value === undefined ? null : storableText(value, maxChars);
}
