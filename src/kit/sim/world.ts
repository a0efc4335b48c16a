// What everything of one seed shares: chance, simulated time, the database, what goes wrong, and when that ends.
import type { Database } from '../../store/database.ts';
import type { Mishaps } from './mishaps.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

export type World = {
  readonly seed: number;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly mishaps: Mishaps;
  readonly db: Database;
  /** From then on nothing goes wrong any more. */
  readonly isHealed: () => boolean;
  /** One line of what happens, for whoever looks at one seed. */
  readonly note: (who: string, what: string, fields?: object) => void;
};
