import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, inject, test } from 'vitest';
import { bringUpToDate } from '../../src/cli/bring-up-to-date.ts';
import { chooseBackend } from '../../src/queue/backend.ts';
import { openDatabase } from '../../src/store/database.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import type { TestDatabase } from '../support/databases.ts';
import { randomIntents } from '../support/intents.ts';
import { makeLogins } from '../support/logins.ts';
import { startTestRouter } from '../support/router.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { expectTruth, OUTAGE_TEST_MS, SETTLE_MS, UNHURRIED } from './outage.ts';

const folder = mkdtempSync(join(tmpdir(), 'router-outages-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test(
  'a PostgreSQL that is away for 20 s loses no intent',
  async () => {
    await using server = await startRestartablePostgres();
    await using router = await startTestRouter({ ...UNHURRIED, database: server.database });
    await router.submitter();
    await router.submitter();
    await router.reconciler();
    const intents = randomIntents(400, 76, 'down');
    await router.client.enqueue(intents.slice(0, 200), { until: 'recorded' });
    await router.client.enqueue(intents.slice(200));
    await expect.poll(() => router.paper.truth().orders.length).toBeGreaterThan(20);
    await server.down();
    await expect(router.client.enqueue(intents, { until: 'recorded' })).rejects.toThrow();
    await delay(20_000);
    await server.up();
    // Sending the same intents again is always safe.
    await router.client.enqueue(intents);
    await router.settled(intents, SETTLE_MS);
    await expectTruth(router);
  },
  OUTAGE_TEST_MS,
);

/** A migrated PostgreSQL of its own behind an address that stays. */
async function startRestartablePostgres() {
  await using opening = new AsyncDisposableStack();
  const proxy = opening.use(await startTcpProxy());
  let server = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  opening.defer(() => server.stop());
  const portOf = (url: string) => Number(new URL(url).port);
  proxy.aim(portOf(server.url));
  const through = new URL(server.url);
  through.port = String(proxy.port);
  const url = through.href;
  const db = openDatabase({ url });
  opening.defer(() => db.destroy());
  await bringUpToDate(url, chooseBackend({ databaseUrl: url }));
  await makeLogins(url, inject('loginRun'));
  const stack = opening.move();
  const database: TestDatabase = { url, db, [Symbol.asyncDispose]: async () => {} };
  return {
    database,
    down: async () => {
      await server.stop();
      proxy.aim(undefined);
    },
    up: async () => {
      server = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
      proxy.aim(portOf(server.url));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
