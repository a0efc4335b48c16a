// What is an intent and what is none: every bad value of every field, and that no payload whatever makes the parser
// throw (cells.test.ts goes through the combinations). One poisonous intent would take the other 99 of its job with it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  intentHash,
  MAX_INTENT_BYTES,
  parseIntent,
  placeJobId,
  type Refusal,
  refuseByTime,
  submitDeadline,
} from '../../src/core/intent.ts';
import { type Json, marketInput, parsed, restingInput } from './builders.ts';

const NOW = new Date('2026-03-04T05:06:07Z');
const TIME = '2026-03-05T00:00:00Z';

function refusals(input: unknown): readonly Refusal[] {
  const result = parseIntent(input);
  return result.ok ? [] : result.refusals;
}
/** "field code", sorted, each once */
const reasons = (input: unknown) =>
  [...new Set(refusals(input).map(({ field, code }) => `${field} ${code}`))].sort();

describe('the time in force', () => {
  test('GTT with neither names both choices', () => {
    const [refusal] = refusals({ ...restingInput, good_til_blocks: undefined });
    expect(refusal?.reason).toMatch(/good_til_blocks.*good_til_time/);
  });

  test('an accepted order that is immediate at the venue is IOC, every other one GTT', () => {
    expect(parsed(marketInput).time_in_force).toBe('IOC');
    expect(parsed({ ...marketInput, time_in_force: 'GTT' }).time_in_force).toBe('IOC');
    expect(parsed(restingInput).time_in_force).toBe('GTT');
    expect(parsed({ ...restingInput, time_in_force: 'IOC', good_til_blocks: undefined }).time_in_force).toBe(
      'IOC',
    );
  });

  test('a STOP_MARKET and a TAKE_PROFIT_MARKET are IOC', () => {
    for (const type of ['STOP_MARKET', 'TAKE_PROFIT_MARKET']) {
      const stop = { ...marketInput, type, trigger_price: '50000', good_til_time: TIME };
      expect(parsed(stop).time_in_force).toBe('IOC');
    }
  });
});

describe('the smallest intent', () => {
  test('gets the defaults', () => {
    expect(parsed(marketInput)).toEqual({
      ...marketInput,
      time_in_force: 'IOC',
      reduce_only: false,
      post_only: false,
      tenant_id: 'default',
      account: 'default',
      subaccount_number: 0,
    });
  });

  for (const field of ['client_id', 'market', 'side', 'type', 'size']) {
    test(`needs ${field}`, () => {
      const { [field]: _, ...rest } = marketInput;
      expect(reasons(rest)).toEqual([`${field} schema`]);
    });
  }

  test('carries times as UTC milliseconds', () => {
    const intent = parsed({ ...restingInput, submit_by: '2026-03-04T07:06:07.123456789+02:00' });
    expect(intent.submit_by).toBe('2026-03-04T05:06:07.123Z');
  });

  test('carries normalized decimals', () => {
    const intent = parsed({ ...restingInput, size: '01.50', price: '59000.0' });
    expect([intent.size, intent.price]).toEqual(['1.5', '59000']);
  });
});

describe('values at the limits are accepted', () => {
  const GOOD: readonly (readonly [string, Json])[] = [
    ['a client_id of 255 characters', { client_id: 'x'.repeat(255) }],
    ['a client_id that looks like a number, has a colon, or an emoji', { client_id: '42:😀' }],
    ['a size of 20 and 18 digits', { size: `${'9'.repeat(20)}.${'9'.repeat(18)}` }],
    ['the smallest size', { size: '0.000000000000000001' }],
    ['one block', { good_til_blocks: 1 }],
    ['40 blocks', { good_til_blocks: 40 }],
    ['the last subaccount', { subaccount_number: 128_000 }],
    ['metadata of null', { metadata: null }],
    ['metadata of exactly 4 KiB', { metadata: 'x'.repeat(4094) }],
    [
      'metadata with the six characters \\u0000, which are no NUL',
      { metadata: { '\\u0000': 'a\\u0000b\\ud800' } },
    ],
    ['metadata with backslashes before that', { metadata: ['\\\\u0000', '\\\\\\u0000'] }],
    ['metadata with whole surrogate pairs', { metadata: { '😀': '😀' } }],
  ];
  for (const [name, change] of GOOD) {
    test(name, () => {
      const input = { ...restingInput, ...change };
      expect(refusals(input)).toEqual([]);
      expect(parsed(input)).toMatchObject(change);
    });
  }
});

describe('bad values are refused with their field', () => {
  const badText: readonly (readonly [string, unknown])[] = [
    ['empty', ''],
    ['a number', 1],
    ['null', null],
    ['an object', {}],
    ['a NUL byte', 'a\0b'],
    ['a lone surrogate', 'a\ud83d'],
    ['300 characters', 'x'.repeat(300)],
  ];
  const badDecimals: readonly (readonly [string, unknown])[] = [
    ['a number', 0.25],
    ['NaN', Number.NaN],
    ['the text NaN', 'NaN'],
    ['1e30', 1e30],
    ['the text 1e30', '1e30'],
    ['negative', '-1'],
    ['zero', '0'],
    ['a long zero', '0.000'],
    ['40 digits', '1'.repeat(40)],
    ['21 digits', '1'.repeat(21)],
    ['19 decimal places', `0.${'0'.repeat(18)}1`],
    ['a plus sign', '+1'],
    ['a space', ' 1'],
    ['a line feed', '1\n'],
    ['a comma', '1,5'],
    ['a bare point', '1.'],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a list', ['1']],
  ];
  const badTimes: readonly (readonly [string, unknown])[] = [
    ['a number', 1_772_600_000_000],
    ['a date', NOW],
    ['no zone', '2026-03-04T05:06:07'],
    ['a day alone', '2026-03-04'],
    ['30 February', '2026-02-30T00:00:00Z'],
    ['hour 24', '2026-03-04T24:00:00Z'],
    ['words', 'tomorrow'],
  ];
  const badBooleans: readonly (readonly [string, unknown])[] = [
    ['the text true', 'true'],
    ['1', 1],
    ['null', null],
  ];
  const badEnum: readonly (readonly [string, unknown])[] = [
    ['lower case', 'buy'],
    ['unknown', 'HODL'],
    ['__proto__', '__proto__'],
    ['null', null],
  ];
  const badBlocks: readonly (readonly [string, unknown])[] = [
    ['0', 0],
    ['41', 41],
    ['negative', -1],
    ['a fraction', 1.5],
    ['NaN', Number.NaN],
    ['text', '10'],
  ];
  const BAD: Readonly<Record<string, readonly (readonly [string, unknown])[]>> = {
    client_id: badText,
    market: badText,
    tenant_id: badText,
    account: badText,
    side: badEnum,
    type: badEnum,
    time_in_force: badEnum,
    size: badDecimals,
    price: badDecimals,
    trigger_price: badDecimals,
    good_til_blocks: badBlocks,
    good_til_time: badTimes,
    submit_by: badTimes,
    reduce_only: badBooleans,
    post_only: badBooleans,
    subaccount_number: [
      ['negative', -1],
      ['128001', 128_001],
      ['a fraction', 0.5],
      ['text', '0'],
      ['beyond 2^53', 1e30],
    ],
    metadata: [
      ['a NUL byte in a value', { a: ['\0'] }],
      ['a NUL byte in a key', { 'a\0b': 1 }],
      ['a NUL byte after backslashes', '\\\\\0'],
      ['a lone surrogate in a value', { a: '\ud83d' }],
      ['a lone surrogate in a key', { '\udc00': 1 }],
      ['4 KiB and a byte', 'x'.repeat(4095)],
      ['4 KiB of two-byte characters', 'é'.repeat(2048)],
      ['undefined inside', { a: undefined }],
      ['NaN', { a: Number.NaN }],
      ['a function', { a: () => 1 }],
      ['a date', NOW],
    ],
  };
  for (const [field, values] of Object.entries(BAD)) {
    for (const [name, value] of values) {
      test(`${field}: ${name}`, () => {
        const found = refusals({ ...restingInput, [field]: value });
        const paths = found.map((refusal) => refusal.field.split('.')[0]);
        expect(paths).toContain(field);
        expect(found.find((refusal) => refusal.field.startsWith(field))).toMatchObject({
          code: 'schema',
          reason: expect.stringMatching(/./),
        });
      });
    }
  }
});

describe('payloads that are no intent are refused', () => {
  const cyclic: Json = { ...restingInput };
  cyclic['metadata'] = cyclic;
  const throwing = {
    ...restingInput,
    toJSON() {
      throw new Error('no JSON');
    },
  };
  const PAYLOADS: readonly (readonly [string, unknown])[] = [
    ['undefined', undefined],
    ['null', null],
    ['a text', JSON.stringify(restingInput)],
    ['a number', 42],
    ['a list', [restingInput]],
    ['an empty object', {}],
    ['a function', () => restingInput],
    ['a symbol', Symbol('intent')],
    ['a bigint', 1n],
    ['a bigint inside', { ...restingInput, metadata: { n: 1n } }],
    ['a function as metadata', { ...restingInput, metadata: () => 'kept' }],
    ['a symbol as metadata', { ...restingInput, metadata: Symbol('kept') }],
    ['a cycle', cyclic],
    ['a toJSON that throws', throwing],
    ['5 MB of metadata', { ...restingInput, metadata: 'x'.repeat(5_000_000) }],
    ['5 MB of client_id', { ...restingInput, client_id: 'x'.repeat(5_000_000) }],
    [
      '5 MB of keys',
      Object.fromEntries(Array.from({ length: 250_000 }, (_, i) => [`key-of-an-intent-${i}`, i])),
    ],
  ];
  for (const [name, payload] of PAYLOADS) {
    test(name, () => {
      const found = refusals(payload);
      expect(found.length).toBeGreaterThan(0);
      for (const refusal of found) {
        expect(refusal).toEqual({
          field: expect.any(String),
          code: 'schema',
          reason: expect.stringMatching(/./),
        });
      }
    });
  }

  test('the limit is 16 KiB, counted in bytes of JSON', () => {
    const withMetadata = (metadata: string) => ({ ...restingInput, metadata });
    const frame = JSON.stringify(withMetadata('')).length;
    expect(refusals(withMetadata('x'.repeat(MAX_INTENT_BYTES - frame)))[0]?.field).toBe('metadata');
    expect(refusals(withMetadata('x'.repeat(MAX_INTENT_BYTES - frame + 1)))[0]?.field).toBe('');
    expect(refusals(withMetadata('é'.repeat(MAX_INTENT_BYTES / 2)))[0]?.field).toBe('');
  });

  test('what JSON cannot hold is not called too deep', () => {
    for (const payload of [{ ...restingInput, metadata: 1n }, cyclic]) {
      expect(refusals(payload)[0]?.reason).not.toMatch(/nested too deeply/);
    }
  });
});

describe('unknown keys are refused by name', () => {
  test('one that is misspelt', () => {
    expect(reasons({ ...restingInput, clientId: 'x', sise: '1' })).toEqual([
      'clientId schema',
      'sise schema',
    ]);
  });

  test('__proto__, constructor and prototype', () => {
    const text = JSON.stringify(restingInput).replace(
      '{',
      '{"__proto__":{"size":"9"},"constructor":1,"prototype":2,',
    );
    expect(reasons(JSON.parse(text))).toEqual(['__proto__ schema', 'constructor schema', 'prototype schema']);
  });

  test('one with a NUL byte or of 5,000 characters, in a form that can be stored', () => {
    expect(refusals({ ...restingInput, 'a\0b': 1 })[0]?.field).toBe('a\\0b');
    expect(refusals({ ...restingInput, ['k'.repeat(5000)]: 1 })[0]?.field).toBe('k'.repeat(100));
  });

  test('one that is cut within a character, or is half a character, in a form that jsonb takes', () => {
    for (const key of [`${'k'.repeat(99)}😀`, '\ud83d']) {
      for (const { field } of refusals({ ...restingInput, [key]: 1 }))
        expect(field.isWellFormed()).toBe(true);
    }
  });
});

describe('nesting', () => {
  function nest(depth: number, wrap: (inner: unknown) => unknown): unknown {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = wrap(value);
    return value;
  }
  const WRAPS = { lists: (inner: unknown) => [inner], objects: (inner: unknown) => ({ a: inner }) };
  for (const [name, wrap] of Object.entries(WRAPS)) {
    test(`any number of ${name} in each other never makes the parser or the hash throw`, () => {
      for (const depth of [1_000, 1_500, 2_000, 2_600, 4_000, 8_000, 100_000]) {
        const result = parseIntent({ ...restingInput, metadata: nest(depth, wrap) });
        if (result.ok) expect(intentHash(result.intent), `${depth}`).toMatch(/^[0-9a-f]{64}$/);
        else expect(result.refusals.length, `${depth}`).toBeGreaterThan(0);
      }
    });
    test(`ten ${name} in each other are nothing special`, () => {
      const metadata = nest(10, wrap);
      expect(parsed({ ...restingInput, metadata }).metadata).toEqual(metadata);
    });
  }
});

describe('metadata is kept as it was given', () => {
  test('with every key that JSON allows', () => {
    const text = '{"constructor":1,"toString":null,"":[],"1":{"a":[1.5,true,"x"]}}';
    expect(JSON.stringify(parsed({ ...restingInput, metadata: JSON.parse(text) }).metadata)).toBe(
      JSON.stringify(JSON.parse(text)),
    );
  });

  test('or refused: a __proto__ key does not vanish', () => {
    const metadata: unknown = JSON.parse('{"__proto__":{"polluted":true},"a":1}');
    const result = parseIntent({ ...restingInput, metadata });
    if (result.ok) expect(JSON.stringify(result.intent.metadata)).toBe(JSON.stringify(metadata));
    else expect(result.refusals.map((refusal) => refusal.field.split('.')[0])).toEqual(['metadata']);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  test('for any JSON of at most 4 KiB', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), (metadata) => {
        const json = JSON.stringify(metadata);
        fc.pre(!json.includes('__proto__') && !json.includes('\\u0000') && Buffer.byteLength(json) <= 4096);
        expect(JSON.stringify(parsed({ ...restingInput, metadata }).metadata)).toBe(json);
      }),
    );
  });
});

describe('whatever is offered', () => {
  const anything = fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
    withUnicodeString: true,
  });
  const check = (input: unknown) => {
    const result = parseIntent(input);
    if (result.ok) {
      expect(refuseByTime(result.intent, NOW)).toBeInstanceOf(Array);
      expect(placeJobId(result.intent)).toMatch(/^p-[0-9a-f]{64}$/);
    } else {
      expect(result.refusals.length).toBeGreaterThan(0);
      for (const { field, code, reason } of result.refusals) {
        expect([typeof field, typeof code, typeof reason]).toEqual(['string', 'string', 'string']);
        expect(field.includes('\0')).toBe(false);
      }
    }
  };

  test('the parser does not throw', () => {
    fc.assert(fc.property(anything, check), { numRuns: 1000 });
  });

  test('the parser does not throw when any field of a good intent holds anything', () => {
    const fields = [
      ...Object.keys(restingInput),
      'metadata',
      'submit_by',
      'good_til_time',
      'tenant_id',
      'trigger_price',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...fields, '__proto__', 'toJSON'), anything, (field, value) => {
        check(Object.defineProperty({ ...restingInput }, field, { value, enumerable: true }));
      }),
      { numRuns: 2000 },
    );
  });

  test('what is accepted has a positive decimal size, a text id and a deadline that is a date', () => {
    const nearly = fc.record({
      ...Object.fromEntries(Object.entries(restingInput).map(([key, value]) => [key, fc.constant(value)])),
      client_id: fc.string({ unit: 'binary' }),
      size: fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{1,22}\.?[0-9]{0,20}$/), fc.double().map(String)),
      submit_by: fc
        .date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true })
        .map((date) => date.toISOString()),
    });
    fc.assert(
      fc.property(nearly, (input) => {
        const result = parseIntent(input);
        if (!result.ok) return;
        expect(result.intent.size).toMatch(/^\d{1,20}(\.\d{1,18})?$/);
        expect(/[1-9]/.test(result.intent.size)).toBe(true);
        expect(result.intent.client_id).not.toContain('\0');
        expect(result.intent.client_id.isWellFormed()).toBe(true);
        expect(submitDeadline(result.intent, NOW)?.getTime()).not.toBeNaN();
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the canonical hash', () => {
  const full: Json = {
    client_id: 'c-1',
    market: 'BTC-USD',
    side: 'BUY',
    type: 'STOP_LIMIT',
    time_in_force: 'GTT',
    size: '1',
    price: '59000',
    trigger_price: '58000',
    good_til_time: TIME,
    reduce_only: false,
    post_only: false,
    tenant_id: 't',
    account: 'a',
    subaccount_number: 1,
    submit_by: '2026-03-04T06:00:00Z',
    metadata: { b: [1, { d: 2, c: 3 }], a: 'x' },
  };
  const hash = (input: Json) => intentHash(parsed(input));

  test('is the same for every order of keys, at every depth', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(Object.keys(full), { minLength: Object.keys(full).length }), (keys) => {
        const shuffled = Object.fromEntries(keys.map((key) => [key, full[key]]));
        expect(hash({ ...shuffled, metadata: { a: 'x', b: [1, { c: 3, d: 2 }] } })).toBe(hash(full));
      }),
    );
  });

  test('is the same for 1, 1.0 and 01, in every decimal', () => {
    expect(hash({ ...full, size: '1.0', price: '59000.000', trigger_price: '058000' })).toBe(hash(full));
  });

  test('is the same whether a default is written or left out', () => {
    const defaults = {
      time_in_force: 'GTT',
      reduce_only: false,
      post_only: false,
      tenant_id: 'default',
      account: 'default',
    };
    expect(hash({ ...restingInput, ...defaults, subaccount_number: 0 })).toBe(hash(restingInput));
    expect(hash({ ...marketInput, time_in_force: 'IOC' })).toBe(hash(marketInput));
  });

  const OTHERS: Json = {
    client_id: 'c-2',
    market: 'ETH-USD',
    side: 'SELL',
    type: 'TAKE_PROFIT_LIMIT',
    time_in_force: 'IOC',
    size: '1.000000000000000001',
    price: '59001',
    trigger_price: '58001',
    good_til_time: '2026-03-05T00:00:01Z',
    post_only: true,
    tenant_id: 'u',
    account: 'b',
    subaccount_number: 2,
    submit_by: '2026-03-04T06:00:01Z',
    metadata: { b: [{ d: 2, c: 3 }, 1], a: 'x' },
  };
  for (const [field, value] of Object.entries(OTHERS)) {
    test(`is another one when ${field} differs`, () => {
      expect(hash({ ...full, [field]: value })).not.toBe(hash(full));
    });
  }

  test('is another one when good_til_blocks, reduce_only or the presence of metadata differs', () => {
    expect(hash({ ...restingInput, good_til_blocks: 11 })).not.toBe(hash(restingInput));
    expect(hash({ ...marketInput, reduce_only: true })).not.toBe(hash(marketInput));
    expect(hash({ ...marketInput, metadata: null })).not.toBe(hash(marketInput));
  });
});

describe('the id of a place job', () => {
  test('is neither an integer nor has it a colon, whatever the client_id', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.nat().map(String), fc.constantFrom('1:2', ':', '0'), fc.string({ minLength: 1 })),
        (client_id) => {
          const result = parseIntent({ ...restingInput, client_id });
          fc.pre(result.ok);
          if (result.ok) expect(placeJobId(result.intent)).toMatch(/^p-[0-9a-f]{64}$/);
        },
      ),
    );
  });

  test('is the same for the same intent and another for another body, client or tenant', () => {
    const id = (change: Json) => placeJobId(parsed({ ...restingInput, ...change }));
    expect(id({ size: '0.250' })).toBe(id({}));
    const ids = [id({}), id({ size: '0.26' }), id({ client_id: 'c-2' }), id({ tenant_id: 't' })];
    expect(new Set(ids).size).toBe(4);
  });

  test('does not mix tenant and client', () => {
    const id = (tenant_id: string, client_id: string) =>
      placeJobId(parsed({ ...restingInput, tenant_id, client_id }));
    expect(id('a","b', 'c')).not.toBe(id('a', 'b","c'));
  });
});

describe('times at the door', () => {
  const at = (offsetMs: number) => new Date(NOW.getTime() + offsetMs).toISOString();
  const byTime = (input: Json) =>
    refuseByTime(parsed(input), NOW).map(({ field, code }) => `${field} ${code}`);
  const stateful = (good_til_time: string) => ({
    ...restingInput,
    good_til_blocks: undefined,
    good_til_time,
  });
  const DAYS_95 = 95 * 86_400_000;

  test('a submit_by that has passed, or passes now, is refused', () => {
    expect(byTime({ ...restingInput, submit_by: at(-1) })).toEqual(['submit_by schema']);
    expect(byTime({ ...restingInput, submit_by: at(0) })).toEqual(['submit_by schema']);
    expect(byTime({ ...restingInput, submit_by: at(1) })).toEqual([]);
  });

  test('an offset is taken into account', () => {
    expect(byTime({ ...restingInput, submit_by: '2026-03-04T07:06:07+02:00' })).toEqual(['submit_by schema']);
    expect(byTime({ ...restingInput, submit_by: '2026-03-04T05:06:07-00:01' })).toEqual([]);
  });

  test('a good_til_time must lie ahead, by at most 95 days', () => {
    expect(byTime(stateful(at(0)))).toEqual(['good_til_time clob/3003']);
    expect(byTime(stateful(at(-1)))).toEqual(['good_til_time clob/3003']);
    expect(byTime(stateful(at(1)))).toEqual([]);
    expect(byTime(stateful(at(DAYS_95)))).toEqual([]);
    expect(byTime(stateful(at(DAYS_95 + 1)))).toEqual(['good_til_time clob/3004']);
  });

  test('both are named together', () => {
    expect(byTime({ ...stateful(at(-1)), submit_by: at(-1) })).toEqual([
      'submit_by schema',
      'good_til_time clob/3003',
    ]);
  });

  test('an intent without times has nothing to be late for', () => {
    expect(byTime(restingInput)).toEqual([]);
  });
});

describe('the deadline of a submission', () => {
  const ahead = (input: Json) => {
    const deadline = submitDeadline(parsed(input), NOW);
    return deadline === undefined ? undefined : deadline.getTime() - NOW.getTime();
  };
  const STATEFUL = { ...restingInput, good_til_blocks: undefined, good_til_time: TIME };

  test('is 30 s for MARKET and IOC, 5 minutes for good_til_blocks, none for good_til_time', () => {
    expect(ahead(marketInput)).toBe(30_000);
    expect(ahead({ ...restingInput, time_in_force: 'IOC', good_til_blocks: undefined })).toBe(30_000);
    expect(ahead(restingInput)).toBe(300_000);
    expect(ahead(STATEFUL)).toBeUndefined();
  });

  test('is the submit_by wherever there is one', () => {
    const submit_by = '2026-03-04T07:06:08+02:00';
    for (const input of [marketInput, restingInput, STATEFUL])
      expect(ahead({ ...input, submit_by })).toBe(1_000);
  });
});
