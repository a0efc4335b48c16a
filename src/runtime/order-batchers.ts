// The shared commits of the submitter: what concurrent jobs ask for at the same time goes into one statement.
import type { SubmitDeps } from '../app/submit.ts';
import type { WakeDeps } from '../app/wake.ts';
import type { Batch, Telemetry } from '../core/telemetry.ts';
import { startAttempts, startResends } from '../store/attempts.ts';
import { createBatcher } from '../store/batcher.ts';
import type { Database } from '../store/database.ts';
import { endNeverSent, recordOutcomes } from '../store/outcomes.ts';
import { recordOrders } from '../store/recording.ts';

/** The answer is not on the way to the venue: wait a little for company. */
const OUTCOME_LINGER_MS = 10;

/** Tells what a batcher does under the batch's name. */
function toldAs({ flushed }: Telemetry, batch: Batch) {
  return (items: number, ms: number, isCommitted: boolean) => flushed(batch, items, ms, isCommitted);
}

export function submitBatchers(
  db: Database,
  telemetry: Telemetry,
): Pick<SubmitDeps, 'record' | 'recordOutcome' | 'endNeverSent'> {
  return {
    record: createBatcher({
      flush: (orders) => recordOrders(db, orders),
      onFlush: toldAs(telemetry, 'record'),
    }),
    recordOutcome: createBatcher({
      flush: (outcomes) => recordOutcomes(db, outcomes),
      lingerMs: OUTCOME_LINGER_MS,
      onFlush: toldAs(telemetry, 'outcome'),
    }),
    endNeverSent: createBatcher({
      flush: async (orders) => {
        const ended = await endNeverSent(db, orders);
        return orders.map(({ id }) => ended.has(id));
      },
      onFlush: toldAs(telemetry, 'end_never_sent'),
    }),
  };
}

export function wakeBatchers(
  db: Database,
  telemetry: Telemetry,
  windowBlocks: number,
): Pick<WakeDeps, 'startAttempt' | 'startResend'> {
  return {
    startAttempt: createBatcher({
      flush: async (attempts) => {
        const numbers = await startAttempts(db, attempts, windowBlocks);
        return attempts.map(({ tx }) => numbers.get(tx.hash));
      },
      onFlush: toldAs(telemetry, 'start_attempt'),
    }),
    startResend: createBatcher({
      flush: async (resends) => {
        const allowed = await startResends(db, resends);
        // Of two claims of one order in this batch the first one is counted, and only that one may send.
        return resends.map(({ id }) => allowed.delete(id));
      },
      onFlush: toldAs(telemetry, 'start_resend'),
    }),
  };
}
