// Submitters of one owner use the chain's rate together, counted where their queue is.
import { randomUUID } from 'node:crypto';
import { afterAll, expect, inject, test } from 'vitest';
import type { RateLane } from '../../../src/core/gate.ts';
import { createDatabase } from '../../support/databases.ts';
import { openGate, type TestGate } from '../../support/gates.ts';
import { asLogin } from '../../support/logins.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

const database = await createDatabase();
afterAll(() => database[Symbol.asyncDispose]());
const redisUrl = inject('queueKind') === 'redis' ? inject('redisUrl') : undefined;
const settings = {
  DATABASE_URL: asLogin(database.url, 'worker'),
  QUEUE_PREFIX: `{${randomUUID()}}`,
  ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
};
const newOwner = () => `dydx1${randomUUID()}`;

/** As many as are given; 100 at a time. */
async function takeAll({ gate }: TestGate, owner: string, lane: RateLane): Promise<number> {
  let taken = 0;
  for (;;) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => gate.takeRate(owner, lane)));
    const given = answers.filter(Boolean).length;
    taken += given;
    if (given < answers.length) return taken;
  }
}

test('two submitters take together what one would: four fifths for placements, and what is left for cancels', async () => {
  await using a = await openGate(settings);
  await using b = await openGate(settings);
  const owner = newOwner();
  const placed = await Promise.all([takeAll(a, owner, 'short_term'), takeAll(b, owner, 'short_term')]);
  expect(placed[0] + placed[1]).toBe(320);
  const cancelled = await Promise.all([takeAll(a, owner, 'cancel'), takeAll(b, owner, 'cancel')]);
  expect(cancelled[0] + cancelled[1]).toBe(80);
  expect(await takeAll(a, newOwner(), 'short_term')).toBe(320);

  // One of them sees the next block earlier.
  a.venue.height = 1_001;
  expect(await takeAll(a, owner, 'short_term')).toBe(320);
  expect(await takeAll(b, owner, 'short_term')).toBe(0);
  b.venue.height = 1_001;
  expect(await takeAll(b, owner, 'short_term')).toBe(0);
});

test('of 20 stateful orders in 100 blocks a share of a half are 10 in a bucket, whoever sends them', async () => {
  await using a = await openGate(settings, { height: 1_040 });
  await using b = await openGate(settings, { height: 1_143 });
  const owner = newOwner();
  const taken = (await takeAll(a, owner, 'stateful')) + (await takeAll(b, owner, 'stateful'));
  expect(taken).toBe(10);
  b.venue.height = 1_144;
  expect(await takeAll(b, owner, 'stateful')).toBe(10);
});

test('a batch of cancels takes two points', async () => {
  await using a = await openGate({ ...settings, RATE_LIMIT_SHARE: '1' });
  const owner = newOwner();
  // 8 a block: 6 for placements, 2 for cancels.
  expect(await takeAll(a, owner, 'short_term')).toBe(6);
  expect([await a.gate.takeRate(owner, 'cancel', 2), await a.gate.takeRate(owner, 'cancel', 2)]).toEqual([
    true,
    false,
  ]);
});

test('a submitter whose shared count is away goes on with a quarter, and shares again when it is back', async () => {
  await using proxy = await startTcpProxy();
  const behind = new URL(redisUrl ?? settings.DATABASE_URL);
  const port = Number(behind.port);
  behind.hostname = '127.0.0.1';
  behind.port = String(proxy.port);
  proxy.aim(port);
  const through =
    redisUrl === undefined
      ? { ...settings, DATABASE_URL: behind.href }
      : { ...settings, REDIS_URL: behind.href };
  await using cut = await openGate(through);
  await using whole = await openGate(settings);
  const owner = newOwner();
  expect(await cut.gate.takeRate(owner, 'short_term')).toBe(true);
  cut.venue.height = 1_001;
  whole.venue.height = 1_001;
  proxy.aim(undefined);
  expect(await takeAll(cut, owner, 'short_term')).toBe(80);
  expect(await takeAll(whole, owner, 'short_term')).toBe(320);
  proxy.aim(port);
  await expect
    .poll(
      async () => {
        cut.venue.height = (cut.venue.height ?? 0) + 1;
        return takeAll(cut, owner, 'short_term');
      },
      { interval: 100 },
    )
    .toBe(320);
  whole.venue.height = cut.venue.height;
  expect(await takeAll(whole, owner, 'short_term')).toBe(0);
});
