// A producer in TypeScript: one order, a group with everything that can be told of an intent, a stateful order and its
// cancel. While `npm start`
// runs in the same folder: npx node examples/producer.ts [RUN]. The same RUN again: everything is a duplicate.
import { createRouterClient, type Enqueued } from '../src/client.ts';
import { readConfig } from '../src/config.ts';

function tell(result: Enqueued): void {
  const why = 'refusals' in result ? result.refusals.map(({ field, reason }) => `${field}: ${reason}`) : [];
  console.log([result.client_id ?? '(no client_id)', result.outcome, ...why].join('  '));
}

const run = process.argv[2] ?? String(Date.now());
const { databaseUrl, redisUrl } = readConfig(process.env).secrets;
if (databaseUrl === undefined) {
  console.error('no database: set DATABASE_URL, or run `npm start` here');
  process.exit(1);
}

await using router = createRouterClient({ databaseUrl, redisUrl });

// `recorded`: when this returns, the row is committed, and the order is sent once or ends with a reason and a proof.
const order = {
  client_id: `ts-${run}-1`,
  market: 'BTC-USD',
  side: 'BUY',
  type: 'MARKET',
  size: '0.01',
  metadata: { strategy: 'example' },
} as const;
tell(await router.enqueue(order, { until: 'recorded' }));

// A group: one outcome each, in order. Not knowing whether a call came through? Send it again, nothing doubles.
const resting = {
  client_id: `ts-${run}-2`,
  market: 'ETH-USD',
  side: 'SELL',
  type: 'LIMIT',
  size: '0.25',
  price: '3150',
  good_til_blocks: 20,
} as const;
const results = await router.enqueue(
  [resting, order, { ...order, size: '0.02' }, { ...resting, client_id: `ts-${run}-3`, price: '3150.05' }],
  { until: 'recorded' },
);
results.forEach(tell);

// A stop that the chain keeps for a day, and its cancel: asked for at once, proven a few blocks later.
const stop = {
  client_id: `ts-${run}-4`,
  market: 'ETH-USD',
  side: 'SELL',
  type: 'STOP_LIMIT',
  size: '0.25',
  price: '2600',
  trigger_price: '2650',
  good_til_time: new Date(Date.now() + 86_400_000).toISOString(),
} as const;
tell(await router.enqueue(stop, { until: 'recorded' }));
const { outcome } = await router.cancel(stop.client_id);
console.log(`${stop.client_id}  cancel ${outcome}`);
console.log(`what became of it: npx router show ${order.client_id}`);
