// The producer of a bench, a process of its own: offers orders through the queue or as rows, at a rate (open loop) or so
// many at a time (closed loop), until its parent says stop. What is done it learns from the exchange, which costs the
// router nothing. It adds jobs as the README tells producers of any language to.
import { setTimeout as delay } from 'node:timers/promises';
import { createRouterClient } from '../../client.ts';
import { chooseBackend } from '../../queue/backend.ts';
import { type JobData, ORDERS_QUEUE } from '../../queue/jobs.ts';
import { intentOf, type LoadOptions } from './load.ts';
import { countOrders } from './requests.ts';

/** jobs: one intent a job; groups: many; recorded: rows at the door, in bulk. */
export type LoadMode = 'jobs' | 'groups' | 'recorded';

export type LoadSpec = LoadOptions & {
  readonly mode: LoadMode;
  /** intents of a job of the mode `groups`, rows of a call of the mode `recorded` */
  readonly perCall: number;
  readonly pace: /** orders a second, each added by itself */
    | { readonly rate: number }
    /** at most so many that the exchange has not seen */
    | { readonly outstanding: number };
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly queuePrefix: string | undefined;
  readonly exchangeUrl: string;
};

/** Of the closed loop: how often the exchange is asked, and how many jobs an addBulk takes. */
const LOOK_MS = 20;
const MAX_BULK = 200;
const TICK_MS = 2;

const spec: LoadSpec = JSON.parse(process.argv[2] ?? '{}');
const { mode, perCall, pace } = spec;
const options = { attempts: 10_000, backoff: { type: 'custom' } } as const;
const queues = chooseBackend(spec);
const queue = queues.queue<JobData>(ORDERS_QUEUE);
const client = createRouterClient(spec);
let isStopping = false;
for (const event of ['message', 'disconnect', 'SIGTERM', 'SIGINT']) {
  process.once(event, () => {
    isStopping = true;
  });
}
let offered = 0;
const next = (count: number) => Array.from({ length: count }, () => ({ ...intentOf(offered++, spec) }));

const offer = {
  jobs: async (count: number) => {
    await queue.addBulk(next(count).map((data) => ({ name: 'place', data, opts: options })));
  },
  groups: async (count: number) => {
    const groups = Array.from({ length: Math.ceil(count / perCall) }, () => ({ intents: next(perCall) }));
    await queue.addBulk(groups.map((data) => ({ name: 'place', data, opts: options })));
  },
  recorded: async (count: number) => {
    for (let left = count; left > 0; left -= perCall) {
      await client.enqueue(next(perCall), { until: 'recorded' });
    }
  },
} as const satisfies Record<LoadMode, (count: number) => Promise<void>>;

async function closedLoop(outstanding: number): Promise<void> {
  const before = await countOrders(spec.exchangeUrl);
  let done = 0;
  let lookedMs = 0;
  while (!isStopping) {
    if (performance.now() - lookedMs >= LOOK_MS) {
      done = (await countOrders(spec.exchangeUrl)) - before;
      lookedMs = performance.now();
    }
    const room = outstanding - (offered - done);
    if (room >= Math.max(1, mode === 'jobs' ? 1 : perCall)) await offer[mode](Math.min(room, MAX_BULK));
    else await delay(TICK_MS);
  }
}

/** One add a job, as strategies do; a late tick catches up. */
async function openLoop(rate: number): Promise<void> {
  const startedMs = performance.now();
  const adding = new Set<Promise<unknown>>();
  while (!isStopping) {
    const due = Math.floor(((performance.now() - startedMs) * rate) / 1000);
    while (offered < due) {
      const [data = {}] = next(1);
      const added: Promise<unknown> = queue.add('place', data, options).finally(() => adding.delete(added));
      adding.add(added);
    }
    await delay(TICK_MS);
  }
  await Promise.all(adding);
}

await queue.waitUntilReady();
process.send?.('ready');
await ('rate' in pace ? openLoop(pace.rate) : closedLoop(pace.outstanding));
process.send?.({ offered });
await queue.close();
await queues.close();
await client.close();
if (process.connected) process.disconnect();
