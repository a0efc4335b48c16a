// SIGKILL at seeded moments of dumps and restores: nothing half done has a final name, a repeat works, and what is copied
// is left as it was.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listDumps } from '../../src/backup/folder.ts';
import { requireWhole } from '../../src/backup/verify.ts';
import { listControls } from '../../src/store/controls.ts';
import { openDatabase } from '../../src/store/database.ts';
import { differences, type TableSums } from '../../src/store/snapshot.ts';
import { bareEnvironment } from '../support/child-environment.ts';
import { administer } from '../support/databases.ts';
import { randomBySeed } from '../support/intents.ts';
import { named, type Site, startSite, sumsOf } from './site.ts';

const SEED = 11;
const KILLS = 3;
/** Each kill is two processes or more; the machine may do much else. */
const LONG = { timeout: 180_000 };
/** Rows enough that a copy takes a while. */
const KEYS = 40_000;
/** What the runs themselves write. */
const OWN = ['public.maintenance_runs'];

const started = new AsyncDisposableStack();
const random = randomBySeed(SEED);
let site: Site;
let source: TableSums;
beforeAll(async () => {
  site = started.use(await startSite());
  await site.db.insertInto('installation').values({ chain_id: 'dydx-paper-1' }).execute();
  await sql`INSERT INTO order_keys (tenant_id, client_id, cancel_requested_at)
    SELECT 'default', 'key-' || n || '-' || md5(n::text), now() FROM generate_series(1, ${KEYS}::int) AS n`.execute(
    site.db,
  );
  source = await sumsOf(site.url, OWN);
});
afterAll(() => started.disposeAsync());

/** @returns how long it took, in ms, or that it was killed before */
async function run(
  words: readonly string[],
  killAfterMs?: number,
): Promise<{ code: number | null; ms: number }> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/cli.ts'), ...words], {
    env: { ...bareEnvironment(), ...site.settings },
    cwd: tmpdir(),
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  if (killAfterMs !== undefined) {
    await Promise.race([delay(killAfterMs), ended]);
    child.kill('SIGKILL');
  }
  const [code] = await ended;
  return { code, ms: performance.now() - startedMs };
}

async function wholeDumps(): Promise<number> {
  const dumps = site.files().filter((name) => name.endsWith('.backup'));
  const signal = new AbortController().signal;
  for (const name of dumps) expect(await requireWhole(join(site.folder, name), signal)).toBeDefined();
  return dumps.length;
}

test('a dump that is killed leaves nothing under a final name, and the next one works', LONG, async () => {
  const { code, ms } = await run(['backup', 'dump']);
  expect(code).toBe(0);
  for (let kill = 0; kill < KILLS; kill++) {
    const before = await wholeDumps();
    await run(['backup', 'dump'], ms * (0.3 + 0.65 * random()));
    expect(await wholeDumps()).toBeGreaterThanOrEqual(before);
    // The killed one's turn ends with its session.
    await expect.poll(async () => (await run(['backup', 'dump'])).code).toBe(0);
    expect(site.files().filter((name) => name.endsWith('.unfinished'))).toEqual([]);
    expect(
      differences(listDumps(site.folder)[0]?.sidecar.tables ?? {}, { ...source, ...(await ownSums()) }),
    ).toEqual([]);
  }
  expect(await sumsOf(site.url, OWN)).toEqual(source);
  const runs = await site.db.selectFrom('maintenance_runs').select(['outcome']).execute();
  expect(runs.filter(({ outcome }) => outcome === null)).toEqual([]);
});

async function ownSums(): Promise<TableSums> {
  const [newest] = listDumps(site.folder);
  return Object.fromEntries(
    OWN.map((table) => [table, newest?.sidecar.tables[table] ?? { rows: -1, checksum: '' }]),
  );
}

test(
  'a restore that is killed leaves no database under its name, and a repeat starts anew',
  LONG,
  async () => {
    const [{ file } = { file: '' }] = listDumps(site.folder);
    const restore = (name: string, killAfterMs?: number) =>
      run(['restore', file, '--database', name], killAfterMs);
    const { code, ms } = await restore('undisturbed');
    expect(code).toBe(0);
    for (let kill = 0; kill < KILLS; kill++) {
      const name = `killed_${kill}`;
      await restore(name, ms * (0.3 + 0.65 * random()));
      const isThere = (await databases()).includes(name);
      // It was whole when it got its name: the kill came too late.
      if (isThere) await administer(site.url, `ALTER DATABASE ${name} RENAME TO ${name}_in_time`);
      await expect.poll(async () => (await restore(name)).code).toBe(0);
      for (const whole of [name, ...(isThere ? [`${name}_in_time`] : [])]) await requireRestored(whole);
    }
    expect((await databases()).filter((name) => name.endsWith('_restoring'))).toEqual([]);
    expect(await sumsOf(site.url, OWN)).toEqual(source);
  },
);

async function databases(): Promise<string[]> {
  const { rows } = await sql<{ datname: string }>`SELECT datname FROM pg_database`.execute(site.db);
  return rows.map(({ datname }) => datname);
}

async function requireRestored(name: string): Promise<void> {
  const url = named(site.url, name);
  const changed = ['public.controls', 'public.control_changes', ...OWN];
  const without = (sums: TableSums) =>
    Object.fromEntries(Object.entries(sums).filter(([table]) => !changed.includes(table)));
  expect(without(await sumsOf(url))).toEqual(without(source));
  const db = openDatabase({ url, maxConnections: 1 });
  expect(await listControls(db)).toMatchObject([{ tenantId: '', mode: 'HALTED' }]);
  await db.destroy();
}
