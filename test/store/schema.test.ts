// The constraints repeat the rules of the core: what the code must never write, the database does not take.
import { afterAll, describe, expect, test } from 'vitest';
import { normalizeDecimal } from '../../src/core/decimal.ts';
import { ORDER_TYPES, type OrderStatus, STATUSES } from '../../src/core/status.ts';
import { isAllowed } from '../../src/core/transition.ts';
import { createDatabase } from '../support/databases.ts';
import { insertRow, orderRow, STATE_OF, setStatus } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const violates = (constraint: string) => expect.objectContaining({ code: '23514', constraint });

type Changes = NonNullable<Parameters<typeof insertRow>[1]>;

async function constraintOf(changes: Changes): Promise<string | undefined> {
  try {
    await insertRow(db, changes);
    return undefined;
  } catch (error) {
    if (error instanceof Error && 'constraint' in error) return String(error.constraint);
    throw error;
  }
}

describe('the trigger allows what the table of transitions allows', () => {
  for (const from of STATUSES) {
    for (const to of STATUSES) {
      const allows = from === to || isAllowed(from, to);
      test(`${from} → ${to} is ${allows ? 'allowed' : 'refused'}`, async () => {
        const order = await insertRow(db, { status: from });
        const change = setStatus(db, order, to);
        if (allows) await change;
        else await expect(change).rejects.toEqual(violates('orders_allowed_transition'));
        expect((await orderRow(db, order)).status).toBe(allows ? to : from);
      });
    }
  }
});

describe('a price belongs to the LIMIT types, a trigger price to the conditional ones', () => {
  for (const type of ORDER_TYPES) {
    const isPriced = type.endsWith('LIMIT');
    const isConditional = type.startsWith('STOP') || type.startsWith('TAKE_PROFIT');
    const whole = { type, price: isPriced ? '1' : null, trigger_price: isConditional ? '1' : null };

    test(`${type} ${isPriced ? 'needs' : 'has no'} price`, async () => {
      expect(await constraintOf(whole)).toBeUndefined();
      expect(await constraintOf({ ...whole, price: isPriced ? null : '1' })).toBe('orders_price_by_type');
    });

    test(`${type} ${isConditional ? 'needs' : 'has no'} trigger price`, async () => {
      const trigger_price = isConditional ? null : '1';
      expect(await constraintOf({ ...whole, trigger_price })).toBe('orders_trigger_by_type');
    });
  }
});

describe('the size that is filled decides the status', () => {
  const takes: Record<OrderStatus, readonly string[]> = {
    PENDING: ['0'],
    OPEN: ['0'],
    PARTIALLY_FILLED: ['4'],
    FILLED: ['10'],
    CANCELLED: ['0', '4'],
    REJECTED: ['0', '4'],
    EXPIRED: ['0', '4'],
  };
  for (const status of STATUSES) {
    for (const filled_size of ['0', '4', '10']) {
      const allows = takes[status].includes(filled_size);
      test(`${status} with ${filled_size} of 10 is ${allows ? 'taken' : 'refused'}`, async () => {
        const expected = allows ? undefined : 'orders_status_by_fills';
        expect(await constraintOf({ status, filled_size })).toBe(expected);
      });
    }
  }

  test('more than its size is never filled', async () => {
    expect(await constraintOf({ status: 'FILLED', filled_size: '10.000000000000000001' })).toMatch(
      /orders_(fills_within_size|status_by_fills)/,
    );
  });

  test('remaining_size is computed, and can only be computed', async () => {
    const order = await insertRow(db, { status: 'PARTIALLY_FILLED', size: '10', filled_size: '3.25' });
    expect(normalizeDecimal((await orderRow(db, order)).remaining_size ?? '')).toBe('6.75');
    await expect(insertRow(db, { remaining_size: '1' })).rejects.toMatchObject({ code: '428C9' });
  });
});

describe('a final status and its evidence come together', () => {
  for (const status of STATUSES) {
    const isEnd = STATE_OF[status].resolution !== null;
    test(`${status} ${isEnd ? 'without' : 'with'} evidence is refused`, async () => {
      const resolution = isEnd ? null : '{}';
      expect(await constraintOf({ status, resolution })).toBe('orders_final_has_proof');
    });

    test(`${status} ${isEnd ? 'takes' : 'has no'} late fill`, async () => {
      const expected = isEnd ? undefined : 'orders_late_fill_is_final';
      expect(await constraintOf({ status, late_fill_at: new Date() })).toBe(expected);
    });
  }
});

describe('good-til-blocks lie within 40 blocks of the first', () => {
  const identity = {
    owner: 'dydx1window',
    clob_pair_id: 0,
    order_flags: 0,
    quantums: 1,
    subticks: 1,
  };
  let next = 0;
  const blocks = (first_good_til_block: number | null, good_til_block: number | null) => {
    next += 1;
    return constraintOf({
      ...identity,
      order_id: `window-${next}`,
      dydx_client_id: next,
      first_good_til_block,
      good_til_block,
      attempt_count: good_til_block === null ? 0 : 1,
    });
  };

  test('0 and 40 blocks apart are taken', async () => {
    expect(await blocks(100, 100)).toBeUndefined();
    expect(await blocks(100, 140)).toBeUndefined();
  });

  test('41 blocks apart, or lower than the first, is refused', async () => {
    expect(await blocks(100, 141)).toBe('orders_good_til_block_window');
    expect(await blocks(100, 99)).toBe('orders_good_til_block_window');
  });

  test('one without the other is refused', async () => {
    expect(await blocks(null, 100)).toBe('orders_good_til_block_window');
    expect(await constraintOf({ first_good_til_block: 100 })).toBe('orders_good_til_block_window');
  });
});

describe("an order's identity at the venue is whole or absent", () => {
  const whole = {
    order_id: 'whole',
    owner: 'dydx1whole',
    dydx_client_id: 7,
    clob_pair_id: 0,
    order_flags: 0,
    quantums: 1,
    subticks: 1,
    first_good_til_block: 100,
    good_til_block: 100,
    attempt_count: 1,
  } satisfies Changes;
  for (const column of ['order_id', 'owner', 'dydx_client_id', 'clob_pair_id', 'order_flags'] as const) {
    test(`a signed order without ${column} is refused`, async () => {
      expect(await constraintOf({ ...whole, [column]: null })).toBe('orders_identity_whole');
    });
  }
  for (const column of ['quantums', 'subticks'] as const) {
    test(`a signed order without ${column} is refused, and so is ${column} alone`, async () => {
      expect(await constraintOf({ ...whole, [column]: null })).toBe('orders_identity_whole');
      expect(await constraintOf({ [column]: 1 })).toBe('orders_identity_whole');
    });
  }

  test('one venue OrderId belongs to one order for ever', async () => {
    expect(await constraintOf({ ...whole, order_id: 'first' })).toBeUndefined();
    expect(await constraintOf({ ...whole, order_id: 'second' })).toBe('orders_venue_identity');
    expect(await constraintOf({ ...whole, order_id: 'first', dydx_client_id: 8 })).toBe(
      'orders_order_id_key',
    );
  });

  test('a client id is a uint32', async () => {
    const at = (dydx_client_id: number) =>
      constraintOf({ ...whole, order_id: `id-${dydx_client_id}`, dydx_client_id });
    expect(await at(4_294_967_295)).toBeUndefined();
    expect(await at(4_294_967_296)).toBe('orders_dydx_client_id_check');
    expect(await at(-1)).toBe('orders_dydx_client_id_check');
  });
});

test.each([
  [{ size: '0' }, 'orders_size_check'],
  [{ price: '0' }, 'orders_price_check'],
  [{ client_id: '' }, 'orders_client_id_check'],
  [{ tenant_id: '' }, 'orders_tenant_id_check'],
  [{ retry_count: -1 }, 'orders_retry_count_check'],
  [{ good_til_blocks: 41 }, 'orders_good_til_blocks_check'],
  [{ subaccount_number: 128_001 }, 'orders_subaccount_number_check'],
  [{ good_til_blocks: 1, good_til_time: new Date() }, 'orders_one_good_til'],
] satisfies [Changes, string][])('%j is refused by %s', async (changes, constraint) => {
  expect(await constraintOf(changes)).toBe(constraint);
});

test('a tick of 1e-10 and a size of 20 digits come back as the strings that they were', async () => {
  const size = '12345678901234567890.123456789012345678';
  const order = await insertRow(db, { market: 'PEPE-USD', size, price: '0.0000000001' });
  const row = await orderRow(db, order);
  expect(row.size).toBe(size);
  expect(normalizeDecimal(row.price ?? '')).toBe('0.0000000001');
});

test('a key is spent by a place with its body, or by a cancel', async () => {
  const insert = (row: { order_id?: string; intent_hash?: string; cancel_requested_at?: Date }) =>
    db
      .insertInto('order_keys')
      .values({ tenant_id: 't', client_id: JSON.stringify(row), ...row })
      .execute();
  const refused = violates('order_keys_place_or_cancel');
  const order_id = '00000000-0000-0000-0000-000000000001';
  const intent_hash = 'a'.repeat(64);
  await insert({ order_id, intent_hash });
  await insert({ cancel_requested_at: new Date() });
  await expect(insert({})).rejects.toEqual(refused);
  await expect(insert({ order_id })).rejects.toEqual(refused);
  await expect(insert({ intent_hash, cancel_requested_at: new Date() })).rejects.toEqual(refused);
});

test('updated_at moves with every change', async () => {
  const order = await insertRow(db);
  await db.updateTable('orders').set({ gas_used: 1 }).where('id', '=', order.id).execute();
  const moved = db
    .selectFrom('orders')
    .select((eb) => eb('updated_at', '>', eb.ref('created_at')).as('moved'))
    .where('id', '=', order.id);
  expect(await moved.execute()).toEqual([{ moved: true }]);
});
