// What goes wrong under one seed, how often, until everything is healed: drawn once, so that seeds differ in kind and not
// only in luck.
import type { Random } from './random.ts';

/** What becomes of one transmission. */
const BROADCAST_FAULTS = [
  'not_sent',
  'drop_before',
  'drop_after',
  'hang_before',
  'hang_after',
  /** no answer in time, and the bytes arrive long after that */
  'arrives_late',
  'http_502',
  'http_502_after',
  'truncate',
  'html',
  'empty',
  'unknown_outcome',
  'not_now',
  'lose',
  'fail_in_block',
] as const;
const RPC_FAULTS = ['drop', 'hang', 'http_502', 'truncate'] as const;
const INDEXER_FAULTS = [
  'http_429',
  'http_502',
  'hang',
  'truncate',
  'html',
  'stale',
  'duplicate',
  'shuffle',
  'short',
] as const;

export type Rates<Kind extends string> = readonly { readonly kind: Kind; readonly rate: number }[];

export type Mishaps = {
  readonly broadcast: Rates<(typeof BROADCAST_FAULTS)[number]>;
  readonly rpc: Rates<(typeof RPC_FAULTS)[number]>;
  readonly indexer: Rates<(typeof INDEXER_FAULTS)[number]>;
  readonly nodes: number;
  readonly gossipBlocks: number;
  /** of a second and a third node */
  readonly lagBlocks: number;
  /** a node is away for some seconds, again and again */
  readonly nodeOutages: boolean;
  readonly indexerLagBlocks: number;
  /** newest: of the newest block, although the height says that it is there; single: some for many seconds */
  readonly withheld: 'none' | 'newest' | 'single';
  /** steps (calls and statements) that a process lives on average; undefined: it does not die */
  readonly lifeSteps: number | undefined;
  readonly pauseRate: number;
  /** how often a pause is one of many seconds, as of a frozen machine */
  readonly freezeShare: number;
  /** a statement does not reach the database, or its commit is not heard of */
  readonly databaseErrorRate: number;
  readonly duplicateJobRate: number;
  readonly lostWakeUpRate: number;
  /** clocks of processes are wrong by up to so much */
  readonly skewMs: number;
  readonly cancelRate: number;
  readonly hasHalt: boolean;
  readonly hasPausedMarket: boolean;
};

export function drawMishaps(random: Random): Mishaps {
  const ratesOf = <Kind extends string>(kinds: readonly Kind[], share: number, most: number): Rates<Kind> =>
    kinds.flatMap((kind) =>
      random.chance(share) ? [{ kind, rate: random.pick([0.02, 0.08, 0.25]) * most }] : [],
    );
  return {
    broadcast: ratesOf(BROADCAST_FAULTS, 0.2, 1),
    rpc: ratesOf(RPC_FAULTS, 0.2, 0.5),
    indexer: ratesOf(INDEXER_FAULTS, 0.25, 0.7),
    nodes: random.pick([1, 2, 3]),
    gossipBlocks: random.pick([0, 0, 1, 2]),
    lagBlocks: random.pick([0, 0, 1, 4]),
    nodeOutages: random.chance(0.3),
    indexerLagBlocks: random.pick([0, 0, 1, 3]),
    withheld: random.pick(['none', 'newest', 'newest', 'single']),
    lifeSteps: random.pick([undefined, 100, 300, 1_000]),
    pauseRate: random.pick([0, 0.05, 0.2]),
    freezeShare: random.pick([0, 0.05]),
    databaseErrorRate: random.pick([0, 0, 0.01, 0.05]),
    duplicateJobRate: random.pick([0, 0.3, 0.8]),
    lostWakeUpRate: random.pick([0, 0.3]),
    skewMs: random.pick([0, 4_000, 4_000, 40_000]),
    cancelRate: random.pick([0, 0.2, 0.6]),
    hasHalt: random.chance(0.15),
    hasPausedMarket: random.chance(0.15),
  };
}

/** At most one of them. */
export function drawFault<Kind extends string>(random: Random, rates: Rates<Kind>): Kind | undefined {
  for (const { kind, rate } of rates) if (random.chance(rate)) return kind;
  return undefined;
}
