// All scenarios with all adapters, side by side where nothing is shared that a scenario takes away. Every run has an
// exchange, a database and processes of its own; those that take the servers away have servers of their own and come one
// after the other.
import { type QueueKind, type Servers, startServers } from '../lab/servers.ts';
import { type Outcome, type RunOptions, runScenario } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';
import type { Counts } from './score.ts';
import type { AdapterName } from './system.ts';

export type TruthOptions = {
  readonly scenarios: readonly Scenario[];
  readonly adapters: readonly AdapterName[];
  readonly queue: QueueKind;
  readonly seed: number;
  readonly workers: number;
  /** runs at a time, beside the one that may take its servers away */
  readonly parallel: number;
  readonly outageMs: number;
  readonly kills: number;
  readonly signal: AbortSignal;
  readonly mutation?: RunOptions['mutation'];
  readonly onOutcome?: (scenario: Scenario, adapter: AdapterName, outcome: Outcome) => void;
};

type AdapterScore = Counts & { readonly seconds_to_truth: number | null };

type ScenarioScore = { readonly name: string } & {
  readonly [adapter in AdapterName]?: AdapterScore;
};

export type TruthResult = {
  /** every count of the router is zero, in every scenario, and it came to the truth */
  readonly ok: boolean;
  readonly queue: QueueKind;
  readonly workers: number;
  readonly seed: number;
  readonly scenarios: readonly ScenarioScore[];
};

type Run = { readonly scenario: Scenario; readonly adapter: AdapterName };

export async function runTruth(options: TruthOptions): Promise<TruthResult> {
  const { scenarios, adapters, queue, workers, seed } = options;
  const runs = scenarios.flatMap((scenario) => adapters.map((adapter): Run => ({ scenario, adapter })));
  const outcomes = new Map<Run, Outcome>();
  // A run that fails ends the others.
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const fail = (error: unknown): never => {
    failed.abort(error);
    throw error;
  };
  const work = async (servers: Servers, todo: Run[]): Promise<void> => {
    for (let run = todo.shift(); run !== undefined; run = todo.shift()) {
      signal.throwIfAborted();
      const outcome = await runScenario({ ...options, ...run, servers, signal });
      outcomes.set(run, outcome);
      options.onOutcome?.(run.scenario, run.adapter, outcome);
    }
  };
  const lane = async (todo: Run[], width: number): Promise<void> => {
    if (todo.length === 0) return;
    await using servers = await startServers({ queue, signal });
    // The servers stay until the last run has ended, whatever became of the others.
    await allOf(Array.from({ length: width }, () => work(servers, todo).catch(fail)));
  };
  const [rough, calm] = [true, false].map((isRough) =>
    runs.filter(({ scenario }) => (scenario.isRough ?? false) === isRough),
  );
  try {
    await allOf([lane(calm ?? [], options.parallel).catch(fail), lane(rough ?? [], 1).catch(fail)]);
  } catch (error) {
    // What the others say when they are ended follows from the first one.
    throw rootOf(signal.reason ?? error);
  }

  const scores = scenarios.map((scenario): ScenarioScore => {
    const own = runs.filter((run) => run.scenario === scenario);
    return {
      name: scenario.name,
      ...Object.fromEntries(own.map((run) => [run.adapter, scoreOf(outcomes.get(run))])),
    };
  });
  const ours = runs.filter(({ adapter }) => adapter === 'router').map((run) => outcomes.get(run));
  const ok = ours.every((outcome) => outcome !== undefined && outcome.secondsToTruth !== null);
  return { ok: ok && ours.length > 0, queue, workers, seed, scenarios: scores };
}

function scoreOf(outcome: Outcome | undefined): AdapterScore | undefined {
  return outcome === undefined ? undefined : { ...outcome.counts, seconds_to_truth: outcome.secondsToTruth };
}

/** Waits for all, then throws what the first of them threw. */
async function allOf(works: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(works);
  for (const each of settled) if (each.status === 'rejected') throw each.reason;
}

/** What broke a wait off, and not that it was broken off. */
function rootOf(error: unknown): unknown {
  return error instanceof Error && error.name === 'AbortError' ? (error.cause ?? error) : error;
}
