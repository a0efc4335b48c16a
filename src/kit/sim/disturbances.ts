// What happens under one seed beside the faults of single requests: processes that die are started again, clocks step, nodes
// go away and lag, a market is paused, orders are cancelled, everything is halted.
import { setMode } from '../../store/controls.ts';
import type { Exchange } from './exchange.ts';
import { createJobQueue, type JobQueue } from './job-queue.ts';
import { createMortal, type Mortal } from './mortal.ts';
import type { OfferedJob } from './offers.ts';
import { startReconciler } from './reconciler.ts';
import { type Submitter, startSubmitter, type Trader } from './submitter.ts';
import type { World } from './world.ts';

const SUBMITTERS = 2;
const RECONCILERS = 2;
const SWEEP_MS = 10_000;
const CLOCK_MS = 9_000;
const RESTART_MS = { low: 300, high: 6_000 };

/** Submitters and reconcilers over one queue: whoever dies is started again. */
export function startProcesses(world: World, exchange: Exchange, trader: Trader): JobQueue {
  const { scheduler, random } = world;
  const submitters: Submitter[] = [];
  const queue = createJobQueue(world, () => submitters);
  let started = 0;

  const start = (kind: string, begin: (mortal: Mortal) => void): void => {
    started += 1;
    const mortal = createMortal(world, `${kind} ${started}`);
    const { skewMs } = world.mishaps;
    const step = (): void => {
      mortal.setSkew(Math.round(random.between(-skewMs, skewMs)));
      if (!mortal.isDead()) scheduler.after(random.between(CLOCK_MS / 2, CLOCK_MS * 2), step);
    };
    if (skewMs > 0) step();
    mortal.onDeath(() =>
      scheduler.after(random.between(RESTART_MS.low, RESTART_MS.high), () => start(kind, begin)),
    );
    begin(mortal);
  };

  for (let index = 0; index < SUBMITTERS; index++) {
    start('submitter', (mortal) => {
      const submitter = startSubmitter(world, exchange, mortal, trader, queue.addWakeUp);
      submitters.push(submitter);
      sweep(world, submitter);
    });
  }
  for (let index = 0; index < RECONCILERS; index++) {
    start('reconciler', (mortal) => startReconciler(world, exchange, mortal, trader.signer.owner));
  }
  return queue;
}

function sweep({ scheduler, random, note }: World, { mortal, isReady, wake }: Submitter): void {
  const turn = (): void => {
    if (mortal.isDead()) return;
    if (isReady()) wake().catch((error: unknown) => note(mortal.name, `sweep failed: ${error}`));
    scheduler.after(SWEEP_MS, turn);
  };
  scheduler.after(random.between(0, SWEEP_MS), turn);
}

/** Producers offer their jobs; some orders are to be cancelled, some of them before they come. */
export function startProducers(world: World, queue: JobQueue, jobs: readonly OfferedJob[]): void {
  const { scheduler, random, mishaps } = world;
  for (const [index, { atMs, offers }] of jobs.entries()) {
    scheduler.after(atMs - scheduler.now(), () => {
      const offeredAt = new Date(scheduler.now());
      const intents = offers.map(({ intent }) => intent);
      world.note('producer', 'offers', { intents });
      queue.add({
        name: 'place',
        run: (submitter) => submitter.place({ intents, offeredAt, source: `job-${world.seed}-${index}` }),
      });
    });
    for (const { intent, expected } of offers) {
      if (expected === 'refused' || !random.chance(mishaps.cancelRate)) continue;
      const delayMs = Math.max(0, random.between(-1_000, random.pick([3_000, 15_000])));
      scheduler.after(atMs - scheduler.now() + delayMs, () =>
        queue.add({ name: 'cancel', run: (submitter) => submitter.cancel(intent.client_id) }),
      );
    }
  }
}

/** @param untilMs everything is as it should be by then */
export function disturb(
  world: World,
  exchange: Exchange,
  trader: Trader,
  { untilMs, pausedMarket }: { readonly untilMs: number; readonly pausedMarket: string | undefined },
): void {
  const { scheduler, random, mishaps } = world;
  const leftMs = untilMs - scheduler.now();
  const within = () => random.between(0.1, 0.9) * leftMs;
  for (let index = 1; index < mishaps.nodes; index++) {
    exchange.setNode(index, { lag_blocks: mishaps.lagBlocks, tx_index: random.chance(0.8) });
  }
  if (mishaps.nodeOutages) {
    for (let outage = 0; outage < 4; outage++) {
      const index = random.integer(0, mishaps.nodes - 1);
      const fromMs = within();
      scheduler.after(fromMs, () => exchange.setNode(index, { is_down: true }));
      scheduler.after(Math.min(leftMs, fromMs + random.between(2_000, 20_000)), () =>
        exchange.setNode(index, { is_down: false }),
      );
    }
  }
  if (pausedMarket !== undefined) {
    const fromMs = within();
    scheduler.after(fromMs, () => exchange.setMarket(pausedMarket, 'PAUSED'));
    scheduler.after(Math.min(leftMs, fromMs + 8_000), () => exchange.setMarket(pausedMarket, 'ACTIVE'));
  }
  if (mishaps.hasHalt) {
    const fromMs = within();
    const mode = random.pick(['HALTED', 'REDUCING'] as const);
    scheduler.after(fromMs, () => change(world, trader, mode));
    scheduler.after(Math.min(leftMs, fromMs + random.between(1_000, 15_000)), () =>
      change(world, trader, 'RUNNING'),
    );
  }
  scheduler.after(leftMs, () => {
    world.note('seed', 'is healed');
    for (let index = 0; index < mishaps.nodes; index++) {
      exchange.setNode(index, { lag_blocks: 0, is_down: false, tx_index: true });
    }
  });
}

/** An operator's, who has a connection of his own. */
function change(
  { db, scheduler, note }: World,
  { tenantId }: Trader,
  mode: 'RUNNING' | 'REDUCING' | 'HALTED',
) {
  note('operator', `sets ${mode}`);
  const scope = { tenantId, account: '', market: '' };
  void scheduler.work(() => setMode(db, { ...scope, mode, reason: 'simulated', setBy: 'sim' }));
}
