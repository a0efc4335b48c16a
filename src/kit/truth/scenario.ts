// What a scenario is: a fault made to happen on real processes, and what is asked of a system meanwhile. It knows nothing
// of how a system works, so that every system meets the same.
import type { Paper, PaperOptions } from '../../paper/paper.ts';
import type { QueueKind, Servers } from '../lab/servers.ts';
import type { AskedOrder, OrderTerms } from './orders.ts';
import type { System } from './system.ts';

export type Settings = Readonly<Record<string, string>>;

export type Scenario = {
  /** snake_case, as on the command line */
  readonly name: string;
  /** the fault, in a line */
  readonly what: string;
  readonly paper?: PaperOptions;
  /** of the router's workers, over those of every scenario */
  readonly settings?: Settings;
  /** at least so many processes that send */
  readonly workers?: number;
  /** at least so many processes of the router that reconcile; default 1 */
  readonly reconcilers?: number;
  /** it needs this queue's server */
  readonly onlyOn?: QueueKind;
  /** the step that SIGUSR2 puts the clock of each sending process to, one after the other */
  readonly clockStepsMs?: readonly number[];
  /** Takes the servers away: nothing else may run on them meanwhile. */
  readonly isRough?: boolean;
  /** How long a job that was left behind may take to come back: only then the score is final. Default 1 s. */
  readonly quietMs?: number;
  /** Resolves when the fault has ended; armed faults are removed then. */
  readonly run: (stage: Stage) => Promise<void>;
};

export type Stage = {
  readonly paper: Paper;
  readonly servers: Servers;
  readonly system: System;
  /** [0, 1), by seed and scenario: the same for every system */
  readonly random: () => number;
  readonly outageMs: number;
  readonly kills: number;
  /** Makes orders; each has a size of its own by which it is known at the exchange. */
  readonly orders: (count: number, terms: OrderTerms | ((index: number) => OrderTerms)) => AskedOrder[];
  /** Hands them to the queue; what it has acknowledged counts from then on. */
  readonly enqueue: (orders: readonly AskedOrder[], options?: EnqueueOptions) => Promise<void>;
  /** Resolves when it holds, or after the time: what a system never does is no error of the scenario. */
  readonly until: (condition: () => boolean | Promise<boolean>, timeoutMs?: number) => Promise<boolean>;
  /** until a fault has hit so often @param id as faults.add returned it */
  readonly untilHit: (id: number, hits: number, timeoutMs?: number) => Promise<boolean>;
  readonly delay: (ms: number) => Promise<void>;
  /** What is final now and contradicted now is counted, although a late report may mend it before the end. */
  readonly judgeFinals: () => Promise<void>;
  /** Orders of before, which are no part of the score. */
  readonly forget: () => void;
};

export type EnqueueOptions = {
  /** as rows, where a system has a door that records; else as jobs */
  readonly isRecorded?: boolean;
  /** what else is handed over with them, in one job where a system has jobs of many */
  readonly company?: readonly unknown[];
  /** when the job says that it was added, unix ms */
  readonly addedAt?: number;
};
