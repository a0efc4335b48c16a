// The constraints repeat the rules of the core: what the code must never write, the database does not take.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { normalizeDecimal } from '../../src/core/decimal.ts';
import { isFinal, ORDER_TYPES, type OrderStatus, STATUSES, TIMES_IN_FORCE } from '../../src/core/status.ts';
import { isAllowed, TRANSITIONS } from '../../src/core/transition.ts';
import { createDatabase } from '../support/databases.ts';
import {
  inMs,
  insertRow,
  nextName,
  nextNonce,
  orderRow,
  setStatus,
  signedColumns,
  statefulColumns,
} from './builders.ts';

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
    if (error instanceof Error && 'constraint' in error && typeof error.constraint === 'string')
      return error.constraint;
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

const document = () => readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'schema.md'), 'utf8');

test('docs/schema.md names every table and view, every column of an order and of its history, every index and constraint', async () => {
  const { rows } = await sql<{ name: string }>`
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
      AND relkind IN ('r', 'p', 'v') AND NOT relispartition AND relname !~ '^(kysely|pg_stat)'
    UNION SELECT attname FROM pg_attribute
      WHERE attrelid IN ('orders'::regclass, 'order_status_history'::regclass) AND attnum > 0 AND NOT attisdropped
    UNION SELECT conname FROM pg_constraint
      WHERE conrelid = 'orders'::regclass AND contype = 'c' AND conname !~ '_check$'
    UNION SELECT replace(indexrelid::regclass::text, 'idx_orders_', '') FROM pg_index
      WHERE indrelid = 'orders'::regclass AND indexrelid::regclass::text LIKE 'idx%'
    UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal`.execute(db);
  const text = document();
  expect(rows.length).toBeGreaterThan(80);
  expect(rows.map(({ name }) => name).filter((name) => !text.includes(name))).toEqual([]);
});

test('docs/schema.md has the table of transitions as it is', () => {
  const text = document();
  // The first table of the section: a line that is no row ends it.
  const [, section = ''] = text.split('\n## The life of an order\n');
  const [, table = ''] = section.split('\n|---|---|\n');
  const [lines = ''] = table.split('\n\n');
  const rows = lines.split('\n').map((line) => {
    const [, from = '', to = ''] = line.split('|');
    return [from.trim(), to.match(/[A-Z_]+/g) ?? []];
  });
  expect(rows).toEqual(Object.entries(TRANSITIONS));
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

describe('how long an order may live is said once, in blocks or as a time, where its type asks for it', () => {
  const GOOD_TIL = {
    neither: { good_til_blocks: null, good_til_time: null },
    blocks: { good_til_blocks: 20, good_til_time: null },
    time: { good_til_blocks: null, good_til_time: inMs(86_400_000) },
    both: { good_til_blocks: 20, good_til_time: inMs(86_400_000) },
  };
  for (const type of ORDER_TYPES) {
    const isConditional = type !== 'LIMIT' && type !== 'MARKET';
    const price = type.endsWith('LIMIT') ? '1' : null;
    for (const time_in_force of TIMES_IN_FORCE) {
      const resting = type === 'LIMIT' && time_in_force === 'GTT' ? ['blocks', 'time'] : ['neither'];
      const takes = isConditional ? ['time'] : resting;
      test(`${type} ${time_in_force} takes ${takes.join(' or ')}`, async () => {
        const order = { type, time_in_force, price, trigger_price: isConditional ? '1' : null };
        for (const [name, goodTil] of Object.entries(GOOD_TIL)) {
          const expected = takes.includes(name) ? undefined : 'orders_good_til_by_type';
          expect(await constraintOf({ ...order, ...goodTil }), name).toBe(expected);
        }
      });
    }
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
      // What was rejected has late fills only.
      const late = status === 'REJECTED' && filled_size !== '0' ? { late_fill_at: new Date() } : {};
      test(`${status} with ${filled_size} of 10 is ${allows ? 'taken' : 'refused'}`, async () => {
        const expected = allows ? undefined : 'orders_status_by_fills';
        expect(await constraintOf({ status, filled_size, ...late })).toBe(expected);
      });
    }
  }

  test('more than its size is never filled', async () => {
    expect(await constraintOf({ status: 'FILLED', filled_size: '10.000000000000000001' })).toBe(
      'orders_fills_within_size',
    );
  });

  test('remaining_size is computed, and can only be computed', async () => {
    const order = await insertRow(db, { status: 'PARTIALLY_FILLED', size: '10', filled_size: '3.25' });
    expect(normalizeDecimal((await orderRow(db, order)).remaining_size ?? '')).toBe('6.75');
    await expect(insertRow(db, { remaining_size: '1' })).rejects.toMatchObject({ code: '428C9' });
  });
});

const UNSIGNED = {
  ...{ order_id: null, owner: null, dydx_client_id: null, clob_pair_id: null, order_flags: null },
  ...{ quantums: null, subticks: null, first_good_til_block: null, good_til_block: null, attempt_count: 0 },
} as const;
const NEVER_SENT = { ...UNSIGNED, filled_size: '0', resolution: '{"rule":"never_sent"}' } as const;

describe('every end has evidence of a kind that can show it', () => {
  const ends: Partial<Record<OrderStatus, readonly string[]>> = {
    FILLED: ['filled'],
    CANCELLED: ['never_sent', 'dead'],
    EXPIRED: ['never_sent', 'dead'],
    REJECTED: ['never_sent', 'refused', 'dead'],
  };
  for (const status of STATUSES.filter(isFinal)) {
    for (const rule of ['filled', 'never_sent', 'dead', 'refused', 'made_up', undefined]) {
      const allows = rule !== undefined && ends[status]?.includes(rule);
      test(`${status} by the rule ${rule} is ${allows ? 'taken' : 'refused'}`, async () => {
        const resolution = JSON.stringify({ rule, height: 121 });
        const filled_size = status === 'FILLED' ? '10' : '0';
        const signature = rule === 'never_sent' ? UNSIGNED : {};
        expect(await constraintOf({ status, resolution, filled_size, ...signature })).toBe(
          allows ? undefined : 'orders_resolution_by_status',
        );
      });
    }
  }

  for (const status of STATUSES) {
    const isEnd = isFinal(status);
    test(`${status} ${isEnd ? 'without' : 'with'} evidence is refused`, async () => {
      const resolution = isEnd ? null : '{}';
      expect(await constraintOf({ status, resolution })).toBe('orders_final_has_proof');
    });
  }
});

const now = new Date();
const dead = (height?: number) => JSON.stringify({ rule: 'dead', height });
/** Signed, without a block: it has a time and a nonce. */
const stateful = () => ({ status: 'OPEN', ...statefulColumns() }) as const;
const conditional = () =>
  ({ ...stateful(), type: 'STOP_LIMIT', trigger_price: '1', order_flags: 32, trigger_subticks: 1 }) as const;
const ACTIVE = STATUSES.filter((status) => !isFinal(status));
const ENDS = STATUSES.filter(isFinal);
const not = (...statuses: OrderStatus[]) => STATUSES.filter((status) => !statuses.includes(status));

/** What it says, its name, rows that it refuses (and no other constraint does), and the rows next to them. */
type Rule = readonly [string, string, readonly Changes[], readonly Changes[]];

const STATUS_RULES: readonly Rule[] = [
  [
    'OPEN was placed, PENDING was not',
    'orders_open_was_placed',
    [
      { status: 'OPEN', placed_at: null },
      { ...signedColumns(), placed_at: now },
    ],
    [
      { status: 'OPEN' },
      signedColumns(),
      ...not('OPEN', 'PENDING').map((status) => ({ status, placed_at: now })),
    ],
  ],
  [
    'what was never signed is with no venue, has no fill, and ends as never sent',
    'orders_unsigned_is_unsent',
    [
      ...(['OPEN', 'PARTIALLY_FILLED', 'FILLED'] as const).map((status) => ({ status, ...UNSIGNED })),
      { status: 'EXPIRED', ...NEVER_SENT, placed_at: now },
      { status: 'EXPIRED', ...NEVER_SENT, filled_size: '4' },
    ],
    [{}, ...(['CANCELLED', 'EXPIRED', 'REJECTED'] as const).map((status) => ({ status, ...NEVER_SENT }))],
  ],
  [
    'never sent is only what was never signed',
    'orders_never_sent_is_unsigned',
    [{ status: 'EXPIRED', filled_size: '0', resolution: NEVER_SENT.resolution }],
    [{ status: 'EXPIRED', ...NEVER_SENT }],
  ],
  [
    'refused at once is only what was sent once',
    'orders_refused_was_sent_once',
    [
      { status: 'REJECTED', attempt_count: 2 },
      { status: 'REJECTED', retry_count: 1 },
    ],
    [{ status: 'REJECTED' }, { status: 'REJECTED', attempt_count: 2, retry_count: 1, resolution: dead(120) }],
  ],
  [
    'dead is what the highest signed good-til-block lies behind',
    'orders_dead_by_block',
    [
      { status: 'EXPIRED', resolution: dead(119) },
      { status: 'EXPIRED', resolution: dead() },
      { status: 'CANCELLED', resolution: '{"rule":"dead","height":null}' },
    ],
    [{ status: 'EXPIRED', resolution: dead(120) }],
  ],
  [
    'a late fill comes after the end',
    'orders_late_fill_is_final',
    [{ status: 'PARTIALLY_FILLED', late_fill_at: now }],
    ENDS.map((status) => ({ status, late_fill_at: now, filled_size: status === 'FILLED' ? '10' : '4' })),
  ],
  [
    'a late fill is a fill',
    'orders_late_fill_is_a_fill',
    ENDS.filter((status) => status !== 'FILLED').map((status) => ({
      ...{ status, late_fill_at: now, filled_size: '0' },
    })),
    [{ status: 'EXPIRED', late_fill_at: now, filled_size: '0.000000000000000001' }],
  ],
  [
    'REJECTED has no fill that is not late',
    'orders_rejected_has_no_fill',
    [{ status: 'REJECTED', filled_size: '4' }],
    [{ status: 'REJECTED', filled_size: '4', late_fill_at: now }],
  ],
  [
    'FILLED, and nothing else, says when',
    'orders_filled_at',
    [{ status: 'FILLED', filled_at: null }, ...not('FILLED').map((status) => ({ status, filled_at: now }))],
    STATUSES.map((status) => ({ status })),
  ],
  [
    'CANCELLED, or what was filled after it, says when',
    'orders_cancelled_at',
    [
      { status: 'CANCELLED', cancelled_at: null },
      ...not('CANCELLED').map((status) => ({ status, cancelled_at: now })),
    ],
    [{ status: 'CANCELLED' }, { status: 'FILLED', cancelled_at: now, late_fill_at: now }],
  ],
  [
    'of what is over nothing is due, and it has a reason',
    'orders_final_rests',
    ENDS.flatMap((status) => [
      { status, next_wake_at: now },
      { status, status_reason: null },
    ]),
    ACTIVE.map((status) => ({ status, next_wake_at: now, status_reason: null })),
  ],
];

const deathOf = (death: object, height = 120) => ({
  death: JSON.stringify({ height, ...death }),
  dead_height: height,
});
/** Signed for a time, and its death as told. */
const dies = (death: object, changes: Changes = {}): Changes => ({
  ...stateful(),
  ...deathOf(death),
  ...changes,
});
const GOOD_TIL_MS = Date.UTC(2030, 0, 1);
const good_til_time = new Date(GOOD_TIL_MS);
const neverIncluded = (changes: Changes = {}): Changes => {
  const nonce = nextNonce();
  return dies({ cause: 'never_included' }, { nonce, dead_nonce: nonce, ...changes });
};

const STATEFUL_RULES: readonly Rule[] = [
  [
    'a stateful order has a nonce, and no other',
    'orders_nonce_by_flags',
    [
      { ...stateful(), nonce: null },
      { ...conditional(), nonce: null },
      { ...signedColumns(), nonce: 1 },
      { nonce: 1 },
    ],
    [stateful(), conditional(), signedColumns(), {}],
  ],
  ['a nonce is a time', 'orders_nonce_check', [{ ...stateful(), nonce: 0 }], [{ ...stateful(), nonce: 1 }]],
  [
    "a conditional order has its trigger in the venue's integers, and no other",
    'orders_trigger_by_flags',
    [
      { ...conditional(), trigger_subticks: null },
      { ...stateful(), trigger_subticks: 1 },
      { ...signedColumns(), trigger_subticks: 1 },
      { trigger_subticks: 1 },
    ],
    [conditional(), stateful(), signedColumns()],
  ],
  [
    'a trigger is more than nothing',
    'orders_trigger_subticks_check',
    [{ ...conditional(), trigger_subticks: 0 }],
    [conditional()],
  ],
  [
    'a nonce that is dead was its own',
    'orders_dead_nonce_was_its_own',
    [{ ...stateful(), nonce: 7, dead_nonce: 8 }, { ...signedColumns(), dead_nonce: 1 }, { dead_nonce: 1 }],
    [
      { ...stateful(), nonce: 8, dead_nonce: 8 },
      { ...stateful(), nonce: 9, dead_nonce: 8 },
    ],
  ],
  [
    'what is on chain was signed with a nonce',
    'orders_included_was_signed',
    [{ ...signedColumns(), included_height: 105 }, { included_height: 105 }],
    [{ ...stateful(), included_height: 105 }],
  ],
  [
    'cancels are counted from nothing',
    'orders_cancel_count_check',
    [{ cancel_count: -1 }],
    // One every ten seconds for 95 days.
    [{ cancel_count: 820_800 }],
  ],
  [
    'a death names its block and its cause, and has what the cause asks for',
    'orders_death_by_cause',
    [
      { ...stateful(), dead_height: 120 },
      { ...stateful(), death: JSON.stringify({ cause: 'removed', height: 120 }), included_height: 105 },
      dies({ cause: 'removed' }, { included_height: 105, dead_height: 121 }),
      dies({ cause: 'old age' }),
      dies({}),
      { ...signedColumns(), ...deathOf({ cause: 'failed', code: 5 }) },
      deathOf({ cause: 'failed', code: 5 }),
      // Before its time; without a time of the block.
      dies({ cause: 'expired', block_time_ms: GOOD_TIL_MS - 1 }, { good_til_time }),
      dies({ cause: 'expired' }, { good_til_time }),
      // It was never there; it went before it came.
      dies({ cause: 'removed' }),
      dies({ cause: 'removed' }, { included_height: 121 }),
      // Code 0 is success; and what was carried out has not failed.
      dies({ cause: 'failed', code: 0 }),
      dies({ cause: 'failed' }),
      dies({ cause: 'failed', code: 5 }, { included_height: 105 }),
      // Its nonce lives, or another one of it; or it is on chain.
      neverIncluded({ dead_nonce: null }),
      neverIncluded({ nonce: 9, dead_nonce: 8 }),
      neverIncluded({ included_height: 105 }),
    ],
    [
      stateful(),
      dies({ cause: 'expired', block_time_ms: GOOD_TIL_MS }, { good_til_time }),
      dies({ cause: 'expired', block_time_ms: GOOD_TIL_MS }, { good_til_time, included_height: 105 }),
      dies({ cause: 'removed' }, { included_height: 120 }),
      dies({ cause: 'failed', code: 5 }),
      neverIncluded(),
    ],
  ],
  [
    'dead is what the indexer has read the death of',
    'orders_dead_by_block',
    [
      { ...dies({ cause: 'removed' }), included_height: 105, status: 'CANCELLED', resolution: dead(119) },
      { ...stateful(), status: 'EXPIRED', resolution: dead(1_000) },
    ],
    [{ ...dies({ cause: 'removed' }), included_height: 105, status: 'CANCELLED', resolution: dead(120) }],
  ],
];

const WHOLE = ['owner', 'dydx_client_id', 'clob_pair_id', 'quantums', 'subticks'] as const;

const VENUE_RULES: readonly Rule[] = [
  [
    "an order's identity at the venue is whole or absent",
    'orders_identity_whole',
    [
      ...WHOLE.map((column) => ({ ...signedColumns(), [column]: null })),
      { ...signedColumns(), order_id: null, attempt_count: 0 },
      { ...signedColumns(), order_flags: null, first_good_til_block: null, good_til_block: null },
      { quantums: 1 },
      { subticks: 1 },
    ],
    [{}, signedColumns()],
  ],
  [
    'an attempt has an identity, and an identity an attempt',
    'orders_attempts_have_identity',
    [{ attempt_count: 1 }, { ...signedColumns(), attempt_count: 0 }],
    [{ attempt_count: 0 }, { ...signedColumns(), attempt_count: 1 }],
  ],
  [
    'a short-term order has a good-til-block, a stateful one has none',
    'orders_good_til_block_by_flags',
    [
      { ...signedColumns(), first_good_til_block: null, good_til_block: null },
      { ...stateful(), first_good_til_block: 120, good_til_block: 120 },
      { ...conditional(), first_good_til_block: 120, good_til_block: 120 },
      { first_good_til_block: 120, good_til_block: 120 },
    ],
    [signedColumns(), stateful(), conditional(), {}],
  ],
  [
    'what was signed is what was asked for: short-term, long-term or conditional',
    'orders_flags_by_type',
    [
      { ...stateful(), order_flags: 32, trigger_subticks: 1 },
      { ...conditional(), order_flags: 64, trigger_subticks: null },
      { ...stateful(), good_til_time: null, good_til_blocks: 20 },
      { ...stateful(), order_flags: 1, nonce: null },
    ],
    [stateful(), conditional(), signedColumns()],
  ],
  [
    'a later good-til-block lies at most 40 blocks above the first',
    'orders_good_til_block_window',
    [
      { ...signedColumns(), good_til_block: 161 },
      { ...signedColumns(), good_til_block: 119 },
      { ...signedColumns(), first_good_til_block: null },
      { first_good_til_block: 120 },
    ],
    [
      { ...signedColumns(), good_til_block: 120 },
      { ...signedColumns(), good_til_block: 160 },
    ],
  ],
  [
    'a number is one: NaN is greater than every other, and passes what asks for more than nothing',
    'orders_numbers',
    [
      { size: 'NaN' },
      { price: 'NaN' },
      { type: 'STOP_MARKET', price: null, trigger_price: 'NaN' },
      { status: 'PARTIALLY_FILLED', last_fill_price: 'NaN' },
    ],
    [
      { type: 'STOP_MARKET', price: null, trigger_price: '1' },
      { status: 'PARTIALLY_FILLED', last_fill_price: '1' },
    ],
  ],
  [
    'a client id at the venue is a uint32',
    'orders_dydx_client_id_check',
    [
      { ...signedColumns(), dydx_client_id: -1 },
      { ...signedColumns(), dydx_client_id: 4_294_967_296 },
    ],
    [{ ...signedColumns(), dydx_client_id: 4_294_967_295 }],
  ],
];

describe.each([...STATUS_RULES, ...VENUE_RULES, ...STATEFUL_RULES])(
  '%s',
  (_what, constraint, refused, taken) => {
    test(`is what ${constraint} keeps`, async () => {
      for (const row of refused) expect(await constraintOf(row), JSON.stringify(row)).toBe(constraint);
    });

    test('and not more than that', async () => {
      for (const row of taken) expect(await constraintOf(row), JSON.stringify(row)).toBeUndefined();
    });
  },
);

test('every CHECK of orders is asked about here', async () => {
  const { rows } = await sql<{ name: string }>`SELECT conname AS name FROM pg_constraint
    WHERE conrelid = 'orders'::regclass AND contype = 'c' ORDER BY conname`.execute(db);
  const text = readFileSync(import.meta.filename, 'utf8');
  expect(rows.filter(({ name }) => !text.includes(`'${name}'`))).toEqual([]);
});

test('one venue OrderId belongs to one order for ever', async () => {
  const first = signedColumns();
  expect(await constraintOf(first)).toBeUndefined();
  expect(await constraintOf({ ...first, order_id: 'another' })).toBe('orders_venue_identity');
  const { dydx_client_id } = signedColumns();
  expect(await constraintOf({ ...first, dydx_client_id })).toBe('orders_order_id_key');
  // The flags are a part of the identity: the same number may stand for a short-term and a long-term order.
  const { owner: _owner, dydx_client_id: _id, ...long } = statefulColumns();
  expect(await constraintOf({ ...first, ...long, status: 'OPEN' })).toBeUndefined();
});

test('one nonce of an owner belongs to one order', async () => {
  const { nonce, owner } = statefulColumns();
  expect(await constraintOf({ ...stateful(), nonce })).toBeUndefined();
  expect(await constraintOf({ ...conditional(), nonce })).toBe('orders_one_nonce');
  expect(await constraintOf({ ...stateful(), nonce, owner: `${owner}2` })).toBeUndefined();
});

test.each([
  [{ size: '0' }, 'orders_size_check'],
  [{ price: '0' }, 'orders_price_check'],
  [{ ...{ type: 'STOP_LIMIT', trigger_price: '0' } }, 'orders_trigger_price_check'],
  [{ client_id: '' }, 'orders_client_id_check'],
  [{ tenant_id: '' }, 'orders_tenant_id_check'],
  [{ retry_count: -1 }, 'orders_retry_count_check'],
  [{ good_til_blocks: 0 }, 'orders_good_til_blocks_check'],
  [{ good_til_blocks: 41 }, 'orders_good_til_blocks_check'],
  [{ subaccount_number: 128_001 }, 'orders_subaccount_number_check'],
  [{ ...signedColumns(), clob_pair_id: -1 }, 'orders_clob_pair_id_check'],
  [{ ...signedColumns(), quantums: 0 }, 'orders_quantums_check'],
  [{ ...signedColumns(), subticks: 0 }, 'orders_subticks_check'],
  [{ ...signedColumns(), attempt_count: -1 }, 'orders_attempt_count_check'],
  [{ status: 'EXPIRED', filled_size: '-1' }, 'orders_filled_size_check'],
] satisfies [Changes, string][])('%j is refused by %s', async (changes, constraint) => {
  expect(await constraintOf(changes)).toBe(constraint);
});

describe('no order without its spent key', () => {
  const row = (client_id: string, id: string = randomUUID()) => ({
    ...{ id, client_id, market: 'BTC-USD', side: 'BUY' as const, type: 'LIMIT' as const },
    ...{ size: '1', price: '1', good_til_blocks: 20 },
  });
  const spend = (client_id: string, order_id: string, tenant_id = 'default') =>
    db
      .insertInto('order_keys')
      .values({ tenant_id, client_id, order_id, intent_hash: 'a'.repeat(64) })
      .execute();
  const insert = (...rows: ReturnType<typeof row>[]) => db.insertInto('orders').values(rows).execute();
  const refused = expect.objectContaining({ code: '23503', constraint: 'orders_have_keys' });

  test('one that has none is refused, and the rows beside it with it', async () => {
    const [keyless, keyed] = [row(nextName('keyless')), row(nextName('keyed'))];
    await spend(keyed.client_id, keyed.id);
    await expect(insert(keyed, keyless)).rejects.toEqual(refused);
    await insert(keyed);
    await expect(orderRow(db, keyless)).rejects.toThrow();
  });

  test('a key of another order, of another tenant or of a cancel is none', async () => {
    const name = nextName('theirs');
    await spend(name, randomUUID());
    await expect(insert(row(name))).rejects.toEqual(refused);

    const order = row(nextName('elsewhere'));
    await spend(order.client_id, order.id, 'another tenant');
    await expect(insert(order)).rejects.toEqual(refused);

    const client_id = nextName('cancelled-before');
    const cancel = { tenant_id: 'default', client_id, cancel_requested_at: new Date() };
    await db.insertInto('order_keys').values(cancel).execute();
    await expect(insert(row(client_id))).rejects.toEqual(refused);
  });

  test('a client_id is one order for ever: neither a second key nor a second order is taken', async () => {
    const order = row(nextName('spent'));
    await spend(order.client_id, order.id);
    await insert(order);
    await expect(spend(order.client_id, randomUUID())).rejects.toMatchObject({
      constraint: 'order_keys_pkey',
    });
    await expect(insert(row(order.client_id))).rejects.toEqual(refused);
  });

  test('a key is spent by a place with its body, or by a cancel', async () => {
    const insertKey = (key: { order_id?: string; intent_hash?: string; cancel_requested_at?: Date }) =>
      db
        .insertInto('order_keys')
        .values({ tenant_id: 't', client_id: nextName('key'), ...key })
        .execute();
    const [order_id, intent_hash] = [randomUUID(), 'a'.repeat(64)];
    await insertKey({ order_id, intent_hash });
    await insertKey({ cancel_requested_at: now });
    for (const key of [{}, { order_id }, { intent_hash, cancel_requested_at: now }]) {
      await expect(insertKey(key)).rejects.toEqual(violates('order_keys_place_or_cancel'));
    }
  });
});

describe('the other tables', () => {
  test.each(['size', 'price', 'fee'])('a fill whose %s is NaN is none', async (column) => {
    const order_id = (await insertRow(db, { status: 'OPEN' })).id;
    const insert = (changes: { readonly [column: string]: string }) =>
      db
        .insertInto('order_fills')
        .values({
          ...{
            id: randomUUID(),
            order_id,
            market: 'BTC-USD',
            side: 'BUY',
            size: '1',
            price: '1',
            fee: '-0.1',
          },
          ...{ liquidity: 'MAKER', height: 110, filled_at: now },
          ...changes,
        })
        .execute();
    await expect(insert({ [column]: 'NaN' })).rejects.toEqual(violates('order_fills_numbers'));
    await insert({});
  });

  const late = new Date(30_006);
  test.each([
    ['a block and a nonce', { good_til_block: 120, nonce: 5 }, 'order_attempts_one_end'],
    ['neither', { good_til_block: null, nonce: null }, 'order_attempts_one_end'],
    ['a block', { good_til_block: 120, nonce: null }, undefined],
    ['a nonce', {}, undefined],
    ['a block in which it is, and no code', { included_height: 105 }, 'order_attempts_included'],
    ['a code, and no block', { included_code: 0 }, 'order_attempts_included'],
    ['both', { included_height: 105, included_code: 0 }, undefined],
    ['a block up to which it is not, and no time', { absent_height: 200 }, 'order_attempts_absent'],
    ['a time, and no block', { absent_time: late }, 'order_attempts_absent'],
    [
      'a time within its window',
      { absent_height: 200, absent_time: new Date(30_005) },
      'order_attempts_absent',
    ],
    ['a time beyond it', { absent_height: 200, absent_time: late }, undefined],
    [
      'absence, of a short-term order',
      { good_til_block: 120, nonce: null, absent_height: 200, absent_time: late },
      'order_attempts_absent',
    ],
    [
      'absence and a block',
      { absent_height: 200, absent_time: late, included_height: 105, included_code: 0 },
      'order_attempts_absent',
    ],
  ])('an attempt with %s is refused by %s', async (_what, changes, constraint) => {
    const { id } = await insertRow(db, stateful());
    const attempt = {
      order_id: id,
      attempt: 1,
      nonce: 5,
      signed_height: 100,
      tx_hash: 'A',
      tx_bytes: Buffer.of(1),
    };
    const insert = db
      .insertInto('order_attempts')
      .values({ ...attempt, ...changes })
      .execute();
    if (constraint === undefined) await insert;
    else await expect(insert).rejects.toEqual(violates(constraint));
  });

  /** Values of a row, the constraint that refuses it; undefined: it is taken. */
  test.each([
    [`controls (reason, set_by) VALUES ('drill', 'ops')`, undefined],
    [`controls (mode, reason, set_by, market) VALUES ('PAUSED', 'x', 'ops', 'a')`, 'controls_mode_check'],
    [`controls (mode, reason, set_by, market) VALUES ('HALTED', 'x', 'ops', 'b')`, undefined],
    [`controls (reason, set_by) VALUES ('', 'ops')`, 'controls_reason_check'],
    [`controls (reason, set_by) VALUES ('drill', '')`, 'controls_set_by_check'],
    [`signer_nonces (owner, last_nonce) VALUES ('dydx1a', 0)`, 'signer_nonces_last_nonce_check'],
    [`signer_nonces (owner, last_nonce) VALUES ('dydx1a', 1)`, undefined],
    [
      `signer_nonces (owner, last_nonce, recent) VALUES ('dydx1b', 20, ARRAY(SELECT generate_series(1, 20)))`,
      'signer_nonces_recent_check',
    ],
    [`incidents (kind, subject) VALUES ('', 'a')`, 'incidents_kind_check'],
    [`incidents (kind, subject) VALUES ('late fill', 'a')`, undefined],
    [`incidents (kind, subject) VALUES ('late fill', '')`, 'incidents_subject_check'],
    [`incidents (kind, subject, closed_at) VALUES ('late fill', 'b', now())`, 'incidents_closed_by_somebody'],
    [`incidents (kind, subject, closed_by) VALUES ('late fill', 'b', 'ops')`, 'incidents_closed_by_somebody'],
    [`incidents (kind, subject, closed_at, closed_by) VALUES ('late fill', 'b', now(), 'ops')`, undefined],
    [
      `intent_rejections (tenant_id, source, refusals) VALUES ('', 's', '[]')`,
      'intent_rejections_tenant_id_check',
    ],
    [`intent_rejections (tenant_id, source, refusals) VALUES (NULL, 's', '[]')`, undefined],
  ])('INSERT INTO %s: %s', async (row, constraint) => {
    const insert = sql.raw(`INSERT INTO ${row}`).execute(db);
    if (constraint === undefined) await insert;
    else await expect(insert).rejects.toEqual(violates(constraint));
  });
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
