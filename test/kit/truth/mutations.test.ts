// A score of zeros proves something only if it cannot be had by chance: every scenario counts something when its fault is
// handled wrongly, and nothing when it is handled as the router does.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Servers, type ServersOptions, startServers } from '../../../src/kit/lab/servers.ts';
import { type Outcome, runScenario } from '../../../src/kit/truth/run-scenario.ts';
import { SCENARIOS } from '../../../src/kit/truth/scenarios.ts';
import { chooseLegs } from '../../support/legs.ts';
import { patchesOf, type TruthMutation, wrongRouter } from './truth-mutations.ts';

const CAUGHT = {
  kill_after_send: 'attempt_stored_after_send',
  reconciler_killed: 'cursor_before_fills',
  code_32: 'nonce_refusal_is_final',
  same_millisecond: 'nonces_are_not_unique',
  clock_step: 'clock_is_not_checked',
  resign_window: 'window_rule_skipped',
  answer_lost: 'silence_is_rejection',
  node_hangs: 'new_client_id_on_retry',
  second_node_limits: 'repeat_refusal_is_final',
  sequence_storm: 'new_nonce_on_resign',
  best_effort_canceled: 'stateful_cancel_is_final',
  job_twice: 'duplicate_job_is_new_order',
  new_database: 'ids_from_one',
  indexer_lag: 'lag_is_not_believed',
  fill_late: 'late_fill_is_not_taken',
  height_ahead: 'settled_too_early',
  settle_race: 'settled_too_early',
  fill_after_cancel: 'best_effort_canceled_is_final',
  fill_before_answer: 'fills_in_one_update',
  fill_twice: 'fills_in_one_update',
  reduce_only_repeat: 'repeat_refusal_is_final',
  long_page: 'list_ends_at_1000',
  websocket_gap: 'socket_is_trusted',
  hour_late: 'time_counts_from_now',
  poison: 'unstorable_fails_batch',
} as const satisfies Record<string, TruthMutation>;

type Outage = {
  readonly name: string;
  /** absent: what is wrong is the servers themselves */
  readonly mutation?: TruthMutation;
  readonly on: ServersOptions;
};

/** They take the servers away, so each has some of its own. */
const OUTAGES: readonly Outage[] = [
  // On PostgreSQL a job cannot be called done while the server is away.
  { name: 'postgres_down', mutation: 'failed_job_is_done', on: { queue: 'redis' } },
  { name: 'redis_killed', on: { queue: 'redis', redisArgs: ['--appendonly', 'no'] } },
  { name: 'queue_wiped', mutation: 'sweep_wakes_nobody', on: { queue: 'postgres' } },
];
const { hasOwnRedis } = chooseLegs(process.env);

const TEST_MS = 240_000;
/** As it is, the router has come to the truth within this on a loaded machine. */
const PATIENCE = { mostMs: 20_000, stillMs: 8_000 };

let servers: Servers;
beforeAll(async () => {
  servers = await startServers({ queue: 'postgres' });
}, TEST_MS);
afterAll(() => servers[Symbol.asyncDispose]());

type Wrong = { readonly mutation?: TruthMutation | undefined; readonly on?: Servers };

/** @param wrong absent: the router as it is */
function run(name: string, wrong?: Wrong): Promise<Outcome> {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  return runScenario({
    servers: wrong?.on ?? servers,
    scenario,
    adapter: 'router',
    seed: 1,
    workers: 1,
    outageMs: 5_000,
    kills: 1,
    signal: AbortSignal.timeout(TEST_MS),
    ...(wrong === undefined ? {} : { patience: PATIENCE }),
    ...(wrong?.mutation === undefined ? {} : { mutation: wrongRouter(wrong.mutation) }),
  });
}

const pairs = Object.entries(CAUGHT);
const mutations = [...Object.values(CAUGHT), ...OUTAGES.flatMap(({ mutation }) => mutation ?? [])];

test.each([...new Set(mutations)])('the source holds what %s changes, once', (name) => {
  for (const { file, find } of patchesOf(name)) {
    const source = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
    expect(source.split(find).length - 1, find).toBe(1);
  }
});

test.concurrent.for(['kill_after_send', 'fill_twice', 'fill_after_cancel'])(
  'the router as it is has no count in %s',
  { timeout: TEST_MS },
  async (name) => {
    const { findings, secondsToTruth } = await run(name);
    expect(findings).toEqual([]);
    expect(secondsToTruth).not.toBeNull();
  },
);

/** On a loaded machine a fault may not come about, as a thousand orders that must rest in one block: then once more. */
const CATCH = { timeout: TEST_MS, retry: 2 };

test.concurrent.for(pairs)('%s counts what %s does', CATCH, async ([name, mutation]) => {
  const { findings } = await run(name, { mutation });
  // There even the router as it is needs longer than it is given here.
  const isSlow = name === 'code_32' || name === 'clock_step';
  expect(findings.filter((finding) => !isSlow || !finding.includes(' is still '))).not.toEqual([]);
});

const possible = OUTAGES.filter(({ on }) => hasOwnRedis || on.queue !== 'redis');

test.for(possible)('$name counts what is lost in it', CATCH, async ({ name, mutation, on }) => {
  await using own = await startServers(on);
  const { findings } = await run(name, { mutation, on: own });
  expect(findings).not.toEqual([]);
});
