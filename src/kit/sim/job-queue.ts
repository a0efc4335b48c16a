// The queue of the simulation. It loses no job but may deliver it late, in any order, and twice; what a process was at when
// it died comes again, and so does what failed. Wake-ups it may lose: the sweep makes up for them.
import type { Submitter } from './submitter.ts';
import type { World } from './world.ts';

type Job = { readonly name: string; readonly run: (submitter: Submitter) => Promise<unknown> };

export type JobQueue = {
  readonly add: (job: Job) => void;
  readonly addWakeUp: (delayMs: number) => void;
  /** jobs but wake-ups that are not done yet */
  readonly open: () => number;
};

const LOCK_MS = { low: 3_000, high: 15_000 };
const RETRY_MS = { low: 500, high: 5_000 };
const LATE_MS = 15_000;
const WAKE_SLOT_MS = 100;
const NOBODY_MS = 500;

export function createJobQueue(world: World, submitters: () => readonly Submitter[]): JobQueue {
  const { scheduler, random, mishaps, note } = world;
  const slots = new Set<number>();
  let open = 0;

  const deliver = (job: Job, done: () => void): void => {
    const ready = submitters().filter(({ isReady }) => isReady());
    if (ready.length === 0) {
      scheduler.after(NOBODY_MS, () => deliver(job, done));
      return;
    }
    const submitter = random.pick(ready);
    const again = ({ low, high }: { readonly low: number; readonly high: number }) =>
      scheduler.after(random.between(low, high), () => deliver(job, done));
    let isOver = false;
    submitter.mortal.onDeath(() => {
      if (!isOver) again(LOCK_MS);
      isOver = true;
    });
    job.run(submitter).then(
      () => {
        isOver = true;
        done();
      },
      (error: unknown) => {
        isOver = true;
        note(submitter.mortal.name, `${job.name} failed: ${error}`);
        again(RETRY_MS);
      },
    );
  };

  return {
    add: (job) => {
      open += 1;
      let isDone = false;
      const done = () => {
        if (!isDone) open -= 1;
        isDone = true;
      };
      scheduler.after(0, () => deliver(job, done));
      if (!world.isHealed() && random.chance(mishaps.duplicateJobRate))
        scheduler.after(random.between(0, LATE_MS), () => deliver(job, done));
    },
    addWakeUp: (delayMs) => {
      const slot = Math.ceil((scheduler.now() + delayMs + 1) / WAKE_SLOT_MS);
      if (slots.has(slot)) return;
      slots.add(slot);
      if (!world.isHealed() && random.chance(mishaps.lostWakeUpRate)) return;
      const job: Job = { name: 'wake', run: (submitter) => submitter.wake() };
      scheduler.after(slot * WAKE_SLOT_MS - scheduler.now(), () => deliver(job, () => {}));
    },
    open: () => open,
  };
}
