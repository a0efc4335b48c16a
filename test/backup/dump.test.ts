// A dump of a database that has traded: what is in it, beside it, and what a drill says of it; by which logins.
import { readFileSync, writeFileSync } from 'node:fs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listDumps } from '../../src/backup/folder.ts';
import { readConfig } from '../../src/config.ts';
import { openContext } from '../../src/runtime/context.ts';
import { startMaintenance } from '../../src/runtime/maintenance.ts';
import { administer } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { makeLogin, type Site, startSite, sumsOf } from './site.ts';
import { routerOn, tradeOn } from './trading.ts';

const started = new AsyncDisposableStack();
let site: Site;
beforeAll(async () => {
  site = started.use(await startSite());
  await using router = await routerOn(site.database);
  await router.submitter();
  await router.reconciler();
  await tradeOn(router, 25, 1, 'dumped');
  expect(await router.findings()).toEqual([]);
});
afterAll(() => started.disposeAsync());

const done = { code: 0, stderr: '' };
const databases = async () => {
  const { rows } = await sql<{ datname: string }>`SELECT datname FROM pg_database ORDER BY datname`.execute(
    site.db,
  );
  return rows.map(({ datname }) => datname);
};

describe('a dump', () => {
  test('of a database that has traded restores as it was dumped, also after the database has changed', async () => {
    const before = await databases();
    expect(await site.router(['backup', 'dump'])).toEqual({ ...done, stdout: '' });
    const [{ file, sidecar } = { file: '', sidecar: undefined }] = listDumps(site.folder);
    expect(file).toMatch(/cryptopulse_\d{8}\.backup$/);
    expect(site.files()).toEqual([file, `${file}.json`].map((path) => path.slice(site.folder.length + 1)));
    expect(sidecar).toMatchObject({
      chain_id: 'dydx-paper-1',
      router: '0.1.0',
      bytes: readFileSync(file).length,
    });
    expect(sidecar?.tables['public.orders']?.rows).toBe(25);
    // The row of the run itself has ended since.
    expect(sidecar?.tables).toMatchObject(
      await sumsOf(site.url, ['public.maintenance_runs', 'public.timer_turns']),
    );
    // The queue's are wake-ups, the limiter's are of a moment.
    const names = Object.keys(sidecar?.tables ?? {});
    expect(names.filter((name) => /^bullmq|rate_limits/.test(name))).toEqual([]);
    expect(names).toEqual(
      expect.arrayContaining(['public.order_keys', 'public.order_fills', 'public.control_changes']),
    );

    const drilled = { ...done, stdout: expect.stringContaining('every checksum equal') };
    expect(await site.router(['backup', 'drill'])).toEqual(drilled);
    await sql`UPDATE markets SET oracle_price = oracle_price + 1`.execute(site.db);
    await sql`UPDATE order_keys SET cancel_requested_at = now() WHERE client_id = 'dumped-0'`.execute(
      site.db,
    );
    expect(await site.router(['backup', 'drill', file])).toEqual(drilled);
    expect(await databases()).toEqual(before);
  });

  test('is on record with what it did, and told as JSON; a second one of a day has the time in its name', async () => {
    const { stdout, ...ended } = await site.router(['backup', 'dump', '--json']);
    expect(ended).toEqual(done);
    const told = JSON.parse(stdout);
    expect(told).toMatchObject({
      task: 'backup',
      outcome: 'done',
      file: expect.stringMatching(/^cryptopulse_\d{8}_\d{6}\.backup$/),
      bytes: expect.any(Number),
      tables: expect.any(Number),
      removed: 0,
    });
    const run = await site.db
      .selectFrom('maintenance_runs')
      .selectAll()
      .orderBy('id', 'desc')
      .executeTakeFirst();
    expect(run).toMatchObject({
      task: 'backup',
      outcome: 'done',
      counts: { file: told.file, bytes: told.bytes },
    });
    const { stdout: list } = await site.router(['backup', 'list', '--json']);
    expect(
      list
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).bytes)[0],
    ).toBe(told.bytes);
    expect(await site.router(['backup', 'verify'])).toMatchObject({
      ...done,
      stdout: expect.stringContaining('is whole'),
    });
  });

  test('whose sidecar says otherwise fails its drill, table by table', async () => {
    const [{ file } = { file: '' }] = listDumps(site.folder);
    const beside = readFileSync(`${file}.json`, 'utf8');
    const wrong = JSON.parse(beside);
    wrong.tables['public.orders'].checksum = '1';
    wrong.tables['public.order_keys'].rows += 1;
    writeFileSync(`${file}.json`, JSON.stringify(wrong));
    const ended = await site.router(['backup', 'drill']);
    writeFileSync(`${file}.json`, beside);
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toMatch(
      /public\.order_keys has 25 rows, not 26\n.*public\.orders has 25 rows, but other values\n$/,
    );
    expect((await databases()).filter((name) => name.endsWith('_drill'))).toEqual([]);
  });

  test('goes into a folder of its own: of another database it is refused', async () => {
    const other = await site.cluster.createDatabase();
    const migrated = await site.router(['migrate'], { DATABASE_URL: other.url });
    expect(migrated.code).toBe(0);
    await other.db.insertInto('installation').values({ chain_id: 'dydx-paper-1' }).execute();
    const before = site.files();
    expect(await site.router(['backup', 'dump'], { DATABASE_URL: other.url })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('holds dumps of another database'),
    });
    expect(site.files()).toEqual(before);
    await other[Symbol.asyncDispose]();
  });
});

describe('logins', () => {
  test('that of maintenance keeps the record, and one of cryptopulse_backup reads', async () => {
    await administer(site.url, `CREATE ROLE dumper LOGIN PASSWORD 'dumper'`);
    expect(await site.router(['roles', '--grant', 'dumper=backup'])).toMatchObject({ code: 0 });
    const reader = new URL(site.url);
    [reader.username, reader.password] = ['dumper', 'dumper'];
    const maintenance = { DATABASE_URL: asLogin(site.url, 'maintenance') };
    const before = site.files();
    expect(await site.router(['backup', 'dump'], maintenance)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/may not read everything.*BACKUP_DATABASE_URL/),
    });
    expect(site.files()).toEqual(before);
    const failed = await site.db
      .selectFrom('maintenance_runs')
      .selectAll()
      .orderBy('id', 'desc')
      .executeTakeFirst();
    expect(failed).toMatchObject({
      task: 'backup',
      outcome: 'failed',
      error: expect.stringContaining('may not read'),
    });
    expect(
      await site.router(['backup', 'dump'], { ...maintenance, BACKUP_DATABASE_URL: reader.href }),
    ).toEqual({
      ...done,
      stdout: '',
    });
  });

  test('one that sees only some rows is refused: a dump of some rows would look whole', async () => {
    const url = await makeLogin(site.url, 'glancer', 'IN ROLE cryptopulse_readonly');
    expect(await site.router(['backup', 'dump'], { BACKUP_DATABASE_URL: url })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the login glancer may not read everything'),
    });
  });
});

test('the maintenance process takes the dump that is due, once', async () => {
  await sql`UPDATE maintenance_runs SET started_at = now() - interval '2 days' WHERE task = 'backup'`.execute(
    site.db,
  );
  const before = listDumps(site.folder).length;
  const { config, secrets } = readConfig({
    ...site.settings,
    BACKUP_DATABASE_URL: site.url,
    DATABASE_URL: asLogin(site.url, 'maintenance'),
    LOG_LEVEL: 'silent',
    SWEEP_INTERVAL_MS: '100',
    ARCHIVE_SCHEDULE: 'off',
    VACUUM_SCHEDULE: 'off',
    ANALYZE_SCHEDULE: 'off',
    PRUNE_SCHEDULE: 'off',
  });
  const context = await openContext('maintenance', config, secrets);
  const service = await startMaintenance(context);
  await expect.poll(() => listDumps(site.folder).length).toBe(before + 1);
  await expect
    .poll(
      async () =>
        (await site.db.selectFrom('maintenance_runs').selectAll().orderBy('id', 'desc').executeTakeFirst())
          ?.outcome,
    )
    .toBe('done');
  await service.stop();
  await context.close();
  expect(listDumps(site.folder)).toHaveLength(before + 1);
});
