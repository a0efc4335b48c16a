// How long to wait before the next transmission: exponential with full jitter, by the order's retry_count.

export type RetryPolicy = {
  /** Upper bound of the first delay. Too low: the venue's rate limit is hit again at once. */
  readonly baseMs: number;
  /** Upper bound of every delay. Too high: an order with a long life sits idle after an outage. */
  readonly capMs: number;
};

/** About one block, and a few blocks: a short-term order lives 3 to 24 s. */
export const RETRY_POLICY: RetryPolicy = { baseMs: 500, capMs: 5_000 };

/** @param random in [0, 1) @returns ms, at least 1 so that a wake-up is always in the future */
export function backoff(retryCount: number, random: number, policy: RetryPolicy = RETRY_POLICY): number {
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(retryCount, 30));
  return Math.max(1, Math.floor(random * ceiling));
}
