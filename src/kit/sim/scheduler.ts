// Simulated time. Invariants: one event at a time, and the next one only when everything that it set off waits again, for
// simulated time or for ever; and one piece of real work at a time, in the order in which it was asked for. So one seed is
// one order of events, however fast the database answers.
import { setImmediate } from 'node:timers/promises';

export type Scheduler = {
  /** unix ms */
  readonly now: () => number;
  readonly after: (delayMs: number, run: () => void) => void;
  readonly sleep: (ms: number) => Promise<void>;
  /**
   * Real work, such as a statement: the next event waits for it. @param group what waits under the same name begins
   * together, to share a statement
   */
  readonly work: <Result>(run: () => Promise<Result>, group?: object) => Promise<Result>;
  /** Runs one event after the other while `isWanted`. */
  readonly run: (isWanted: () => Promise<boolean>) => Promise<void>;
};

/** What happens within so long happens at once: each other time is a statement that sets the database's clock. */
const TICK_MS = 10;

type Event = { readonly atMs: number; readonly run: () => void };
type Work = { readonly group: object | undefined; readonly begin: () => Promise<void> };

/** @param setTime called before work at another time than the work before */
export function createScheduler(startMs: number, setTime: (nowMs: number) => Promise<void>): Scheduler {
  const events: Event[] = [];
  let waiting: Work[] = [];
  let nowMs = startMs;
  let setMs: number | undefined;

  const after = (delayMs: number, run: () => void): void => {
    const atMs = nowMs + Math.ceil(Math.max(0, delayMs) / TICK_MS) * TICK_MS;
    // Behind those of the same time.
    let index = events.length;
    while (index > 0 && (events[index - 1]?.atMs ?? 0) > atMs) index -= 1;
    events.splice(index, 0, { atMs, run });
  };

  /** Whatever goes on without work has gone on by the next turn of the event loop. */
  const untilQuiet = async (): Promise<void> => {
    for (;;) {
      await setImmediate();
      const [first] = waiting;
      if (first === undefined) return;
      const together = waiting.filter(
        (each) => each === first || (each.group !== undefined && each.group === first.group),
      );
      if (setMs !== nowMs) await setTime(nowMs);
      setMs = nowMs;
      waiting = waiting.filter((each) => !together.includes(each));
      await Promise.all(together.map(({ begin }) => begin()));
    }
  };

  return {
    now: () => nowMs,
    after,
    sleep: (ms) => new Promise((resolve) => after(ms, resolve)),
    work: (run, group) =>
      new Promise((resolve, reject) => {
        waiting.push({ group, begin: () => run().then(resolve, reject) });
      }),
    run: async (isWanted) => {
      await untilQuiet();
      while (await isWanted()) {
        const event = events.shift();
        if (event === undefined) return;
        nowMs = event.atMs;
        event.run();
        await untilQuiet();
      }
    },
  };
}
