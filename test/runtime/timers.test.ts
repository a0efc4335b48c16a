// Timers on a real database and queue: whoever can, does; whatever hangs or fails holds up no other.
import { expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { type Context, openContext } from '../../src/runtime/context.ts';
import { startTimers, type Timer } from '../../src/runtime/timers.ts';
import { listHeartbeats } from '../../src/store/queue-heartbeats.ts';
import { createDatabase } from '../support/databases.ts';

async function openTimers(name: string, databaseUrl: string): Promise<Context> {
  const { config, secrets } = readConfig({
    DATABASE_URL: databaseUrl,
    SWEEP_INTERVAL_MS: '50',
    LOG_LEVEL: 'silent',
  });
  const context = await openContext(name, config, secrets);
  onTestFinished(() => context.close());
  return context;
}

function start(context: Context, own: readonly Timer[]): void {
  const timers = startTimers(context, { own });
  onTestFinished(() => timers.stop());
}

test('a process that fails in its turn gives it back to one that does not', async () => {
  await using database = await createDatabase();
  let failures = 0;
  let successes = 0;
  const failing = async () => {
    failures += 1;
    throw new Error('this process may not');
  };
  start(await openTimers('bad', database.url), [{ name: 'probe', run: failing }]);
  await expect.poll(() => failures).toBeGreaterThan(2);
  start(await openTimers('good', database.url), [
    {
      name: 'probe',
      run: async () => {
        successes += 1;
      },
    },
  ]);
  await expect.poll(() => successes).toBeGreaterThan(2);
});

test('a timer that hangs holds up no other, and two never run at once', async () => {
  await using database = await createDatabase();
  const end = Promise.withResolvers<void>();
  let hanging = 0;
  let others = 0;
  start(await openTimers('hanging', database.url), [
    {
      name: 'hangs',
      run: () => {
        hanging += 1;
        return end.promise;
      },
    },
    {
      name: 'goes on',
      run: async () => {
        others += 1;
      },
    },
  ]);
  await expect.poll(() => others).toBeGreaterThan(5);
  expect(hanging).toBe(1);
  end.resolve();
});

test('heartbeats come into the queues by themselves, and nobody takes one here', async () => {
  await using database = await createDatabase();
  const context = await openTimers('alone', database.url);
  start(context, []);
  await expect
    .poll(async () => (await context.queue('orders').getWaiting()).map(({ name }) => name))
    .toEqual(['heartbeat']);
  expect(await listHeartbeats(context.db)).toEqual([]);
});
