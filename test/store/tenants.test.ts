// Two tenants by logins of cryptopulse_app: each reads, guesses, overwrites and collides, and neither learns of the
// other. Through the SDK and past it.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRouterClient } from '../../src/client.ts';
import type { IntentInput } from '../../src/core/intent.ts';
import { requestCancel, requestCancels, storeCancel } from '../../src/store/cancels.ts';
import { listControls, setMode } from '../../src/store/controls.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { whatIsDue } from '../../src/store/due-orders.ts';
import { readFigures } from '../../src/store/figures.ts';
import { countByStatus } from '../../src/store/order-counts.ts';
import { listActiveOrders, listOrders } from '../../src/store/order-pages.ts';
import { findOrder, orderWithHistory } from '../../src/store/order-story.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { TENANT_ROWS } from '../../src/store/roles.ts';
import { latestRejections } from '../../src/store/standings.ts';
import { asTenant } from '../../src/store/tenant.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { fillOf, insertRow, newCursor, nextName, orderRow, reportOf, signed, unsigned } from './builders.ts';

const database = await createDatabase();
const app = openDatabase({ url: asLogin(database.url, 'app') });
const clientOf = (tenantId: string) =>
  createRouterClient({ databaseUrl: asLogin(database.url, 'app'), tenantId });
const [alice, bob] = [clientOf('alice'), clientOf('bob')];
afterAll(async () => {
  await Promise.all([alice.close(), bob.close(), app.destroy()]);
  await database[Symbol.asyncDispose]();
});

const intent = (client_id: string): IntentInput => ({
  client_id,
  market: 'BTC-USD',
  side: 'BUY',
  type: 'MARKET',
  size: '0.01',
});

const countIn = async (db: Database, table: string): Promise<number> => {
  const { rows } = await sql<{ n: number }>`SELECT count(*)::int AS n FROM ${sql.table(table)}`.execute(db);
  return rows[0]?.n ?? -1;
};

/** An order of bob's that has an attempt, a fill, history, and one that is archived. */
async function wholeOrder(tenant_id: string): Promise<{ readonly id: string }> {
  const { db } = database;
  const owner = nextName('dydx1tenant');
  const cursor = await newCursor(db, owner);
  const order = await signed(db, { tenant_id }, { owner });
  await bookReport(db, reportOf(cursor, [fillOf(order)], 111), 1);
  const old = await signed(db, { tenant_id, size: '1' }, { owner });
  const again = { ...cursor, fillsRead: 1, lastFillId: null };
  const { rows } = await sql<{ last: string }>`
    SELECT last_fill_id AS last FROM reconcile_cursors WHERE owner = ${owner}`.execute(db);
  await bookReport(
    db,
    reportOf({ ...again, lastFillId: rows[0]?.last ?? null }, [fillOf(old, { size: '1' })], 112),
    1,
  );
  const tx = { hash: tenant_id.padEnd(64, '1'), bytes: Buffer.from(tenant_id) };
  const end = { goodTilBlock: 130, nonce: undefined };
  await storeCancel(db, { tenantId: tenant_id, owner, orderIds: [old.id], ...end, tx });
  await sql`SELECT archive_orders(${[old.id]}::uuid[])`.execute(db);
  return { id: order.id };
}

let bobs: { readonly id: string };
beforeAll(async () => {
  bobs = await wholeOrder('bob');
  const orders = { bob: bobs, alice: await wholeOrder('alice') };
  for (const [tenantId, { id }] of Object.entries(orders)) {
    const tx = { hash: tenantId.padEnd(64, '0'), bytes: Buffer.from(tenantId) };
    const end = { goodTilBlock: 130, nonce: undefined };
    await storeCancel(database.db, { tenantId, owner: nextName('dydx1'), orderIds: [id], ...end, tx });
    const scope = { tenantId, account: '', market: '' };
    const halt = { ...scope, mode: 'REDUCING', reason: 'test', setBy: tenantId } as const;
    await asTenant(app, tenantId, (trx) => setMode(trx, halt));
  }
  expect((await bob.enqueue({ ...intent('refused'), size: '-1' })).outcome).toBe('invalid');
});

describe('reads', () => {
  test.each(Object.keys(TENANT_ROWS))('%s shows a tenant its own rows only', async (table) => {
    const { db } = database;
    const all = await countIn(db, table);
    expect(all).toBeGreaterThan(0);
    const own = await asTenant(app, 'bob', (trx) => countIn(trx, table));
    const alices = await asTenant(app, 'alice', (trx) => countIn(trx, table));
    expect(own).toBeGreaterThan(0);
    expect(own + alices).toBe(all);
  });

  test.each(Object.keys(TENANT_ROWS))(
    '%s shows nothing, and raises nothing, where no tenant is set',
    async (table) => {
      expect(await countIn(app, table)).toBe(0);
      // What a transaction leaves behind is an empty name.
      await app.connection().execute(async (session) => {
        await asTenant(session, 'bob', async () => {});
        expect(await countIn(session, table)).toBe(0);
      });
      expect(await asTenant(app, '', (trx) => countIn(trx, table))).toBe(0);
    },
  );

  test('the typed queries answer as if the other tenant did not exist', async () => {
    const filter = { tenantId: 'bob', market: 'BTC-USD', limit: 10 };
    const asAlice = await asTenant(app, 'alice', async (trx) => ({
      page: await listOrders(trx, filter),
      active: await listActiveOrders(trx, filter),
      counts: await countByStatus(trx, { tenantId: 'bob' }),
      story: await orderWithHistory(trx, bobs.id),
      refusals: await latestRejections(trx, 'bob', 'refused', 1),
    }));
    expect(asAlice.page.orders).toEqual([]);
    expect(asAlice.active.orders).toEqual([]);
    expect(Object.values(asAlice.counts).every((count) => count === 0)).toBe(true);
    expect(asAlice.story).toBeUndefined();
    expect(asAlice.refusals).toEqual([]);
    const asBob = await asTenant(app, 'bob', async (trx) => ({
      story: await orderWithHistory(trx, bobs.id),
      active: await listActiveOrders(trx, filter),
      refusals: await latestRejections(trx, 'bob', 'refused', 1),
    }));
    expect(asBob.story?.history.length).toBeGreaterThan(1);
    expect(asBob.active.orders).toHaveLength(1);
    expect(asBob.refusals).toHaveLength(1);
  });

  test('counts over all tenants are to be had, without anybody’s rows', async () => {
    await insertRow(database.db, { tenant_id: 'bob', next_wake_at: new Date(0) });
    expect((await readFigures(app)).activeByStatus.PENDING).toBeGreaterThan(0);
    expect(await whatIsDue(app)).toEqual({ hasDue: true, hasDueCancels: false });
  });
});

describe('guesses', () => {
  test('a worker’s and an owner’s rights cannot be taken', async () => {
    for (const role of ['cryptopulse_worker', 'cryptopulse_owner', 'cryptopulse_readonly']) {
      await expect(sql.raw(`SET ROLE ${role}`).execute(app)).rejects.toMatchObject({ code: '42501' });
    }
    const unguarded = app.transaction().execute(async (trx) => {
      await sql`SET LOCAL row_security = off`.execute(trx);
      return countIn(trx, 'orders');
    });
    await expect(unguarded).rejects.toMatchObject({ code: '42501' });
  });

  test('a condition that looks at every row before the policy does sees none of the other’s', async () => {
    const seen: string[] = [];
    await app.connection().execute(async (session) => {
      await asTenant(session, 'alice', async (trx) => {
        await sql`CREATE FUNCTION pg_temp.spy(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
          $$ BEGIN PERFORM set_config('app.spied', coalesce(current_setting('app.spied', true), '') || ' ' || $1, false); RETURN true; END $$`.execute(
          trx,
        );
        await sql`SELECT id FROM orders WHERE pg_temp.spy(tenant_id)`.execute(trx);
      });
      const { rows } = await sql<{
        spied: string | null;
      }>`SELECT current_setting('app.spied', true) AS spied`.execute(session);
      seen.push(rows[0]?.spied ?? '');
    });
    expect(seen.join()).toContain('alice');
    expect(seen.join()).not.toContain('bob');
  });
});

describe('functions that act as the owner', () => {
  test('are nobody’s to execute', async () => {
    const { rows } = await sql<{ name: string }>`
      SELECT p.oid::regprocedure::text AS name FROM pg_proc p
      WHERE p.pronamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.objid = p.oid AND d.deptype = 'e') AND has_function_privilege('cryptopulse_app', p.oid, 'EXECUTE')`.execute(
      database.db,
    );
    expect(rows).toEqual([]);
  });

  test('cannot be hung on a table of one’s own, to write history or worse', async () => {
    const attack = (trigger: string) =>
      asTenant(app, 'alice', async (trx) => {
        await sql`CREATE TEMP TABLE orders (id uuid, status text)`.execute(trx);
        await sql.raw(`CREATE TRIGGER forge AFTER ${trigger}`).execute(trx);
      });
    for (const trigger of [
      'UPDATE ON orders REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.record_order_change()',
      'INSERT ON orders REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.record_order_creation()',
      'DELETE ON orders REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_unarchived_delete()',
    ]) {
      await expect(attack(trigger)).rejects.toMatchObject({
        code: '42501',
        message: expect.stringContaining('permission denied for function'),
      });
    }
  });
});

describe('overwrites', () => {
  test.each([
    [
      'a row of another tenant',
      `INSERT INTO order_keys (tenant_id, client_id, order_id, intent_hash)
      VALUES ('bob', 'forged', gen_random_uuid(), 'x')`,
    ],
    [
      'an order of another tenant',
      `INSERT INTO orders (id, tenant_id, client_id, market, side, type, size, time_in_force)
      VALUES (gen_random_uuid(), 'bob', 'forged', 'BTC-USD', 'BUY', 'MARKET', 1, 'IOC')`,
    ],
    [
      'a refusal of another tenant',
      `INSERT INTO intent_rejections (tenant_id, source, refusals) VALUES ('bob', 'x', '[]')`,
    ],
    [
      'a state',
      `INSERT INTO orders (id, tenant_id, client_id, market, side, type, size, time_in_force, status)
      VALUES (gen_random_uuid(), 'alice', 'forged', 'BTC-USD', 'BUY', 'MARKET', 1, 'IOC', 'FILLED')`,
    ],
    ['a change of its own', `UPDATE orders SET size = 2 WHERE tenant_id = 'alice'`],
    ['a cancel transaction', `INSERT INTO cancel_transactions DEFAULT VALUES`],
    [
      'a halt of another tenant',
      `INSERT INTO controls (tenant_id, reason, set_by) VALUES ('bob', 'x', 'alice')`,
    ],
    ['a halt of all', `INSERT INTO controls (tenant_id, reason, set_by) VALUES ('', 'x', 'alice')`],
    ['its halt for another tenant', `UPDATE controls SET tenant_id = 'bob'`],
    ['a change of controls that never was', `INSERT INTO control_changes DEFAULT VALUES`],
    ['an order that takes a key of another tenant', `UPDATE order_keys SET tenant_id = 'bob'`],
    ['a nonce', `SELECT take_nonces('dydx1', 1, 1, false)`],
    ['a deletion', `DELETE FROM orders`],
    [
      'history',
      `INSERT INTO order_status_history (order_id, new_status) VALUES (gen_random_uuid(), 'FILLED')`,
    ],
  ])('%s is refused', async (_, statement) => {
    const attempt = asTenant(app, 'alice', (trx) => sql.raw(statement).execute(trx));
    await expect(attempt).rejects.toMatchObject({ code: '42501' });
  });

  test('an intent of another tenant is refused at the door by the name of the field', async () => {
    const told = await alice.enqueue({ ...intent('theirs'), tenant_id: 'bob' }, { until: 'recorded' });
    expect(told).toMatchObject({
      outcome: 'invalid',
      refusals: [{ field: 'tenant_id', reason: 'this client speaks for alice' }],
    });
  });
});

describe('cancels', () => {
  const asked = async (order: { readonly id: string }) =>
    (await orderRow(database.db, order)).cancel_requested_at !== null;

  test('are of its own orders, and name no other’s', async () => {
    const { db } = database;
    const [mine, theirs] = [
      await unsigned(db, { tenant_id: 'alice' }),
      await unsigned(db, { tenant_id: 'bob' }),
    ];
    const { client_id } = theirs.intent;
    const asAlice = <Result>(work: (trx: Database) => Promise<Result>) => asTenant(app, 'alice', work);
    expect(await alice.cancel(mine.intent.client_id)).toMatchObject({
      outcome: 'requested',
      status: 'PENDING',
    });
    // The same name is her own, and was free.
    expect(await alice.cancel(client_id)).toMatchObject({ outcome: 'spent' });
    expect(await asAlice((trx) => requestCancel(trx, 'alice', client_id))).toEqual({ outcome: 'spent' });
    await expect(asAlice((trx) => requestCancel(trx, 'bob', client_id))).rejects.toMatchObject({
      code: '42501',
    });
    await asAlice((trx) => requestCancels(trx, { tenantId: 'bob' }));
    await asAlice((trx) => requestCancels(trx, {}));
    await asAlice((trx) =>
      trx
        .updateTable('orders')
        .set({ cancel_requested_at: new Date() })
        .where('id', '=', theirs.id)
        .execute(),
    );
    expect([await asked(mine), await asked(theirs)]).toEqual([true, false]);
  });

  test('by a key that names another’s order do nothing, whoever carries them out', async () => {
    const { db } = database;
    const theirs = await unsigned(db, { tenant_id: 'bob' });
    const forged = nextName('forged');
    await asTenant(app, 'alice', (trx) => requestCancel(trx, 'alice', forged));
    await asTenant(app, 'alice', (trx) =>
      trx
        .updateTable('order_keys')
        .set({ order_id: theirs.id, intent_hash: 'a'.repeat(64) })
        .where('client_id', '=', forged)
        .execute(),
    );
    // A submitter sees the orders of every tenant.
    await expect(requestCancel(db, 'alice', forged)).rejects.toThrow('is gone');
    expect(await findOrder(db, 'alice', forged)).toBeUndefined();
    expect(await asked(theirs)).toBe(false);
  });
});

describe('controls', () => {
  const asAlice = (statement: string) => asTenant(app, 'alice', (trx) => sql.raw(statement).execute(trx));
  const insert = (values: string) =>
    asAlice(`INSERT INTO controls (tenant_id, account, market, mode, limits, reason, set_by) ${values}`);
  const tooMany = {
    code: '54000',
    message: expect.stringContaining('tenant alice has 1000 controls in force'),
  };

  test('of one tenant hold up no submitter, which reads them all: only so many are in force', async () => {
    await insert(
      `SELECT 'alice', '', 'M' || n, 'HALTED', '{}', 'test', 'alice' FROM generate_series(1, 1000) n`,
    );
    await expect(
      insert(`VALUES ('alice', '', 'more', 'HALTED', '{}', 'test', 'alice')`),
    ).rejects.toMatchObject(tooMany);
    await expect(
      insert(`VALUES ('alice', 'main', '', 'RUNNING', '{"max_open_orders": 1}', 'test', 'alice')`),
    ).rejects.toMatchObject(tooMany);
    // What holds nothing up is not read, and does not come into force by and by.
    await insert(`VALUES ('alice', '', 'more', 'RUNNING', '{}', 'test', 'alice')`);
    const halt = `UPDATE controls SET mode = 'HALTED' WHERE market = 'more'`;
    await expect(asAlice(halt)).rejects.toMatchObject(tooMany);
    // The widest may be set, those in force may still change, and be lifted for others.
    await asAlice(`UPDATE controls SET mode = 'RUNNING' WHERE account = '' AND market = ''`);
    await asAlice(`UPDATE controls SET mode = 'HALTED' WHERE account = '' AND market IN ('', 'M1')`);
    await asAlice(`UPDATE controls SET mode = 'RUNNING' WHERE market = 'M1'`);
    await asAlice(halt);
    const ofBob = { tenantId: 'bob', account: '', market: 'BTC-USD' };
    await asTenant(app, 'bob', (trx) =>
      setMode(trx, { ...ofBob, mode: 'HALTED', reason: 'test', setBy: 'bob' }),
    );
    expect((await listControls(database.db)).length).toBeGreaterThan(1_000);
  });

  test.each([
    ['reason', `reason = repeat('x', 4097)`],
    ['name', `set_by = repeat('x', 256)`],
    ['limits', `limits = jsonb_build_object('note', repeat('x', 4096))`],
  ])('take no %s of any length', async (_what, change) => {
    await expect(asAlice(`UPDATE controls SET ${change} WHERE market = 'M2'`)).rejects.toMatchObject({
      constraint: 'controls_bounded',
    });
  });
});

describe('collisions', () => {
  test('one client_id is one order each, however they race', async () => {
    const client_id = nextName('both');
    const calls = [alice, bob, alice, bob].map((client) =>
      client.enqueue(intent(client_id), { until: 'recorded' }),
    );
    const outcomes = (await Promise.all(calls)).map(({ outcome }) => outcome);
    expect(outcomes.toSorted()).toEqual(['duplicate', 'duplicate', 'recorded', 'recorded']);
    const other = await bob.enqueue({ ...intent(client_id), size: '7' }, { until: 'recorded' });
    expect(other.outcome).toBe('conflict');
  });

  test('a source that another tenant has used loses no refusal', async () => {
    const source = nextName('cli');
    const bad = (client_id: string) => ({ ...intent(client_id), size: '0' });
    await bob.enqueue([bad('by-bob')], { source });
    await alice.enqueue([bad('by-alice')], { source });
    const told = await asTenant(app, 'alice', (trx) => latestRejections(trx, 'alice', 'by-alice', 1));
    expect(told).toHaveLength(1);
  });

  test('an id that another tenant’s order has makes nothing, and changes nothing', async () => {
    const id = bobs.id;
    const insert = asTenant(app, 'alice', async (trx) => {
      await trx
        .insertInto('order_keys')
        .values({ tenant_id: 'alice', client_id: 'taken', order_id: id, intent_hash: 'a'.repeat(64) })
        .execute();
      await sql`INSERT INTO orders (id, tenant_id, client_id, market, side, type, size, time_in_force)
        VALUES (${id}, 'alice', 'taken', 'BTC-USD', 'BUY', 'MARKET', 1, 'IOC')`.execute(trx);
    });
    await expect(insert).rejects.toMatchObject({ code: '23505' });
    expect((await orderWithHistory(database.db, id))?.order.tenant_id).toBe('bob');
  });
});

test('a login that sees one tenant only must say whose orders it means', async () => {
  await using anybody = createRouterClient({ databaseUrl: asLogin(database.url, 'app') });
  await expect(anybody.enqueue(intent('x'), { until: 'recorded' })).rejects.toThrow('say whose');
});

test('a producer’s login queues, and learns from nobody’s rows', async () => {
  await using producer = createRouterClient({ databaseUrl: asLogin(database.url, 'producer') });
  const one = intent(randomUUID());
  expect((await producer.enqueue(one)).outcome).toBe('queued');
  expect((await producer.enqueue({ ...one, size: '-1' })).outcome).toBe('invalid');
  await expect(producer.enqueue(intent('x'), { until: 'recorded' })).rejects.toThrow('may only queue');
});
