// A restored or recovered database starts halted, with other venue client ids, and trusts no order about which more may
// have happened than it knows.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listDumps } from '../../src/backup/folder.ts';
import { createClientIds } from '../../src/store/client-ids.ts';
import { listControls } from '../../src/store/controls.ts';
import { ensureCursor } from '../../src/store/cursors.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { finishRecovery } from '../../src/store/recovery.ts';
import { listStuck } from '../../src/store/stuck.ts';
import {
  cursorOf,
  include,
  newCursor,
  orderRow,
  signed,
  signedStateful,
  unsigned,
} from '../store/builders.ts';
import { catalogueOf } from '../support/catalogue.ts';
import { administer, createDatabase } from '../support/databases.ts';
import { named, type Site, startSite } from './site.ts';

const RECOVERY = { reason: 'a test', setBy: 'tester', isNothingLost: false };
const nextBlockOf = async (db: Database) => Math.floor((await createClientIds(db).next()) / 1000);

describe('finishing a recovery', () => {
  test('halts everything with who and why, and only resume lifts it', async () => {
    await using database = await createDatabase();
    const { db } = database;
    await finishRecovery(db, RECOVERY);
    expect(await listControls(db)).toMatchObject([
      { tenantId: '', account: '', market: '', mode: 'HALTED', reason: 'a test', setBy: 'tester' },
    ]);
    expect(await db.selectFrom('maintenance_runs').selectAll().execute()).toMatchObject([
      { task: 'recovery', outcome: 'done', started_by: 'tester' },
    ]);
  });

  test('draws ids that are a billion away from those that may be forgotten, another start each time', async () => {
    await using database = await createDatabase();
    const { db } = database;
    const starts = new Set<number>();
    for (let recovery = 0; recovery < 20; recovery++) {
      const known = await nextBlockOf(db);
      await finishRecovery(db, RECOVERY);
      const start = await nextBlockOf(db);
      const ahead = (start - known + 4_294_967) % 4_294_967;
      expect(ahead).toBeGreaterThanOrEqual(1_073_741);
      expect(ahead).toBeLessThanOrEqual(3_221_227);
      starts.add(start);
    }
    expect(starts.size).toBeGreaterThan(15);
  });

  test('leaves nothing due that was never signed as far as is known, and says why', async () => {
    await using database = await createDatabase();
    const { db } = database;
    const order = await unsigned(db);
    expect(await finishRecovery(db, RECOVERY)).toMatchObject({ set_aside: 1 });
    expect(await orderRow(db, order)).toMatchObject({
      status: 'PENDING',
      next_wake_at: null,
      error_message: expect.stringContaining('set aside by a recovery'),
    });
    expect(await listStuck(db, 0, 10)).toMatchObject([
      { client_id: order.intent.client_id, why: 'set_aside' },
    ]);
  });

  test('lets a signed short-term order live as long as any signature of it may', async () => {
    await using database = await createDatabase();
    const { db } = database;
    const order = await signed(db);
    const before = await orderRow(db, order);
    expect(await finishRecovery(db, RECOVERY)).toMatchObject({ lives_prolonged: 1 });
    expect(await orderRow(db, order)).toMatchObject({
      good_til_block: Number(before?.first_good_til_block) + 40,
      first_good_til_block: before?.first_good_til_block,
    });
    expect(await finishRecovery(db, RECOVERY)).toMatchObject({ lives_prolonged: 0 });
  });

  test('asks for the cancel of a stateful order that the chain may or may not have, not of one that it has', async () => {
    await using database = await createDatabase();
    const { db } = database;
    const [doubtful, known] = [await signedStateful(db), await signedStateful(db)];
    await include(db, known);
    expect(await finishRecovery(db, RECOVERY)).toMatchObject({ cancels_requested: 1 });
    expect(await orderRow(db, doubtful)).toMatchObject({ cancel_requested_at: expect.any(Date) });
    expect(await orderRow(db, known)).toMatchObject({ cancel_requested_at: null });
  });

  test('lifts nonces above all that may have been given out, and makes every subaccount due', async () => {
    await using database = await createDatabase();
    const { db } = database;
    await db.insertInto('signer_nonces').values({ owner: 'dydx1a', last_nonce: 5 }).execute();
    await newCursor(db, 'dydx1a');
    await sql`UPDATE reconcile_cursors SET due_at = now() + interval '1 hour', idle_passes = 9, claimed_until = now() + interval '1 hour'`.execute(
      db,
    );
    await finishRecovery(db, RECOVERY);
    const { rows } = await sql<{ above: boolean; due: boolean }>`
      SELECT last_nonce > (extract(epoch FROM now()) * 1000)::bigint + 29000 AS above,
        (SELECT bool_and(due_at <= clock_timestamp() AND claimed_until IS NULL AND idle_passes = 0) FROM reconcile_cursors) AS due
      FROM signer_nonces`.execute(db);
    expect(rows).toEqual([{ above: true, due: true }]);
  });

  test('has a subaccount that is new to it read from the highest block that was known: older fills may be of forgotten orders', async () => {
    await using database = await createDatabase();
    const { db } = database;
    const startOf = async (owner: string) => {
      await ensureCursor(db, { owner, subaccountNumber: 0 }, 500);
      return (await cursorOf(db, owner)).startHeight;
    };
    expect(await startOf('dydx1before')).toBe(500);
    await sql`UPDATE reconcile_cursors SET height = 300`.execute(db);
    await finishRecovery(db, { ...RECOVERY, isNothingLost: true });
    expect(await startOf('dydx1synchronous')).toBe(500);
    await finishRecovery(db, RECOVERY);
    expect(await startOf('dydx1new')).toBe(300);
  });

  test('ends what was under way then, as failed', async () => {
    await using database = await createDatabase();
    const { db } = database;
    await db.insertInto('maintenance_runs').values({ task: 'backup', started_by: 'then' }).execute();
    await finishRecovery(db, RECOVERY);
    const runs = await db.selectFrom('maintenance_runs').select(['task', 'outcome']).orderBy('id').execute();
    expect(runs).toEqual([
      { task: 'backup', outcome: 'failed' },
      { task: 'recovery', outcome: 'done' },
    ]);
  });

  test('where nothing was lost it leaves the orders as they are', async () => {
    await using database = await createDatabase();
    const { db } = database;
    const orders = [await unsigned(db), await signed(db), await signedStateful(db)];
    const before = await Promise.all(orders.map((order) => orderRow(db, order)));
    await finishRecovery(db, { ...RECOVERY, isNothingLost: true });
    expect(await Promise.all(orders.map((order) => orderRow(db, order)))).toEqual(before);
    expect(await listControls(db)).toMatchObject([{ mode: 'HALTED' }]);
  });
});

describe('router restore', () => {
  const started = new AsyncDisposableStack();
  let site: Site;
  let file = '';
  beforeAll(async () => {
    site = started.use(await startSite());
    await site.db.insertInto('installation').values({ chain_id: 'dydx-paper-1' }).execute();
    await unsigned(site.db);
    expect(await site.router(['backup', 'dump'])).toMatchObject({ code: 0 });
    file = listDumps(site.folder)[0]?.file ?? '';
  });
  afterAll(() => started.disposeAsync());

  test('makes a database that workers can start on: halted, migrated, and under roles as the one that was dumped', async () => {
    const ended = await site.router([
      'restore',
      file,
      '--database',
      'again',
      '--reason',
      'a drill',
      '--by',
      'anna',
    ]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toContain('set aside 1 orders');
    expect(ended.stdout).toContain('router resume');
    const url = named(site.url, 'again');
    const db = openDatabase({ url, maxConnections: 2 });
    try {
      expect(await listControls(db)).toMatchObject([
        {
          mode: 'HALTED',
          setBy: 'anna',
          reason: expect.stringMatching(/^restored from cryptopulse_.*: a drill$/),
        },
      ]);
      expect(await site.router(['migrate'], { DATABASE_URL: url })).toMatchObject({
        stdout: 'nothing to do\n',
      });
      // Until then nobody but the one who restored it has any right there.
      expect(await site.router(['roles'], { DATABASE_URL: url })).toMatchObject({ code: 0, stderr: '' });
      // Logins are not in a dump, and what is parsed again loses parentheses that say nothing.
      const without = (lines: readonly string[]) =>
        lines
          .filter((line) => !/^setting|limit -1|owner|of login|^database grants/.test(line))
          .map((line) => line.replaceAll(/[()]/g, ''));
      expect(without(await catalogueOf(db))).toEqual(without(await catalogueOf(site.db)));
      await site.router(['resume', '--reason', 'looked at it'], { DATABASE_URL: url });
      expect(await listControls(db)).toEqual([]);
    } finally {
      await db.destroy();
    }
  });

  test('takes the place of a database without tables, and does not touch one that it has made', async () => {
    await administer(site.url, 'CREATE DATABASE waiting');
    expect(await site.router(['restore', file, '--into', named(site.url, 'waiting')])).toMatchObject({
      code: 0,
    });
    expect(await site.router(['restore', file, '--into', named(site.url, 'waiting')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has tables'),
    });
  });

  test('drops no database of a name that it would use on the way, unless it has left it there itself', async () => {
    const url = named(site.url, 'router_restoring');
    await administer(site.url, 'CREATE DATABASE router_restoring');
    await administer(url, 'CREATE TABLE money (id INTEGER)');
    const refused = await site.router(['restore', file, '--database', 'router']);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('router_restoring is in the way'),
    });
    await administer(url, 'SELECT FROM money');
    await administer(site.url, `COMMENT ON DATABASE router_restoring IS 'unfinished, by router restore'`);
    expect(await site.router(['restore', file, '--database', 'router'])).toMatchObject({ code: 0 });
  });

  test('by a login that is no superuser, where roles are unknown, is as whole', async () => {
    await administer(site.url, `CREATE ROLE restorer LOGIN CREATEDB PASSWORD 'restorer'`);
    const as = new URL(named(site.url, 'modest'));
    [as.username, as.password] = ['restorer', 'restorer'];
    const ended = await site.router(['restore', file, '--into', as.href]);
    expect(ended.code).toBe(0);
    expect(ended.stderr).toMatch(/^extension pg_stat_statements: needs a superuser[^\n]*\n$/);
  });

  test('nobody may call what it has made before roles are set up', async () => {
    expect(await site.router(['restore', file, '--database', 'closed'])).toMatchObject({ code: 0 });
    const db = openDatabase({ url: named(site.url, 'closed'), maxConnections: 1 });
    const { rows } = await sql<{ proname: string }>`SELECT proname FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace AND prosecdef AND has_function_privilege('public', oid, 'EXECUTE')`.execute(
      db,
    );
    await db.destroy();
    expect(rows).toEqual([]);
  });

  test('router recovered does the same to a database that came back by other ways, and may be repeated', async () => {
    const ended = await site.router(['recovered', '--reason', 'failover', '--by', 'anna', '--nothing-lost']);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect((await listControls(site.db)).map(({ reason }) => reason)).toEqual([
      'a standby was promoted: failover',
    ]);
    expect(await site.router(['recovered'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('set aside 1'),
    });
  });
});
