// docs/intent.schema.json is what the code says, and accepts what the door accepts.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { acceptIntent, type Door } from '../src/app/accept.ts';
import { describeDrift, INTENT_SCHEMA_FILE, intentSchemaText } from '../src/core/generate-intent-schema.ts';
import { marketOfTicker } from '../src/paper/markets.ts';

const ROOT = join(import.meta.dirname, '..');
const published = z.fromJSONSchema(JSON.parse(readFileSync(INTENT_SCHEMA_FILE, 'utf8')));

const door: Door = {
  findMarket: (ticker) => {
    const market = marketOfTicker(ticker);
    return market && { ...market, oraclePrice: market.startPrice };
  },
  accounts: new Map([['default', { tenantId: 'default' }]]),
  planSettings: { marketSlippagePpm: 50_000, iocGoodTilBlocks: 5 },
};

describe('docs/intent.schema.json', () => {
  test('is what the generator writes', () => {
    expect(readFileSync(INTENT_SCHEMA_FILE, 'utf8')).toBe(intentSchemaText());
  });

  test('is found missing or changed, with what to do, in one line', () => {
    for (const text of [undefined, '', intentSchemaText().replace('"BUY"', '"LONG"')]) {
      expect(describeDrift(text)).toMatch(
        /^docs\/intent\.schema\.json .*: run `npm run intent-schema:generate`$/,
      );
    }
    expect(describeDrift(intentSchemaText())).toBeUndefined();
  });

  test('passes its own check without a word', () => {
    const script = join(ROOT, 'src', 'core', 'generate-intent-schema.ts');
    expect(execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toBe('');
  });

  test.each([
    ['a number as size', { size: 0.01 }],
    ['an unknown field', { comment: 'x' }],
    ['an unknown side', { side: 'LONG' }],
    ['no client_id', { client_id: undefined }],
    ['41 blocks', { good_til_blocks: 41 }],
    ['a date without time', { submit_by: '2030-01-01' }],
  ])('refuses %s', (_what, change) => {
    const good = { client_id: 'a', market: 'BTC-USD', side: 'BUY', type: 'MARKET', size: '0.01' };
    expect(published.safeParse(good).success).toBe(true);
    const bad = JSON.parse(JSON.stringify({ ...good, ...change }));
    expect(published.safeParse(bad).success).toBe(false);
  });
});

describe('examples/intents.jsonl', () => {
  const lines = readFileSync(join(ROOT, 'examples', 'intents.jsonl'), 'utf8')
    .trim()
    .split('\n');
  const offered = lines.map((line) => {
    const raw: unknown = JSON.parse(line);
    return { line, raw, result: acceptIntent(raw, new Date(), door) };
  });
  const accepted = offered.filter(({ result }) => result.ok);
  const refused = offered.filter(({ result }) => !result.ok);

  test('has at least 40 intents over 5 markets that the door accepts, and each fits the schema', () => {
    expect(accepted.length).toBeGreaterThanOrEqual(40);
    const markets = new Set(accepted.map(({ result }) => (result.ok ? result.intent.market : '')));
    expect(markets.size).toBeGreaterThanOrEqual(5);
    expect(accepted.filter(({ raw }) => !published.safeParse(raw).success)).toEqual([]);
  });

  test('has at least six that the door refuses, each with its field and reason', () => {
    expect(refused.length).toBeGreaterThanOrEqual(6);
    for (const { result, line } of refused) {
      const refusals = result.ok ? [] : result.refusals;
      expect(refusals.length, line).toBeGreaterThan(0);
      for (const { field, reason } of refusals) {
        expect(field, line).not.toBe('');
        expect(reason, line).not.toBe('');
      }
    }
  });
});
