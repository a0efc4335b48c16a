// Processes of one kind that are kept running, as a process manager keeps them: whichever ends is started again.
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkerProcess } from '../lab/worker-process.ts';

export type Crew = {
  /** those that run now */
  readonly processes: () => readonly WorkerProcess[];
  /** SIGKILL to all; resolves when others are ready in their place. */
  readonly kill: () => Promise<void>;
  /** how often one ended by itself */
  readonly ends: () => number;
  /** SIGTERM to all, for good; what is still there a moment later is killed. */
  readonly stop: () => Promise<void>;
};

/** What ends at once is not started at once again. */
const RESTART_MS = 500;
const READY_POLL_MS = 20;
/** Long enough for one that has nothing to do: the score is known. */
const STOP_MS = 1_500;

/** Throws when one of them never gets ready. */
export async function startCrew(starts: readonly (() => WorkerProcess)[]): Promise<Crew> {
  let isStopped = false;
  let ends = 0;
  const killed = new WeakSet<WorkerProcess>();
  const slots = starts.map((start) => {
    const slot = { process: start(), isReady: false };
    const watch = async () => {
      for (;;) {
        const { process } = slot;
        slot.isReady = false;
        process.ready.then(
          () => {
            slot.isReady = slot.process === process;
          },
          () => {},
        );
        await process.ended;
        if (isStopped) return;
        if (!killed.has(process)) {
          ends += 1;
          await delay(RESTART_MS);
        }
        if (isStopped) return;
        slot.process = start();
      }
    };
    return { slot, watching: watch() };
  });
  const stop = async () => {
    isStopped = true;
    await Promise.all(slots.map(({ slot }) => slot.process.stop(STOP_MS)));
    await Promise.all(slots.map(({ watching }) => watching));
  };
  try {
    await Promise.all(slots.map(({ slot }) => slot.process.ready));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    processes: () => slots.map(({ slot }) => slot.process),
    ends: () => ends,
    kill: async () => {
      for (const { slot } of slots) {
        killed.add(slot.process);
        slot.isReady = false;
        slot.process.signal('SIGKILL');
      }
      while (!isStopped && slots.some(({ slot }) => !slot.isReady || slot.process.hasEnded()))
        await delay(READY_POLL_MS);
    },
    stop,
  };
}
