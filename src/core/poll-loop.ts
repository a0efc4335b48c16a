// Runs one task again and again, never twice at once, with the pause that the task asks for. start and stop are
// idempotent and stop before start is legal; after stop has resolved, nothing runs and no timer is left.

export type PollLoop = {
  readonly start: () => void;
  /** The next run does not wait; while one is under way, another follows it. Nothing while it is stopped. */
  readonly wake: () => void;
  /** Resolves when a run under way has ended; runs are bounded by the deadlines of what they call. */
  readonly stop: () => Promise<void>;
};

/** @param run must not throw; returns the milliseconds until the next run */
export function createPollLoop(run: () => Promise<number>): PollLoop {
  /** A new object for every start, so that the end of an earlier run cannot revive a loop that was stopped. */
  let session: object | undefined;
  let timer: NodeJS.Timeout | undefined;
  let current: Promise<void> = Promise.resolve();
  let isWoken = false;

  async function turn(mine: object): Promise<void> {
    if (session !== mine) return;
    isWoken = false;
    const delayMs = await run();
    if (session !== mine) return;
    waitFor(mine, isWoken ? 0 : delayMs);
  }

  function waitFor(mine: object, delayMs: number): void {
    timer = setTimeout(() => {
      timer = undefined;
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
    wake: () => {
      if (session === undefined) return;
      isWoken = true;
      if (timer === undefined) return;
      clearTimeout(timer);
      waitFor(session, 0);
    },
    stop: async () => {
      session = undefined;
      clearTimeout(timer);
      timer = undefined;
      await current;
    },
  };
}
