// How many requests the indexer still allows us, as it tells in the headers of every answer.
// Source: v4-chain indexer/services/comlink/src/lib/rate-limit.ts.
import { createHttp } from './http.ts';

const MAX_RESPONSE_BYTES = 64 * 1024;

export type IndexerBudget = { readonly remaining: number; readonly limit: number | undefined };

/** @returns undefined when it does not tell, as the paper exchange. Costs one request. */
export async function readIndexerBudget(url: string, timeoutMs: number): Promise<IndexerBudget | undefined> {
  const http = createHttp({ url, timeoutMs, connections: 1, maxResponseBytes: MAX_RESPONSE_BYTES });
  try {
    const outcome = await http.get('/v4/height');
    if (outcome.kind === 'failed') throw new Error(outcome.reason);
    const remaining = count(outcome.headers['ratelimit-remaining']);
    if (remaining === undefined) return undefined;
    return { remaining, limit: count(outcome.headers['ratelimit-limit']) };
  } finally {
    await http.close();
  }
}

function count(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
}
