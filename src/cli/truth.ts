// `router truth`: every fault that loses money elsewhere, made to happen on real processes of this router and of what
// people use today, and then each system's books against the exchange's own. A line a run while it works, a table at the
// end; whatever ends it, everything that it started has ended and nothing is left on disk.
import { ensureBaselines } from '../kit/lab/baselines.ts';
import type { QueueKind } from '../kit/lab/servers.ts';
import type { Outcome } from '../kit/truth/run-scenario.ts';
import { runTruth, type TruthResult } from '../kit/truth/run-truth.ts';
import type { Scenario } from '../kit/truth/scenario.ts';
import { SCENARIOS, scenariosOn } from '../kit/truth/scenarios.ts';
import { COUNTS } from '../kit/truth/score.ts';
import type { AdapterName } from '../kit/truth/system.ts';
import { endOnInterrupt } from './interrupt.ts';
import { table } from './output.ts';

export type TruthCommand = {
  /** absent: all that this queue can have */
  readonly scenario: readonly string[] | undefined;
  readonly adapters: readonly AdapterName[];
  readonly seed: number;
  readonly workers: number;
  readonly queue: QueueKind;
  readonly parallel: number;
  readonly kills: number;
  readonly outage: number;
  readonly json: boolean;
  readonly list: boolean;
};

/** Wrong words on the command line. */
class UsageError extends Error {
  readonly exitCode = 2;
}

const SHOWN_FINDINGS = 5;
/** @returns the exit code: 1 unless every count of the router is zero */
export async function runTruthCommand(command: TruthCommand): Promise<number> {
  const { queue, adapters, json } = command;
  const scenarios = choose(command.scenario, queue);
  if (command.list) {
    console.log(table(scenarios.map(({ name, what }) => [name, what])));
    return 0;
  }
  const { signal, release } = endOnInterrupt();
  try {
    if (adapters.some((adapter) => adapter !== 'router')) {
      await ensureBaselines(
        () => console.error('installing bench/baselines (npm ci, once; --adapters router does without)'),
        signal,
      );
    }
    const all = scenarios.length * adapters.length;
    console.error(
      `${scenarios.length} scenarios with ${adapters.join(', ')} on ${queue}, seed ${command.seed}: ${all} runs, ${command.parallel} at a time`,
    );
    let done = 0;
    const result = await runTruth({
      ...command,
      scenarios,
      outageMs: command.outage * 1_000,
      signal,
      onOutcome: (scenario, adapter, outcome) => {
        done += 1;
        console.error(`${done}/${all} ${lineOf(scenario, adapter, outcome)}`);
        // What a baseline loses is expected; of the router every single thing is shown.
        if (adapter !== 'router') return;
        for (const finding of outcome.findings.slice(0, SHOWN_FINDINGS)) console.error(`    ${finding}`);
      },
    });
    console.log(json ? JSON.stringify(result) : tableOf(result, adapters));
    return result.ok || !adapters.includes('router') ? 0 : 1;
  } catch (error) {
    if (!signal.aborted) throw error;
    console.error('interrupted; everything that was started has ended');
    return 130;
  } finally {
    release();
  }
}

function choose(names: readonly string[] | undefined, queue: QueueKind): readonly Scenario[] {
  if (names === undefined) return scenariosOn(queue);
  return names.map((name) => {
    const scenario = SCENARIOS.find((each) => each.name === name);
    if (scenario === undefined)
      throw new UsageError(`no scenario ${name}; there are ${SCENARIOS.map((each) => each.name).join(', ')}`);
    if (!scenariosOn(queue).includes(scenario))
      throw new UsageError(`${name} needs --queue ${scenario.onlyOn}`);
    return scenario;
  });
}

function lineOf({ name }: Scenario, adapter: AdapterName, outcome: Outcome): string {
  const wrong = COUNTS.filter((count) => outcome.counts[count] > 0).map(
    (count) => `${count} ${outcome.counts[count]}`,
  );
  const { secondsToTruth, seconds, ends } = outcome;
  const truth = secondsToTruth === null ? 'never true' : `true after ${secondsToTruth} s`;
  const crashes = ends > 0 ? `, ${ends} processes ended by themselves` : '';
  return `${name} ${adapter}: ${wrong.length === 0 ? 'all zero' : wrong.join(', ')}; ${truth}${crashes} (${seconds} s)`;
}

function tableOf({ ok, scenarios }: TruthResult, adapters: readonly AdapterName[]): string {
  const rows = scenarios.flatMap((scenario) =>
    adapters.flatMap((adapter, index) => {
      const score = scenario[adapter];
      if (score === undefined) return [];
      const counts = COUNTS.map((count) => String(score[count]));
      const seconds = score.seconds_to_truth === null ? 'never' : String(score.seconds_to_truth);
      return [[index === 0 ? scenario.name : '', adapter, ...counts, seconds]];
    }),
  );
  const head = ['scenario', 'adapter', ...COUNTS.map((count) => count.replace('_', ' ')), 'seconds to truth'];
  const verdict = ok ? 'every count of the router is zero' : 'the router has been wrong';
  return `${table([head, ...rows])}\n\n${adapters.includes('router') ? verdict : 'the router was not asked'}`;
}
