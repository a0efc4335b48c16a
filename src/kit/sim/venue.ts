// What one process sees of the exchange: the router's own adapters over transports of the simulation, the newest height and
// the market table, both asked for again and again while the process lives.
import type { Market } from '../../core/market.ts';
import type { Block, Indexer, Validator } from '../../core/ports.ts';
import type { HttpClient, HttpOutcome } from '../../venue/http.ts';
import { createIndexer } from '../../venue/indexer.ts';
import { createValidator } from '../../venue/validator.ts';
import { CHAIN_ID, DEADLINE_MS, type Exchange } from './exchange.ts';
import type { Mortal } from './mortal.ts';
import type { World } from './world.ts';

export type Venue = {
  readonly validator: Validator;
  readonly indexer: Indexer;
  /** undefined while what is known is too old to sign with */
  readonly block: () => Block | undefined;
  readonly market: (ticker: string) => Market | undefined;
  readonly isFresh: (ticker: string) => boolean;
  /** height and markets were seen once */
  readonly isReady: () => boolean;
};

const HEIGHT_POLL_MS = 1_200;
const HEIGHT_MAX_AGE_MS = 15_000;
const MARKETS_POLL_MS = 8_000;
const ORACLE_MAX_AGE_MS = 30_000;

export function openVenue(world: World, mortal: Mortal, exchange: Exchange): Venue {
  const { scheduler, random, mishaps } = world;
  const url = 'http://sim';
  const nodes = Array.from({ length: mishaps.nodes }, (_, index) =>
    createValidator(
      { url, chainId: CHAIN_ID, timeoutMs: DEADLINE_MS.validator, now: () => mortal.now().getTime() },
      slow(mortal, exchange.node(index)),
    ),
  );
  // Each process prefers another one.
  const first = random.integer(0, nodes.length - 1);
  const ranked = [...nodes.slice(first), ...nodes.slice(0, first)];
  const firstAnswer = async <Answer>(ask: (node: Validator) => Promise<Answer>): Promise<Answer> => {
    let failure: unknown;
    for (const node of ranked) {
      try {
        return await ask(node);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  };
  const validator: Validator = {
    broadcast: async (bytes, mayLeave, turn = 0) =>
      ranked[turn % ranked.length]?.broadcast(bytes, mayLeave) ?? { kind: 'not_sent', reason: 'no node' },
    latestBlock: async () => {
      const asked = await Promise.allSettled(ranked.map((node) => node.latestBlock()));
      const blocks = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      const [newest] = blocks.toSorted((left, right) => right.height - left.height);
      if (newest === undefined) throw new Error('no node follows the chain');
      return newest;
    },
    chainId: () => firstAnswer((node) => node.chainId()),
    accountNumber: (address) => firstAnswer((node) => node.accountNumber(address)),
    findTx: (hash, sinceHeight) => firstAnswer((node) => node.findTx(hash, sinceHeight)),
    indexesTransactions: () => firstAnswer((node) => node.indexesTransactions()),
    statefulOrder: (id, minHeight) => firstAnswer((node) => node.statefulOrder(id, minHeight)),
    blockRateLimits: () => firstAnswer((node) => node.blockRateLimits()),
    equityTiers: () => firstAnswer((node) => node.equityTiers()),
    authenticators: (owner) => firstAnswer((node) => node.authenticators(owner)),
  };
  const indexer = createIndexer({
    url,
    timeoutMs: DEADLINE_MS.indexer,
    http: slow(mortal, exchange.indexer),
    pause: scheduler.sleep,
  });

  let newest: { readonly block: Block; readonly askedMs: number } | undefined;
  poll(world, mortal, HEIGHT_POLL_MS, async () => {
    const askedMs = scheduler.now();
    const block = await validator.latestBlock();
    if (newest === undefined || block.height > newest.block.height) newest = { block, askedMs };
  });
  const markets = new Map<string, { readonly market: Market; readonly askedMs: number }>();
  poll(world, mortal, MARKETS_POLL_MS, async () => {
    const askedMs = scheduler.now();
    for (const market of await indexer.markets()) markets.set(market.ticker, { market, askedMs });
  });
  const isYoung = (askedMs: number | undefined, maxAgeMs: number) =>
    askedMs !== undefined && scheduler.now() - askedMs <= maxAgeMs;
  return {
    validator,
    indexer,
    block: () => (isYoung(newest?.askedMs, HEIGHT_MAX_AGE_MS) ? newest?.block : undefined),
    market: (ticker) => markets.get(ticker)?.market,
    isReady: () => newest !== undefined && markets.size > 0,
    isFresh: (ticker) => isYoung(markets.get(ticker)?.askedMs, ORACLE_MAX_AGE_MS),
  };
}

/** A frozen process neither sends nor hears; a dead one hears nothing any more. */
function slow(mortal: Mortal, { get, postJson, close }: HttpClient): HttpClient {
  const heard = async (outcome: HttpOutcome): Promise<HttpOutcome> => {
    await mortal.awake();
    return mortal.isDead() ? new Promise(() => {}) : outcome;
  };
  const alive = async (): Promise<void> => {
    await mortal.awake();
    if (mortal.isDead()) await new Promise(() => {});
  };
  return {
    get: async (path) => {
      await alive();
      return heard(await get(path));
    },
    postJson: async (body, mayLeave) => {
      await alive();
      return heard(await postJson(body, mayLeave));
    },
    close,
  };
}

/** Again and again while the process lives, never twice at once. @param run may fail */
export function poll(
  { scheduler, note }: World,
  mortal: Mortal,
  everyMs: number,
  run: () => Promise<unknown>,
): void {
  const turn = async (): Promise<void> => {
    await mortal.awake();
    if (mortal.isDead()) return;
    try {
      await run();
    } catch (error) {
      note(mortal.name, error instanceof Error ? error.message : String(error));
    }
    scheduler.after(everyMs, () => void turn());
  };
  scheduler.after(0, () => void turn());
}
