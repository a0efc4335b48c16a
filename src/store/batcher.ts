// Group commit without a timer: while one statement is under way, whoever comes waits and shares the next one.
// One item's bad data harms nobody else: a batch that fails for its data is halved until that item stands alone.
import { isDataError, isTransient } from './sqlstate.ts';

export type BatcherOptions<Item, Result> = {
  /** One result per item, in order. */
  readonly flush: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Too low: more commits; too high: long statements. Nearly all of the gain is there at 50. */
  readonly maxItems?: number;
  /** Waits this long for company. 0 on the way to the venue; a few ms where nobody waits. */
  readonly lingerMs?: number;
  /** Told after each statement; a batch that fails for its data is told in parts again. */
  readonly onFlush?: (items: number, ms: number, isCommitted: boolean) => void;
};

export type Batcher<Item, Result> = {
  readonly push: (item: Item) => Promise<Result>;
};

type Waiting<Item, Result> = {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

const MAX_REPEATS = 5;

export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { flush, maxItems = 200, lingerMs = 0, onFlush } = options;
  const waiting: Waiting<Item, Result>[] = [];
  let isRunning = false;

  const run = async (): Promise<void> => {
    await new Promise((resolve) => (lingerMs > 0 ? setTimeout(resolve, lingerMs) : setImmediate(resolve)));
    while (waiting.length > 0) await settle(waiting.splice(0, maxItems));
    isRunning = false;
  };

  const timedFlush = async (items: readonly Item[]): Promise<readonly Result[]> => {
    const startedMs = performance.now();
    let isCommitted = false;
    try {
      const results = await repeatTransient(() => flush(items));
      isCommitted = true;
      return results;
    } finally {
      onFlush?.(items.length, performance.now() - startedMs, isCommitted);
    }
  };

  const settle = async (part: readonly Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await timedFlush(part.map((entry) => entry.item));
      if (results.length !== part.length)
        throw new Error(`${results.length} results for ${part.length} items`);
      part.forEach((entry, index) => {
        entry.resolve(results[index] as Result);
      });
    } catch (error) {
      if (part.length === 1 || !isDataError(error)) {
        for (const entry of part) entry.reject(error);
        return;
      }
      const middle = Math.ceil(part.length / 2);
      await settle(part.slice(0, middle));
      await settle(part.slice(middle));
    }
  };

  return {
    push: (item) =>
      new Promise<Result>((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (isRunning) return;
        isRunning = true;
        void run();
      }),
  };
}

/** Deadlocks and serialization failures are repeated: nothing of the statement has happened. */
export async function repeatTransient<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let repeat = 0; ; repeat++) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error) || repeat >= MAX_REPEATS) throw error;
    }
  }
}
