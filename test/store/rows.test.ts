// What goes into a batch comes out of it, for every column type that the statements use.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { rowsAs } from '../../src/store/rows.ts';
import { createDatabase } from '../support/databases.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

/** One column of each value, as PostgreSQL understood it. */
async function trip(type: string, values: readonly unknown[]): Promise<unknown[]> {
  const rows = values.map((v, n) => ({ n, v }));
  const result = await sql<{ v: unknown }>`
    SELECT v FROM ${rowsAs('d', { n: 'int4', v: type }, rows)} ORDER BY n`.execute(db);
  return result.rows.map((row) => row.v);
}

const AWKWARD = [
  '',
  ' ',
  'NULL',
  'null',
  '"quoted"',
  "it's",
  'back\\slash',
  '\\\\',
  '\\x00',
  '{a,b}',
  ',',
  'a,b',
  'line\nbreak\r\n\ttab',
  'ünïcödé 漢字 😀',
  '\u200b\ufeff',
  '$1 %s',
  '\\"',
];

const moment = new Date('2026-03-04T05:06:07.089Z');

test.each<[string, readonly unknown[], (readonly unknown[])?]>([
  ['uuid', [randomUUID(), null, randomUUID()]],
  ['text', AWKWARD],
  ['text', [null, 'NULL', null]],
  ['numeric', ['0.000000000000000001', '99999999999999999999.999999999999999999', '-1', null]],
  ['int8', [0n, 9_223_372_036_854_775_807n, -1n, null], ['0', '9223372036854775807', '-1', null]],
  ['int8', [4_294_967_295, null], ['4294967295', null]],
  ['int4', [0, -2_147_483_648, null]],
  ['int2', [1, 32_767, null]],
  ['bool', [true, false, null]],
  ['timestamptz', [moment, new Date('1999-12-31T23:59:59.999Z'), null]],
  ['timestamptz', ['2026-03-04T07:06:07.089+02:00'], [moment]],
  ['jsonb', [{ a: [1, 'x"\\{},', null], b: { c: '\n' } }, [1, [2]], null]],
  ['jsonb', ['"text"', 'null', '[{"a":1}]'], ['text', null, [{ a: 1 }]]],
  ['bytea', [Buffer.from([0, 255, 92, 34, 44, 123]), Buffer.alloc(0), null]],
  ['order_side', ['BUY', 'SELL', null]],
  ['order_type', ['TAKE_PROFIT_LIMIT', null]],
  ['order_status', ['PARTIALLY_FILLED', null]],
  ['time_in_force', ['GTT', 'IOC', null]],
])('%s %o', async (type, values, expected = values) => {
  expect(await trip(type, values)).toEqual(expected);
});

test('undefined is null', async () => {
  expect(await trip('text', [undefined, 'a', undefined])).toEqual([null, 'a', null]);
});

test('a view into a larger buffer brings its own bytes only', async () => {
  const view = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
  expect(await trip('bytea', [view])).toEqual([Buffer.from([1, 2, 3])]);
});

test('an array in a json column is one value and not an array of values', async () => {
  expect(await trip('jsonb', [[['a', 'b'], []], []])).toEqual([[['a', 'b'], []], []]);
});

test('columns keep together, row by row', async () => {
  const rows = AWKWARD.map((text, index) => ({ index, text, json: { text }, big: BigInt(index) }));
  const columns = { index: 'int4', text: 'text', json: 'jsonb', big: 'int8' };
  const { rows: back } = await sql`SELECT * FROM ${rowsAs('d', columns, rows)} ORDER BY index`.execute(db);
  expect(back).toEqual(rows.map((row) => ({ ...row, big: String(row.big) })));
});

test('columns that need quotes are quoted', async () => {
  const rows = [{ camelCase: 1, order: 2 }];
  const { rows: back } =
    await sql`SELECT * FROM ${rowsAs('d', { camelCase: 'int4', order: 'int4' }, rows)}`.execute(db);
  expect(back).toEqual(rows);
});

test('no rows are no rows', async () => {
  expect(await trip('uuid', [])).toEqual([]);
});

test('ten thousand rows are one statement', async () => {
  const values = Array.from({ length: 10_000 }, (_, index) => index);
  expect(await trip('int4', values)).toEqual(values);
});

test('any text without NUL bytes survives', async () => {
  const text = fc.string({ unit: 'binary', maxLength: 30 }).map((value) => value.replaceAll('\0', ''));
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 20 }), async (values) => {
      expect(await trip('text', values)).toEqual(values);
      expect(
        await trip(
          'jsonb',
          values.map((value) => ({ value })),
        ),
      ).toEqual(values.map((value) => ({ value })));
    }),
    { numRuns: 60 },
  );
});
