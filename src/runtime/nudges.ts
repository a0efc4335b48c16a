// Wake-ups of a reconciler by the indexer's websocket: what has news is read now, not when it is due. Without them, or
// while the socket is away, everything is found by polling.
import { createOutage } from '../ops/outage.ts';
import type { Subaccount } from '../store/cursors.ts';
import { createIndexerSocket } from '../venue/indexer-socket.ts';
import type { Context } from './context.ts';
import { networkOf } from './venue.ts';

export type Nudges = {
  readonly start: () => void;
  readonly stop: () => Promise<void>;
  /** Be told of it from now on. */
  readonly follow: (subaccount: Subaccount) => void;
  /** Those that had news since it was asked last. */
  readonly take: () => readonly Subaccount[];
  /** How long a pass was: what takes long is not asked for so often. */
  readonly passed: (ms: number) => void;
};

/** Between two passes that were asked for. Low: a busy subaccount is read for each of its fills. */
const MIN_SPACING_MS = 200;
/** Passes that were asked for take a fifth of the time at most: many fills are cheaper in few pages. */
const SPACING_PASSES = 5;

/** @param wake a pass is due */
export function openNudges({ config, log }: Context, wake: () => void): Nudges {
  const news = new Map<string, Subaccount>();
  let timer: NodeJS.Timeout | undefined;
  let wokenAtMs = Number.NEGATIVE_INFINITY;
  let spacingMs = MIN_SPACING_MS;
  const wakeSoon = () => {
    const waitMs = wokenAtMs + spacingMs - performance.now();
    timer ??= setTimeout(
      () => {
        timer = undefined;
        wokenAtMs = performance.now();
        wake();
      },
      Math.max(0, waitMs),
    );
  };
  const nudge = (subaccounts: readonly Subaccount[]) => {
    for (const one of subaccounts) news.set(`${one.owner}/${one.subaccountNumber}`, one);
    wakeSoon();
  };
  const outage = createOutage(log, "the indexer's websocket");
  const socket = createIndexerSocket({
    url: networkOf(config).indexerUrl,
    onNews: (subaccount) => nudge([subaccount]),
    onBlock: wakeSoon,
    onGap: nudge,
    onLost: outage.failed,
    onOpen: outage.works,
  });
  return {
    start: () => {
      if (config.INDEXER_WEBSOCKET) socket.start();
    },
    stop: async () => {
      clearTimeout(timer);
      await socket.stop();
      clearTimeout(timer);
    },
    follow: ({ owner, subaccountNumber }) => socket.follow({ owner, subaccountNumber }),
    take: () => {
      const taken = [...news.values()];
      news.clear();
      return taken;
    },
    passed: (ms) => {
      spacingMs = Math.max(MIN_SPACING_MS, SPACING_PASSES * ms);
    },
  };
}
