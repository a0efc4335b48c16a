// What becomes of orders when the processes that send them die, stall, have a wrong clock, or are given bad or double work.
import { openCounterparty } from '../counterparty.ts';
import type { Scenario } from '../scenario.ts';

export const killAfterSend: Scenario = {
  name: 'kill_after_send',
  what: 'every sending process is killed (SIGKILL) when the exchange has taken an order and before the answer is stored',
  run: async ({ paper, system, orders, enqueue, untilHit, random, kills }) => {
    for (let kill = 0; kill < kills; kill++) {
      paper.faults.clear();
      const skip = Math.floor(random() * 4);
      const hung = paper.faults.add({ on: 'broadcast', action: 'hang_after', skip, count: 1 });
      await enqueue(
        orders(5, (index) => ({ kind: index % 2 === 0 ? 'cross' : 'market', landing: 'may' })),
        { isRecorded: kill % 2 === 1 },
      );
      await untilHit(hung, 1, 10_000);
      await system.senders().kill();
    }
  },
};

/** Of the router's pages of 200 two that are full, and a third one. */
const LONG_LIST = 450;
const SLOW_MS = 400;
/** From when a page has left the exchange: 200 fills of one order are booked in 250 ms at best, in 2 s under load. */
const BOOKING_MS = { from: 150, to: 300 };

export const reconcilerKilled: Scenario = {
  name: 'reconciler_killed',
  what: 'every process that reads fills is killed (SIGKILL) in the middle of the pages of a long list of them',
  reconcilers: 2,
  run: async ({ paper, system, orders, enqueue, until, untilHit, delay, random, kills }) => {
    await using counterparty = await openCounterparty(paper);
    const fillsOf = async () => (await system.beliefs()).flatMap(({ fillIds }) => fillIds).length;
    // Each costs a claim that has to lapse: a quarter of them.
    for (let kill = 0; kill < Math.ceil(kills / 4); kill++) {
      const known = await fillsOf();
      await counterparty.restMany(LONG_LIST);
      const before = paper.truth().fills.length;
      const slow = paper.faults.add({
        on: 'indexer',
        action: 'delay_answer',
        path: 'fills',
        params: { ms: SLOW_MS },
      });
      await enqueue(orders(3, (index) => ({ kind: index === 0 ? 'sweep' : index === 1 ? 'cross' : 'rest' })));
      await until(() => paper.truth().fills.length >= before + LONG_LIST, 10_000);
      const hits = paper.faults.list().find(({ id }) => id === slow)?.hits ?? 0;
      // In the first page of the new ones, then in a later one.
      await untilHit(slow, hits + 1 + (kill % 3), 10_000);
      const { from, to } = BOOKING_MS;
      await delay(SLOW_MS + Math.floor(from + random() * (to - from)));
      await system.readers().kill();
      paper.faults.clear();
      // Whoever dies holds what it was reading for some seconds.
      await until(async () => (await fillsOf()) >= known + LONG_LIST, 20_000);
    }
  },
};

export const jobTwice: Scenario = {
  name: 'job_twice',
  what: 'every job is there twice, and a worker stalls with its jobs until another has them',
  workers: 2,
  quietMs: 4_000,
  run: async ({ paper, system, orders, enqueue, delay }) => {
    paper.faults.add({ on: 'broadcast', action: 'delay_answer', params: { ms: 500 } });
    const asked = orders(24, (index) => ({ kind: index % 2 === 0 ? 'cross' : 'market', landing: 'may' }));
    await enqueue(asked);
    await system.enqueueAgain(asked.map(({ intent }) => intent));
    await delay(150);
    const [stalled] = system.senders().processes();
    stalled?.signal('SIGSTOP');
    await delay(7_000);
    stalled?.signal('SIGCONT');
  },
};

export const clockStep: Scenario = {
  name: 'clock_step',
  what: 'for a while the clock of one sending process is 40 s ahead, that of another 40 s behind',
  workers: 2,
  clockStepsMs: [40_000, -40_000],
  run: async ({ system, paper, orders, enqueue, until, delay }) => {
    const step = () => {
      for (const process of system.senders().processes()) process.signal('SIGUSR2');
    };
    step();
    await delay(500);
    await enqueue(
      // A short life may pass while nobody can tell the height.
      orders(16, (index) => (index % 2 === 0 ? { kind: 'long' } : { kind: 'cross', landing: 'may' })),
    );
    await until(() => paper.truth().orders.length >= 16, 8_000);
    // Over by the right clock, and not by one that is 40 s behind.
    const submit_by = new Date(Date.now() - 10_000).toISOString();
    const late = orders(24, { kind: 'cross', submit_by, landing: 'never' });
    await enqueue(late, { addedAt: Date.now() - 20_000 });
    await delay(3_000);
    step();
  },
};

/** What passes every schema may still be nothing that a database takes: it stores no character 0. */
const UNSTORABLE = String.fromCharCode(0);

export const poison: Scenario = {
  name: 'poison',
  what: 'among good intents are some that no market, no schema and no database takes',
  run: async ({ system, paper, orders, enqueue, until }) => {
    const asked = orders(20, (index) => ({ kind: index % 2 === 0 ? 'cross' : 'market' }));
    const base = {
      market: 'BTC-USD',
      side: 'BUY',
      type: 'LIMIT',
      size: '0.5',
      price: '63000',
      good_til_blocks: 10,
    };
    const bad: readonly unknown[] = [
      { ...base, client_id: 'no-market', market: 'NOPE-USD' },
      { ...base, client_id: 'off-grid', size: '0.00001' },
      { ...base, client_id: 'no-size', size: 'many' },
      { ...base, client_id: 'long', price: '9'.repeat(40) },
      { ...base, client_id: 'late', submit_by: '275760-01-01T00:00:00Z' },
      { ...base, client_id: 'wide'.repeat(100) },
    ];
    const badJobs: readonly unknown[] = [
      { ...base, client_id: `zero${UNSTORABLE}` },
      { ...base, client_id: 'deep', metadata: { text: `a${UNSTORABLE}` } },
      null,
      7,
      { intents: [] },
    ];
    await Promise.all([
      enqueue(asked.slice(0, 10)),
      // What the queue itself refuses has harmed nobody.
      ...badJobs.map((data) => system.enqueueAgain([data]).catch(() => {})),
    ]);
    // Once it is warm, what comes together is stored together.
    await until(() => paper.truth().orders.length >= 10, 10_000);
    await enqueue(asked.slice(10), { company: bad });
    await until(() => paper.truth().orders.length >= asked.length, 10_000);
  },
};
