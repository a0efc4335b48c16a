// Runs one task again and again, never twice at once, with the pause that the task asks for. start and stop are
// idempotent and stop before start is legal; after stop has resolved, nothing runs and no timer is left.

export type PollLoop = {
  readonly start: () => void;
  /** Resolves when a run under way has ended; runs are bounded by the deadlines of what they call. */
  readonly stop: () => Promise<void>;
};

/** @param run must not throw; returns the milliseconds until the next run */
export function createPollLoop(run: () => Promise<number>): PollLoop {
  /** A new object for every start, so that the end of an earlier run cannot revive a loop that was stopped. */
  let session: object | undefined;
  let timer: NodeJS.Timeout | undefined;
  let current: Promise<void> = Promise.resolve();

  async function turn(mine: object): Promise<void> {
    if (session !== mine) return;
    const delayMs = await run();
    if (session !== mine) return;
    timer = setTimeout(() => {
      current = turn(mine);
    }, delayMs);
  }

  return {
    start: () => {
      if (session !== undefined) return;
      const mine = {};
      session = mine;
      // A start right after a stop waits for the run that is still ending.
      current = current.then(() => turn(mine));
    },
    stop: async () => {
      session = undefined;
      clearTimeout(timer);
      await current;
    },
  };
}
