// `router migrate` and `router roles` make the same database of the oldest PostgreSQL that is supported and of the run's:
// once, twice, in either order, by ten processes at once, and as far as it goes without a superuser.
import { afterAll, describe, expect, test } from 'vitest';
import { catalogueOf } from '../support/catalogue.ts';
import { administer, createDatabase, type TestDatabase } from '../support/databases.ts';
import { findDebianPostgres } from '../support/debian-postgres.ts';
import { type Ended, runRouter } from '../support/run-router.ts';
import { type ScratchCluster, startScratchCluster } from '../support/scratch-postgres.ts';

const { binaries } = findDebianPostgres(process.env);
const STARTERS = 10;
/** Ten processes on each of two servers take 20 s of two cores, and the suite has other work for those. */
const TIMEOUT_MS = 180_000;

const done = { code: 0, stderr: '' };

/** Made for the first test that asks, or one test could not run alone. */
function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const started = new AsyncDisposableStack();
afterAll(() => started.disposeAsync());
const debian = once(async () => started.use(await startScratchCluster(binaries)));
/** The run's server, whose roles other databases and other test files use meanwhile. */
const SERVERS = [async () => (await debian()).createDatabase(), () => createDatabase('empty')] as const;

/** Does the same to an empty database of either server. @returns the catalogues, which are the same */
async function onBoth(work: (database: TestDatabase) => Promise<void>): Promise<readonly string[]> {
  const [oldest = [], current = []] = await Promise.all(
    SERVERS.map(async (empty) => {
      await using database = await empty();
      await work(database);
      // Before it is closed.
      return await catalogueOf(database.db);
    }),
  );
  expect(oldest.length).toBeGreaterThan(1000);
  expect(oldest).toEqual(current);
  return oldest;
}

/** Migrated, and then under roles. */
const expectedLines = once(() =>
  onBoth(async ({ url }) => {
    expect(await runRouter(url, 'migrate')).toMatchObject(done);
    expect(await runRouter(url, 'roles')).toMatchObject(done);
  }),
);

const atOnce = (url: string, ...commands: readonly string[]) =>
  Promise.all(commands.map((command) => runRouter(url, command)));
const times = (command: string, count = STARTERS): string[] => Array(count).fill(command);
const appliers = (ended: readonly Ended[]) => ended.filter(({ stdout }) => stdout.startsWith('applied'));

describe('both versions', { timeout: TIMEOUT_MS }, () => {
  test('migrated and put under roles twice, each is as after the first time', async () => {
    const twice = await onBoth(async ({ url, db }) => {
      await runRouter(url, 'migrate');
      const migrated = await catalogueOf(db);
      const again = await runRouter(url, 'migrate');
      expect(again).toEqual({ ...done, stdout: 'nothing to do\n' });
      expect(await catalogueOf(db)).toEqual(migrated);
      for (const _ of times('roles', 2)) expect(await runRouter(url, 'roles')).toMatchObject(done);
      const underRoles = await catalogueOf(db);
      expect(await runRouter(url, 'migrate')).toEqual(again);
      expect(await catalogueOf(db)).toEqual(underRoles);
    });
    expect(twice).toEqual(await expectedLines());
  });

  test('roles come before or after the migrations', async () => {
    const rolesFirst = await onBoth(async ({ url }) => {
      const early = await runRouter(url, 'roles');
      expect(early).toMatchObject({
        code: 0,
        stderr: 'no tables yet, so no rights on them: run `router migrate`\n',
      });
      expect(await runRouter(url, 'migrate')).toMatchObject(done);
    });
    expect(rolesFirst).toEqual(await expectedLines());
  });

  test('ten processes that do it at once do it once', async () => {
    const together = await onBoth(async ({ url }) => {
      const migrated = await atOnce(url, ...times('migrate'));
      expect(migrated.map(({ code }) => code)).toEqual(Array(STARTERS).fill(0));
      expect(appliers(migrated)).toHaveLength(1);
      for (const { stderr } of migrated)
        expect(['', 'another process migrates, waiting for it\n']).toContain(stderr);
      for (const ended of await atOnce(url, ...times('roles'))) expect(ended).toMatchObject(done);
    });
    expect(together).toEqual(await expectedLines());
  });

  test('migrations and roles that are started at once end as one after the other', async () => {
    const mixed = await onBoth(async ({ url }) => {
      const ended = await atOnce(url, ...times('migrate', 3), ...times('roles', 3));
      expect(ended.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual(Array(6).fill(0));
    });
    expect(mixed).toEqual(await expectedLines());
  });
});

describe('without a superuser', { timeout: TIMEOUT_MS }, () => {
  const PASSWORD = 'deployer';
  const LACKING = [
    'cryptopulse_backup has no BYPASSRLS, so pg_dump fails: run this once as a superuser',
    'cryptopulse_maintenance sees only its own statements in pg_stat_statements: run this once as a superuser',
  ];
  const NO_EXTENSION =
    'extension pg_stat_statements: needs a superuser, as whom CREATE EXTENSION "pg_stat_statements" once; missed is the slow statements';
  const lines = (...all: readonly string[]) => all.map((line) => `${line}\n`).join('');

  /** A database whose owner may make roles, and no more. */
  async function ownedBy(cluster: ScratchCluster, owner: string): Promise<TestDatabase> {
    await administer(cluster.url, `CREATE ROLE ${owner} LOGIN CREATEROLE PASSWORD '${PASSWORD}'`);
    const database = await cluster.createDatabase(owner);
    const url = new URL(database.url);
    url.username = owner;
    url.password = PASSWORD;
    return { ...database, url: url.href };
  }

  test('the owner of a database that may make roles gets all but what only a superuser gives, and is told what', async () => {
    const catalogues = await Promise.all(
      [binaries, undefined].map(async (folder) => {
        await using cluster = await startScratchCluster(folder);
        const database = await ownedBy(cluster, 'deployer');
        expect(await runRouter(database.url, 'migrate')).toMatchObject({
          code: 0,
          stderr: lines(NO_EXTENSION),
        });
        expect(await runRouter(database.url, 'roles')).toMatchObject({ code: 0, stderr: lines(...LACKING) });
        const once = await catalogueOf(database.db);
        expect(await runRouter(database.url, 'roles')).toMatchObject({ code: 0, stderr: lines(...LACKING) });
        expect(await runRouter(database.url, 'migrate')).toMatchObject({
          code: 0,
          stderr: lines(NO_EXTENSION),
        });
        expect(await catalogueOf(database.db)).toEqual(once);

        // What is said is all that is lacking, and a superuser mends it.
        expect(await runRouter(urlAs(cluster, database), 'migrate')).toMatchObject(done);
        expect(await runRouter(urlAs(cluster, database), 'roles')).toMatchObject(done);
        return { once, mended: await catalogueOf(database.db) };
      }),
    );
    expect(catalogues[0]).toEqual(catalogues[1]);
    const [{ once = [], mended = [] } = {}] = catalogues;
    expect(mended.filter((line) => !once.includes(line))).toEqual([
      'extension pg_stat_statements in public of login',
      'role cryptopulse_backup: inherit bypassrls limit -1, until',
      'role cryptopulse_maintenance is a member of pg_read_all_stats',
    ]);
    expect(once.filter((line) => !mended.includes(line))).toEqual([
      'role cryptopulse_backup: inherit limit -1, until',
    ]);
  });

  function urlAs(cluster: ScratchCluster, database: TestDatabase): string {
    const url = new URL(cluster.url);
    url.pathname = new URL(database.url).pathname;
    return url.href;
  }
});
