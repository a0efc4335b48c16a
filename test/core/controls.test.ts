// Which control holds over which order, in which words, and that no wider control lifts a narrower one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Control,
  controlsOver,
  describeScope,
  indexControls,
  limitSources,
  MODES,
  readControl,
  whyHeld,
  whyUnfit,
} from '../../src/core/controls.ts';

const ALL = { tenantId: '', account: '', market: '' };
const control = (changes: Partial<Control>): Control => ({
  ...ALL,
  mode: 'RUNNING',
  limits: {},
  reason: 'fat finger',
  setBy: 'alice',
  setAt: new Date(0),
  ...changes,
});
const order = { tenantId: 't', account: 'a', market: 'BTC-USD', reduceOnly: false };
const heldBy = (controls: readonly Control[], subject = order) =>
  whyHeld(controlsOver(indexControls(controls), subject), subject);

test.each([
  [{}, 'HALTED for all orders by alice: fat finger'],
  [{ tenantId: 't' }, 'HALTED for tenant t by alice: fat finger'],
  [{ account: 'a' }, 'HALTED for account a by alice: fat finger'],
  [{ market: 'BTC-USD' }, 'HALTED for market BTC-USD by alice: fat finger'],
  [{ tenantId: 't', account: 'a' }, 'HALTED for tenant t, account a by alice: fat finger'],
  [{ tenantId: 't', market: 'BTC-USD' }, 'HALTED for tenant t, market BTC-USD by alice: fat finger'],
  [{ account: 'a', market: 'BTC-USD' }, 'HALTED for account a, market BTC-USD by alice: fat finger'],
  [
    { tenantId: 't', account: 'a', market: 'BTC-USD' },
    'HALTED for tenant t, account a, market BTC-USD by alice: fat finger',
  ],
])('a halt of the scope %j holds its orders, and says so', (scope, reason) => {
  expect(heldBy([control({ ...scope, mode: 'HALTED' })])).toEqual({ mode: 'HALTED', reason });
});

test.each([
  { tenantId: 'other' },
  { account: 'other' },
  { market: 'ETH-USD' },
  { tenantId: 't', market: 'ETH-USD' },
  { tenantId: 'other', account: 'a', market: 'BTC-USD' },
])('a halt of the scope %j holds no order outside of it', (scope) => {
  expect(heldBy([control({ ...scope, mode: 'HALTED' })])).toBeUndefined();
});

test('no control holds nothing, and one that runs holds nothing', () => {
  expect(heldBy([])).toBeUndefined();
  expect(heldBy([control({ mode: 'RUNNING' })])).toBeUndefined();
});

test('REDUCING lets reduce-only orders pass and no others; HALTED lets none pass', () => {
  const reducing = control({ market: 'BTC-USD', mode: 'REDUCING' });
  expect(heldBy([reducing])).toEqual({
    mode: 'REDUCING',
    reason: 'REDUCING for market BTC-USD by alice: fat finger; only reduce-only orders pass',
  });
  expect(heldBy([reducing], { ...order, reduceOnly: true })).toBeUndefined();
  const halted = control({ mode: 'HALTED' });
  expect(heldBy([reducing, halted], { ...order, reduceOnly: true })?.mode).toBe('HALTED');
});

test('the strictest mode of all scopes that cover an order holds, whichever is wider', () => {
  const name = (own: string) => fc.constantFrom('', own, 'other');
  const scopes = fc.record({ tenantId: name('t'), account: name('a'), market: name('BTC-USD') });
  const controls = fc.uniqueArray(
    fc.tuple(scopes, fc.constantFrom(...MODES)).map(([scope, mode]) => control({ ...scope, mode })),
    { selector: (each) => describeScope(each), maxLength: 27 },
  );
  fc.assert(
    fc.property(controls, fc.boolean(), (all, reduceOnly) => {
      const covering = all.filter(
        ({ tenantId, account, market }) =>
          ['', 't'].includes(tenantId) && ['', 'a'].includes(account) && ['', 'BTC-USD'].includes(market),
      );
      const modes = new Set(covering.map(({ mode }) => mode));
      const expected = modes.has('HALTED')
        ? 'HALTED'
        : modes.has('REDUCING') && !reduceOnly
          ? 'REDUCING'
          : undefined;
      expect(heldBy(all, { ...order, reduceOnly })?.mode).toBe(expected);
    }),
  );
});

test('over a tenant as such hold the controls that name neither account nor market, each once', () => {
  const index = indexControls([
    control({ reason: 'all' }),
    control({ tenantId: 't', reason: 'tenant' }),
    control({ tenantId: 't', account: 'a', reason: 'account' }),
    control({ market: 'BTC-USD', reason: 'market' }),
  ]);
  const over = controlsOver(index, { tenantId: 't', account: '', market: '' });
  expect(over.map(({ reason }) => reason)).toEqual(['all', 'tenant']);
});

test('a limit is named with its scope, and not with who changed the control last: it may have been its mode', () => {
  const [source] = limitSources([control({ market: 'BTC-USD', limits: { max_order_notional: '5' } })]);
  expect(source?.nameOf('max_order_notional')).toBe('max_order_notional of market BTC-USD');
});

describe('what is stored', () => {
  const stored = { ...control({ tenantId: 't' }), mode: 'RUNNING' as const };

  test('is read as it was written', () => {
    const limits = { max_open_orders: 3, max_exposure: '100.5' };
    expect(readControl({ ...stored, limits })).toEqual({ ...stored, limits });
  });

  test.each([
    { max_open_orders: '3' },
    { max_exposure: -1 },
    { max_exposure: '1e9' },
    { maximum: 1 },
    'none',
    null,
  ])('halts its own scope when its limits are %j, which cannot be read', (limits) => {
    const held = readControl({ ...stored, limits });
    expect(held).toMatchObject({ tenantId: 't', mode: 'HALTED', limits: {} });
    expect(held.reason).toMatch(/^its limits cannot be read, set them again with router limits: /);
    expect(held.reason.length).toBeLessThanOrEqual(300);
  });
});

test('a limit that would mean nothing in its scope is unfit for it', () => {
  expect(whyUnfit({ max_order_size: '1' }, ALL)).toMatch(/^max_order_size is in base units.*give a market/);
  expect(whyUnfit({ max_order_size: '1' }, { ...ALL, market: 'BTC-USD' })).toBeUndefined();
  expect(whyUnfit({ intents_per_second: 1 }, { ...ALL, account: 'a' })).toMatch(/is of a tenant/);
  expect(whyUnfit({ intents_per_second: 1 }, { ...ALL, market: 'BTC-USD' })).toMatch(/is of a tenant/);
  expect(whyUnfit({ intents_per_second: 1, max_open_orders: 1 }, { ...ALL, tenantId: 't' })).toBeUndefined();
});
