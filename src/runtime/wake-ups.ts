// Joins wake-ups: whoever asks within the same tenth of a second shares one job, however many orders wait.
import type { Logs } from '../app/submit.ts';
import { errorFields } from '../ops/logger.ts';

const SLOT_MS = 100;

export type WakeUps = { readonly wakeIn: (delayMs: number) => void };

export function createWakeUps(deps: {
  readonly add: (delayMs: number) => Promise<void>;
  readonly log: Logs;
}): WakeUps {
  const slots = new Set<number>();
  return {
    wakeIn: (delayMs) => {
      const nowMs = Date.now();
      // The end of the slot: everyone who shares it is due by then.
      const slot = Math.ceil((nowMs + delayMs + 1) / SLOT_MS);
      for (const past of slots) if (past * SLOT_MS < nowMs) slots.delete(past);
      if (slots.has(slot)) return;
      slots.add(slot);
      deps.add(slot * SLOT_MS - nowMs).catch((error: unknown) => {
        // The rows are due all the same: the sweep finds them.
        slots.delete(slot);
        deps.log.warn(errorFields(error), 'wake-up not added, the sweep will do it');
      });
    },
  };
}
