// The chain's newest height, by polling a validator. Invariants: the height never goes back while it is current, a block
// from the future is not believed, not even one that was believed before the clock was set back, and a height that has not
// risen for maxAgeMs is not given out: the node is stuck, or the chain is, and either way a good-til-block computed from it
// would be wrong. Ages are measured by a clock that nobody sets; only the blocks' times are compared with the local clock.
import { createPollLoop } from '../core/poll-loop.ts';
import type { Block, Validator } from '../core/ports.ts';
import { createReadiness } from './readiness.ts';
import { whyFromFuture } from './witness.ts';

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
  /** Since the newest height was asked for, ms, whatever becomes of the local clock. */
  readonly ageMs: () => number | undefined;
  /** Why the newest question has brought no block; undefined: it has. */
  readonly failure: () => string | undefined;
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
  /** local clock, unix ms */
  readonly now?: () => number;
  /** ms of a clock that never steps */
  readonly monotonicMs?: () => number;
};

export function createHeightFeed(options: HeightFeedOptions): HeightFeed {
  const { validator, intervalMs, maxAgeMs, onError, onSeen, now = Date.now } = options;
  const { monotonicMs = () => performance.now() } = options;
  const readiness = createReadiness();
  let latest: ObservedHeight | undefined;
  let latestAskedMs = 0;
  let failure: string | undefined;

  const ageMs = () => (latest === undefined ? undefined : monotonicMs() - latestAskedMs);
  const isCurrent = () => (ageMs() ?? Number.POSITIVE_INFINITY) <= maxAgeMs;

  /** Behind one URL there may be several nodes, some of them behind. */
  function mayReplace({ height, time }: Block, before: ObservedHeight): boolean {
    if (height > before.height) return true;
    // One wrong high answer must not blind us for ever: what is too old to be given out may be replaced. A stuck node
    // repeats its block: only a newer one may replace it, or any when the clock has shown that the old one was invented.
    return !isCurrent() && (time > before.time || whyFromFuture(before.time, now()) !== undefined);
  }

  const loop = createPollLoop(async () => {
    const [askedMs, observedAtMs] = [monotonicMs(), now()];
    try {
      const block = await validator.latestBlock();
      const future = whyFromFuture(block.time, now());
      if (future !== undefined) throw new Error(`the chain's newest block is ${future}`);
      if (latest === undefined || mayReplace(block, latest)) {
        latest = { height: block.height, time: block.time, observedAtMs };
        latestAskedMs = askedMs;
      }
      failure = undefined;
      readiness.markReady();
      onSeen?.();
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      onError(error);
    }
    return intervalMs;
  });

  return {
    start: loop.start,
    stop: loop.stop,
    // By a clock that was set back, deadlines that have passed are still ahead: then nothing may be sent.
    current: () =>
      latest !== undefined && isCurrent() && whyFromFuture(latest.time, now()) === undefined
        ? latest
        : undefined,
    newest: () => latest,
    ageMs,
    failure: () => failure,
    ready: (timeoutMs) =>
      readiness.wait(timeoutMs, () => {
        const cause = failure ?? 'the validator has not answered yet (is the feed started?)';
        return `no block height within ${timeoutMs} ms: ${cause}`;
      }),
  };
}
