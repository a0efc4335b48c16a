// One way to trade: the router, or a baseline. What a scenario may do to it, and what it can be asked at the end.
import type { Truth } from '../../paper/truth.ts';
import type { Crew } from './crew.ts';
import type { Intent } from './orders.ts';
import type { EnqueueOptions } from './scenario.ts';

export const ADAPTERS = ['router', 'naive', 'ccxt'] as const;
export type AdapterName = (typeof ADAPTERS)[number];

/** What a system says of an order, by its own books. */
export type Belief = {
  readonly clientId: string;
  readonly status: string;
  readonly isFinal: boolean;
  /** decimal */
  readonly filled: string;
  readonly fillIds: readonly string[];
};

export type System = AsyncDisposable & {
  readonly name: AdapterName;
  /** Starts everything and resolves when all of it is ready. */
  readonly start: () => Promise<void>;
  /** those that send orders, once it was started */
  readonly senders: () => Crew;
  /** those that read what became of them: the same ones, where a system has no others */
  readonly readers: () => Crew;
  /** @returns client ids that were acknowledged */
  readonly enqueue: (intents: readonly Intent[], options: EnqueueOptions) => Promise<readonly string[]>;
  /** The same intents as other jobs, as a producer adds them who does not know that it did before. */
  readonly enqueueAgain: (intents: readonly unknown[]) => Promise<void>;
  readonly cancel: (intent: Intent) => Promise<void>;
  /** Everything in its queue is gone. */
  readonly wipeQueue: () => Promise<void>;
  /** Another database and queue, both empty, on the same account. */
  readonly startAnew: () => Promise<void>;
  readonly beliefs: () => Promise<readonly Belief[]>;
  /** Final statuses that nothing it has stored proves, or that the truth contradicts; a line each. */
  readonly unproven: (truth: Truth) => Promise<readonly string[]>;
  /** The last lines that its processes said. */
  readonly said: (lines?: number) => string;
};
