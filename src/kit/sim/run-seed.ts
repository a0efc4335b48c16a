// One seed: an exchange, submitters and reconcilers that die, producers; everything goes wrong that the seed draws, then
// nothing does any more, and then everything must come to rest and agree with what really happened.
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { paperAccountNumber } from '../../paper/wire/accounts.ts';
import type { Database } from '../../store/database.ts';
import { ownerOf } from '../../venue/keys.ts';
import { createSigner } from '../../venue/signer.ts';
import { disturb, startProcesses, startProducers } from './disturbances.ts';
import { CHAIN_ID, createExchange, type Exchange } from './exchange.ts';
import { drawMishaps } from './mishaps.ts';
import { drawOffers } from './offers.ts';
import { randomOf } from './random.ts';
import { createScheduler } from './scheduler.ts';
import { setTime } from './simulated-time.ts';
import type { Trader } from './submitter.ts';
import { judge } from './verdict.ts';
import type { World } from './world.ts';

export type SeedOptions = {
  readonly seed: number;
  /** about so many intents */
  readonly orders: number;
  /** told of everything that happens */
  readonly note?: ((line: string) => void) | undefined;
};

export type SeedResult = {
  readonly seed: number;
  /** what is wrong; empty: the seed passes */
  readonly wrong: readonly string[];
  readonly orders: number;
  readonly fills: number;
  /** until everything had ended */
  readonly simulatedMs: number;
  readonly tookMs: number;
};

const START_MS = Date.UTC(2026, 0, 1);
/** Producers offer for so long, */
const OFFER_MS = 18_000;
/** everything that goes wrong does so until then, */
const HEAL_MS = 32_000;
/** and what has not ended so long after the start never will. */
const GIVE_UP_MS = 240_000;
/** After the last end: what comes late comes now. */
const REST_MS = 8_000;

/** @param db of simulated time, see simulated-time.ts; what other seeds left there has ended */
export async function runSeed(db: Database, options: SeedOptions): Promise<SeedResult> {
  const { seed, note } = options;
  const startedMs = performance.now();
  const random = randomOf(seed);
  const mishaps = drawMishaps(random);
  const scheduler = createScheduler(START_MS, (nowMs) => setTime(db, nowMs));
  const tellTime = () => ((scheduler.now() - START_MS) / 1_000).toFixed(3).padStart(8);
  const world: World = {
    seed,
    random,
    scheduler,
    mishaps,
    db,
    isHealed: () => scheduler.now() >= START_MS + HEAL_MS,
    note:
      note === undefined
        ? () => {}
        : (who, what, fields) =>
            note(`${tellTime()} ${who}: ${what} ${fields ? JSON.stringify(fields, bigints) : ''}`),
  };
  world.note('seed', String(seed), mishaps);
  await setTime(db, START_MS);
  // Fixed by the seed: order ids, and so the exchange's fill ids, follow from the client ids.
  await sql`SELECT setval('dydx_client_id_blocks', ${((seed * 7_919) % 4_000_000) * 1_000}::bigint)`.execute(
    db,
  );
  const exchange = createExchange(world);
  const trader = await traderOf(seed);
  const { owner } = trader.signer;
  const pausedMarket = mishaps.hasPausedMarket ? random.pick(['ETH-USD', 'SOL-USD']) : undefined;
  const offered = drawOffers(random, {
    ...trader,
    count: random.integer(Math.ceil(options.orders * 0.6), Math.ceil(options.orders * 1.4)),
    startMs: START_MS + 2_000,
    forMs: OFFER_MS,
    pausedMarket,
  });
  makeBlocks(world, exchange);
  const queue = startProcesses(world, exchange, trader);
  startProducers(world, queue, offered);
  disturb(world, exchange, trader, { untilMs: START_MS + HEAL_MS, pausedMarket });

  const isOver = () => {
    if (!world.isHealed() || queue.open() > 0) return false;
    return exchange.truth(owner).orders.every(({ live }) => !live);
  };
  let restUntilMs = Number.POSITIVE_INFINITY;
  let nextLookMs = START_MS + HEAL_MS;
  let endedMs = GIVE_UP_MS;
  await scheduler.run(async () => {
    const nowMs = scheduler.now();
    if (nowMs >= restUntilMs || nowMs >= START_MS + GIVE_UP_MS) return false;
    if (nowMs < nextLookMs || restUntilMs !== Number.POSITIVE_INFINITY) return true;
    nextLookMs = nowMs + 2_000;
    if (!isOver() || (await countActive(db, trader.tenantId)) > 0) return true;
    endedMs = nowMs - START_MS;
    restUntilMs = nowMs + REST_MS;
    return true;
  });
  const wrong = await judge({
    db,
    exchange,
    owner,
    tenantId: trader.tenantId,
    offers: offered.flatMap(({ offers }) => offers),
    mayBeLate: mishaps.withheld === 'single',
  });
  const truth = exchange.truth(owner);
  for (const line of wrong) world.note('WRONG', line);
  return {
    seed,
    wrong,
    orders: truth.orders.length,
    fills: truth.fills.length,
    simulatedMs: endedMs,
    tookMs: performance.now() - startedMs,
  };
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

async function traderOf(seed: number): Promise<Trader> {
  const privateKey = createHash('sha256').update(`dydx-order-router simulation ${seed}`).digest();
  const accountNumber = paperAccountNumber(await ownerOf(privateKey));
  const signer = await createSigner({ privateKey, chainId: CHAIN_ID, accountNumber });
  return { tenantId: `sim-${seed}`, account: 'main', signer };
}

async function countActive(db: Database, tenantId: string): Promise<number> {
  const row = await db
    .selectFrom('orders')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('tenant_id', '=', tenantId)
    .where('status', 'in', ['PENDING', 'OPEN', 'PARTIALLY_FILLED'])
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

function makeBlocks({ scheduler, random }: World, exchange: Exchange): void {
  const next = (): void => {
    exchange.produceBlock();
    scheduler.after(random.between(600, 1_400), next);
  };
  for (let block = 0; block < 3; block++) exchange.produceBlock();
  scheduler.after(500, next);
}
