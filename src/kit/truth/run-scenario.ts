// One scenario with one system: an exchange, processes, the fault, and then the system's books against the truth until
// they agree or nothing moves any more. Whatever it started has ended when it returns or throws.
import { setTimeout as delay } from 'node:timers/promises';
import { type Paper, startPaper } from '../../paper/paper.ts';
import { noise } from '../../paper/synthetic.ts';
import { ownerOf, paperPrivateKey } from '../../venue/keys.ts';
import type { Servers } from '../lab/servers.ts';
import { openBaselineSystem } from './baseline-system.ts';
import { type AskedOrder, createOrderMaker, type OrderTerms } from './orders.ts';
import { openRouterSystem } from './router-system.ts';
import type { Scenario, Settings, Stage } from './scenario.ts';
import { type Counts, type Evidence, isClean, isOver, score, wrongFinals } from './score.ts';
import type { AdapterName, System } from './system.ts';

export type RunOptions = {
  readonly servers: Servers;
  readonly scenario: Scenario;
  readonly adapter: AdapterName;
  readonly seed: number;
  /** processes that send; a scenario may need more */
  readonly workers: number;
  readonly outageMs: number;
  readonly kills: number;
  readonly signal: AbortSignal;
  /** instead of the adapter's own */
  readonly patience?: Patience | undefined;
  /** a router that is wrong on purpose: environment of its processes, statements for its database */
  readonly mutation?: { readonly env: Settings; readonly sql: readonly string[] } | undefined;
};

type Patience = { readonly mostMs: number; readonly stillMs: number };

export type Outcome = {
  readonly counts: Counts;
  /** null: it never agreed */
  readonly secondsToTruth: number | null;
  readonly findings: readonly string[];
  /** processes that ended by themselves, and were started again */
  readonly ends: number;
  readonly seconds: number;
};

const BLOCK_MS = 200;
const POLL_MS = 250;
const UNTIL_MS = 30_000;
const QUIET_MS = 1_000;
/**
 * How long a system may take, and how long it may stand still. The router's are those of a loaded machine: what it needs
 * is shown as seconds to truth. A baseline's jobs come back after 3 s, its retries and its polls sooner.
 */
const PATIENCE = {
  router: { mostMs: 120_000, stillMs: 45_000 },
  naive: { mostMs: 30_000, stillMs: 8_000 },
  ccxt: { mostMs: 30_000, stillMs: 8_000 },
} as const satisfies Record<AdapterName, Patience>;
/** Everything is final, nothing is on its way, and the books disagree: a late report may still mend them. */
const WRONG_STILL_MS = 4_000;

export async function runScenario(options: RunOptions): Promise<Outcome> {
  const { scenario, adapter, seed } = options;
  const broken = new AbortController();
  const signal = AbortSignal.any([options.signal, broken.signal]);
  const startedMs = performance.now();
  await using stack = new AsyncDisposableStack();
  const paper = stack.use(
    await startPaper({
      blockMs: BLOCK_MS,
      seed,
      startUsdc: '1000000000',
      log: (level, message, fields) => {
        // A score against an exchange that does not work says nothing.
        if (level === 'error')
          broken.abort(new Error(`${scenario.name}: ${message} ${JSON.stringify(fields)}`));
      },
      ...scenario.paper,
    }),
  );
  const system = stack.use(await openSystem(options, paper));
  signal.throwIfAborted();
  await system.start();
  signal.throwIfAborted();

  const owner = await ownerOf(paperPrivateKey());
  const forgotten = new Set<string>();
  const asked: AskedOrder[] = [];
  const contradicted = new Map<string, string>();
  const gather = async (): Promise<Omit<Evidence, 'unproven'>> => {
    const beliefs = await system.beliefs();
    return { asked, beliefs, truth: truthOf(paper, owner, forgotten), contradicted };
  };
  const judgeFinals = async () => {
    for (const [clientId, why] of wrongFinals(await gather())) contradicted.set(clientId, why);
  };
  const stage = createStage({ ...options, signal }, { paper, system, asked, forgotten, owner, judgeFinals });
  await scenario.run(stage);
  paper.faults.clear();
  const healedMs = performance.now();

  const judge = async () => {
    const evidence = await gather();
    return score({
      ...evidence,
      unproven: await system.unproven({ ...paper.truth(owner), ...evidence.truth }),
    });
  };
  const agreedMs = await untilAgreed(options.patience ?? PATIENCE[adapter], gather, judge, signal);
  // What comes back later must change nothing.
  await delay(scenario.quietMs ?? QUIET_MS, undefined, { signal });
  const { counts, findings } = await retry(judge, signal);
  return {
    counts,
    findings,
    secondsToTruth:
      agreedMs === undefined || !isClean(counts) ? null : Math.round((agreedMs - healedMs) / 100) / 10,
    ends: system.senders().ends(),
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
  };
}

function openSystem(options: RunOptions, paper: Paper): Promise<System> {
  const { servers, scenario, adapter, mutation } = options;
  const workers = Math.max(options.workers, scenario.workers ?? 1);
  const settingsOf = (index: number): Settings =>
    clockSettings(scenario, index, mutation?.env['NODE_OPTIONS']);
  if (adapter !== 'router') return openBaselineSystem({ name: adapter, servers, paper, workers, settingsOf });
  return openRouterSystem({
    servers,
    paper,
    submitters: workers,
    reconcilers: scenario.reconcilers ?? 1,
    settings: { ...scenario.settings, ...mutation?.env },
    settingsOf,
    sql: mutation?.sql,
  });
}

function clockSettings({ clockStepsMs = [] }: Scenario, index: number, nodeOptions = ''): Settings {
  const stepMs = clockStepsMs[index % clockStepsMs.length];
  if (stepMs === undefined) return {};
  const preload = new URL(`shift-clock.ts?ms=${stepMs}`, import.meta.url).href;
  return { NODE_OPTIONS: `${nodeOptions} --import=${preload}`.trim() };
}

type Scene = {
  readonly paper: Paper;
  readonly system: System;
  readonly asked: AskedOrder[];
  readonly forgotten: Set<string>;
  readonly owner: string;
  readonly judgeFinals: () => Promise<void>;
};

function createStage(
  { scenario, seed, servers, outageMs, kills, signal }: RunOptions,
  { paper, system, asked, forgotten, owner, judgeFinals }: Scene,
): Stage {
  const make = createOrderMaker(scenario.name);
  let drawn = 0;
  const pause = (ms: number) => delay(ms, undefined, { signal });
  const until = async (
    condition: () => boolean | Promise<boolean>,
    timeoutMs = UNTIL_MS,
  ): Promise<boolean> => {
    const deadlineMs = performance.now() + timeoutMs;
    while (performance.now() < deadlineMs) {
      if (await holds(condition)) return true;
      await pause(20);
    }
    return false;
  };
  return {
    paper,
    servers,
    system,
    outageMs,
    kills,
    random: () => noise(seed, ...Buffer.from(scenario.name), drawn++),
    orders: (count, terms: OrderTerms | ((index: number) => OrderTerms)) =>
      Array.from({ length: count }, (_, index) => make(typeof terms === 'function' ? terms(index) : terms)),
    enqueue: async (orders, options = {}) => {
      const acknowledged = new Set(
        await system.enqueue(
          orders.map(({ intent }) => intent),
          options,
        ),
      );
      const known = new Set(asked.map(({ intent }) => intent.client_id));
      for (const order of orders) {
        const { client_id } = order.intent;
        if (acknowledged.has(client_id) && !known.has(client_id)) asked.push(order);
      }
    },
    until,
    untilHit: (id, hits, timeoutMs) =>
      until(() => (paper.faults.list().find((fault) => fault.id === id)?.hits ?? 0) >= hits, timeoutMs),
    delay: pause,
    judgeFinals,
    forget: () => {
      for (const { id } of paper.truth(owner).orders) forgotten.add(id);
      asked.length = 0;
    },
  };
}

/** A database that is away answers no question. */
async function holds(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await condition();
  } catch {
    return false;
  }
}

function truthOf(paper: Paper, owner: string, forgotten: ReadonlySet<string>): Evidence['truth'] {
  const { orders, fills } = paper.truth(owner);
  return {
    orders: orders.filter(({ id }) => !forgotten.has(id)),
    fills: fills.filter(({ order_id }) => !forgotten.has(order_id)),
  };
}

/** @returns when it agreed; undefined when it did not within its time, or will not any more */
async function untilAgreed(
  { mostMs, stillMs }: Patience,
  gather: () => Promise<Omit<Evidence, 'unproven'>>,
  judge: () => Promise<{ readonly counts: Counts }>,
  signal: AbortSignal,
): Promise<number | undefined> {
  const startedMs = performance.now();
  let before = '';
  let changedMs = startedMs;
  for (;;) {
    signal.throwIfAborted();
    const now = performance.now();
    const evidence = await gather().catch(() => undefined);
    const isDone = evidence !== undefined && isOver(evidence);
    if (isDone) {
      const judged = await judge().catch(() => undefined);
      if (judged !== undefined && isClean(judged.counts)) return now;
    }
    const after = evidence === undefined ? 'unreadable' : fingerprint(evidence);
    if (after !== before) changedMs = now;
    before = after;
    if (now - startedMs > mostMs || now - changedMs > (isDone ? WRONG_STILL_MS : stillMs)) return undefined;
    await delay(POLL_MS, undefined, { signal });
  }
}

function fingerprint({ beliefs, truth }: Omit<Evidence, 'unproven'>): string {
  return JSON.stringify([beliefs, truth.fills.length, truth.orders.map(({ id, live }) => [id, live])]);
}

async function retry<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === 10) throw error;
      await delay(500, undefined, { signal });
    }
  }
}
