// What every worker of either backend has in common.
import type { WorkerSettings } from './backend.ts';

/** A worker that dies this often with one job has found a poisonous one. */
const MAX_STALLED_COUNT = 5;
/** Finished jobs are done with: the rows are the truth, and a job that stays would swallow the same id again. */
const KEEP_COMPLETED = { count: 0 };

export function workerOptions({ backoff, connections: _, ...settings }: WorkerSettings) {
  return {
    ...settings,
    autorun: false,
    maxStalledCount: MAX_STALLED_COUNT,
    removeOnComplete: KEEP_COMPLETED,
    settings: { backoffStrategy: (attemptsMade: number) => backoff(attemptsMade) },
  };
}
