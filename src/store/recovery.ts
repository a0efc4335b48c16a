// What a database needs that was restored, recovered to a time or promoted, before anybody may trade with it: what came
// after its last moment is forgotten, but the venue remembers. All in one transaction, safe to repeat.
import { type RawBuilder, sql } from 'kysely';
import { VENUE_WINDOW_BLOCKS } from '../core/wake.ts';
import { setMode } from './controls.ts';
import type { Database } from './database.ts';
import { highestKnownBlock } from './installation.ts';

export type Recovery = {
  readonly reason: string;
  readonly setBy: string;
  /** a synchronous standby was promoted: whatever left had been committed there, too */
  readonly isNothingLost: boolean;
};

/** How many orders each rule below met. */
export type Recovered = {
  readonly set_aside: number;
  readonly lives_prolonged: number;
  readonly cancels_requested: number;
};

const ACTIVE = sql`status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')`;
export const SET_ASIDE = 'set aside by a recovery';
const WHY_SET_ASIDE =
  ': it may have been sent by what is forgotten; compare it with router unexplained, then cancel it';

/** @param db as the owner of its tables, or as a superuser @throws when it is still in recovery */
export async function finishRecovery(db: Database, recovery: Recovery): Promise<Recovered> {
  return db.transaction().execute(async (trx) => {
    await refuseStandby(trx);
    const { reason, setBy, isNothingLost } = recovery;
    await setMode(trx, { tenantId: '', account: '', market: '', mode: 'HALTED', reason, setBy });
    await sql`SELECT setval('dydx_client_id_blocks', ${FAR_FROM_FORGOTTEN}) FROM dydx_client_id_blocks`.execute(
      trx,
    );
    // At most 20 s above a block's time, which is believed up to 10 s above the clock: what is given out from now on is
    // above whatever was given out and is forgotten.
    await sql`UPDATE signer_nonces SET updated_at = clock_timestamp(),
      last_nonce = greatest(last_nonce, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 30000)`.execute(
      trx,
    );
    // What may have been forgotten is dealt with: it is known here from now on.
    await sql`UPDATE installation SET server = current_server()`.execute(trx);
    // Forgotten fills are to be found at once, on idle subaccounts too.
    await sql`UPDATE reconcile_cursors SET due_at = clock_timestamp(), claimed_until = NULL, idle_passes = 0`.execute(
      trx,
    );
    // Those of a process that was at it then.
    await sql`UPDATE maintenance_runs SET ended_at = clock_timestamp(), outcome = 'failed', error = 'forgotten by a recovery'
      WHERE outcome IS NULL`.execute(trx);
    const none = { set_aside: 0, lives_prolonged: 0, cancels_requested: 0 };
    const recovered = isNothingLost ? none : await distrustOrders(trx);
    await trx
      .insertInto('maintenance_runs')
      .values({
        task: 'recovery',
        started_by: setBy,
        ended_at: sql`clock_timestamp()`,
        outcome: 'done',
        counts: JSON.stringify({ ...recovered, ...(await knownHeight(trx, isNothingLost)) }),
      })
      .execute();
    return recovered;
  });
}

/** What lies above it on a subaccount that has no cursor yet may be forgotten orders' (src/store/cursors.ts). */
async function knownHeight(
  trx: Database,
  isNothingLost: boolean,
): Promise<{ readonly known_height?: number }> {
  return isNothingLost ? {} : { known_height: await highestKnownBlock(trx) };
}

/** Everybody may execute a new function until `router roles` has been here, also one that acts as its owner. */
export async function closeRoutines(db: Database): Promise<void> {
  await sql`REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public FROM PUBLIC`.execute(db);
}

async function refuseStandby(db: Database): Promise<void> {
  const { rows } = await sql<{ is: boolean }>`SELECT pg_is_in_recovery() AS is`.execute(db);
  if (rows[0]?.is === true)
    throw new Error('the server is still in recovery, or a standby: promote it first');
}

/**
 * Forgotten ids follow on the last block that is known: a quarter to three quarters of the circle away from it nobody
 * has been for a billion orders. Drawn, for the same database may be recovered twice.
 */
const FAR_FROM_FORGOTTEN = sql`((last_value / 1000 + 1073742 + floor(random() * 2147483)::bigint) % 4294967) * 1000`;

/**
 * Orders about which more may have happened than is on record. What was never signed, as far as is known, must not be
 * signed now; what was signed may have been signed again, with a later good-til-block or another nonce.
 */
async function distrustOrders(trx: Database): Promise<Recovered> {
  const set_aside = await countOf(
    trx,
    sql`UPDATE orders SET next_wake_at = NULL, error_message = ${SET_ASIDE + WHY_SET_ASIDE}
      WHERE ${ACTIVE} AND attempt_count = 0 AND cancel_requested_at IS NULL`,
  );
  // The highest that can have been signed: it is dead, and settled, only there.
  const lives_prolonged = await countOf(
    trx,
    sql`UPDATE orders SET good_til_block = first_good_til_block + ${VENUE_WINDOW_BLOCKS}
      WHERE ${ACTIVE} AND good_til_block < first_good_til_block + ${VENUE_WINDOW_BLOCKS} AND cancel_requested_at IS NULL`,
  );
  const cancels_requested = await countOf(
    trx,
    sql`UPDATE orders SET cancel_requested_at = clock_timestamp()
      WHERE ${ACTIVE} AND nonce IS NOT NULL AND included_height IS NULL AND dead_height IS NULL
        AND cancel_requested_at IS NULL`,
  );
  return { set_aside, lives_prolonged, cancels_requested };
}

async function countOf(trx: Database, update: RawBuilder<unknown>): Promise<number> {
  return Number((await update.execute(trx)).numAffectedRows ?? 0n);
}
