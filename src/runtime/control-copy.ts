// A copy of all controls, read again and again. Invariant: nobody acts by a copy that may be older than MAX_AGE_MS, so that a
// halt stops every placement within a second of its commit, also in a process that cannot reach the database.
import { type Control, type ControlIndex, indexControls } from '../core/controls.ts';
import { createPollLoop } from '../core/poll-loop.ts';
import { createReadiness } from '../venue/readiness.ts';

/**
 * A query that began before the commit may not see it, and what it returned is believed for so long after it began;
 * later than that, every copy has the halt. The last tenth of the second is left to whatever was asked just before:
 * from the last question to the first byte nothing waits.
 */
const MAX_AGE_MS = 900;

export type ControlCopy = {
  readonly start: () => void;
  readonly stop: () => Promise<void>;
  /** Resolves with the first copy; rejects after timeoutMs. */
  readonly ready: (timeoutMs: number) => Promise<void>;
  /** undefined while it is too old, or not there yet */
  readonly current: () => ControlIndex | undefined;
  /** However old it is: for limits, which no second matters to. */
  readonly newest: () => ControlIndex;
};

export type ControlCopyOptions = {
  readonly list: () => Promise<readonly Control[]>;
  /** Pause between reads. Too high: a read that takes a moment longer holds everything up. */
  readonly intervalMs: number;
  readonly onError: (error: unknown) => void;
  /** @param blindMs how long before it the copy was too old to act by */
  readonly onRead: (blindMs: number) => void;
  /** ms on a clock that is never set */
  readonly now?: () => number;
};

export function createControlCopy(options: ControlCopyOptions): ControlCopy {
  const { list, intervalMs, onError, onRead, now = () => performance.now() } = options;
  const readiness = createReadiness();
  let index: ControlIndex = new Map();
  let readAtMs = Number.NEGATIVE_INFINITY;

  const loop = createPollLoop(async () => {
    const startedMs = now();
    try {
      index = indexControls(await list());
      const isFirst = readAtMs === Number.NEGATIVE_INFINITY;
      const blindMs = isFirst ? 0 : Math.max(0, Math.round(now() - readAtMs - MAX_AGE_MS));
      readAtMs = startedMs;
      readiness.markReady();
      onRead(blindMs);
    } catch (error) {
      onError(error);
    }
    return intervalMs;
  });

  return {
    start: loop.start,
    stop: loop.stop,
    ready: (timeoutMs) =>
      readiness.wait(timeoutMs, () => `controls could not be read within ${timeoutMs} ms`),
    current: () => (now() - readAtMs <= MAX_AGE_MS ? index : undefined),
    newest: () => index,
  };
}
