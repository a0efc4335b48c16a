import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { summarize } from '../../src/cli/summary.ts';
import { randomIntents, unhurried } from '../support/intents.ts';
import { startTestRouter } from '../support/router.ts';

test('one planted false proof and one planted false figure are each found, and nothing else', async () => {
  await using router = await startTestRouter({ paper: { blockMs: 100 } });
  await router.submitter();
  await router.reconciler();
  const intents = unhurried(randomIntents(30, 23, 'planted'));
  await router.client.enqueue(intents);
  await router.settled(intents);
  const run = { intents: 30, refused: 0, startedMs: Date.now() };
  const findings: string[] = [];
  const check = () =>
    summarize(router.db, run, `${router.paper.url}/paper/truth`, (finding) => findings.push(finding));

  expect(await check()).toMatchObject({ orders: 30, unproven: 0, mismatched: 0 });

  // The evidence of a dead order names another good-til-block than was signed.
  await sql`UPDATE orders SET resolution = jsonb_set(resolution, '{good_til_block}', '1')
    WHERE id = (SELECT id FROM orders WHERE resolution->>'rule' = 'dead' ORDER BY id LIMIT 1)`.execute(
    router.db,
  );
  expect(await check()).toMatchObject({ unproven: 1, mismatched: 0 });

  // A fill of another order is booked at another price, past the trigger that keeps fills as they are.
  await router.db.transaction().execute(async (trx) => {
    await sql`SET LOCAL session_replication_role = replica`.execute(trx);
    await sql`UPDATE order_fills SET price = price * 2
      WHERE id = (SELECT id FROM order_fills ORDER BY id LIMIT 1)`.execute(trx);
  });
  expect(await check()).toMatchObject({ unproven: 1, mismatched: 1 });
  expect(findings.at(-1)).toContain('has other figures');
});
