// halt, reduce, resume, limits and controls as they are typed: what they change, what they print, what they refuse.
import { hostname, userInfo } from 'node:os';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { setMode } from '../../src/store/controls.ts';
import { createDatabase } from '../support/databases.ts';
import { asLogin } from '../support/logins.ts';
import { runRouter } from '../support/run-router.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());
const router = (...args: readonly string[]) => runRouter(asLogin(database.url, 'worker'), ...args);
const listed = async (...args: readonly string[]) =>
  (await router('controls', '--json', ...args)).stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** Nothing holds at the beginning of a test: what was set is over. */
beforeEach(async () => {
  await db
    .updateTable('controls')
    .set({ mode: 'RUNNING', limits: '{}', reason: 'over', set_by: 'test' })
    .execute();
});

const I = `${userInfo().username}@${hostname()}`;

test('a halt is set, told, the same when it is repeated, and over after resume', async () => {
  for (let time = 0; time < 2; time++) {
    const halt = await router('halt', '--market', 'BTC-USD', '--reason', 'fat finger', '--by', 'alice');
    expect(halt).toMatchObject({ code: 0, stderr: '' });
    expect(halt.stdout).toMatch(/^HALTED for market BTC-USD by alice: fat finger\n/);
    expect(halt.stdout).toMatch(/every submitter obeys within 1 s/);
    expect(halt.stdout).toMatch(/what holds now:\n.*\nmarket BTC-USD +HALTED +none +alice .* fat finger\n/);
    expect(await listed()).toMatchObject([
      {
        tenant_id: '',
        account: '',
        market: 'BTC-USD',
        mode: 'HALTED',
        limits: {},
        set_by: 'alice',
        reason: 'fat finger',
      },
    ]);
  }
  const resume = await router('resume', '--market', 'BTC-USD');
  expect(resume).toMatchObject({ code: 0, stderr: '' });
  expect(resume.stdout).toContain(`RUNNING for market BTC-USD by ${I}: resumed`);
  expect(resume.stdout).toContain('nothing is held up, and no limits but those of the settings');
  expect(await listed()).toEqual([]);
});

test('reduce of an account of a tenant, and a resume of another scope that leaves it', async () => {
  const reduce = await router('reduce', '--tenant', 't', '--account', 'maker', '--reason', 'too long');
  expect(reduce.stdout).toContain(`REDUCING for tenant t, account maker by ${I}: too long`);
  const resume = await router('resume', '--account', 'maker');
  expect(resume.stdout).toMatch(/what holds now:\n.*\ntenant t, account maker +REDUCING /);
  expect(await listed('--tenant', 't')).toHaveLength(1);
  expect(await listed('--tenant', 'other')).toEqual([]);
});

test('limits are set, replaced and unset, beside those that stay', async () => {
  const scope = ['--market', 'BTC-USD', '--by', 'bob'];
  const first = await router(
    ...['limits', ...scope, '--set', 'max_order_notional=100000', '--set', 'max_open_orders=10'],
    ...['--set', 'max_order_size=0.5', '--reason', 'new desk'],
  );
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toContain('limits: max_order_size 0.5, max_order_notional 100000, max_open_orders 10');
  const second = await router(
    ...[
      'limits',
      ...scope,
      '--set',
      'max_order_notional=50000.5',
      '--unset',
      'max_order_size',
      '--reason',
      'less',
    ],
  );
  expect(second.code).toBe(0);
  expect(await listed()).toMatchObject([
    {
      mode: 'RUNNING',
      limits: { max_order_notional: '50000.5', max_open_orders: 10 },
      set_by: 'bob',
      reason: 'less',
    },
  ]);
});

test('every change is in the history, newest first', async () => {
  await router('halt', '--market', 'H-USD', '--reason', 'drill', '--by', 'alice');
  await router('limits', '--market', 'H-USD', '--set', 'max_exposure=5', '--reason', 'small', '--by', 'bob');
  await router('resume', '--market', 'H-USD', '--reason', 'over', '--by', 'carol');
  const history = await listed('--history', '--limit', '3');
  expect(history).toMatchObject([
    { market: 'H-USD', old_mode: 'HALTED', new_mode: 'RUNNING', set_by: 'carol', reason: 'over' },
    { old_mode: 'HALTED', new_mode: 'HALTED', set_by: 'bob', limits: { max_exposure: '5' } },
    { old_mode: null, new_mode: 'HALTED', set_by: 'alice', reason: 'drill', limits: {} },
  ]);
  const told = (await router('controls', '--history', '--limit', '3')).stdout.split('\n');
  expect(told[0]).toMatch(/^at +scope +from +to +limits +by +reason$/);
  expect(told[1]).toMatch(/market H-USD +HALTED +RUNNING +max_exposure 5 +carol +over$/);
});

test('a tenant’s login holds up its own orders, and is told so when it gives no tenant or another’s', async () => {
  const app = (...args: readonly string[]) => runRouter(asLogin(database.url, 'app'), ...args);
  await setMode(db, { tenantId: '', account: '', market: '', mode: 'HALTED', reason: 'all', setBy: 'alice' });
  const own = await app('halt', '--tenant', 'bob', '--reason', 'mine');
  expect(own).toMatchObject({ code: 0, stderr: '' });
  expect(own.stdout).toContain('HALTED for tenant bob');
  const nobody = await app('halt', '--reason', 'all');
  expect([nobody.code, nobody.stderr]).toEqual([
    1,
    "error: this login may only hold up one tenant's orders: say whose (--tenant)\n",
  ]);
  expect((await app('controls', '--tenant', 'bob', '--json')).stdout.trim().split('\n')).toHaveLength(1);
});

describe('what cannot be meant is refused with what can', () => {
  test.each([
    [['halt'], /required option '--reason <text>'/],
    [['reduce', '--market', 'BTC-USD'], /required option '--reason <text>'/],
    [['halt', '--reason', ''], /--reason .*text of 1 to 500 characters/],
    [['limits', '--set', 'max_open_orders=1', '--reason', 'r'.repeat(501)], /text of 1 to 500 characters/],
    [['halt', '--reason', 'x', '--market', 'M'.repeat(51)], /--market .*1 to 50 characters/],
    [['halt', 'BTC-USD', '--reason', 'x'], /too many arguments/],
    [['limits', '--reason', 'x'], /give --set LIMIT=VALUE or --unset LIMIT/],
    [['limits', '--set', 'max_open_orders=1'], /required option '--reason <text>'/],
    [
      ['limits', '--set', 'max_orders=1', '--reason', 'x'],
      /max_orders is no limit: these are max_order_size, /,
    ],
    [
      ['limits', '--unset', 'max_orders', '--reason', 'x'],
      /max_orders is no limit: these are max_order_size, /,
    ],
    [
      ['limits', '--set', 'max_open_orders', '--reason', 'x'],
      /must be LIMIT=VALUE, such as max_open_orders=20/,
    ],
    [['limits', '--set', 'max_open_orders=1.5', '--reason', 'x'], /max_open_orders=1\.5: /],
    [
      ['limits', '--set', 'max_exposure=-1', '--reason', 'x'],
      /max_exposure=-1: must be a decimal such as 100000/,
    ],
    [
      ['limits', '--set', 'max_order_size=1', '--reason', 'x'],
      /base units, which differ by market: give a market/,
    ],
    [['limits', '--set', 'intents_per_second=1', '--account', 'a', '--reason', 'x'], /is of a tenant/],
    [
      ['limits', '--set', 'max_exposure=1', '--unset', 'max_exposure', '--reason', 'x'],
      /max_exposure is both set and unset/,
    ],
    [['controls', '--history', '--limit', '0'], /between 1 and 1000/],
  ] as const)('%j', async (args, why) => {
    const before = await db.selectFrom('control_changes').select('id').execute();
    const { code, stderr } = await router(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(why);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(await db.selectFrom('control_changes').select('id').execute()).toHaveLength(before.length);
  });
});

test.each(['halt', 'reduce', 'resume', 'limits', 'controls'])(
  'router %s --help shows examples',
  async (command) => {
    const { code, stdout } = await router(command, '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`npx router ${command}`));
  },
);
