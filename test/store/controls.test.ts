// Halts and limits as they are set: one row a scope, every change on record by trigger, each tenant its own.
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { type Scope, whyHeld } from '../../src/core/controls.ts';
import { listControlChanges, listControls, setLimits, setMode } from '../../src/store/controls.ts';
import { openDatabase } from '../../src/store/database.ts';
import { asTenant } from '../../src/store/tenant.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { nextName } from './builders.ts';

const database = await createDatabase();
const { db } = database;
const app = openDatabase({ url: asLogin(database.url, 'app') });
const worker = openDatabase({ url: asLogin(database.url, 'worker') });
afterAll(async () => {
  await Promise.all([app.destroy(), worker.destroy()]);
  await database[Symbol.asyncDispose]();
});

const scopeOf = (names: Partial<Scope> = {}): Scope => ({ tenantId: '', account: '', market: '', ...names });
/** A market of its own, so that a test sees its own controls. */
const newScope = () => scopeOf({ market: nextName('M') });
const alice = { reason: 'fat finger', setBy: 'alice' };
const of = async (scope: Scope) =>
  (await listControls(db)).filter(
    ({ market, tenantId }) => market === scope.market && tenantId === scope.tenantId,
  );
const changesOf = async (scope: Scope) =>
  (await listControlChanges(db, { limit: 1_000 })).filter(({ market }) => market === scope.market);

test('a halt is set by a worker, is the same when it is set again, and ends by RUNNING', async () => {
  const scope = newScope();
  const halted = await setMode(worker, { ...scope, ...alice, mode: 'HALTED' });
  expect(halted).toMatchObject({ ...scope, ...alice, mode: 'HALTED', limits: {} });
  const again = await setMode(worker, { ...scope, ...alice, mode: 'HALTED' });
  expect(again.setAt.getTime()).toBeGreaterThanOrEqual(halted.setAt.getTime());
  expect(await of(scope)).toEqual([again]);
  await setMode(worker, { ...scope, mode: 'RUNNING', reason: 'over', setBy: 'bob' });
  expect(await of(scope)).toEqual([]);
  expect(await changesOf(scope)).toMatchObject([
    { oldMode: 'HALTED', newMode: 'RUNNING', setBy: 'bob', reason: 'over' },
    { oldMode: 'HALTED', newMode: 'HALTED', ...alice },
    { oldMode: null, newMode: 'HALTED', ...alice, setAt: halted.setAt },
  ]);
});

test('limits of a scope are set and unset one by one, its mode stays, and so do the words of a halt', async () => {
  const scope = newScope();
  await setLimits(db, { ...scope, ...alice, set: { max_open_orders: 5, max_exposure: '100.5' }, unset: [] });
  expect(await of(scope)).toMatchObject([
    { mode: 'RUNNING', limits: { max_open_orders: 5, max_exposure: '100.5' } },
  ]);
  await setMode(db, { ...scope, ...alice, mode: 'REDUCING' });
  const tighter = { reason: 'tighter', setBy: 'bob' };
  const changed = await setLimits(db, {
    ...scope,
    ...tighter,
    set: { max_open_orders: 3 },
    unset: ['max_exposure', 'price_collar_ppm'],
  });
  expect(changed).toMatchObject({ mode: 'REDUCING', limits: { max_open_orders: 3 } });
  const held = whyHeld([changed], { tenantId: 't', account: 'a', market: scope.market, reduceOnly: false });
  expect(held?.reason).toContain('by bob: tighter; REDUCING before by alice: fat finger');
  expect(await changesOf(scope)).toMatchObject([
    { newMode: 'REDUCING', limits: { max_open_orders: 3 }, setBy: 'bob' },
    { newMode: 'REDUCING', limits: { max_open_orders: 5, max_exposure: '100.5' }, setBy: 'alice' },
    { newMode: 'RUNNING', limits: { max_open_orders: 5, max_exposure: '100.5' }, setBy: 'alice' },
  ]);
  await setLimits(db, { ...scope, ...tighter, set: {}, unset: ['max_open_orders'] });
  await setMode(db, { ...scope, ...alice, mode: 'RUNNING' });
  expect(await of(scope)).toEqual([]);
});

test('the reason of a halt whose limits are changed again and again does not grow without an end', async () => {
  const scope = newScope();
  await setMode(db, { ...scope, ...alice, mode: 'HALTED' });
  for (let change = 0; change < 5; change++) {
    await setLimits(db, {
      ...scope,
      setBy: 'bob',
      reason: 'r'.repeat(400),
      set: { max_open_orders: change },
      unset: [],
    });
  }
  expect((await of(scope))[0]?.reason.length).toBeLessThanOrEqual(500);
});

test('changes of a scope by many at once are all kept, and the last of them holds', async () => {
  const scope = newScope();
  const modes = ['HALTED', 'REDUCING', 'RUNNING'] as const;
  await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      setMode(db, { ...scope, mode: modes[n % 3] ?? 'HALTED', reason: `${n}`, setBy: 'many' }),
    ),
  );
  const changes = await changesOf(scope);
  expect(changes).toHaveLength(30);
  // Each begins where the one before ended.
  expect(changes.slice(0, -1).map(({ oldMode }) => oldMode)).toEqual(
    changes.slice(1).map(({ newMode }) => newMode),
  );
  const row = await db
    .selectFrom('controls')
    .select('mode')
    .where('market', '=', scope.market)
    .executeTakeFirst();
  expect(row?.mode).toBe(changes[0]?.newMode);
});

test('neither who nor why may be missing', async () => {
  const scope = newScope();
  await expect(setMode(db, { ...scope, mode: 'HALTED', reason: '', setBy: 'alice' })).rejects.toThrow(
    /reason_check/,
  );
  await expect(setMode(db, { ...scope, mode: 'HALTED', reason: 'x', setBy: '' })).rejects.toThrow(
    /set_by_check/,
  );
  expect(await changesOf(scope)).toEqual([]);
});

test('who and why are as long as every submitter can read several times a second, and no longer', async () => {
  const scope = newScope();
  const longest = { reason: 'r'.repeat(500), setBy: 'b'.repeat(255) };
  expect(await setMode(db, { ...scope, ...longest, mode: 'HALTED' })).toMatchObject(longest);
  expect(await setLimits(db, { ...scope, ...longest, set: {}, unset: [] })).toMatchObject({
    reason: longest.reason,
  });
  for (const [tooLong, why] of [
    [{ ...longest, reason: 'r'.repeat(501) }, /^reason has 501 characters, of a control it has at most 500$/],
    [{ ...longest, setBy: 'b'.repeat(256) }, /^set_by has 256 characters, of a control it has at most 255$/],
  ] as const) {
    await expect(setMode(db, { ...scope, ...tooLong, mode: 'RUNNING' })).rejects.toThrow(why);
    await expect(setLimits(db, { ...scope, ...tooLong, set: {}, unset: [] })).rejects.toThrow(why);
  }
  expect(await changesOf(scope)).toHaveLength(2);
});

describe('a mode that was decided some time ago', () => {
  const before = (setAt: Date, ms: number) => new Date(setAt.getTime() - ms);

  test('is of that time, and is set when nothing was decided later', async () => {
    const scope = newScope();
    const decidedAt = new Date(Date.now() - 5_000);
    const halted = await setMode(worker, { ...scope, ...alice, mode: 'HALTED', decidedAt });
    expect(halted).toMatchObject({ mode: 'HALTED', ...alice, setAt: decidedAt });
    const later = new Date(decidedAt.getTime() + 1);
    const reducing = await setMode(worker, { ...scope, ...alice, mode: 'REDUCING', decidedAt: later });
    expect(reducing).toMatchObject({ mode: 'REDUCING', setAt: later });
    expect(await changesOf(scope)).toMatchObject([
      { oldMode: 'HALTED', newMode: 'REDUCING', setAt: later },
      { oldMode: null, newMode: 'HALTED', setAt: decidedAt },
    ]);
  });

  test.each(['HALTED', 'REDUCING', 'RUNNING'] as const)(
    'does not beat a newer decision, by which it is %s',
    async (mode) => {
      const scope = newScope();
      await setMode(db, { ...scope, ...alice, mode });
      const set = await setMode(db, { ...scope, mode, reason: 'again', setBy: 'bob' });
      const decidedAt = before(set.setAt, 1);
      for (const old of ['HALTED', 'REDUCING', 'RUNNING'] as const) {
        expect(await setMode(worker, { ...scope, ...alice, mode: old, decidedAt })).toBeUndefined();
      }
      expect(await changesOf(scope)).toMatchObject([{ newMode: mode, reason: 'again' }, { newMode: mode }]);
    },
  );

  test('of several that are late the last one decided holds, in whichever order they arrive', async () => {
    const at = (ms: number) => new Date(Date.now() - 60_000 + ms);
    const decisions = [
      { mode: 'RUNNING', decidedAt: at(0) },
      { mode: 'HALTED', decidedAt: at(10) },
    ] as const;
    for (const arriving of [decisions, decisions.toReversed()]) {
      const scope = newScope();
      for (const decision of arriving) await setMode(worker, { ...scope, ...alice, ...decision });
      expect(await of(scope)).toMatchObject([{ mode: 'HALTED', setAt: decisions[1].decidedAt }]);
    }
  });

  test('is set although limits were changed since: they decide nothing about it', async () => {
    for (const first of ['limits', 'mode'] as const) {
      const scope = newScope();
      if (first === 'mode') {
        await setMode(db, { ...scope, ...alice, mode: 'RUNNING', decidedAt: new Date(Date.now() - 60_000) });
      }
      for (const max_open_orders of [5, 6]) {
        await setLimits(db, { ...scope, ...alice, set: { max_open_orders }, unset: [] });
      }
      const decidedAt = new Date(Date.now() - 5_000);
      const halted = await setMode(worker, { ...scope, ...alice, mode: 'HALTED', decidedAt });
      expect([first, halted]).toMatchObject([first, { mode: 'HALTED', limits: { max_open_orders: 6 } }]);
      await setMode(db, { ...scope, ...alice, mode: 'RUNNING' });
      await setLimits(db, { ...scope, ...alice, set: { max_open_orders: 7 }, unset: [] });
      expect(await setMode(worker, { ...scope, ...alice, mode: 'HALTED', decidedAt })).toBeUndefined();
    }
  });

  test('by a clock that is ahead is of now: what is decided next is not held up by it', async () => {
    const scope = newScope();
    const decidedAt = new Date(Date.now() + 3_600_000);
    const halted = await setMode(worker, { ...scope, ...alice, mode: 'HALTED', decidedAt });
    expect(halted?.setAt.getTime()).toBeLessThan(decidedAt.getTime() - 3_000_000);
  });
});

describe('so many scopes are held up at once, and no more', () => {
  const words = (tenantId: string) =>
    `controls of tenant ${tenantId}, market ONE-MORE not set: at most 100 scopes of tenant ${tenantId} may be halted or limited at once; resume or unset others, or set a wider one`;

  async function fill(tenantId: string, scopes: number) {
    await sql`INSERT INTO controls (tenant_id, market, mode, reason, set_by)
      SELECT ${tenantId}, 'M' || n, 'HALTED', 'full', 'test' FROM generate_series(1, ${scopes}) n`.execute(
      db,
    );
  }

  test('of a tenant 100, whichever they are; what eases, what holds already and the tenant as such are free', async () => {
    const tenantId = nextName('full');
    await fill(tenantId, 99);
    const more = scopeOf({ tenantId, market: 'ONE-MORE' });
    const set = (scope: Scope, mode: 'HALTED' | 'REDUCING' | 'RUNNING') =>
      asTenant(app, tenantId, (trx) => setMode(trx, { ...scope, ...alice, mode }));
    await set(scopeOf({ tenantId, account: 'a' }), 'HALTED');
    await expect(set(more, 'HALTED')).rejects.toThrow(words(tenantId));
    await expect(set(more, 'REDUCING')).rejects.toThrow(words(tenantId));
    await expect(
      setLimits(db, { ...more, ...alice, set: { max_open_orders: 1 }, unset: [] }),
    ).rejects.toThrow(words(tenantId));
    expect((await changesOf(more)).filter((change) => change.tenantId === tenantId)).toEqual([]);

    await setLimits(db, { ...more, ...alice, set: {}, unset: ['max_open_orders'] });
    await set(more, 'RUNNING');
    await expect(set(more, 'HALTED')).rejects.toThrow(words(tenantId));
    await set(scopeOf({ tenantId, market: 'M1' }), 'REDUCING');
    await set(scopeOf({ tenantId }), 'HALTED');
    await set(scopeOf({ tenantId, market: 'M2' }), 'RUNNING');
    await set(more, 'HALTED');
    await expect(set(scopeOf({ tenantId, market: 'M2' }), 'HALTED')).rejects.toThrow(/at most 100 scopes/);
  });

  test('of the operators 1,000, and a tenant’s do not count among them', async () => {
    await fill(nextName('other'), 100);
    await fill('', 1_000);
    const scope = newScope();
    await expect(setMode(db, { ...scope, ...alice, mode: 'HALTED' })).rejects.toThrow(
      /at most 1000 scopes that name no tenant may be halted or limited at once/,
    );
    await setMode(db, { ...scopeOf(), ...alice, mode: 'HALTED' });
    await setMode(db, { ...scopeOf({ tenantId: nextName('t'), market: 'M' }), ...alice, mode: 'HALTED' });
    await sql`UPDATE controls SET mode = 'RUNNING' WHERE reason = 'full' OR tenant_id = ''`.execute(db);
  });
});

test('however many there are, the list has them all', async () => {
  await sql`INSERT INTO controls (tenant_id, market, mode, reason, set_by)
    SELECT 'many-' || n, 'M' || n, 'HALTED', 'many', 'test' FROM generate_series(1, 10001) n`.execute(db);
  const many = (await listControls(db)).filter(({ reason }) => reason === 'many');
  expect(new Set(many.map(({ market }) => market)).size).toBe(10_001);
  expect(many).toHaveLength(10_001);
  await sql`UPDATE controls SET mode = 'RUNNING' WHERE reason = 'many'`.execute(db);
  expect((await listControls(db)).filter(({ reason }) => reason === 'many')).toEqual([]);
});

test('limits that cannot be read hold their scope, and the list is read all the same', async () => {
  const scope = newScope();
  await setMode(db, { ...newScope(), ...alice, mode: 'HALTED' });
  await db
    .insertInto('controls')
    .values({
      market: scope.market,
      limits: JSON.stringify({ max_exposure: 5 }),
      reason: 'by hand',
      set_by: 'x',
    })
    .execute();
  expect(await of(scope)).toMatchObject([{ mode: 'HALTED', limits: {}, setBy: 'x' }]);
  await setLimits(db, { ...scope, ...alice, set: {}, unset: ['max_exposure'] });
  expect(await of(scope)).toEqual([]);
});

test('the list begins with the widest scope, and changes can be asked for by tenant', async () => {
  const market = nextName('M');
  const scopes = [scopeOf({ market }), scopeOf({ market, account: 'a' }), scopeOf({ market, tenantId: 'a' })];
  for (const scope of scopes.toReversed()) await setMode(db, { ...scope, ...alice, mode: 'HALTED' });
  const listed = (await listControls(db)).filter((each) => each.market === market);
  expect(listed.map(({ tenantId, account }) => [tenantId, account])).toEqual([
    ['', ''],
    ['', 'a'],
    ['a', ''],
  ]);
  const tenants = async (tenantId: string) =>
    (await listControlChanges(db, { tenantId, limit: 3 })).map((change) => change.tenantId);
  expect(await tenants('a')).toEqual(['', '', 'a']);
  expect(await tenants('b')).not.toContain('a');
  expect(await listControlChanges(db, { limit: 2 })).toHaveLength(2);
});

test('a tenant’s login sets and sees the controls of its tenant, and no others', async () => {
  const market = nextName('M');
  const own = scopeOf({ tenantId: 'bob', market });
  const set = (scope: Scope) =>
    asTenant(app, 'bob', (trx) => setMode(trx, { ...scope, ...alice, mode: 'HALTED' }));
  await set(own);
  await setMode(db, { ...scopeOf({ market }), ...alice, mode: 'HALTED' });
  for (const other of [scopeOf({ market }), scopeOf({ tenantId: 'carol', market })]) {
    await expect(set(other)).rejects.toThrow(/row-level security/);
  }
  await expect(setMode(app, { ...own, ...alice, mode: 'RUNNING' })).rejects.toThrow(/row-level security/);
  const seen = await asTenant(app, 'bob', listControls);
  expect(seen.map(({ tenantId }) => tenantId)).toEqual(['bob']);
  expect(await asTenant(app, 'carol', listControls)).toEqual([]);
  const changes = await asTenant(app, 'bob', (trx) => listControlChanges(trx, { limit: 100 }));
  expect(changes.map(({ tenantId }) => tenantId)).toEqual(['bob']);
});
