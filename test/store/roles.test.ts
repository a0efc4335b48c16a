// What each role may do and what it may not, asked of the server by a login of that role; and that `router roles` gives
// exactly that, whatever was granted by hand. On the run's PostgreSQL and on the oldest version.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { bringUpToDate } from '../../src/cli/bring-up-to-date.ts';
import { chooseBackend } from '../../src/queue/backend.ts';
import { ORDERS_QUEUE } from '../../src/queue/jobs.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { runTask } from '../../src/store/maintenance.ts';
import { readMigrationFiles } from '../../src/store/migrations.ts';
import { migrate } from '../../src/store/migrator.ts';
import { prune } from '../../src/store/prune.ts';
import { recordOrders } from '../../src/store/recording.ts';
import { renewRights, setUpRoles } from '../../src/store/role-setup.ts';
import { OURS, OWNER, ROLES, type Role } from '../../src/store/roles.ts';
import { asTenant } from '../../src/store/tenant.ts';
import { analyze, vacuum } from '../../src/store/vacuum.ts';
import { catalogueOf } from '../support/catalogue.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { findDebianPostgres } from '../support/debian-postgres.ts';
import { runRouter } from '../support/run-router.ts';
import { startScratchCluster } from '../support/scratch-postgres.ts';
import { historyOf, insertRow, newOrder, openSession, type Session } from './builders.ts';

const { binaries } = findDebianPostgres(process.env);
const PASSWORD = 'test';
const TIMEOUT_MS = 120_000;
/** Roles of processes: none of them is the owner, and none passes row-level security. */
const APPLICATION = [
  'cryptopulse_app',
  'cryptopulse_worker',
  'cryptopulse_maintenance',
  'cryptopulse_producer',
  'cryptopulse_readonly',
] as const satisfies readonly Role[];

/** `ok` and the count of rows, or why not: a right that lacks, a refusal by a rule, any other state. */
type Outcome = `ok ${number}` | 'denied' | `refused: ${string}` | `${string}: ${string}`;

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof pg.DatabaseError)) throw error;
  if (error.code !== '42501') return `${error.code}: ${error.message}`;
  return /^(permission denied|must be owner)/.test(error.message) ? 'denied' : `refused: ${error.message}`;
}

/** Makes logins for every role, and drops them. */
class Logins implements AsyncDisposable {
  readonly #suffix = randomUUID().replaceAll('-', '').slice(0, 12);
  readonly #database: TestDatabase;
  readonly #sessions = new Map<string, Session>();
  readonly #names = new Set<string>();
  constructor(database: TestDatabase) {
    this.#database = database;
  }

  async make(word: string): Promise<string> {
    const name = `test_${this.#suffix}_${word}`;
    await sql.raw(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}'`).execute(this.#database.db);
    this.#names.add(name);
    return name;
  }

  nameOf(role: Role): string {
    return `test_${this.#suffix}_${role}`;
  }

  urlOf(name: string): string {
    const url = new URL(this.#database.url);
    url.username = name;
    url.password = PASSWORD;
    return url.href;
  }

  async #session(role: Role): Promise<Session> {
    const known = this.#sessions.get(role);
    if (known) return known;
    const session = await openSession(this.urlOf(this.nameOf(role)));
    this.#sessions.set(role, session);
    return session;
  }

  /** As a login of that role, of tenant `one`; nothing of it stays. */
  async try(role: Role, statement: string): Promise<Outcome> {
    const session = await this.#session(role);
    await session.query(`BEGIN; SET LOCAL app.tenant_id = 'one'`);
    try {
      return `ok ${(await session.query(statement)).rowCount ?? 0}`;
    } catch (error) {
      return outcomeOf(error);
    } finally {
      await session.query('ROLLBACK');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) await session[Symbol.asyncDispose]();
    for (const name of this.#names) await sql.raw(`DROP ROLE ${name}`).execute(this.#database.db);
  }
}

/** `role table`, for every role but the owner and every table of public: what the server would let it. */
async function rightsOf(db: Database, right: string): Promise<string[]> {
  const { rows } = await sql<{ line: string }>`
    SELECT format('%s %s', substr(r.rolname, 13), c.relname) AS line FROM pg_class c, pg_roles r
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND r.rolname = ANY(${[...ROLES]})
      AND r.rolname <> ${OWNER} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
      AND CASE WHEN ${right} IN ('DELETE', 'TRUNCATE', 'TRIGGER') THEN has_table_privilege(r.oid, c.oid, ${right})
        -- Also one column of it.
        ELSE has_any_column_privilege(r.oid, c.oid, ${right}) END
    ORDER BY 1`.execute(db);
  return rows.map(({ line }) => line);
}

const SERVERS = [
  {
    name: "the run's PostgreSQL",
    isHere: true,
    debianBinaries: undefined,
    open: async () => {
      const database = await createDatabase();
      return { database, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
    },
  },
  {
    name: 'the oldest PostgreSQL',
    isHere: binaries !== undefined,
    debianBinaries: binaries,
    open: async () => {
      const cluster = await startScratchCluster(binaries);
      const database = await cluster.createDatabase();
      await bringUpToDate(database.url, chooseBackend({ databaseUrl: database.url }));
      return { database, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
    },
  },
];

for (const { name, isHere, debianBinaries, open } of SERVERS) {
  describe.skipIf(!isHere)(name, { timeout: TIMEOUT_MS }, () => {
    const stack = new AsyncDisposableStack();
    let database: TestDatabase;
    let db: Database;
    let logins: Logins;
    /** Of tenant `one`: one that is active, and one that is final; and one of tenant `two`. */
    let active: { readonly id: string };
    let final: { readonly id: string };

    const nameOf = (role: Role) => logins.nameOf(role);
    const attempt = (role: Role, statement: string) => logins.try(role, statement);
    const all = (role: Role, statements: readonly string[]) =>
      statements.reduce<Promise<Record<string, Outcome>>>(
        async (before, statement) => ({ ...(await before), [statement]: await attempt(role, statement) }),
        Promise.resolve({}),
      );
    const each = (statements: readonly string[], outcome: Outcome) =>
      Object.fromEntries(statements.map((statement) => [statement, outcome]));
    const dbOf = (role: Role) => {
      const opened = openDatabase({ url: logins.urlOf(nameOf(role)), maxConnections: 2 });
      onTestFinished(() => opened.destroy());
      return opened;
    };

    beforeAll(async () => {
      ({ database } = stack.use(await open()));
      ({ db } = database);
      logins = stack.use(new Logins(database));
      for (const role of ROLES) await logins.make(role);
      await setUpRoles(
        db,
        ROLES.map((role) => ({ user: nameOf(role), role })),
      );
      active = await insertRow(db, { tenant_id: 'one', client_id: 'active', status: 'OPEN' });
      final = await insertRow(db, {
        tenant_id: 'one',
        client_id: 'final',
        status: 'CANCELLED',
        created_at: '2026-01-15T00:00:00Z',
      });
      await insertRow(db, { tenant_id: 'two', client_id: 'other', status: 'OPEN' });
      await sql`INSERT INTO order_attempts (order_id, attempt, good_til_block, signed_height, tx_hash, tx_bytes)
        SELECT id, 1, 120, 100, repeat('A', 64), '\\x01' FROM orders`.execute(db);
      await sql`INSERT INTO order_fills (id, order_id, market, side, size, price, fee, liquidity, height, filled_at)
        SELECT gen_random_uuid(), id, market, side, 4, 60000, 0, 'MAKER', 110, now() FROM orders`.execute(db);
      await sql`INSERT INTO controls (reason, set_by) VALUES ('test', 'test')`.execute(db);
    }, TIMEOUT_MS);
    afterAll(() => stack.disposeAsync(), TIMEOUT_MS);

    test('no role is a login; whoever is granted the owner may not change the past either', async () => {
      const { rows } = await sql<{ rolname: string }>`
        SELECT rolname FROM pg_roles WHERE rolname = ANY(${[...ROLES]}) AND rolcanlogin`.execute(db);
      expect(rows).toEqual([]);
      await expect(openSession(logins.urlOf(OWNER))).rejects.toMatchObject({
        code: expect.stringMatching(/^28/),
      });
      const past = [
        `UPDATE order_status_history SET reason = 'forged'`,
        'DELETE FROM order_status_history',
        'TRUNCATE order_status_history',
        'UPDATE order_fills SET size = 1',
        'DELETE FROM order_keys',
        'TRUNCATE cancel_transactions',
        `UPDATE cancel_transactions SET tx_bytes = ''`,
        'DELETE FROM controls',
        `UPDATE control_changes SET reason = 'forged'`,
        'DELETE FROM control_changes',
      ];
      for (const outcome of Object.values(await all(OWNER, past))) expect(outcome).toMatch(/^refused: /);
    });

    test('nobody writes the history by itself', async () => {
      const statements = [
        `INSERT INTO order_status_history (order_id, new_status) VALUES ('${active.id}', 'FILLED')`,
        `UPDATE order_status_history SET reason = 'forged'`,
        'DELETE FROM order_status_history',
        'TRUNCATE order_status_history',
        'INSERT INTO order_status_history_archive DEFAULT VALUES',
        'DELETE FROM order_status_history_archive',
        'INSERT INTO control_changes DEFAULT VALUES',
        `UPDATE control_changes SET reason = 'forged'`,
        'DELETE FROM control_changes',
        'DELETE FROM controls',
      ];
      for (const role of [...APPLICATION, 'cryptopulse_backup'] as const) {
        expect([role, await all(role, statements)]).toEqual([role, each(statements, 'denied')]);
      }
    });

    test('what a worker does is written into the history, and a table of the same name does not catch it', async () => {
      await using session = await openSession(logins.urlOf(nameOf('cryptopulse_worker')));
      await session.query('BEGIN');
      await session.query('CREATE TEMPORARY TABLE order_status_history (LIKE public.order_status_history)');
      await session.query(`UPDATE orders SET status = 'CANCELLED', status_reason = 'test', cancelled_at = now(),
        resolution = '{"rule":"dead","height":121}' WHERE id = '${active.id}'`);
      const { rows } = await session.query(
        `SELECT new_status FROM public.order_status_history WHERE order_id = '${active.id}' ORDER BY seq`,
      );
      expect(rows).toEqual([{ new_status: 'OPEN' }, { new_status: 'CANCELLED' }]);
      expect((await session.query('SELECT FROM order_status_history')).rowCount).toBe(0);
      await session.query('ROLLBACK');
    });

    test('who queues adds many jobs at once, for which BullMQ makes a temporary table', async () => {
      for (const role of ['producer', 'app', 'worker', 'maintenance'] as const) {
        await using session = await openSession(logins.urlOf(nameOf(`cryptopulse_${role}`)));
        await session.query('CREATE TEMPORARY TABLE mine (id INTEGER)');
      }
      await using session = await openSession(logins.urlOf(nameOf('cryptopulse_readonly')));
      await expect(session.query('CREATE TEMPORARY TABLE mine (id INTEGER)')).rejects.toMatchObject({
        code: '42501',
      });
    });

    test('nothing of record may be deleted, and nobody may empty or rig a table', async () => {
      const turns = ['app timer_turns', 'maintenance timer_turns', 'worker timer_turns'];
      const passing = ['worker nonces_in_doubt', 'worker rate_limits'];
      expect(await rightsOf(db, 'DELETE')).toEqual([...turns, ...passing].toSorted());
      expect(await rightsOf(db, 'TRUNCATE')).toEqual([]);
      expect(await rightsOf(db, 'TRIGGER')).toEqual([]);
      expect(await rightsOf(db, 'REFERENCES')).toEqual([]);
    });

    test('nobody makes, changes or drops anything, or acts as the owner', async () => {
      const statements = [
        'CREATE TABLE public.mine (id INTEGER)',
        'CREATE TABLE bullmq.mine (id INTEGER)',
        'CREATE SCHEMA mine',
        'CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
        'CREATE INDEX ON orders (size)',
        'ALTER TABLE orders DISABLE TRIGGER ALL',
        'ALTER TABLE orders DISABLE ROW LEVEL SECURITY',
        'DROP TABLE orders',
        'DROP POLICY one_tenant ON orders',
        'CREATE POLICY mine ON orders USING (true)',
        'ALTER FUNCTION archive_orders(uuid[]) SECURITY INVOKER',
        `SELECT make_archive_month('2030-01-01')`,
        'DROP TRIGGER refuse_second_nonce ON orders',
      ];
      for (const role of [...APPLICATION, 'cryptopulse_backup'] as const) {
        expect([role, await all(role, statements)]).toEqual([role, each(statements, 'denied')]);
      }
      for (const role of APPLICATION) {
        const { rows } = await sql<{ version: number }>`
          SELECT current_setting('server_version_num')::int AS version`.execute(db);
        // Before version 17 nobody else may VACUUM: src/store/maintenance.ts.
        const isToVacuum = role === 'cryptopulse_maintenance' && (rows[0]?.version ?? 0) < 170_000;
        expect([role, await attempt(role, `SET ROLE ${OWNER}`)]).toEqual([
          role,
          isToVacuum ? 'ok 0' : 'denied',
        ]);
      }
    });

    describe('cryptopulse_app', () => {
      test('records what its tenant wants, and the history begins', async () => {
        const order = newOrder({ client_id: 'by-app', tenant_id: 'one' });
        expect(await asTenant(dbOf('cryptopulse_app'), 'one', (trx) => recordOrders(trx, [order]))).toEqual([
          'recorded',
        ]);
        expect(await historyOf(db, order)).toMatchObject([{ old_status: null, new_status: 'PENDING' }]);
      });

      test("sees the orders of its tenant, and nobody else's", async () => {
        const seen = (table: string, column: string) =>
          asTenant(dbOf('cryptopulse_app'), 'two', async (trx) => {
            const { rows } = await sql<{ value: string }>`
              SELECT ${sql.ref(column)}::text AS value FROM ${sql.table(table)}`.execute(trx);
            return rows.map(({ value }) => value);
          });
        expect(await seen('orders', 'client_id')).toEqual(['other']);
        expect(await seen('order_keys', 'client_id')).toEqual(['other']);
        for (const table of ['order_attempts', 'order_fills', 'order_status_history']) {
          expect(await seen(table, 'order_id')).toHaveLength(1);
        }
        expect(await dbOf('cryptopulse_app').selectFrom('orders').select('id').execute()).toEqual([]);
        const foreign = newOrder({ client_id: 'foreign', tenant_id: 'two' });
        await expect(
          asTenant(dbOf('cryptopulse_app'), 'one', (trx) => recordOrders(trx, [foreign])),
        ).rejects.toThrow('violates row-level security policy');
      });

      test("changes nothing, and says nothing of an order's state", async () => {
        const key = `INSERT INTO order_keys (tenant_id, client_id, order_id, intent_hash) VALUES ('one', 'x', '${randomUUID()}', 'h')`;
        expect(await attempt('cryptopulse_app', key)).toBe('ok 1');
        const insert = (column: string, value: string) =>
          `INSERT INTO orders (id, tenant_id, client_id, market, side, type, size, ${column})
           VALUES (gen_random_uuid(), 'one', 'x', 'BTC-USD', 'BUY', 'MARKET', 1, ${value})`;
        const statements = [
          insert('status', `'PENDING'`),
          insert('filled_size', '0'),
          insert('resolution', 'NULL'),
          insert('order_id', `'venue'`),
          insert('attempt_count', '0'),
          insert('retry_count', '0'),
          insert('created_at', 'now()'),
          insert('cancel_count', '0'),
          insert('nonce', 'NULL'),
          'UPDATE orders SET metadata = NULL',
          'UPDATE orders SET next_wake_at = now()',
          `UPDATE orders SET status = 'CANCELLED'`,
          'UPDATE orders SET cancel_requested_at = now(), next_wake_at = NULL',
          `UPDATE order_keys SET client_id = 'other'`,
          'DELETE FROM orders',
          'DELETE FROM order_keys',
          `SELECT nextval('dydx_client_id_blocks')`,
          `SELECT archive_orders(ARRAY['${final.id}']::uuid[])`,
        ];
        expect(await all('cryptopulse_app', statements)).toEqual(each(statements, 'denied'));
      });

      test('asks for cancels of its tenant, and takes none back', async () => {
        const ask = `UPDATE orders SET cancel_requested_at = now() WHERE status = 'OPEN'`;
        expect(await attempt('cryptopulse_app', ask)).toBe('ok 1');
        const key = `INSERT INTO order_keys (tenant_id, client_id, cancel_requested_at) VALUES ('one', 'early', now())`;
        expect(await attempt('cryptopulse_app', key)).toBe('ok 1');
        const refused = [
          `UPDATE orders SET cancel_requested_at = now() WHERE status = 'CANCELLED'`,
          `WITH asked AS (${ask} RETURNING id) SELECT FROM asked; UPDATE orders SET cancel_requested_at = NULL WHERE status = 'OPEN'`,
          'UPDATE order_keys SET order_id = gen_random_uuid()',
          `UPDATE order_keys SET intent_hash = repeat('b', 64)`,
        ];
        for (const outcome of Object.values(await all('cryptopulse_app', refused)))
          expect(outcome).toMatch(/^refused: /);
      });

      test('holds up its tenant, and nobody else', async () => {
        const set = (tenant: string) =>
          `INSERT INTO controls (tenant_id, mode, reason, set_by) VALUES ('${tenant}', 'HALTED', 'test', 'test')`;
        expect(await attempt('cryptopulse_app', set('one'))).toBe('ok 1');
        for (const tenant of ['', 'two'])
          expect(await attempt('cryptopulse_app', set(tenant))).toMatch(/^refused: /);
        // That of all tenants is not its to see.
        expect(await attempt('cryptopulse_app', `UPDATE controls SET mode = 'RUNNING'`)).toBe('ok 0');
      });

      test("reads no signed bytes, and nothing that is not a tenant's", async () => {
        const statements = [
          'SELECT tx_bytes FROM order_attempts',
          'SELECT * FROM order_attempts',
          'SELECT tx_bytes FROM order_attempts_archive',
          'SELECT tx_bytes FROM cancel_transactions',
          'SELECT * FROM cancel_transactions',
          'SELECT FROM unexplained_fills',
          'SELECT FROM positions',
          'SELECT FROM nonces_in_doubt',
          'SELECT FROM rate_limits',
          `SELECT take_nonces('dydx1', 1, 1, false)`,
          'SELECT FROM incidents',
          'SELECT FROM signer_nonces',
          'SELECT FROM reconcile_cursors',
          'SELECT FROM maintenance_runs',
          'SELECT last_value FROM dydx_client_id_blocks',
        ];
        expect(await all('cryptopulse_app', statements)).toEqual(each(statements, 'denied'));
        expect(await attempt('cryptopulse_app', 'SELECT tx_hash, outcome FROM order_attempts')).toBe('ok 2');
        expect(await attempt('cryptopulse_app', 'SELECT * FROM fleet_figures')).toBe('ok 1');
      });
    });

    describe('cryptopulse_worker', () => {
      test('changes what happens to an order of any tenant, and never what was asked for', async () => {
        expect(await attempt('cryptopulse_worker', 'SELECT tenant_id FROM orders')).toMatch(/^ok [3-9]/);
        expect(
          await attempt(
            'cryptopulse_worker',
            `UPDATE orders SET cancel_requested_at = now() WHERE status = 'OPEN'`,
          ),
        ).toMatch(/^ok [2-9]/);
        const asked = [
          'id',
          'tenant_id',
          'client_id',
          'account',
          'subaccount_number',
          'market',
          'side',
          'type',
          'size',
        ];
        const more = [
          'price',
          'trigger_price',
          'time_in_force',
          'good_til_blocks',
          'good_til_time',
          'reduce_only',
        ];
        const last = ['post_only', 'submit_by', 'metadata', 'enqueued_at', 'created_at', 'updated_at'];
        const statements = [...asked, ...more, ...last].map(
          (column) => `UPDATE orders SET ${column} = ${column}`,
        );
        expect(await all('cryptopulse_worker', statements)).toEqual(each(statements, 'denied'));
      });

      test('changes no bytes, fills or keys, deletes nothing, and does not archive', async () => {
        const statements = [
          `UPDATE order_attempts SET tx_bytes = ''`,
          `UPDATE order_attempts SET tx_hash = ''`,
          'UPDATE order_attempts SET good_til_block = 1',
          'UPDATE order_fills SET size = 1',
          `UPDATE installation SET chain_id = 'other'`,
          `UPDATE cancel_transactions SET tx_bytes = ''`,
          `UPDATE cancel_transactions SET order_ids = '{}'`,
          'DELETE FROM cancel_transactions',
          'DELETE FROM positions',
          'DELETE FROM signer_nonces',
          'UPDATE orders_archive SET size = 1',
          'DELETE FROM orders',
          'DELETE FROM order_attempts',
          'DELETE FROM order_fills',
          'DELETE FROM order_keys',
          'DELETE FROM unexplained_fills',
          'DELETE FROM intent_rejections',
          'DELETE FROM incidents',
          'DELETE FROM orders_archive',
          'DELETE FROM reconcile_cursors',
          `SELECT archive_orders(ARRAY['${final.id}']::uuid[])`,
          `SELECT setval('dydx_client_id_blocks', 0)`,
        ];
        expect(await all('cryptopulse_worker', statements)).toEqual(each(statements, 'denied'));
        expect(await attempt('cryptopulse_worker', `SELECT nextval('dydx_client_id_blocks')`)).toBe('ok 1');
        expect(await attempt('cryptopulse_worker', `SELECT take_nonces('dydx1', 1, 1, false)`)).toBe('ok 1');
        // A key takes an order once, and that was before.
        expect(await attempt('cryptopulse_worker', 'UPDATE order_keys SET intent_hash = NULL')).toMatch(
          /^refused: /,
        );
      });

      test('holds up any tenant', async () => {
        const halt = `INSERT INTO controls (tenant_id, mode, reason, set_by) VALUES ('two', 'HALTED', 'test', 'test')`;
        expect(await attempt('cryptopulse_worker', halt)).toBe('ok 1');
      });
    });

    describe('cryptopulse_maintenance', () => {
      test('may vacuum, analyze and prune, and its runs are on record', async () => {
        const own = dbOf('cryptopulse_maintenance');
        const url = logins.urlOf(nameOf('cryptopulse_maintenance'));
        const { signal } = new AbortController();
        const works = { vacuum: vacuum(60), analyze: analyze(60), prune: prune(30) } as const;
        for (const task of ['vacuum', 'analyze', 'prune'] as const) {
          const run = await runTask({ db: own, url, task, startedBy: 'a test', signal }, works[task]);
          expect(run.outcome).toBe('done');
        }
        const runs = await db
          .selectFrom('maintenance_runs')
          .select(['task', 'outcome', 'error'])
          .orderBy('id')
          .execute();
        expect(runs).toEqual([
          { task: 'vacuum', outcome: 'done', error: null },
          { task: 'analyze', outcome: 'done', error: null },
          { task: 'prune', outcome: 'done', error: null },
        ]);
      });

      test('archives, and writes no orders, fills or history by itself', async () => {
        const archive = `SELECT archive_orders(ARRAY['${final.id}', '${active.id}']::uuid[]) AS moved`;
        await using session = await openSession(logins.urlOf(nameOf('cryptopulse_maintenance')));
        await session.query('BEGIN');
        expect((await session.query(archive)).rows).toEqual([{ moved: 1 }]);
        expect((await session.query('SELECT client_id FROM orders_archive')).rows).toEqual([
          { client_id: 'final' },
        ]);
        await session.query('ROLLBACK');
        const statements = [
          'INSERT INTO orders DEFAULT VALUES',
          'UPDATE orders SET next_wake_at = now()',
          'DELETE FROM orders',
          'INSERT INTO orders_archive DEFAULT VALUES',
          'DELETE FROM orders_archive',
          'SELECT FROM order_attempts',
          'INSERT INTO order_fills DEFAULT VALUES',
          'DELETE FROM maintenance_runs',
          'SELECT FROM controls',
        ];
        expect(await all('cryptopulse_maintenance', statements)).toEqual(each(statements, 'denied'));
      });

      test('sees the statements of every login', async () => {
        const { rows } = await sql<{ sees: boolean }>`
          SELECT pg_has_role(${nameOf('cryptopulse_maintenance')}, 'pg_read_all_stats', 'USAGE') AS sees`.execute(
          db,
        );
        expect(rows).toEqual([{ sees: true }]);
      });
    });

    describe('cryptopulse_producer', () => {
      test('adds jobs, which a worker finds, and sees nothing but the queue', async () => {
        await using opened = new AsyncDisposableStack();
        const queueOf = (role: Role) => {
          const backend = chooseBackend({ databaseUrl: logins.urlOf(nameOf(role)) });
          opened.defer(() => backend.close());
          const queue = backend.queue<object>(ORDERS_QUEUE);
          queue.on('error', () => {});
          opened.defer(() => queue.close());
          return queue;
        };
        await queueOf('cryptopulse_producer').add('place', { client_id: 'x' });
        const seen = queueOf('cryptopulse_worker');
        expect(await seen.getJobCountByTypes('waiting')).toBe(1);
        const [job] = await seen.getJobs('waiting');
        expect(job?.data).toEqual({ client_id: 'x' });
        await job?.remove();

        for (const right of ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES']) {
          const held = await rightsOf(db, right);
          expect(held.filter((line) => line.startsWith('producer'))).toEqual([]);
        }
        expect(await attempt('cryptopulse_producer', 'SELECT FROM orders')).toBe('denied');
        expect(await attempt('cryptopulse_producer', `SELECT archive_orders('{}')`)).toBe('denied');
      });
    });

    describe('cryptopulse_readonly', () => {
      test('reads every table, of every tenant, and writes none', async () => {
        const { rows: tables } = await sql<{ name: string }>`
          SELECT relname::text AS name FROM pg_class c WHERE relnamespace = 'public'::regnamespace
            AND relkind IN ('r', 'p', 'v') AND NOT relispartition
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`.execute(db);
        expect(tables.length).toBeGreaterThan(20);
        const own = dbOf('cryptopulse_readonly');
        for (const { name: table } of tables) {
          const count = sql<{ count: string }>`SELECT count(*) FROM ${sql.table(table)}`;
          expect([table, (await count.execute(own)).rows]).toEqual([table, (await count.execute(db)).rows]);
        }
        for (const right of ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) {
          const held = await rightsOf(db, right);
          expect(held.filter((line) => /^(readonly|backup)/.test(line))).toEqual([]);
        }
        expect(await attempt('cryptopulse_readonly', 'UPDATE orders SET size = 1')).toBe('denied');
        expect(await attempt('cryptopulse_readonly', 'SELECT FROM orders FOR UPDATE')).toBe('denied');
        expect(await attempt('cryptopulse_readonly', `SELECT nextval('dydx_client_id_blocks')`)).toBe(
          'denied',
        );
      });
    });

    describe('cryptopulse_backup', () => {
      test('reads every table and sequence, partitions of later months included, past row-level security', async () => {
        await using session = await openSession(logins.urlOf(nameOf('cryptopulse_maintenance')));
        await session.query('BEGIN');
        await session.query(`SELECT archive_orders(ARRAY['${final.id}']::uuid[])`);
        await session.query('COMMIT');
        await using backup = await openSession(logins.urlOf(nameOf('cryptopulse_backup')));
        // An attribute is not inherited: pg_dump --role does this.
        await backup.query('SET ROLE cryptopulse_backup; SET row_security = off');
        const { rows } = await backup.query(`
          SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('public', 'bullmq') AND c.relkind IN ('r', 'p', 'v', 'S')
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`);
        expect(rows.length).toBeGreaterThan(50);
        expect(rows.map((row) => row.relname)).toContain('orders_archive_2026_01');
        for (const { nspname, relname } of rows) await backup.query(`SELECT * FROM ${nspname}.${relname}`);
        expect((await backup.query('SELECT DISTINCT tenant_id FROM orders ORDER BY 1')).rows).toEqual([
          { tenant_id: 'one' },
          { tenant_id: 'two' },
        ]);
      });

      // There is none for the version that npm brings.
      if (debianBinaries === undefined) return;
      test('pg_dump works by its role', async () => {
        const dump = (...args: readonly string[]) =>
          promisify(execFile)(
            join(debianBinaries, 'pg_dump'),
            [`--dbname=${logins.urlOf(nameOf('cryptopulse_backup'))}`, ...args],
            { maxBuffer: 2 ** 26 },
          );
        const { stdout } = await dump('--role=cryptopulse_backup');
        for (const table of [
          'public.orders',
          'public.orders_archive_2026_01',
          'bullmq.job',
          'public.kysely_migration',
        ]) {
          expect(stdout).toContain(`COPY ${table} (`);
        }
        for (const id of ['active', 'final', 'other']) expect(stdout).toMatch(new RegExp(`\\t${id}\\t`));
        await expect(dump()).rejects.toThrow(/row-level security/);
      });
    });

    describe('router roles', () => {
      test('--grant makes a login a member, whose sessions end what takes too long', async () => {
        const login = await logins.make('granted');
        const dumper = await logins.make('dumper');
        const granted = await runRouter(
          database.url,
          'roles',
          '--grant',
          `${login}=worker`,
          '--grant',
          `${dumper}=backup`,
        );
        expect(granted).toMatchObject({ code: 0, stderr: '' });
        expect(granted.stdout).toContain(`${login} is a member of cryptopulse_worker\n`);
        const settingsOf = async (user: string) => {
          await using session = await openSession(logins.urlOf(user));
          const { rows } = await session.query(`SELECT current_setting('statement_timeout') AS statement,
            current_setting('lock_timeout') AS lock, current_setting('idle_in_transaction_session_timeout') AS idle,
            pg_has_role('cryptopulse_worker', 'USAGE') AS works`);
          return rows[0];
        };
        expect(await settingsOf(login)).toEqual({ statement: '30s', lock: '10s', idle: '30s', works: true });
        // A dump takes as long as it takes.
        expect(await settingsOf(dumper)).toEqual({ statement: '0', lock: '0', idle: '0', works: false });
      });

      test('--grant to a login that is not there, or of a role that is none, says what to do', async () => {
        const before = await catalogueOf(db);
        const unknown = await runRouter(database.url, 'roles', '--grant', 'nobody_here=worker');
        expect(unknown).toEqual({
          code: 1,
          stdout: '',
          stderr: `error: no login nobody_here: make it first, e.g. CREATE ROLE "nobody_here" LOGIN PASSWORD '…'\n`,
        });
        const wrong = await runRouter(database.url, 'roles', '--grant', `${nameOf('cryptopulse_app')}=king`);
        expect(wrong.code).toBe(1);
        expect(wrong.stderr).toMatch(/must be USER=ROLE, with a role of cryptopulse_owner, /);
        expect(await catalogueOf(db)).toEqual(before);
      });

      test('waits for the rest of the migrations', async () => {
        const [last] = readMigrationFiles().slice(-1);
        await sql`DELETE FROM kysely_migration WHERE name = ${last?.name}`.execute(db);
        const early = await runRouter(database.url, 'roles');
        expect(early).toEqual({
          code: 1,
          stdout: '',
          stderr: `error: the database lacks ${last?.name}: run \`router migrate\`\n`,
        });
        await sql`INSERT INTO kysely_migration VALUES (${last?.name}, now()::text)`.execute(db);
      });

      test('what was granted by hand is taken away again', async () => {
        const before = await catalogueOf(db);
        const byHand = `
          GRANT ALL ON orders TO cryptopulse_app;
          GRANT SELECT ON controls TO PUBLIC;
          GRANT SELECT (tx_bytes), UPDATE (tx_bytes) ON order_attempts TO cryptopulse_app;
          GRANT INSERT ON order_status_history TO cryptopulse_worker WITH GRANT OPTION;
          GRANT DELETE ON orders_archive_2026_01 TO cryptopulse_backup;
          GRANT ALL ON SEQUENCE dydx_client_id_blocks TO cryptopulse_app, PUBLIC;
          GRANT EXECUTE ON FUNCTION archive_orders(uuid[]) TO cryptopulse_producer, PUBLIC;
          GRANT CREATE ON SCHEMA public TO cryptopulse_worker, PUBLIC;
          GRANT ALL ON SCHEMA bullmq TO cryptopulse_readonly;
          GRANT ALL ON ALL TABLES IN SCHEMA bullmq TO cryptopulse_producer, cryptopulse_readonly, PUBLIC;
          CREATE POLICY by_hand ON orders TO cryptopulse_app USING (true);
          DROP POLICY one_tenant ON order_keys;
          ALTER TABLE order_fills OWNER TO CURRENT_USER;
          GRANT SELECT ON order_fills TO cryptopulse_producer`;
        for (const statement of byHand.split(';')) await sql.raw(statement).execute(db);
        expect(await catalogueOf(db)).not.toEqual(before);
        await setUpRoles(db);
        expect(await catalogueOf(db)).toEqual(before);
      });

      test('a table of a later migration gets its owner and rights from the next `router migrate`', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'router-migrations-'));
        onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
        writeFileSync(
          join(folder, '900001_later.sql'),
          'CREATE TABLE later (id BIGINT GENERATED ALWAYS AS IDENTITY);',
        );
        const files = [...readMigrationFiles(), ...readMigrationFiles(folder)];
        const owner = openDatabase({ url: logins.urlOf(nameOf(OWNER)), role: OWNER, maxConnections: 3 });
        onTestFinished(() => owner.destroy());
        const afterwards = async (migrated: Database) => {
          expect(await renewRights(migrated)).toBe(true);
        };
        expect(await migrate(owner, { files, afterwards })).toEqual(['900001_later']);
        onTestFinished(async () => {
          await sql`DROP TABLE later`.execute(db);
          await sql`DELETE FROM kysely_migration WHERE name = '900001_later'`.execute(db);
        });
        const lines = (await catalogueOf(db)).filter((line) =>
          /^(table|sequence) public\.later\S* (owner|grants)/.test(line),
        );
        expect(lines).toEqual([
          'sequence public.later_id_seq grants cryptopulse_backup: SELECT',
          'sequence public.later_id_seq grants cryptopulse_owner: SELECT, UPDATE, USAGE',
          'sequence public.later_id_seq owner: cryptopulse_owner',
          'table public.later grants cryptopulse_backup: SELECT',
          'table public.later grants cryptopulse_owner: DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE',
          'table public.later grants cryptopulse_readonly: SELECT',
          'table public.later owner: cryptopulse_owner',
        ]);
      });

      test('what belongs to another application in the same schema stays as it is', async () => {
        const other = await logins.make('other');
        await sql
          .raw(`CREATE TABLE customers (id INTEGER); ALTER TABLE customers OWNER TO ${other};
          CREATE TABLE customers_of_the_same_login (id INTEGER);
          GRANT SELECT ON customers, customers_of_the_same_login TO PUBLIC`)
          .execute(db);
        onTestFinished(async () => {
          await sql`DROP TABLE customers, customers_of_the_same_login`.execute(db);
        });
        const lines = async () =>
          (await catalogueOf(db)).filter((line) => line.startsWith('table public.customers'));
        const before = await lines();
        await setUpRoles(db);
        expect(before.join()).toContain(other);
        expect(await lines()).toEqual(before);
      });

      test('what is ours is known by name', async () => {
        const { rows } = await sql<{ kind: string; name: string }>`
          SELECT 'relations' AS kind, relname AS name FROM pg_class c
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND NOT relispartition
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
              AND (d.deptype = 'e' OR (c.relkind = 'S' AND d.deptype IN ('a', 'i'))))
          UNION ALL SELECT 'routines', proname FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
              AND d.deptype = 'e')
          UNION ALL SELECT 'enums', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
          ORDER BY 1, 2`.execute(db);
        const named = (kind: string) => rows.filter((row) => row.kind === kind).map(({ name }) => name);
        expect(named('relations')).toEqual([...OURS.relations]);
        expect(named('routines')).toEqual([...OURS.routines]);
        expect(named('enums')).toEqual([...OURS.enums]);
      });

      test('a membership that was granted by hand is taken away', async () => {
        await sql`GRANT cryptopulse_worker TO cryptopulse_app`.execute(db);
        await setUpRoles(db);
        const { rows } = await sql`
          SELECT FROM pg_auth_members WHERE member = 'cryptopulse_app'::regrole AND roleid = 'cryptopulse_worker'::regrole`.execute(
          db,
        );
        expect(rows).toEqual([]);
      });

      test('a table that somebody else made here does not hold up migrations by the owner', async () => {
        await sql`CREATE TABLE foreign_table (id INTEGER)`.execute(db);
        onTestFinished(async () => {
          await sql`DROP TABLE foreign_table`.execute(db);
        });
        expect(await runRouter(logins.urlOf(nameOf(OWNER)), 'migrate')).toEqual({
          code: 0,
          stdout: 'nothing to do\n',
          stderr: '',
        });
      });
    });
  });
}
