// The reconcilers' share of what the indexer answers to one address: counted where the queue is, so that all of them
// together stay below it, as long as they go out by the same address.
// Source: v4-chain indexer/services/comlink/src/config.ts: 100 requests per 10 s and address, fills by themselves.
import { createOutage } from '../ops/outage.ts';
import { memoryRateStore } from '../queue/rate-store.ts';
import type { Context } from './context.ts';
import { createRateBudget, type Pool } from './rate-budget.ts';

const WINDOW_S = 10;
/** Six of them touch any window of the venue: what they hold together is its limit. */
const BUCKET_S = 2;

/** @returns takes one request; false: none is left for now */
export function createIndexerBudget({ config, queues, log }: Context): () => Promise<boolean> {
  const points = Math.max(1, Math.floor(config.INDEXER_REQUESTS_PER_10S / (WINDOW_S / BUCKET_S + 1)));
  const pool: Pool = {
    name: 'indexer',
    bucket: { blocks: BUCKET_S, points },
    insured: { blocks: BUCKET_S, points: Math.max(1, Math.floor(points / 4)) },
    maxUnitMs: 1_000,
  };
  const budget = createRateBudget({
    store: queues.rateStore(),
    insurance: memoryRateStore(),
    outage: createOutage(log, "shared count of the indexer's requests"),
  });
  return () => budget.take([[pool]], Math.floor(Date.now() / 1_000), 1);
}
