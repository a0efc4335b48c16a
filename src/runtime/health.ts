// What each kind of process checks before it calls itself ready; src/ops/health.ts asks. Every `why` says what to do.
import type { Validator } from '../core/ports.ts';
import type { Check, Finding } from '../ops/health.ts';
import { countUnread } from '../store/cursors.ts';
import { databaseTime } from '../store/figures.ts';
import { migrationStatus, requireSchema } from '../store/migrations.ts';
import { listHeartbeats } from '../store/queue-heartbeats.ts';
import type { HeightFeed } from '../venue/height-feed.ts';
import { whyFromFuture } from '../venue/witness.ts';
import type { Context } from './context.ts';
import type { IndexerHeight } from './indexer-height.ts';
import { HEIGHT_MAX_AGE_MS, WHY_NO_TX_INDEX, whyOtherChain } from './venue.ts';

/** Good-til-blocks, deadlines and the queue's locks bear this much, not more. */
const MAX_CLOCK_SKEW_MS = 5_000;

/**
 * Database, schema, queue, the clock against the database's, and heartbeats.
 * @param queues those that must be consumed for this process to make sense
 * @param now the local clock
 */
export function baseChecks(
  { db, queues: backend, config }: Pick<Context, 'db' | 'queues' | 'config'>,
  queues: readonly string[],
  now: () => number = Date.now,
): readonly Check[] {
  const startedMs = performance.now();
  return [
    {
      name: 'database',
      ask: async () => {
        await databaseTime(db);
        return {};
      },
    },
    {
      name: 'schema',
      ask: async () => {
        await requireSchema(db);
        return { revision: (await migrationStatus(db)).at(-1)?.name };
      },
    },
    {
      name: 'queue',
      ask: async () => {
        await backend.ping();
        return { kind: backend.kind };
      },
    },
    {
      name: 'clock',
      ask: async () => {
        const askedMs = now();
        const time = await databaseTime(db);
        // Half of the round trip lies before the database looked at its clock.
        const skewMs = (askedMs + now()) / 2 - time.getTime();
        return { skew_ms: Math.round(skewMs), why: databaseSkew(skewMs) };
      },
    },
    ...queues.map(
      (queue): Check => ({
        name: `heartbeat_${queue}`,
        ask: async () => {
          const beat = (await listHeartbeats(db)).find((heartbeat) => heartbeat.queue === queue);
          // Before the first one nobody can be late but a process that has waited for it long enough.
          const ageMs = Math.round(beat?.ageMs ?? performance.now() - startedMs);
          const isOld = ageMs > config.HEARTBEAT_MAX_AGE_MS;
          return {
            age_ms: beat === undefined ? undefined : ageMs,
            why: isOld ? lateHeartbeat(queue, ageMs) : undefined,
          };
        },
      }),
    ),
  ];
}

/**
 * What happened while nobody ran is known: of every subaccount with active orders the fills were read since this process
 * started. Once it is so, it stays so. Cancels and halts do not wait for it.
 */
export function caughtUpCheck({ db }: Pick<Context, 'db'>): Check {
  const startedMs = performance.now();
  let isDone = false;
  return {
    name: 'caught_up',
    ask: async () => {
      if (isDone) return {};
      const unread = await countUnread(db, performance.now() - startedMs);
      isDone = unread === 0;
      const why = `${unread} subaccounts with active orders were not read since the start: is a reconciler running?`;
      return isDone ? {} : { unread, why };
    },
  };
}

function databaseSkew(skewMs: number): string | undefined {
  if (Math.abs(skewMs) <= MAX_CLOCK_SKEW_MS) return undefined;
  const side = skewMs > 0 ? 'ahead of' : 'behind';
  return `this clock is ${seconds(skewMs)} ${side} the database's: synchronize both (chrony, systemd-timesyncd)`;
}

function lateHeartbeat(queue: string, ageMs: number): string {
  return (
    `nobody has taken a heartbeat from queue ${queue} for ${seconds(ageMs)}: is a worker of it running, ` +
    'and on the same REDIS_URL and QUEUE_PREFIX?'
  );
}

export type VenueParts = {
  readonly validator: Pick<Validator, 'chainId' | 'indexesTransactions'>;
  readonly chainId: string;
  readonly heights: WatchedHeights;
  /** true: this process proves where transactions are */
  readonly needsTxIndex?: boolean;
  /** absent: this process does not ask for the indexer's height */
  readonly indexerHeight?: IndexerHeight;
};

type WatchedHeights = Pick<HeightFeed, 'current' | 'newest' | 'ageMs' | 'failure'>;

/**
 * The node's chain, that its height rises, the clock against the blocks' time, the index of transactions, the indexer.
 * @param now the local clock
 */
export function venueChecks(parts: VenueParts, now: () => number = Date.now): readonly Check[] {
  const { validator, chainId, heights, needsTxIndex = false, indexerHeight } = parts;
  const checks: Check[] = [
    {
      name: 'chain',
      ask: async () => {
        const actual = await validator.chainId();
        return { chain_id: actual, why: actual === chainId ? undefined : whyOtherChain(actual, chainId) };
      },
    },
    { name: 'height', ask: async () => checkHeight(heights) },
    { name: 'chain_clock', ask: async () => checkChainClock(heights, now()) },
  ];
  if (needsTxIndex) {
    checks.push({
      name: 'tx_index',
      ask: async () => ((await validator.indexesTransactions()) ? {} : { why: WHY_NO_TX_INDEX }),
    });
  }
  if (indexerHeight === undefined) return checks;
  const indexer = async () => ({ height: await indexerHeight.known(HEIGHT_MAX_AGE_MS) });
  return [...checks, { name: 'indexer', ask: indexer }];
}

function checkHeight(heights: WatchedHeights): Finding {
  const [newest, ageMs] = [heights.newest(), heights.ageMs()];
  if (newest === undefined || ageMs === undefined) {
    const cause = heights.failure() ?? 'does the validator answer, and is it not catching up?';
    return { why: `no block has been seen: ${cause} (DYDX_VALIDATOR_URLS)` };
  }
  const found = { height: newest.height, age_ms: Math.round(ageMs) };
  if (heights.current() !== undefined) return found;
  const cause = heights.failure() ?? 'the chain stands still, or the validator does';
  return { ...found, why: `no new block for ${seconds(ageMs)}: ${cause} (DYDX_VALIDATOR_URLS)` };
}

/**
 * By the local clock when the block was first seen: how old it has become since then is checkHeight's. A block that lies
 * in the future by the clock of now shows that the clock was set back since; newer blocks are not believed then.
 */
function checkChainClock(heights: WatchedHeights, nowMs: number): Finding {
  const newest = heights.newest();
  if (newest === undefined) {
    const cause = heights.failure();
    return {
      why: `no block has been seen to compare the clock with${cause === undefined ? '' : `: ${cause}`}`,
    };
  }
  const future = whyFromFuture(newest.time, nowMs);
  if (future !== undefined) {
    const aheadMs = Math.round(newest.time.getTime() - nowMs);
    return { skew_ms: -aheadMs, why: `the chain's newest block is ${future}` };
  }
  const skewMs = newest.observedAtMs - newest.time.getTime();
  const found = { skew_ms: Math.round(skewMs) };
  if (skewMs > MAX_CLOCK_SKEW_MS) {
    return {
      ...found,
      why: `the chain's newest block was ${seconds(skewMs)} old when it was first seen: the chain stands still, the validator lags, or this clock is ahead (check chrony, systemd-timesyncd)`,
    };
  }
  return found;
}

function seconds(ms: number): string {
  return `${(Math.abs(ms) / 1000).toFixed(1)} s`;
}
