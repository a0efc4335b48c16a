// Halts and limits as they are set: one row a scope, every change on record by trigger, each tenant its own.
import { afterAll, expect, test } from 'vitest';
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
  expect((await of(scope))[0]?.reason.length).toBeLessThanOrEqual(1_000);
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
