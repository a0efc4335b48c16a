// The chain's newest height, by polling a validator. Invariants: the height never goes back while it is current, and a
// height that has not risen for maxAgeMs is not given out: the node is stuck, or the chain is, and either way a
// good-til-block computed from it would be wrong.
import { createPollLoop } from '../core/poll-loop.ts';
import type { Validator } from '../core/ports.ts';
import { createReadiness } from './readiness.ts';

type ObservedHeight = {
  readonly height: number;
  /** block time */
  readonly time: Date;
  /** local clock, when this height was asked for and first seen */
  readonly observedAtMs: number;
};

export type HeightFeed = {
  readonly start: () => void;
  readonly stop: () => Promise<void>;
  readonly current: () => ObservedHeight | undefined;
  /** Also when it is too old to be given out: for those who watch, never for those who sign. */
  readonly newest: () => ObservedHeight | undefined;
  /** Resolves with the first height; rejects after timeoutMs with the last error. */
  readonly ready: (timeoutMs: number) => Promise<void>;
};

export type HeightFeedOptions = {
  readonly validator: Pick<Validator, 'latestBlock'>;
  /** Pause between polls. Too high: orders lose blocks of their life. Too low: load for nothing below a block. */
  readonly intervalMs: number;
  /** Too low: a slow block stops submission. Too high: orders signed with an old height, refused as clob/10. */
  readonly maxAgeMs: number;
  readonly onError: (error: unknown) => void;
  /** The node has answered. */
  readonly onSeen?: () => void;
  readonly now?: () => number;
};

export function createHeightFeed(options: HeightFeedOptions): HeightFeed {
  const { validator, intervalMs, maxAgeMs, onError, onSeen, now = Date.now } = options;
  const readiness = createReadiness();
  let latest: ObservedHeight | undefined;
  let lastError: unknown;

  const loop = createPollLoop(async () => {
    const observedAtMs = now();
    try {
      const { height, time } = await validator.latestBlock();
      // Behind one URL there may be several nodes, some of them behind.
      // One wrong high answer must not blind us for ever: what is too old to be given out may be replaced.
      // A stuck node repeats its block: only a newer one may replace it.
      const isTooOld = latest !== undefined && now() - latest.observedAtMs > maxAgeMs && time > latest.time;
      if (latest === undefined || height > latest.height || isTooOld) latest = { height, time, observedAtMs };
      readiness.markReady();
      onSeen?.();
    } catch (error) {
      lastError = error;
      onError(error);
    }
    return intervalMs;
  });

  return {
    start: loop.start,
    stop: loop.stop,
    current: () => (latest !== undefined && now() - latest.observedAtMs <= maxAgeMs ? latest : undefined),
    newest: () => latest,
    ready: (timeoutMs) =>
      readiness.wait(timeoutMs, () => `no block height within ${timeoutMs} ms: ${describe(lastError)}`),
  };
}

function describe(error: unknown): string {
  if (error === undefined) return 'the validator has not answered yet (is the feed started?)';
  return error instanceof Error ? error.message : String(error);
}
