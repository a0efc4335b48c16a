// What is refused at a door is kept with its reasons, whatever was offered: a payload must not break its own refusal.
import { afterAll, describe, expect, test } from 'vitest';
import { parseIntent } from '../../src/core/intent.ts';
import { type Rejection, recordRejections } from '../../src/store/rejections.ts';
import { createDatabase } from '../support/databases.ts';
import { nextName } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const rejectionOf = (changes: Partial<Rejection> = {}): Rejection => ({
  tenantId: undefined,
  clientId: undefined,
  source: nextName('job'),
  refusals: [{ field: 'size', code: 'schema', reason: 'must be greater than 0' }],
  payload: '{}',
  ...changes,
});

const stored = (source: string) =>
  db.selectFrom('intent_rejections').selectAll().where('source', '=', source).execute();

test('a refusal is kept as it was offered, once for each source', async () => {
  const rejection = rejectionOf({ tenantId: 't', clientId: 'c', payload: '{"size":"0"}' });
  await recordRejections(db, [rejection, rejectionOf()]);
  await recordRejections(db, [rejection]);
  expect(await stored(rejection.source)).toEqual([
    expect.objectContaining({
      tenant_id: 't',
      client_id: 'c',
      refusals: rejection.refusals,
      payload: '{"size":"0"}',
    }),
  ]);
  await recordRejections(db, []);
});

test('two refusals with one source in one call are one', async () => {
  const rejection = rejectionOf();
  await recordRejections(db, [rejection, rejection]);
  expect(await stored(rejection.source)).toHaveLength(1);
});

test('long sources that differ at their end are two', async () => {
  const source = `${nextName('job')}${'x'.repeat(300)}`;
  const sources = [`${source}#0`, `${source}#1`];
  await recordRejections(
    db,
    sources.map((name) => rejectionOf({ source: name })),
  );
  const kept = db
    .selectFrom('intent_rejections')
    .select('id')
    .where('source', 'like', `${source.slice(0, 100)}%`);
  expect(await kept.execute()).toHaveLength(2);
});

describe('a payload', () => {
  const hostile: Record<string, unknown> = {
    'with NUL bytes in its values': { client_id: 'a\0b', tenant_id: '\0' },
    'with NUL bytes in its names': { 'a\0b': 1 },
    'with half characters in its values': { client_id: 'a\ud800', market: '\udc00' },
    'with half characters in its names': { 'a\ud800': 1 },
    'with a character on the cut of a long name': { [`${'x'.repeat(99)}😀`]: 1 },
    'with two thousand unknown fields': Object.fromEntries(
      Array.from({ length: 2_000 }, (_, index) => [index.toString(36), 1]),
    ),
    'with names of 300 characters': { client_id: 'x'.repeat(300), tenant_id: '😀'.repeat(300) },
    'of a megabyte': { client_id: 'x'.repeat(1_000_000) },
    'that is a string': 'nonsense\0\ud800',
    'that is null': null,
  };
  for (const [what, payload] of Object.entries(hostile)) {
    test(`${what} is refused and kept`, async () => {
      const parsed = parseIntent(payload);
      const record: Record<string, unknown> =
        typeof payload === 'object' && payload !== null ? { ...payload } : {};
      const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
      const rejection = rejectionOf({
        clientId: text(record['client_id']),
        tenantId: text(record['tenant_id']),
        refusals: parsed.ok ? [] : parsed.refusals,
        payload: JSON.stringify(payload),
      });
      expect(rejection.refusals.length).toBeGreaterThan(0);
      await recordRejections(db, [rejection]);
      const [row] = await stored(rejection.source);
      expect(Array.isArray(row?.refusals)).toBe(true);
      expect(row?.payload?.length).toBeLessThanOrEqual(4_096);
    });
  }
});
