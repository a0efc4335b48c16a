// DATABASE_URL is a pooler that lends a connection per transaction, DATABASE_DIRECT_URL the way past it: the router trades
// as without one, its timeouts are those of its login, and nothing that needs a session goes through the pooler.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { setUpRoles } from '../../src/store/role-setup.ts';
import { standings } from '../../src/store/standings.ts';
import { createDatabase } from '../support/databases.ts';
import { randomIntents, unhurried } from '../support/intents.ts';
import { asLogin } from '../support/logins.ts';
import { startPgbouncer } from '../support/pgbouncer.ts';
import { startTestRouter } from '../support/router.ts';

const LONGER_THAN_A_COPY_OF_THE_CONTROLS_MS = 2_500;

test('orders go their whole way through a transaction pooler with fewer connections than users', async () => {
  const database = await createDatabase();
  const direct = asLogin(database.url, 'worker');
  await using pooler = await startPgbouncer([direct], 3);
  const pooled = { DATABASE_URL: pooler.through(direct), DATABASE_DIRECT_URL: direct };
  await using router = await startTestRouter({ database, settings: pooled });
  await router.submitter();
  await router.submitter();
  await router.reconciler();
  const intents = randomIntents(60, 31, 'pooled');
  await router.client.enqueue(intents.slice(0, 30), { until: 'recorded' });
  await router.client.enqueue(intents.slice(30));
  await router.settled(intents.map(({ client_id }) => ({ tenant_id: 'default', client_id })));
  expect(await router.findings()).toEqual([]);

  // A failover behind a pooler, whose clients keep their connections: nothing leaves or ends until the database is known again.
  await sql`UPDATE installation SET server = server || '0'`.execute(router.db);
  await delay(LONGER_THAN_A_COPY_OF_THE_CONTROLS_MS);
  const sent = router.paper.truth().orders.length;
  const held = unhurried(randomIntents(5, 32, 'held'));
  await router.client.enqueue(held);
  await expect.poll(async () => (await standings(router.db, held)).length).toBe(held.length);
  // It may have been sent by what is forgotten: no end is known.
  await router.client.cancel(held[0]?.client_id ?? '');
  await delay(LONGER_THAN_A_COPY_OF_THE_CONTROLS_MS);
  expect(router.paper.truth().orders).toHaveLength(sent);
  const statuses = (await standings(router.db, held)).map(({ status }) => status);
  expect(statuses).toEqual(held.map(() => 'PENDING'));
  await sql`UPDATE installation SET server = current_server()`.execute(router.db);
  await router.settled(held);
  expect(await router.findings()).toEqual([]);
});

test('the timeouts of a login come through the pooler, which takes none from the client', async () => {
  await using database = await createDatabase();
  const direct = asLogin(database.url, 'worker');
  const user = new URL(direct).username;
  await setUpRoles(database.db, [{ user, role: 'cryptopulse_worker' }]);
  await using pooler = await startPgbouncer([direct], 2);
  const db = openDatabase({ url: pooler.through(direct), isPooled: true });
  const show = async (name: string) =>
    (await sql<{ value: string }>`SELECT current_setting(${name}) AS value`.execute(db)).rows[0]?.value;
  expect([
    await show('statement_timeout'),
    await show('lock_timeout'),
    await show('idle_in_transaction_session_timeout'),
  ]).toEqual(['30s', '10s', '30s']);
  await db.destroy();
  const unprepared = openDatabase({ url: pooler.through(direct) });
  await expect(sql`SELECT 1`.execute(unprepared)).rejects.toThrow(/unsupported startup parameter/);
  await unprepared.destroy();
});
