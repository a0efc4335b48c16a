// The reconcilers' share of what the indexer answers to one address: counted where the queue is, so that all of them
// together stay below it, as long as they go out by the same address. What the venue's window of 10 s can hold at most is
// its limit: of a bucket of 2 s six touch it, of one of 10 s two.
// Source: v4-chain indexer/services/comlink/src/config.ts: 100 requests per 10 s and address, for fills and for orders each.
import type { IndexerRequest } from '../app/reconcile.ts';
import { createOutage } from '../ops/outage.ts';
import { memoryRateStore } from '../queue/rate-store.ts';
import type { Context } from './context.ts';
import { createRateBudget, type Pool } from './rate-budget.ts';

/** For what cannot wait, in one go: subaccounts whose orders end in the same block. */
const URGENT_SHARE = 0.52;

/** @returns takes one request; false: none is left for now */
export function createIndexerBudget({
  config,
  queues,
  log,
}: Context): (request: IndexerRequest) => Promise<boolean> {
  const limit = config.INDEXER_REQUESTS_PER_10S;
  const urgent = poolOf('indexer urgent', 10, (limit * URGENT_SHARE) / 2);
  const routine = poolOf('indexer routine', 2, (limit * (1 - URGENT_SHARE)) / 6);
  const lists = poolOf('indexer lists', 2, limit / 6);
  const rows = { urgent: [[urgent, routine]], routine: [[routine]], list: [[lists]] };
  const budget = createRateBudget({
    store: queues.rateStore(),
    insurance: memoryRateStore(),
    outage: createOutage(log, "shared count of the indexer's requests"),
  });
  return (request) => budget.take(rows[request], Math.floor(Date.now() / 1_000), 1);
}

/** While the shared count is away a process lives on a quarter. */
function poolOf(name: string, seconds: number, points: number): Pool {
  const whole = Math.max(1, Math.floor(points));
  return {
    name,
    bucket: { blocks: seconds, points: whole },
    insured: { blocks: seconds, points: Math.max(1, Math.floor(whole / 4)) },
    maxUnitMs: 1_000,
  };
}
