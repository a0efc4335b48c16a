// Orders that come at a steady rate through the submitter's own statements, whatever the database does: how long each waits
// from its time until it is recorded with its signature, and until its answer is.
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../src/store/database.ts';
import { randomOf, type Spread, spreadOf } from './measure.ts';
import { acceptAll, newBatch, recordAll } from './order-batches.ts';

export type SubmissionOptions = {
  readonly seconds: number;
  /** orders a second */
  readonly rate: number;
  readonly seed: number;
  /** first client id: each may be used once */
  readonly from: number;
};

/** @returns ms of each order: two commits, and what it waited for those before it */
export async function submitFor(
  db: Database,
  { seconds, rate, seed, from }: SubmissionOptions,
  signal: AbortSignal,
): Promise<Spread> {
  const random = randomOf(seed);
  const startedMs = performance.now();
  const durationsMs: number[] = [];
  const submitted: Promise<void>[] = [];
  for (let index = 0; index < seconds * rate; index++) {
    const dueMs = startedMs + (index * 1_000) / rate;
    const restMs = dueMs - performance.now();
    if (restMs > 0) await delay(restMs, undefined, { signal });
    const batch = newBatch(random, from + index, 1);
    submitted.push(
      (async () => {
        await recordAll(db, batch);
        await acceptAll(db, batch);
        durationsMs.push(performance.now() - dueMs);
      })(),
    );
  }
  await Promise.all(submitted);
  return spreadOf(durationsMs);
}
