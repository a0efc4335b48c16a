// The venue's uint32 client ids, taken from the database in blocks, so that no two processes ever use one twice.
import { sql } from 'kysely';
import type { Database } from './database.ts';

/** The sequence's increment. */
const BLOCK_SIZE = 1000;
const MAX_CLIENT_ID = 2 ** 32 - 1;

export type ClientIds = { readonly next: () => Promise<number> };

export function createClientIds(db: Database): ClientIds {
  let next = 0;
  let end = 0;
  let loading: Promise<void> | undefined;

  const load = async (): Promise<void> => {
    const { rows } = await sql<{ start: string }>`SELECT nextval('dydx_client_id_blocks') AS start`.execute(
      db,
    );
    const start = Number(rows[0]?.start);
    next = start;
    end = Math.min(start + BLOCK_SIZE, MAX_CLIENT_ID + 1);
  };

  return {
    next: async () => {
      while (next >= end) {
        loading ??= load().finally(() => {
          loading = undefined;
        });
        await loading;
      }
      return next++;
    },
  };
}
